"""Backtests through the runner: equal twice, every dollar accounted for, fills at the quotes, ends of options."""

import csv
import gzip
import os
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from ibkeel.backtest import BacktestSettings, MarketTrial, RecordedData, SeededData, backtest, sweep
from ibkeel.errors import ConfigurationError, InvalidInput, UnknownContract
from ibkeel.journal import CycleDone, FillSeen, Intent, Journal, RunStarted
from ibkeel.model import Direction, OrderType, Side, Signal
from ibkeel.runner import EndOfDay, RiskConfig, RunnerConfig
from ibkeel.sim.market import ReplayMarket, SeededMarket
from ibkeel.strategy import Needs, Scalp, VixRegime

HALF_DAY = date(2015, 12, 24)
OPEN = datetime(2015, 12, 24, 14, 30, tzinfo=UTC)
CLOSE = datetime(2015, 12, 24, 18, 0, tzinfo=UTC)
CONFIG = RunnerConfig(symbols=("SPY",), interval=600.0)


@attrs.frozen(kw_only=True)
class Late:
    """Wants the same thing in every cycle of a session's last hour."""

    direction: Direction = Direction.UP
    name: str = "late"

    def needs(self):
        return Needs()

    def decide(self, context):
        is_late = context.now.hour >= 19
        return Signal(direction=self.direction if is_late else Direction.NONE, confidence=float(is_late))


@pytest.fixture(scope="module")
def seeded():
    """A day on which the scalper trades, and its journal's records."""
    with Journal.in_memory() as journal:
        report = backtest(Scalp(), SeededMarket(7), CONFIG, journal=journal)
        return report, [entry.record for entry in journal.events()]


def test_equal_backtests_give_equal_reports(seeded):
    again = backtest(Scalp(), SeededData(seed=7), CONFIG)

    assert again.to_json() == seeded[0].to_json()
    assert again.to_html() == seeded[0].to_html()


def test_the_profits_of_the_trades_are_the_change_of_equity(seeded):
    report, _ = seeded

    profits = sum(trade.profit for trade in report.trades)

    assert report.figures.trades >= 3
    assert all(trade.is_closed for trade in report.trades)
    assert profits == pytest.approx(report.figures.net_profit, abs=0.01)


def test_the_runner_is_the_live_one_journal_included(seeded):
    report, records = seeded

    (started,) = (row for row in records if isinstance(row, RunStarted))
    fills = [row for row in records if isinstance(row, FillSeen)]
    assert started.mode == "BACKTEST"
    assert report.counts["cycles"] == len([row for row in records if isinstance(row, CycleDone)])
    assert report.counts["fills"] == len(fills)
    assert all(row.execution.commission for row in fills)
    assert sum(isinstance(row, Intent) for row in records) == report.counts["intents"]


def test_every_entry_is_protected_and_nothing_is_left_at_the_close(seeded):
    report, records = seeded

    entries = [row.order for row in records if isinstance(row, Intent) and row.purpose.value == "entry"]

    assert all(order.stop_loss for order in entries)
    assert all(order.children()[-1].order_type is OrderType.STP for order in entries)
    assert (report.held, report.errors) == ((), ())
    assert {trade.cause for trade in report.trades} <= {"stop", "exit"}


def test_a_recorded_journal_can_be_kept(tmp_path):
    path = tmp_path / "kept.sqlite"
    quiet = attrs.evolve(CONFIG, interval=7200.0)

    with Journal.open(path) as journal:
        backtest(Scalp(), SeededMarket(7), quiet, journal=journal)

    with Journal.open(path, read_only=True) as kept:
        assert kept.count(CycleDone) == 3


def test_a_journal_that_holds_the_day_already_is_refused_rather_than_remembered():
    quiet, thursday, friday = attrs.evolve(CONFIG, interval=7200.0), date(2024, 9, 5), date(2024, 9, 6)

    with Journal.in_memory() as journal:
        first, second = (
            backtest(Scalp(), SeededData(day=day), quiet, journal=journal) for day in (thursday, friday)
        )
        with pytest.raises(ConfigurationError, match=r"begins at 2024-09-05 13:25.* journal of its own"):
            backtest(Scalp(), SeededData(day=thursday), quiet, journal=journal)

    assert (first.counts["cycles"], second.counts["cycles"]) == (3, 3)


@pytest.mark.parametrize("data", [SeededMarket(7), SeededData(seed=7)], ids=["market", "data"])
def test_a_symbol_that_is_not_listed_ends_the_backtest_before_it_begins(data):
    with pytest.raises(UnknownContract, match="NOSUCH"):
        backtest(Scalp(), data, RunnerConfig(symbols=("NOSUCH",)))


def test_a_holiday_has_no_backtest():
    with pytest.raises(ConfigurationError, match="2024-07-04"):
        backtest(Scalp(), SeededData(day=date(2024, 7, 4)), CONFIG)


@pytest.mark.parametrize("field", ["cash", "sessions", "equity_every"])
def test_settings_of_a_backtest_out_of_range_are_refused(field):
    with pytest.raises(InvalidInput, match=field):
        BacktestSettings(**{field: 0})


def test_the_account_is_looked_at_at_every_close_however_seldom_between():
    seldom = BacktestSettings(sessions=2, equity_every=7000.0)
    quiet = attrs.evolve(CONFIG, interval=20_000.0)

    report = backtest(Late(direction=Direction.NONE), SeededData(seed=7), quiet, settings=seldom)

    closes = [at for at in report.equity.at.tolist() if (at.hour, at.minute) == (20, 0)]
    assert {at.date() for at in closes} == {date(2024, 9, 5), date(2024, 9, 6)}


def test_without_limits_the_risk_rules_alone_say_how_old_a_quote_may_be():
    lenient, seldom = RiskConfig(max_quote_age=60.0), attrs.evolve(CONFIG, interval=20_000.0)

    report = backtest(Late(direction=Direction.NONE), SeededData(seed=7), seldom, risk=lenient)

    assert report.settings["limits.max_quote_age"] == "60.0"


def test_a_sweep_over_days_of_the_runner_is_equal_to_single_runs():
    rare = attrs.evolve(CONFIG, interval=3000.0)
    trial = MarketTrial(strategy=Late(), data=SeededData(seed=7), runner=rare)

    rows = sweep(trial, {"risk.risk_fraction": [0.001, 0.01]}).rows

    alone = backtest(Late(), SeededData(seed=7), rare, risk=RiskConfig(risk_fraction=0.01))
    assert rows[1].figures == alone.figures
    assert rows[0].figures != rows[1].figures


class Counting(Late):
    """Keeps what no strategy should: how often it was asked."""

    asked = 0

    def decide(self, context):
        object.__setattr__(self, "asked", self.asked + 1)
        return attrs.evolve(
            super().decide(context), direction=Direction.UP if self.asked == 1 else Direction.NONE
        )


class Uncopied(Counting):
    """Cannot be copied."""

    def __deepcopy__(self, _):
        raise TypeError("cannot pickle")


@pytest.mark.parametrize(("kind", "signals"), [(Counting, [1, 1]), (Uncopied, [1, 0])])
def test_what_a_strategy_keeps_in_one_row_of_a_sweep_is_no_other_rows(kind, signals):
    rare = attrs.evolve(CONFIG, interval=9000.0)
    trial = MarketTrial(strategy=kind(), data=SeededData(seed=7), runner=rare)

    rows = sweep(trial, {"risk.risk_fraction": [0.001, 0.01]}).rows

    assert [row.counts["signals"] for row in rows] == signals


# Ends of options.

HOLDING = RunnerConfig(
    symbols=("SPY",),
    interval=3600.0,
    min_dte=0,
    preset="thin",
    end_of_day=EndOfDay.HOLD,
    entry_lifetime=20_000.0,
)


HELD_RISK = RiskConfig(stop_fraction=0.95, max_contracts=1, cooldown=86_400.0)
FRIDAY = date(2024, 9, 6)  # options end on it


class NobodyBidsAtTheEnd(SeededMarket):
    """In the last quarter of an hour nobody bids for an option: none can be sold."""

    def quote(self, contract, at):
        shown = super().quote(contract, at)
        is_over = contract.sec_type == "OPT" and at >= datetime(2024, 9, 6, 19, 45, tzinfo=UTC)
        return shown._replace(bid=None, bid_size=None) if is_over else shown


def test_an_option_is_not_held_to_its_end_where_it_can_be_sold():
    report = backtest(Late(), SeededMarket(7, FRIDAY), HOLDING, risk=HELD_RISK)

    (option,) = report.trades
    assert option.cause == "exit"
    assert option.left_at.replace(microsecond=0) == datetime(2024, 9, 6, 19, 50, tzinfo=UTC)


@pytest.mark.parametrize("direction", [Direction.UP, Direction.DOWN])
def test_an_option_that_is_held_to_its_end_is_exercised_or_expires(direction):
    market, risk = NobodyBidsAtTheEnd(7, FRIDAY), HELD_RISK

    report = backtest(Late(direction=direction), market, HOLDING, risk=risk)

    options = [trade for trade in report.trades if " " in trade.name]
    shares = [trade for trade in report.trades if " " not in trade.name]
    (option,) = options
    assert option.left_at.replace(microsecond=0) == datetime(2024, 9, 6, 20, tzinfo=UTC)
    assert option.cause == ("exercised" if option.exit_price else "expired")
    assert [abs(trade.quantity) for trade in shares] == ([100] if option.exit_price else [])
    assert sum(trade.profit for trade in report.trades) == pytest.approx(report.figures.net_profit, abs=60.0)


def test_two_sessions_follow_each_other_and_the_account_goes_on():
    market = SeededMarket(7, date(2024, 9, 5))
    quiet = attrs.evolve(CONFIG, interval=7200.0)

    report = backtest(Scalp(), market, quiet, settings=BacktestSettings(sessions=2))

    assert (report.first_session, report.last_session) == (date(2024, 9, 5), date(2024, 9, 6))
    assert report.counts["cycles"] == 6
    assert {at.astype("datetime64[D]").astype(object) for at in report.equity.at} == {
        date(2024, 9, 5),
        date(2024, 9, 6),
    }


# The recorded half day, and a generated one in the same format.

QUOTE = [f"{side}_{part}" for side in ("bid", "ask") for part in ("open", "high", "low", "close", "size")]
KEY = ["root", "expiry", "strike", "right"]
GOOG = RunnerConfig(symbols=("GOOG",), preset="thin", min_dte=0)


def write(path, header, rows):
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def sides(bid, ask, size):
    return [bid, bid, bid, bid, size, ask, ask, ask, ask, size]


def generated_day(folder, minutes=210):
    """A stock that climbs in steps, and next week's options on it with a cent of spread."""
    trades, quotes, options, volumes = [], [], [], []
    for minute in range(-210, minutes):
        shift = timedelta(days=1, hours=-6, minutes=-30) if minute < 0 else timedelta()
        at = OPEN + timedelta(minutes=minute) - shift
        stamp = (at - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S-05:00")
        spot = round(745 + 0.01 * minute + 0.4 * (minute % 7 in {0, 1, 2}), 2)
        trades.append([stamp, "GOOG", spot, spot, spot, spot, 100 + minute % 5])
        quotes.append([stamp, "GOOG", *sides(round(spot - 0.02, 2), round(spot + 0.02, 2), 10)])
        if minute < 0:
            continue
        for strike in (740, 745, 750):
            for right in "CP":
                worth = max((spot - strike) * (1 if right == "C" else -1), 0.0) + 4.0
                bid = round(worth, 2)
                key = ["GOOG", "2015-12-31", f"{strike}.00", right]
                options.append([stamp, *key, *sides(bid, round(bid + 0.02, 2), 50)])
                volumes.append([stamp, *key, bid, bid, bid, bid, 200])
    for name, rows in (("trades", trades), ("quotes", quotes)):
        columns = ["open", "high", "low", "close", "volume"] if name == "trades" else QUOTE
        path = folder / "equity" / f"goog_minute_{name}_2015-12-23_2015-12-24.csv.gz"
        write(path, ["ts", "symbol", *columns], rows)
    stem = folder / "options" / "goog_2015-12-24_minute_{}.csv.gz"
    write(Path(str(stem).format("quote")), ["ts", *KEY, *QUOTE], options)
    write(Path(str(stem).format("trade")), ["ts", *KEY, "open", "high", "low", "close", "volume"], volumes)
    return folder


def recorded_quotes(folder):
    """Each contract's quote rows, oldest first, by an obvious reading of the file."""
    rows = defaultdict(list)
    path = folder / "options" / "goog_2015-12-24_minute_quote.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            key = row["expiry"], float(row["strike"]), row["right"]
            rows[key].append((datetime.fromisoformat(row["ts"]), row))
    return rows


def shown(rows, at, side):
    """What a side may have shown at an instant: its minute's open or close, else the last close before."""
    found = set()
    for begun, row in rows:
        if begun > at or not row[f"{side}_close"]:
            continue
        close, opened = float(row[f"{side}_close"]), float(row[f"{side}_open"])
        found = {close} if begun <= at - timedelta(minutes=1) else {*found, opened, close}
    return found


@pytest.fixture(scope="module", params=["generated", pytest.param("recorded", marks=pytest.mark.data)])
def half_day(request, tmp_path_factory):
    folder = (
        generated_day(tmp_path_factory.mktemp("recorded"))
        if request.param == "generated"
        else Path(os.environ["IBKEEL_DATA"])
    )
    path = tmp_path_factory.mktemp("journals") / "journal.sqlite"
    risk = RiskConfig(cooldown=600.0)
    with Journal.open(path) as journal:
        data = RecordedData(folder=folder, day=HALF_DAY)
        report = backtest(Scalp(), data, GOOG, risk=risk, journal=journal)
        fills = [entry.record.execution for entry in journal.events(FillSeen)]
    return folder, report, fills


def test_every_fill_of_the_half_day_is_at_a_recorded_bid_or_ask(half_day):
    folder, report, fills = half_day
    quotes = recorded_quotes(folder)

    assert len(fills) >= 2
    for fill in fills:
        option = fill.contract
        rows = quotes[option.expiry.isoformat(), float(option.strike), option.right.value]
        assert fill.price in shown(rows, fill.at, "ask" if fill.side is Side.BUY else "bid")
    assert report.counts["fills"] == len(fills)


def test_the_half_day_ends_flat_at_its_early_close(half_day):
    _, report, fills = half_day

    last = report.equity.instant(-1)
    assert last == CLOSE
    assert report.counts["cycles"] == 66
    assert max(fill.at for fill in fills) < CLOSE
    assert (report.held, report.errors) == ((), ())
    assert report.figures.net_profit == pytest.approx(sum(trade.profit for trade in report.trades), abs=0.01)


def test_the_half_day_is_told_on_one_page(half_day):
    _, report, _ = half_day

    page = report.to_html()

    assert "scalp on GOOG, 2015-12-24" in page
    assert page.count("<svg") >= 3
    assert "DU0000001" not in page


@pytest.mark.data
def test_an_index_that_a_strategy_looks_at_is_listed_too():
    folder = Path(os.environ["IBKEEL_DATA"])

    report = backtest(VixRegime(), RecordedData(folder=folder, day=HALF_DAY), GOOG)

    assert (report.errors, report.counts["cycles"]) == ((), 66)


def test_an_index_is_listed_in_a_seeded_market():
    report = backtest(
        VixRegime(), SeededData(seed=7), attrs.evolve(CONFIG, symbols=("IWM",), interval=9000.0)
    )

    assert (report.errors, report.counts["cycles"]) == ((), 2)


def test_a_day_that_was_not_recorded_is_named(tmp_path):
    folder = generated_day(tmp_path)

    with pytest.raises(ConfigurationError, match="GOOG 2015-12-23"):
        backtest(Scalp(), RecordedData(folder=folder, day=date(2015, 12, 29)), GOOG)


@pytest.mark.parametrize(
    "made", [RecordedData, lambda folder, day: ReplayMarket(folder, day=day, symbols=["GOOG"])]
)
def test_a_recorded_day_is_not_played_on_into_the_next_with_its_last_quotes(tmp_path, made):
    data = made(folder=generated_day(tmp_path), day=HALF_DAY)

    with pytest.raises(ConfigurationError, match="sessions is 2; valid: 1"):
        backtest(Scalp(), data, GOOG, settings=BacktestSettings(sessions=2))


def test_a_recording_that_breaks_off_is_told_first(tmp_path):
    data = RecordedData(folder=generated_day(tmp_path, minutes=60), day=HALF_DAY)

    report = backtest(Late(), data, GOOG)

    assert report.errors == (
        "GOOG shows nothing new from 17:45 UTC to the close: what came then took its last prices",
    )
    assert "GOOG shows nothing new" in report.to_html()
