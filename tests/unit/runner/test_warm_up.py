"""Before the first cycle of a session: what strategies need is asked for, and told, symbol by symbol."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import attrs
import pytest

from ibkeel.errors import InvalidInput, NoData, PacingExceeded, RequestTimeout
from ibkeel.journal import CycleDone, Decision, Failure, Journal
from ibkeel.model import Bar, Bars, BarSpec, Direction, OptionChain, OptionClass, Quote, Signal, Stock
from ibkeel.runner import Progress, Runner, RunnerConfig, Session
from ibkeel.strategy import DailyVolume, Needs, Scalp, Whale, default_registry, walk_forward, warming_up
from ibkeel.telemetry import CycleStarted, SymbolWarmed
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
EARLY = OPEN - timedelta(minutes=5)
MINUTES = BarSpec(duration="3600 S", size="1 min")
SPY, QQQ, IWM = Stock("SPY"), Stock("QQQ"), Stock("IWM")


class OneHour:
    """A session of an hour each day."""

    def session(self, day):
        opens = OPEN + timedelta(days=(day - OPEN.date()).days)
        return Session(day=day, opens_at=opens, closes_at=opens + timedelta(hours=1))


@attrs.frozen
class Wants:
    """Wants a position whenever it is asked."""

    least: int = 26
    chain: bool = False
    name: str = "wants"

    def needs(self):
        return Needs(bars=(MINUTES,), least={MINUTES: self.least} if self.least else {}, chain=self.chain)

    def decide(self, _):
        return Signal(direction=Direction.UP, confidence=0.5)


class Heard:
    """Keeps what is told of the warm-up and of cycles."""

    def __init__(self):
        self.warmed, self.cycles = [], []

    def on_event(self, event):
        if isinstance(event, SymbolWarmed):
            self.warmed.append(event)
        if isinstance(event, CycleStarted):
            self.cycles.append(event.at)


def rows(stock, before, *, count=120, spec=MINUTES):
    """Bars by the minute, so many of which are over at the open."""
    start = OPEN - timedelta(minutes=before)
    bars = [Bar(start + timedelta(minutes=n), 560.0, 560.5, 559.5, 560.2, 1000.0) for n in range(count)]
    return Bars.from_rows(bars, contract=stock, spec=spec)


def chain_of(stock):
    row = OptionClass(trading_class=stock.symbol, expiries=(date(2025, 3, 21),), strikes=(560,))
    return OptionChain(underlying=stock, classes=(row,))


@pytest.fixture
def day(tmp_path):
    """Plays a session of an hour and gives back what was told, asked and journaled."""

    def play(*, strategy=None, bars=None, prepare=None, start=EARLY, delays=None, **config):
        stocks = (SPY, QQQ, IWM)
        heard, steps = Heard(), []

        async def main():
            clock = virtual_clock()
            fake = FakeBroker(
                quotes=[
                    Quote(contract=stock, at=OPEN - timedelta(days=1), bid=560.0, ask=560.02, last=560.0)
                    for stock in stocks
                ],
                bars=bars or [rows(stock, 60) for stock in stocks],
                chains=[chain_of(stock) for stock in stocks],
                clock=clock,
                delays=delays,
                dry_run=True,
            )
            if prepare:
                prepare(fake)
            settings = {"symbols": tuple(stock.symbol for stock in stocks), "symbol_gap": 0.0} | config
            with Journal.open(tmp_path / "warm.sqlite") as journal:
                async with fake:
                    runner = Runner(
                        fake,
                        strategy or Wants(),
                        RunnerConfig(**settings),
                        journal,
                        calendar=OneHour(),
                        clock=clock,
                        observer=heard,
                        progress=steps.append,
                    )
                    report = await runner.run(sessions=1)
                records = [entry.record for entry in journal.events()]
            return SimpleNamespace(report=report, heard=heard, steps=steps, calls=fake.calls, records=records)

        return run_virtual(main(), start=start)

    return play


def of_kind(world, kind):
    return [row for row in world.records if isinstance(row, kind)]


def asked(world, kind, before=OPEN):
    return [call for call in world.calls if call.kind == kind and call.at < before]


def test_what_is_needed_is_asked_for_a_minute_before_the_open_and_told(day):
    world = day()

    assert [(row.symbol, row.is_ready, row.done, row.of) for row in world.heard.warmed] == [
        ("SPY", True, 1, 3),
        ("QQQ", True, 2, 3),
        ("IWM", True, 3, 3),
    ]
    assert {row.detail for row in world.heard.warmed} == {"59 bars of 1 min"}
    assert all(OPEN - timedelta(minutes=1) <= row.at < OPEN for row in world.heard.warmed)
    assert [step.warmed for step in world.steps[:3]] == [1, 2, 3]
    assert {step.warmed for step in world.steps[3:]} == {None}
    assert all(isinstance(step, Progress) for step in world.steps)


def test_it_begins_as_early_as_it_is_told_and_not_at_all_on_zero(day):
    early, never = day(warm_up=240), day(warm_up=0)

    assert early.heard.warmed[0].at < OPEN - timedelta(minutes=3)
    assert never.heard.warmed == []
    assert len(never.heard.cycles) == len(early.heard.cycles)


def test_a_chain_that_was_asked_for_before_the_open_serves_the_session(day):
    world = day(strategy=Wants(chain=True))

    assert world.heard.warmed[0].detail == "59 bars of 1 min, the option chain"
    assert len([call for call in world.calls if call.kind == "option_chain"]) == 3


def test_a_symbol_that_fails_fails_alone_and_is_looked_at_all_the_same(day):
    world = day(
        strategy=Wants(least=1), prepare=lambda fake: fake.fail("bars", NoData("none"), times=1, subject=QQQ)
    )

    assert [(row.symbol, row.is_ready) for row in world.heard.warmed] == [
        ("SPY", True),
        ("QQQ", False),
        ("IWM", True),
    ]
    [failure] = of_kind(world, Failure)
    assert (failure.symbol, failure.service, failure.kind) == ("QQQ", "warm_up", "NoData")
    assert world.report.symbols["QQQ"].cycles == world.report.cycles


def test_a_fault_in_somebodys_broker_ends_neither_the_warm_up_nor_the_run(day):
    world = day(prepare=lambda fake: fake.fail("bars", ZeroDivisionError("oops"), times=1, subject=SPY))

    assert [row.is_ready for row in world.heard.warmed] == [False, True, True]
    assert world.report.cycles > 0


def test_too_few_bars_are_a_reason_in_the_journal_until_there_are_enough(day):
    world = day(bars=[rows(stock, 10) for stock in (SPY, QQQ, IWM)], interval=300)

    assert world.heard.warmed[0].detail == "warming up: 9 of 26 bars of 1 min"
    assert not world.heard.warmed[0].is_ready
    first = of_kind(world, Decision)[0]
    assert (first.symbol, first.outcome, first.reasons) == (
        "SPY", "warming_up", ("warming up: 15 of 26 bars of 1 min",)
    )  # fmt: skip
    assert not first.signal.is_entry
    outcomes = [row.outcome for row in of_kind(world, CycleDone) if row.symbol == "SPY"]
    assert outcomes[:3] == ["warming_up", "warming_up", "warming_up"]
    assert "warming_up" not in outcomes[4:]


def test_the_first_cycle_waits_for_nobody(day):
    world = day(delays={"bars": 50.0}, first_cycle=0, warm_up=120)

    assert len(world.heard.warmed) == 2
    assert (world.heard.cycles[0] - OPEN).total_seconds() < 1


def test_what_a_limit_holds_back_is_asked_for_again(day):
    world = day(prepare=lambda fake: fake.fail("bars", PacingExceeded("60 in 600 s"), times=3))

    assert [row.is_ready for row in world.heard.warmed] == [True, True, True]
    assert (world.heard.warmed[-1].at - (OPEN - timedelta(minutes=1))).total_seconds() >= 90
    assert of_kind(world, Failure) == []


def test_a_run_that_begins_within_the_session_warms_up_until_its_first_cycle(day):
    world = day(start=OPEN + timedelta(minutes=10))

    assert len(world.heard.warmed) == 3
    assert world.heard.warmed[-1].at <= world.heard.cycles[0]


def test_a_time_out_is_a_failure_of_its_symbol(day):
    world = day(prepare=lambda fake: fake.fail("bars", RequestTimeout("60 s"), times=1))

    assert world.heard.warmed[0].detail == "RequestTimeout: 60 s"
    assert world.report.timeouts == 1


def test_nothing_is_asked_for_that_is_not_needed(day):
    @attrs.frozen
    class Needless:
        name: str = "needless"

        def needs(self):
            return Needs()

        def decide(self, _):
            return Signal(direction=Direction.NONE)

    world = day(strategy=Needless())

    assert asked(world, "bars") == []
    assert world.heard.warmed == []


@pytest.mark.parametrize(
    ("strategy", "least"), [(Scalp(), 30), (Whale(), 20), (DailyVolume(), 11)], ids=lambda v: str(v)[:12]
)
def test_a_strategy_says_how_many_bars_it_takes(strategy, least):
    [spec] = strategy.needs().bars

    assert dict(strategy.needs().least) == {spec: least}


@pytest.mark.parametrize(
    ("strategy", "durations"),
    [
        (Scalp(), ["3600 S"]),
        (Scalp(slow=100, min_bars=120), ["7200 S"]),
        (Scalp(slow=500, min_bars=500), ["2 D"]),
        (Whale(), ["3 W"]),
        (Whale(look_back=200), ["9 W"]),
        (DailyVolume(), ["1 W"]),
        (DailyVolume(look_back=50), ["3 W"]),
    ],
    ids=str,
)
def test_who_looks_further_back_asks_for_more(strategy, durations):
    assert [spec.duration for spec in strategy.needs().bars] == durations


def test_strategies_together_wait_for_the_one_that_takes_most():
    both = default_registry().create("scalp+whale", {"scalp": {"min_bars": 40}})

    said = warming_up(both.needs(), {})

    assert [reason.rule for reason in said.reasons] == [
        "warming up: 0 of 40 bars of 1 min",
        "warming up: 0 of 20 bars of 1 hour",
    ]
    assert max((Scalp().needs() | Scalp(min_bars=50).needs()).least.values()) == 50


@pytest.mark.parametrize(
    "least", [{MINUTES: 0}, {BarSpec(): 5}], ids=["none", "of bars that are not asked for"]
)
def test_needs_that_contradict_themselves_are_refused(least):
    with pytest.raises(InvalidInput, match=r"Needs\.least"):
        Needs(bars=(MINUTES,), least=least)


def test_a_walk_does_not_ask_before_there_are_enough_bars():
    steps = list(walk_forward(Wants(least=5), rows(SPY, 60, count=8)))

    assert [step.signal.is_entry for step in steps] == [False] * 4 + [True] * 4
    assert steps[0].signal.reasons[0].rule == "warming up: 1 of 5 bars of 1 min"
