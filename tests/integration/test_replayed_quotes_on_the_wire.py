"""A recorded day as a plain client reads it off the wire, held against the files minute by minute."""

import asyncio
import csv
import gzip
import math
import os
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ibkeel.ibkr.client import library
from ibkeel.sim import GatewaySettings, Limits, SimulatedGateway
from ibkeel.sim.market import ReplayMarket
from ibkeel.sim.values import ContractPattern
from ibkeel.virtual import run_virtual, virtual_clock

DAY = date(2015, 12, 24)
OPEN = datetime(2015, 12, 24, 14, 30, tzinfo=UTC)
MINUTES = 210  # an early close
SIDES = ("bid", "ask")
COLUMNS = ["ts", "root", "expiry", "strike", "right"]
COLUMNS += [f"{side}_{part}" for side in SIDES for part in ("open", "high", "low", "close", "size")]

# Every contract of the chain takes a minute and more; a sample of it, a second.
STRIDE = 1 if os.environ.get("IBKEEL_NIGHTLY") else 80


def recorded_minutes(folder):
    """Bid, ask and their sizes at the end of each minute, carried forward, by expiry, strike and right."""
    rows = {}
    path = folder / "options" / "goog_2015-12-24_minute_quote.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            key = (row["expiry"].replace("-", ""), float(row["strike"]), row["right"])
            minute = int((datetime.fromisoformat(row["ts"]) - OPEN).total_seconds() // 60)
            rows.setdefault(key, {})[minute] = row
    return {key: list(carried(by_minute)) for key, by_minute in rows.items()}


def carried(by_minute):
    shown = dict.fromkeys(("bid", "ask", "bidSize", "askSize"))
    for minute in range(MINUTES):
        row = by_minute.get(minute)
        for side in SIDES if row else ():
            if row[f"{side}_close"]:
                shown[side] = float(row[f"{side}_close"])
                shown[f"{side}Size"] = float(row[f"{side}_size"])
        yield tuple(shown.values())


def told(ticker):
    values = (ticker.bid, ticker.ask, ticker.bidSize, ticker.askSize)
    return tuple(None if math.isnan(value) else value for value in values)


async def watched(folder, stride):
    """What a client's tickers show in the last half second of each minute, by contract."""
    market = ReplayMarket(folder, day=DAY, symbols=["GOOG"])
    settings = GatewaySettings(market_data_lines=10_000, messages_per_second=100_000, limits=Limits.none())
    gateway = SimulatedGateway(market=market, clock=virtual_clock(), settings=settings)
    ib, found = library.IB(), {}
    ib.client.MaxRequests = 0
    async with gateway.listening("127.0.0.1", 4002):
        await ib.connectAsync("127.0.0.1", 4002, clientId=1, readonly=True)
        chain = market.find(ContractPattern(symbol="GOOG", sec_type="OPT"))
        tickers = [
            ib.reqMktData(library.Contract(conId=each.con_id, exchange="SMART")) for each in chain[::stride]
        ]
        for minute in range(MINUTES):
            end = OPEN + timedelta(minutes=minute, seconds=59.5)
            await asyncio.sleep((end - virtual_clock().now()).total_seconds())
            for ticker, each in zip(tickers, chain[::stride], strict=True):
                key = (f"{each.expiry:%Y%m%d}", each.strike, each.right)
                found.setdefault(key, []).append(told(ticker))
        ib.disconnect()
        await asyncio.sleep(1)
    return found, gateway.counters, len(chain)


def replayed(folder, stride):
    return run_virtual(watched(folder, stride), start=OPEN - timedelta(minutes=5))


def differences(found, expected):
    return [
        (key, minute, shown, was)
        for key, quotes in found.items()
        for minute, (shown, was) in enumerate(zip(quotes, expected[key], strict=True))
        if shown != was
    ]


def write(path, header, rows):
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def side_of(rng, middle):
    if rng.random() < 0.3:
        return ["", "", "", "", 0]
    prices = [round(middle + rng.uniform(-0.2, 0.2), 2) for _ in range(4)]
    return [prices[0], max(prices), min(prices), prices[3], rng.randint(1, 40)]


@pytest.fixture
def twin(tmp_path):
    """A made-up half day of eight contracts, in the format of the recorded one."""
    rng = random.Random(5)
    local = [
        (OPEN + timedelta(minutes=n, hours=-5)).strftime("%Y-%m-%dT%H:%M:%S-05:00") for n in range(MINUTES)
    ]
    keys = [
        ("GOOG", "2016-01-15", f"{strike:.2f}", right) for strike in (740, 745, 750, 755) for right in "CP"
    ]
    quotes = [
        [stamp, *key, *side_of(rng, 9), *side_of(rng, 10)]
        for stamp in local
        for key in keys
        if rng.random() < 0.5
    ]
    stock = [[stamp, "GOOG", 748, 749, 747, 748.5, 100] for stamp in local]
    write(tmp_path / "options" / "goog_2015-12-24_minute_quote.csv.gz", COLUMNS, quotes)
    header = ["ts", "symbol", "open", "high", "low", "close", "volume"]
    write(tmp_path / "equity" / "goog_minute_trades_2015-12-24_2015-12-24.csv.gz", header, stock)
    return tmp_path


def test_a_client_sees_each_minute_of_a_made_up_day_as_it_was_written(twin):
    found, counters, count = replayed(twin, 1)

    assert (len(found), count) == (8, 8)
    assert differences(found, recorded_minutes(twin)) == []
    assert (counters.failures, counters.violations) == (0, {})


@pytest.mark.long
@pytest.mark.data
def test_a_client_sees_each_minute_of_the_recorded_day_as_it_was():
    folder = Path(os.environ["IBKEEL_DATA"])

    found, counters, count = replayed(folder, STRIDE)

    assert count == 2192
    assert len(found) == math.ceil(2192 / STRIDE)
    assert differences(found, recorded_minutes(folder)) == []
    assert (counters.failures, counters.violations) == (0, {})
