"""The contract holds for every built-in strategy, and finds what breaks it."""

import random
import sys
from datetime import date, timedelta

import attrs
import numpy as np
import pytest

import ibkeel.testing
from ibkeel.model import BarSpec, Direction, ExitPolicy, Index, Reason, Signal
from ibkeel.strategy import Confirmed, DailyVolume, Needs, Scalp, VixRegime, Whale
from ibkeel.testing import StrategyContract
from ibkeel.testing.strategies import START

VIX = Index("VIX")
MINUTES = BarSpec(duration="3600 S", size="1 min")
DAYS = BarSpec(duration="2 D", size="1 min")
UP = Signal(direction=Direction.UP, confidence=0.5, reasons=(Reason("always", 1.0),))


class TestScalp(StrategyContract):
    def make_strategy(self):
        return Scalp()


class TestWhale(StrategyContract):
    def make_strategy(self):
        return Whale()


class TestVixRegime(StrategyContract):
    def make_strategy(self):
        return VixRegime()


class TestDailyVolume(StrategyContract):
    def make_strategy(self):
        return DailyVolume()


class TestScalpConfirmedByWhale(StrategyContract):
    def make_strategy(self):
        return Confirmed(decides=Scalp(), confirms=(Whale(),))


@attrs.frozen
class ReadsTheChain:
    """Needs nothing but the chain."""

    name = "reads_the_chain"

    def needs(self):
        return Needs(chain=True)

    def decide(self, context):
        return Signal(
            direction=Direction.NONE, reasons=(Reason("strikes", float(len(context.chain.strikes))),)
        )


class TestReadsTheChain(StrategyContract):
    def make_strategy(self):
        return ReadsTheChain()


@attrs.frozen
class Frugal:
    """Counts on the bars that it said it needs, as the guide has it."""

    name = "frugal"
    least = 200

    def needs(self):
        return Needs(bars=(DAYS,), least={DAYS: self.least})

    def decide(self, context):
        asked_with.append(len(context.bars_for(DAYS)))
        step = context.bars_for(DAYS).close[-1] - context.bars_for(DAYS).close[-self.least]
        return Signal(direction=Direction.NONE, reasons=(Reason("step", float(step)),))


asked_with = []


class TestFrugal(StrategyContract):
    def make_strategy(self):
        return Frugal()

    def test_it_is_asked_and_never_with_fewer_bars_than_its_least(self):
        asked_with.clear()

        self.test_its_signals_are_well_formed()

        assert min(asked_with) >= Frugal.least


@attrs.define
class Flawed:
    """Does nothing, but for what a test makes it do."""

    name = "flawed"
    seen: int = 0

    def needs(self):
        return Needs(bars=(MINUTES,))

    def decide(self, context):
        return Signal(direction=Direction.NONE, reasons=(Reason("bars", 0.0),))


class Remembers(Flawed):
    def decide(self, context):
        self.seen += 1
        return attrs.evolve(UP, reasons=(Reason("seen", float(self.seen)),))


class Guesses(Flawed):
    chance = random.Random(3)

    def decide(self, context):
        return attrs.evolve(UP, confidence=self.chance.random())


class LooksAtTheCalendar(Flawed):
    """Counts days from the machine's date, as one does for days to expiry."""

    def decide(self, context):
        today = date.today()  # noqa: DTZ011, TID251 - the flaw
        return attrs.evolve(UP, reasons=(Reason("days", float((today - START.date()).days)),))


class OnceInAWhile(Flawed):
    """Chance decides, and hardly ever another way."""

    def decide(self, context):
        return attrs.evolve(UP, confidence=0.9 if random.random() < 0.001 else 0.5)


class OnceInAWhileWithNumpy(Flawed):
    def decide(self, context):
        return attrs.evolve(UP, confidence=0.9 if np.random.random() < 0.001 else 0.5)  # noqa: NPY002 - the flaw


class Fragile(Flawed):
    def decide(self, context):
        context.bars_for(MINUTES)[-1]
        return UP


class Silent(Flawed):
    def decide(self, context):
        return Signal(direction=Direction.NONE)


class WatchesFear(Flawed):
    """Buys at one level of fear, whatever it is told of the quote."""

    def needs(self):
        return Needs(quotes=(VIX,))

    def decide(self, context):
        quote = context.quotes.get(VIX)
        is_right = (
            quote is not None
            and quote.last is not None
            and 16.0 <= quote.last < 17.0
            and self.takes(quote, context.now)
        )
        return UP if is_right else Flawed.decide(self, context)


class TakesAnOldOne(WatchesFear):
    def takes(self, quote, now):
        return quote.is_live


class TakesADelayedOne(WatchesFear):
    def takes(self, quote, now):
        return now - quote.at < timedelta(minutes=15)


class Peeks(Flawed):
    """It is handed the whole future by its author."""

    future = None

    def decide(self, context):
        return attrs.evolve(UP, reasons=(Reason("tomorrow", self.future),))


def contract_of(make):
    class Contract(StrategyContract):
        def make_strategy(self):
            return make()

    return Contract()


@pytest.mark.parametrize(
    ("flawed", "promise"),
    [
        (Remembers, "test_equal_inputs_give_equal_signals_whatever_was_asked_before"),
        (Guesses, "test_equal_inputs_give_equal_signals_whatever_was_asked_before"),
        (LooksAtTheCalendar, "test_equal_inputs_give_equal_signals_whatever_was_asked_before"),
        (OnceInAWhile, "test_equal_inputs_give_equal_signals_whatever_was_asked_before"),
        (OnceInAWhileWithNumpy, "test_equal_inputs_give_equal_signals_whatever_was_asked_before"),
        (Fragile, "test_it_survives_gaps_few_bars_and_none"),
        (Silent, "test_its_signals_are_well_formed"),
        (TakesAnOldOne, "test_it_survives_quotes_that_are_missing_stale_or_delayed"),
        (TakesADelayedOne, "test_it_survives_quotes_that_are_missing_stale_or_delayed"),
    ],
)
def test_a_flaw_breaks_the_promise_that_is_about_it(flawed, promise):
    with pytest.raises((AssertionError, IndexError)):
        getattr(contract_of(flawed), promise)()


def test_of_two_flaws_that_few_bars_show_the_same_one_is_told_every_time():
    class TwiceFragile(Flawed):
        def decide(self, context):
            bars = context.bars_for(MINUTES)
            assert len(bars.close[:-1]) or not len(bars), "a second bar"
            return attrs.evolve(UP, reasons=(Reason("close", float(bars.close[-1])),))

    # Two flaws found are an exception group; which of them a run finds was a matter of chance.
    with pytest.raises(IndexError, match="size 0"):
        contract_of(TwiceFragile).test_it_survives_gaps_few_bars_and_none()


def test_a_look_ahead_is_found():
    class Contract(StrategyContract):
        def make_strategy(self):
            return peeking

        def context(self, bars, level, now):
            peeking.future = float(next(iter(bars.values())).close.sum())
            return super().context(bars, level, now)

    peeking = Peeks()

    with pytest.raises(AssertionError):
        Contract().test_no_future_bar_changes_a_past_signal()


def test_a_contract_says_which_strategy_is_meant():
    with pytest.raises(NotImplementedError, match="make_strategy"):
        StrategyContract().make_strategy()


def test_a_strategys_own_stop_and_profit_reach_the_order():
    class OwnExits(Flawed):
        def decide(self, context):
            return attrs.evolve(UP, exits=ExitPolicy(stop_fraction=0.5, take_profit_fraction=1.0))

    contract_of(OwnExits).test_no_order_leaves_without_a_stop()


def test_without_hypothesis_the_contract_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "ibkeel.testing.strategy_contract")

    with pytest.raises(ImportError, match=r"StrategyContract needs hypothesis: .*ibkeel\[testing\]"):
        ibkeel.testing.StrategyContract  # noqa: B018 - importing it is the test
