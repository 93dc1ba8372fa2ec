"""A strategy is somebody else's code: whatever it does, the other symbols have their day."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import attrs
import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.journal import CycleDone, Failure, Journal
from ibkeel.model import Bar, Bars, BarSpec, Direction, Quote, Reason, Signal, Stock
from ibkeel.runner import Runner, RunnerConfig, Session
from ibkeel.strategy import DailyVolume, Needs, Scalp, Whale, walk_forward
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
MINUTES = BarSpec(duration="3600 S", size="1 min")
QUIET = Signal(direction=Direction.NONE)


class OneHour:
    """A session of an hour each day."""

    def session(self, day):
        opens = OPEN + timedelta(days=(day - OPEN.date()).days)
        return Session(day=day, opens_at=opens, closes_at=opens + timedelta(hours=1))


@attrs.frozen
class Does:
    """Does something of its own with SPY, and nothing with any other symbol."""

    deed: object
    name: str = "does"

    def needs(self):
        return Needs(bars=(MINUTES,))

    def decide(self, context):
        return self.deed(context) if context.symbol == "SPY" else QUIET


class Skewed:
    """A wall clock that somebody sets: a step at an instant, seen from the one that is right."""

    def __init__(self, clock, at, seconds):
        self._clock, self._at, self._step = clock, at, timedelta(seconds=seconds)

    def monotonic(self):
        return self._clock.monotonic()

    def now(self):
        now = self._clock.now()
        return now + self._step if now >= self._at else now


class Wordless(Exception):
    """An error whose words are none."""

    def __str__(self):
        raise TypeError


class Coded(Exception):
    """An error as some libraries raise it, whose code is a text."""

    code = "e3q8"


def bars_of(stock, level=560.0):
    start = OPEN - timedelta(hours=1)
    rows = [Bar(start + timedelta(minutes=n), level, level, level, level, 1000.0) for n in range(120)]
    return Bars.from_rows(rows, contract=stock, spec=MINUTES)


@pytest.fixture
def hour(tmp_path):
    """Plays an hour with SPY and QQQ; cycles and failures by symbol."""

    def play(strategy, clock=lambda clock: clock, **config):
        stocks = (Stock("SPY"), Stock("QQQ"))

        async def main():
            told = clock(virtual_clock())
            fake = FakeBroker(
                quotes=[
                    Quote(contract=s, at=OPEN - timedelta(days=1), bid=560.0, ask=560.02) for s in stocks
                ],
                bars=[bars_of(s) for s in stocks],
                clock=virtual_clock(),
                dry_run=True,
            )
            with Journal.open(tmp_path / "hour.sqlite") as journal:
                async with fake:
                    runner = Runner(
                        fake,
                        strategy,
                        RunnerConfig(symbols=("SPY", "QQQ"), symbol_gap=0.0, **config),
                        journal,
                        calendar=OneHour(),
                        clock=told,
                    )
                    report = await runner.run(sessions=1)
                records = [entry.record for entry in journal.events()]
            cycles = [row for row in records if isinstance(row, CycleDone)]
            failures = [row for row in records if isinstance(row, Failure)]
            return SimpleNamespace(report=report, cycles=cycles, failures=failures)

        return run_virtual(main(), start=OPEN)

    return play


def raises(error):
    def deed(_):
        raise error

    return deed


def facts(*rows):
    return Signal(direction=Direction.NONE, reasons=tuple(Reason(*row) for row in rows))


@pytest.mark.parametrize(
    ("deed", "kind", "words"),
    [
        (raises(ZeroDivisionError("oops")), "ZeroDivisionError", "oops"),
        (raises(RecursionError("deep")), "RecursionError", "deep"),
        (raises(AssertionError("no")), "AssertionError", "no"),
        (raises(TimeoutError("its own")), "TimeoutError", "its own"),
        (raises(asyncio.CancelledError("its own")), "InvalidInput", "raised CancelledError('its own')"),
        (raises(GeneratorExit()), "InvalidInput", "strategy 'does' raised GeneratorExit()"),
        (raises(SystemExit(0)), "InvalidInput", "strategy 'does' raised SystemExit(0)"),
        (raises(Wordless()), "Wordless", "its words could not be read: TypeError"),
        (raises(Coded("no such column")), "Coded", "no such column"),
        (lambda _: None, "InvalidInput", "strategy 'does' said None; valid: a Signal"),
        (lambda _: Direction.UP, "InvalidInput", "valid: a Signal"),
        (lambda _: "BUY", "InvalidInput", "said 'BUY'"),
        (
            lambda _: Signal(direction=Direction.UP, confidence=float("nan")),
            "InvalidInput",
            "confidence is nan",
        ),
        (
            lambda _: facts(("rsi14", float("nan"))),
            "InvalidInput",
            "Reason('rsi14') is NaN; leave a fact out",
        ),
        (lambda _: facts(("rsi14", None)), "InvalidInput", "Reason('rsi14') is None; leave a fact out"),
        (
            lambda _: facts(("\ud83d", 1.0)),
            "InvalidInput",
            r"Reason.name is '\ud83d'; valid: text that UTF-8",
        ),
        (
            lambda _: Signal(direction=Direction.NONE, reasons=("because",)),
            "InvalidInput",
            "Signal.reasons is",
        ),
        (lambda context: context.bars_for(BarSpec()), "InvalidInput", "no bars '1 D'"),
        (lambda context: context.bars_for(MINUTES).close.fill(0.0), "ValueError", "read-only"),
    ],
    ids=lambda value: value.replace("\\", "") if isinstance(value, str) else "",
)
def test_its_fault_is_its_symbols_alone_and_keeps_its_type(hour, deed, kind, words):
    world = hour(Does(deed), interval=600)

    outcomes = {
        symbol: [row.outcome for row in world.cycles if row.symbol == symbol] for symbol in ("SPY", "QQQ")
    }
    assert outcomes["QQQ"] == ["no_signal"] * world.report.cycles
    assert outcomes["SPY"].count("failed") == len(world.failures) >= 3
    assert {(row.symbol, row.kind) for row in world.failures} == {("SPY", kind)}
    assert words in world.failures[0].message


def test_a_fault_whose_words_are_no_text_is_journaled_all_the_same(hour, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ibkeel.runner"), "disabled", True)  # a log is text too

    world = hour(Does(raises(ValueError("half \ud83d of a pair"))), interval=600)

    assert {(row.symbol, row.kind) for row in world.failures} == {("SPY", "ValueError")}
    assert r"half \ud83d of a pair" in world.failures[0].message


@attrs.frozen
class AsksFor:
    """Says what it needs, and from its second time on something else."""

    later: object
    said: list = attrs.field(factory=list)
    name: str = "asks"

    def needs(self):
        self.said.append(True)
        return Needs() if len(self.said) == 1 else self.later()

    def decide(self, _):
        return QUIET


@pytest.mark.parametrize("later", [lambda: 1 / 0, lambda: None, list], ids=["raises", "none", "a list"])
def test_a_strategy_that_does_not_know_any_more_what_it_needs_ends_no_run(hour, later):
    world = hour(AsksFor(later), interval=600)

    assert {row.outcome for row in world.cycles} <= {"failed", "skipped"}
    assert {row.service for row in world.failures} == {"", "warm_up"}
    assert world.report.cycles == 4


@pytest.mark.parametrize(
    "value", [np.float32(44.5), np.int64(44), np.bool_(True)], ids=lambda v: type(v).__name__
)
def test_a_fact_that_is_a_number_of_numpys_is_as_good_as_any(hour, value):
    world = hour(Does(lambda _: facts(("rsi14", value))), interval=600)

    assert {row.outcome for row in world.cycles} == {"no_signal"}
    assert world.failures == []


def test_a_fact_that_turns_to_nan_keeps_no_exit_from_leaving(held_day):
    def turns_to_nan(asked):
        return Reason("rsi14", 44.0 if asked == 1 else float("nan"))

    world = held_day(reason=turns_to_nan, mode="PAPER")

    failures = {(row.symbol, row.kind) for row in world.report.errors}
    assert [intent.purpose.value for intent in world.intents] == ["entry", "exit"]
    assert failures == {("SPY", "InvalidInput")}
    assert world.report.held == ()


@pytest.mark.parametrize("seconds", [-3600, -1, 1, 90], ids="{:+} s".format)
def test_a_clock_that_is_set_in_mid_session_ends_no_run_and_repeats_no_cycle(hour, seconds):
    world = hour(Does(lambda _: QUIET), lambda clock: Skewed(clock, OPEN + timedelta(minutes=30), seconds))

    numbers = [row.cycle for row in world.cycles if row.symbol == "SPY"]
    assert numbers == list(range(1, world.report.cycles + 1))
    assert world.failures == []
    assert world.report.cycles >= 14


def columns(**changed):
    at = np.array([0, 60, 120], dtype="datetime64[s]")
    rows = {name: np.array([1.0, 2.0, 3.0]) for name in ("open", "high", "low", "close", "volume")}
    return {"contract": Stock("SPY"), "spec": MINUTES, "at": at, **rows, **changed}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"close": [1.0, float("nan"), 3.0]}, "Bars.close holds NaN"),
        ({"volume": [1.0, float("inf"), 3.0]}, "Bars.volume holds NaN or infinity"),
        ({"at": np.array([0, 60, 60], dtype="datetime64[s]")}, "does not ascend"),
        ({"at": np.array([0, 120, 60], dtype="datetime64[s]")}, "does not ascend"),
        ({"low": [1.0]}, "Bars.low has shape"),
    ],
    ids=["NaN", "infinity", "twice", "out of order", "too short"],
)
def test_bars_that_are_none_reach_no_strategy(changed, words):
    with pytest.raises(InvalidInput, match=words):
        Bars(**columns(**changed))


@pytest.mark.parametrize("strategy", [Scalp(), Whale(), DailyVolume()], ids=lambda each: each.name)
@pytest.mark.parametrize("level", [0.0, 1e-300, 1e300, 560.0])
@pytest.mark.parametrize("volume", [0.0, 1.0])
def test_prices_and_volumes_of_any_size_are_no_reason_to_fail(strategy, level, volume):
    rows = [Bar(OPEN + timedelta(minutes=n), level, level, level, level, volume) for n in range(70)]
    last = rows[-1]._replace(close=2.0 * level + 1e-9, high=2.0 * level + 1e-9, volume=10.0 * volume)
    bars = Bars.from_rows([*rows[:-1], last], contract=Stock("SPY"), spec=MINUTES)

    signals = [step.signal for step in walk_forward(strategy, bars)]

    assert len(signals) == 70
    assert all(0.0 <= signal.confidence <= 1.0 for signal in signals)
