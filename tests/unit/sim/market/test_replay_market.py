"""Replayed data: each quote against an obvious slow reading of the same files."""

import csv
import gzip
import os
import random
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.sim.market import ReplayMarket, recordings
from ibkeel.sim.values import BarSize, ContractPattern, MarketQuote

DAY = date(2015, 12, 24)
OPEN = datetime(2015, 12, 24, 14, 30, tzinfo=UTC)
CLOSE = datetime(2015, 12, 24, 18, tzinfo=UTC)
MINUTES = 210
SIDES = ("bid", "ask")
PARTS = ("open", "high", "low", "close")


def write(path, header, rows):
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def local(at):
    return (at - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S-05:00")


def side_of(rng, middle, silent):
    """Five fields of one side of a quote bar, or blanks and a size of zero."""
    if silent:
        return ["", "", "", "", 0]
    prices = [round(middle + rng.uniform(-0.2, 0.2), 2) for _ in range(4)]
    return [prices[0], max(prices), min(prices), prices[3], rng.randint(1, 40)]


def bar_of(rng, middle):
    first, *rest = (round(middle + rng.uniform(-0.3, 0.3), 2) for _ in range(4))
    return [first, max(first, *rest), min(first, *rest), rest[-1], rng.randint(1, 500)]


TWO_SIDED = [f"{side}_{part}" for side in SIDES for part in (*PARTS, "size")]
KEY = ["root", "expiry", "strike", "right"]
KEYS = [
    ("GOOG", "2015-12-24", "745.00", "C"),
    ("GOOG", "2015-12-24", "745.00", "P"),
    ("GOOG", "2015-12-24", "750.00", "C"),
    ("GOOG", "2015-12-24", "750.00", "P"),
    ("GOOG", "2016-01-15", "745.00", "C"),
    ("GOOG", "2016-01-15", "745.00", "P"),
]


def write_stock(folder, rng):
    trades, quotes = [], []
    for minute in (*range(-1470, -1440 + MINUTES + 20), *range(-30, MINUTES + 20)):
        stamp = local(OPEN + timedelta(minutes=minute))
        if rng.random() < 0.7:
            trades.append([stamp, "GOOG", *bar_of(rng, 748)])
        if rng.random() < 0.7:
            sides = (*side_of(rng, 747, silent=False), *side_of(rng, 749, silent=False))
            quotes.append([stamp, "GOOG", *sides])
    name = folder / "equity" / "goog_minute_{}_2015-12-23_2015-12-24.csv.gz"
    write(Path(f"{name}".format("trades")), ["ts", "symbol", *PARTS, "volume"], trades)
    write(Path(f"{name}".format("quotes")), ["ts", "symbol", *TWO_SIDED], quotes)


def write_options(folder, rng):
    quotes, trades = [], []
    for minute in range(MINUTES):
        stamp = local(OPEN + timedelta(minutes=minute))
        for key in KEYS:
            if rng.random() < 0.3:
                bid = side_of(rng, 9, silent=rng.random() < 0.4)
                ask = side_of(rng, 10, silent=rng.random() < 0.3)
                quotes.append([stamp, *key, *bid, *ask])
            if rng.random() < 0.1:
                trades.append([stamp, *key, *bar_of(rng, 9.5)])
    early = local(OPEN - timedelta(hours=3))
    interest = [[early, *key, 10 * n] for n, key in enumerate(KEYS)]
    name = folder / "options" / "goog_2015-12-24_minute_{}.csv.gz"
    write(Path(f"{name}".format("quote")), ["ts", *KEY, *TWO_SIDED], quotes)
    write(Path(f"{name}".format("trade")), ["ts", *KEY, *PARTS, "volume"], trades)
    write(Path(f"{name}".format("openinterest")), ["ts", *KEY, "open_interest"], interest)


def write_twin(folder):
    """A small set in the format of the recorded data: one stock, six options, two days."""
    rng = random.Random(11)
    write_stock(folder, rng)
    write_options(folder, rng)
    daily = [
        ["2015-12-22", 751.65, 754.78, 745.59, 750.0, 1309806],
        ["2015-12-23", 753.47, 754.21, 744.0, 750.31, 1526523],
        ["2015-12-24", 749.55, 751.35, 746.62, 748.4, 527223],
    ]
    name = folder / "daily" / "goog_daily_unadjusted_2004_2021.csv.gz"
    write(name, ["date", *PARTS, "volume"], daily)
    vix = [["2015-12-23", 16.0, 16.3, 15.5, 15.57], ["2015-12-24", 15.44, 15.88, 14.45, 15.74]]
    write(folder / "daily" / "vix_daily_1990_2026.csv.gz", ["date", *PARTS], vix)
    return folder


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    return write_twin(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def market(twin):
    return ReplayMarket(twin, day=DAY, symbols=["GOOG", "VIX"])


def recorded():
    """The folder of real data."""
    return Path(os.environ["IBKEEL_DATA"])


def rows_of(folder, name):
    """The rows of every option of a file, by contract, read the plain way."""
    found = {}
    path = folder / "options" / f"goog_2015-12-24_minute_{name}.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            key = (row["expiry"], float(row["strike"]), row["right"])
            found.setdefault(key, []).append((datetime.fromisoformat(row["ts"]), row))
    return found


def changes(quotes, trades):
    """What each row changes, and when, in the order of time."""
    found, traded = [], 0
    for start, row in quotes:
        end = start + timedelta(seconds=59)
        for side in SIDES:
            if row[f"{side}_open"]:
                found.append((start, {side: float(row[f"{side}_open"])}))
                closed = {side: float(row[f"{side}_close"]), f"{side}_size": int(row[f"{side}_size"])}
                found.append((end, closed))
    for start, row in trades:
        found.append((start, {"last": float(row["open"]), "volume": traded}))
        traded += int(row["volume"])
        found.append((start + timedelta(seconds=59), {"last": float(row["close"]), "volume": traded}))
    return sorted(found, key=lambda change: change[0])


def slow_quote(changed, at):
    """What shows at an instant: walk every change from the first on, keep what was last."""
    seen = dict.fromkeys(("bid", "ask", "bid_size", "ask_size", "last", "volume"))
    for when, values in changed:
        if when <= at:
            seen |= values
    return seen


def instants(minutes):
    """The instants at which something can happen, and those beside them."""
    return [
        OPEN + timedelta(minutes=minute, seconds=second) for minute in minutes for second in (0, 1, 58, 59)
    ]


def check_against_the_slow_reading(market, folder, contracts, minutes):
    quotes, trades = rows_of(folder, "quote"), rows_of(folder, "trade")
    for contract in contracts:
        key = (f"{contract.expiry}", contract.strike, contract.right)
        changed = changes(quotes.get(key, ()), trades.get(key, ()))
        for at in instants(minutes):
            quote = market.quote(contract, at)
            expected = slow_quote(changed, at)
            assert {name: getattr(quote, name) for name in expected} == expected


def chain(market, **fields):
    return market.find(ContractPattern(symbol="GOOG", sec_type="OPT", **fields))


def stock(market):
    return market.find(ContractPattern(symbol="GOOG", sec_type="STK"))[0]


def bars(market, contract, *, start=OPEN, end=CLOSE, size=BarSize.MIN_1, what="TRADES", rth=True):
    return market.bars(contract, start=start, end=end, size=size, what=what, rth=rth)


# Quotes.


def test_every_quote_is_the_open_or_the_close_of_its_minute_carried_forward(market, twin):
    assert len(chain(market)) == 6
    check_against_the_slow_reading(market, twin, chain(market), range(-1, MINUTES + 5))


@pytest.mark.long
@pytest.mark.data
def test_every_quote_of_the_real_chain_is_the_open_or_the_close_of_its_minute():
    folder = recorded()
    market = ReplayMarket(folder, day=DAY, symbols=["GOOG"])
    assert len(chain(market)) == 2192

    some = chain(market)[17::220]
    check_against_the_slow_reading(market, folder, some, range(-1, MINUTES + 5, 3))


@pytest.mark.data
def test_parity_holds_on_the_real_chain_near_the_money():
    market = ReplayMarket(recorded(), day=DAY, symbols=["GOOG"])
    at = OPEN + timedelta(minutes=30)
    spot = market.quote(stock(market), at)
    held = 0

    for call in chain(market, expiry="20160115", right="C"):
        if abs(call.strike / spot.last - 1) > 0.05:
            continue
        (put,) = chain(market, expiry="20160115", right="P", strike=call.strike)
        c, p = market.quote(call, at), market.quote(put, at)
        assert c.bid - p.ask - 1 <= spot.ask - call.strike
        assert c.ask - p.bid + 1 >= spot.bid - call.strike
        held += 1

    assert held > 10


@pytest.mark.data
def test_a_saturday_expiry_of_the_real_data_last_trades_on_the_friday():
    market = ReplayMarket(recorded(), day=date(2014, 6, 9), symbols=["AAPL"])

    found = market.find(ContractPattern(symbol="AAPL", sec_type="OPT", expiry="20140621"))

    assert found
    assert {contract.last_trading_day for contract in found} == {date(2014, 6, 20)}
    assert found == market.find(ContractPattern(symbol="AAPL", sec_type="OPT", expiry="20140620"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("day", "symbol"),
    [
        (date(2014, 6, 6), "AAPL"),
        (date(2023, 8, 3), "SPY"),
        (date(2023, 6, 26), "SPX"),
        (date(2020, 12, 18), "SPY"),
    ],
)
def test_every_recorded_day_can_be_replayed(day, symbol):
    market = ReplayMarket(recorded(), day=day, symbols=[symbol])
    spot = market.find(ContractPattern(symbol=symbol))[0]
    (session,) = market.sessions(day, day)

    found = market.bars(
        spot, start=session.opens_at, end=session.closes_at, size=BarSize.MIN_1, what="TRADES", rth=True
    )

    assert len(found) > 380
    assert market.quote(spot, session.closes_at - timedelta(seconds=1)).last == found[-1].close


def test_before_the_first_row_nothing_shows(market):
    at = OPEN - timedelta(days=30)

    assert all(market.quote(contract, at) == MarketQuote(at=at) for contract in chain(market))
    assert market.quote(stock(market), at) == MarketQuote(at=at)


def test_open_interest_shows_from_its_publication_on(market):
    published = OPEN - timedelta(hours=3)
    contract = chain(market)[-1]

    before, after = (market.quote(contract, published + timedelta(seconds=n)) for n in (-1, 0))

    assert before.open_interest is None
    assert after.open_interest is not None


def test_the_day_starts_anew_and_knows_yesterdays_close(market):
    late = market.quote(stock(market), OPEN - timedelta(hours=6))
    early = market.quote(stock(market), OPEN + timedelta(minutes=5))

    assert late.close == 750.0
    assert late.volume > 0
    assert early.close == 750.31
    assert early.volume < late.volume
    assert early.low <= early.last <= early.high


@settings(max_examples=60)
@given(st.integers(-60, 260), st.integers(0, 59))
def test_nothing_changes_before_the_next_change(market, minute, second):
    at = OPEN + timedelta(minutes=minute, seconds=second)
    for contract in (*chain(market), stock(market)):
        change = market.next_change(contract, at)
        if change is None:
            last = at + timedelta(days=3)
        else:
            assert change > at
            last = change - timedelta(seconds=1)

        now, then = (market.quote(contract, each) for each in (at, last))

        assert (now.bid, now.ask, now.last, now.volume, now.close) == (
            then.bid,
            then.ask,
            then.last,
            then.volume,
            then.close,
        )


# Bars.


@settings(max_examples=40)
@given(st.integers(0, MINUTES * 60), st.sampled_from(["TRADES", "BID", "ASK", "MIDPOINT"]), st.booleans())
def test_replayed_bars_do_not_look_ahead(market, second, what, rth):
    end = OPEN + timedelta(seconds=second)

    for contract in (stock(market), chain(market)[0]):
        partial = bars(market, contract, end=end, what=what, rth=rth)
        whole = bars(market, contract, what=what, rth=rth)

        done = [bar for bar in whole if bar.at + timedelta(seconds=59) < end]
        assert partial[: len(done)] == tuple(done)
        for bar in partial[len(done) :]:
            assert bar.at < end
            assert bar.open == bar.high == bar.low == bar.close
            assert bar.volume <= 0


@pytest.mark.parametrize("size", [BarSize.MINS_5, BarSize.MINS_30, BarSize.HOUR_1])
@pytest.mark.parametrize("rth", [True, False])
def test_longer_replayed_bars_add_up_from_minutes(market, size, rth):
    minutes = bars(market, stock(market), rth=rth)

    longer = bars(market, stock(market), size=size, rth=rth, start=OPEN - timedelta(minutes=30))

    for bar in longer:
        part = [m for m in minutes if bar.at <= m.at < bar.at + timedelta(seconds=size.seconds)]
        if bar.at < OPEN:
            continue
        assert bar.volume == sum(m.volume for m in part)
        assert (bar.open, bar.close) == (part[0].open, part[-1].close)
        assert (bar.high, bar.low) == (max(m.high for m in part), min(m.low for m in part))
    assert [bar.at for bar in longer] == sorted(bar.at for bar in longer)


def test_regular_hours_leave_out_what_was_early_and_late(market):
    wide = {"start": OPEN - timedelta(hours=3), "end": CLOSE + timedelta(hours=3)}

    regular, everything = (bars(market, stock(market), rth=rth, **wide) for rth in (True, False))

    assert regular[0].at >= OPEN
    assert regular[-1].at < CLOSE
    assert everything[0].at < OPEN
    assert everything[-1].at >= CLOSE
    assert set(regular) < set(everything)


def test_daily_bars_come_from_the_daily_file_once_the_session_has_ended(market):
    wide = {"start": OPEN - timedelta(days=30), "size": BarSize.DAY_1}

    during = bars(market, stock(market), end=OPEN + timedelta(minutes=61), **wide)
    after = bars(market, stock(market), end=CLOSE, **wide)

    assert [bar.at.date() for bar in after] == [date(2015, 12, day) for day in (22, 23, 24)]
    assert during[:-1] == after[:-1]
    assert after[-1].close == 748.4
    assert during[-1].close == market.quote(stock(market), OPEN + timedelta(minutes=60, seconds=59)).last


def test_bars_of_quotes_carry_no_volume(market):
    found = bars(market, chain(market)[0], what="MIDPOINT")

    assert found
    assert {(bar.volume, bar.wap, bar.count) for bar in found} == {(-1, -1.0, -1)}
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in found)


def test_bars_of_a_kind_that_does_not_exist_are_refused(market):
    with pytest.raises(InvalidInput, match="YIELD"):
        bars(market, stock(market), what="YIELD")


def test_an_index_recorded_by_the_day_shows_its_open_and_then_its_close(market):
    (vix,) = market.find(ContractPattern(symbol="VIX", sec_type="IND", exchange="CBOE"))

    during, after = (market.quote(vix, at) for at in (OPEN + timedelta(hours=1), CLOSE))

    assert (during.last, during.close) == (15.44, 15.57)
    assert after.last == 15.74
    assert market.greeks(vix, OPEN) is None


# Contracts and greeks.


def test_the_listing_is_what_was_recorded(market):
    found = chain(market)
    spot = stock(market)

    (definition,) = market.option_classes(spot.con_id)

    assert definition.expiries == (date(2015, 12, 24), date(2016, 1, 15))
    assert definition.strikes == (745.0, 750.0)
    assert [market.by_con_id(contract.con_id) for contract in found] == list(found)
    assert {contract.under_con_id for contract in found} == {spot.con_id}
    assert market.find(ContractPattern(con_id=found[0].con_id)) == (found[0],)
    assert not chain(market, strike=747.5)
    assert not market.find(ContractPattern(con_id=5))


def test_greeks_give_the_middle_of_the_quote_back(market):
    at = OPEN + timedelta(minutes=100)
    found = [(c, market.greeks(c, at)) for c in chain(market, expiry="20160115")]

    for contract, greeks in found:
        quote = market.quote(contract, at)
        assert greeks.price == pytest.approx((quote.bid + quote.ask) / 2)
        assert 0 < greeks.iv < 2
    assert found


def test_without_time_or_sides_there_are_no_greeks(market):
    today = chain(market, expiry="20151224")

    assert all(market.greeks(contract, CLOSE) is None for contract in today)
    assert all(market.greeks(contract, OPEN - timedelta(hours=1)) is None for contract in today)


def test_the_session_is_the_short_one(market):
    (session,) = market.sessions(DAY, DAY)

    assert session.closes_at == CLOSE


# What is refused.


@pytest.mark.parametrize(
    ("day", "symbols", "message"),
    [
        (date(2015, 12, 25), ["GOOG"], "no session"),
        (date(2015, 12, 22), ["GOOG"], "GOOG 2015-12-23 to 2015-12-24"),
        (DAY, ["SPY"], "SPY was not recorded on 2015-12-24"),
        (DAY, [], "no symbols"),
    ],
)
def test_what_was_not_recorded_is_refused_and_what_was_is_named(twin, day, symbols, message):
    with pytest.raises(ConfigurationError, match=message):
        ReplayMarket(twin, day=day, symbols=symbols)


def test_a_folder_without_data_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="holds no recorded data"):
        ReplayMarket(tmp_path, day=DAY, symbols=["GOOG"])
    with pytest.raises(ConfigurationError, match="is no folder"):
        ReplayMarket(tmp_path / "none", day=DAY, symbols=["GOOG"])


def test_a_broken_file_is_refused_by_name(tmp_path):
    path = tmp_path / "equity" / "goog_minute_trades_2015-12-24.csv.gz"
    path.parent.mkdir()
    path.write_bytes(b"not gzip")

    with pytest.raises(ConfigurationError, match="goog_minute_trades"):
        ReplayMarket(tmp_path, day=DAY, symbols=["GOOG"])


@pytest.mark.parametrize(
    "damage",
    [
        b"not gzip",
        gzip.compress(b"ts\n" * 99, mtime=0)[:-20],
        gzip.compress(b"ts\n", mtime=0)[:10] + b"\xff" * 30,
    ],
)
def test_a_packed_file_that_is_damaged_is_named(tmp_path, damage):
    path = tmp_path / "equity" / "goog_minute_trades_2015-12-24.csv.gz"
    path.parent.mkdir()
    path.write_bytes(damage)

    with pytest.raises(ConfigurationError, match=f"cannot read {path}"):
        recordings.rows(path, str)


def rewritten(twin, folder, change):
    """A copy of the twin's files whose rows are others."""
    for source in twin.rglob("*.csv.gz"):
        part = folder / source.relative_to(twin)
        with gzip.open(source, "rt", newline="") as file:
            header, *rows = csv.reader(file)
        part.parent.mkdir(exist_ok=True)
        write(part, header, change(part, rows))
    return folder


def shuffled(_, rows):
    random.Random(1).shuffle(rows)
    return rows


def doubled(_, rows):
    """Each row twice, the second with another last figure."""
    return [each for row in rows for each in (row, [*row[:-1], "77"])]


@pytest.mark.parametrize("change", [shuffled, doubled])
def test_rows_out_of_order_or_told_twice_show_nothing_before_its_time(twin, tmp_path, change):
    market = ReplayMarket(twin, day=DAY, symbols=["GOOG"])
    other = ReplayMarket(rewritten(twin, tmp_path, change), day=DAY, symbols=["GOOG"])

    for contract in (*market.underlyings(), *chain(market)):
        for minute in range(0, MINUTES, 7):
            at = OPEN + timedelta(minutes=minute, seconds=59)
            assert other.quote(contract, at) == market.quote(contract, at)


@pytest.mark.parametrize("hours", [0, 9, -10])
def test_a_recording_written_in_another_time_zone_is_the_same_market(twin, tmp_path, hours):
    def elsewhere(part, rows):
        if part.parent.name == "daily":
            return rows
        zone = timezone(timedelta(hours=hours))
        return [[datetime.fromisoformat(row[0]).astimezone(zone).isoformat(), *row[1:]] for row in rows]

    market = ReplayMarket(twin, day=DAY, symbols=["GOOG"])
    other = ReplayMarket(rewritten(twin, tmp_path, elsewhere), day=DAY, symbols=["GOOG"])

    for contract in (*market.underlyings(), *chain(market)):
        for minute in range(-60, MINUTES, 7):
            at = OPEN + timedelta(minutes=minute, seconds=59)
            assert other.quote(contract, at) == market.quote(contract, at)


def test_an_instant_without_an_offset_is_refused_rather_than_taken_for_this_machines_time(twin, tmp_path):
    def naive(part, rows):
        return rows if part.parent.name == "daily" else [[row[0][:19], *row[1:]] for row in rows]

    with pytest.raises(
        ConfigurationError, match=r"goog_minute_.*, line 2 .*no offset from UTC; valid: .*-05:00"
    ):
        ReplayMarket(rewritten(twin, tmp_path, naive), day=DAY, symbols=["GOOG"])


@pytest.mark.parametrize(
    ("folder", "place", "text", "said"),
    [
        ("equity", 3, "nan", "line 2 .*valid: finite numbers"),
        ("equity", 3, "1,5", "line 2 .*could not convert"),
        ("daily", 2, "inf", "line 2 .*valid: finite numbers"),
        ("daily", 0, "24.12.2015", "line 2 .*Invalid isoformat"),
        ("options", 1, "goog", "line 2 .*valid: 'GOOG'"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_file_and_line(
    twin, tmp_path, folder, place, text, said
):
    def broken(part, rows):
        if part.parent.name == folder:
            rows[0] = [*rows[0][:place], text, *rows[0][place + 1 :]]
        return rows

    with pytest.raises(ConfigurationError, match=said):
        ReplayMarket(rewritten(twin, tmp_path, broken), day=DAY, symbols=["GOOG"])


def test_one_file_may_hold_the_classes_of_one_underlying(tmp_path):
    names, parts = ["ts", "symbol"], [*PARTS, "volume"]
    write(
        tmp_path / "index" / "spx_minute_trades_2015-12-24.csv.gz",
        [*names, *parts],
        [[local(OPEN), "SPX", *[2060] * 4, 0]],
    )
    two_sided = [f"{side}_{part}" for side in SIDES for part in (*PARTS, "size")]
    rows = [
        [local(OPEN), root, "2016-01-15", "2050.00", "C", *[9] * 5, *[10] * 5] for root in ("SPX", "SPXW")
    ]
    write(tmp_path / "options" / "spx_2015-12-24_minute_quote.csv.gz", ["ts", *KEY, *two_sided], rows)

    market = ReplayMarket(tmp_path, day=DAY, symbols=["SPX"])

    found = market.find(ContractPattern(symbol="SPX", sec_type="OPT"))
    assert sorted(each.trading_class for each in found) == ["SPX", "SPXW"]


def test_numbers_of_an_option_that_cannot_be_read_are_told_with_its_name(twin, tmp_path):
    def broken(part, rows):
        is_meant = part.parent.name == "options" and "quote" in part.name
        return [[*row[:5], "x", *row[6:]] for row in rows] if is_meant else rows

    market = ReplayMarket(rewritten(twin, tmp_path, broken), day=DAY, symbols=["GOOG"])

    with pytest.raises(
        ConfigurationError, match=r"the recording of GOOG 2015-12-24 745\.00 C cannot be read"
    ):
        market.quote(chain(market)[0], OPEN)


def test_hourly_option_quotes_serve_where_there_are_none_by_the_minute(tmp_path):
    equity, options = tmp_path / "equity", tmp_path / "options"
    trades = [[local(OPEN), "GOOG", 748, 749, 747, 748, 100]]
    write(equity / "goog_minute_trades_2015-12-24.csv.gz", ["ts", "symbol", *PARTS, "volume"], trades)
    two_sided = [f"{side}_{part}" for side in SIDES for part in (*PARTS, "size")]
    row = [
        local(OPEN - timedelta(minutes=30)),
        "GOOG",
        "2016-01-15",
        "750.00",
        "C",
        9,
        9,
        8,
        8.5,
        4,
        10,
        11,
        10,
        10.5,
        6,
    ]
    header = ["ts", "root", "expiry", "strike", "right", *two_sided]
    write(options / "goog_2015-12_hourly_quote.csv.gz", header, [row])

    market = ReplayMarket(tmp_path, day=DAY, symbols=["GOOG"])

    (contract,) = chain(market)
    early, opened, done = (
        market.quote(contract, OPEN + timedelta(minutes=minutes)) for minutes in (-1, 0, 30)
    )
    assert (early.bid, early.ask) == (None, None)
    assert (opened.bid, opened.ask) == (9.0, 10.0)
    assert (done.bid, done.ask, done.bid_size) == (8.5, 10.5, 4)
