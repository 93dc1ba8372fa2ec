from datetime import UTC, datetime, timedelta

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.model import Bars, BarSpec, Direction, Index, Quote, Reason, Signal, Stock
from ibkeel.strategy import DailyVolume, Needs, Scalp, VixRegime, Whale, visible, walk_forward, warming_up
from ibkeel.testing.strategies import START, histories

MINUTES = BarSpec(duration="300 S", size="1 min")
DAYS = BarSpec(duration="1 W", size="1 day")


def bars_of(spec, count):
    column = np.arange(1.0, count + 1)
    at = np.datetime64(int(START.timestamp()), "s") + np.arange(count) * np.timedelta64(
        spec.size_seconds, "s"
    )
    return Bars(
        contract=Stock("SPY"),
        spec=spec,
        at=at,
        open=column,
        high=column,
        low=column,
        close=column,
        volume=column,
    )


@attrs.frozen
class Watches:
    """Says what it saw."""

    name = "watches"
    specs: tuple = (MINUTES,)
    memory: float = 1e9

    def needs(self):
        return Needs(bars=self.specs, memory=self.memory)

    def decide(self, context):
        shown = [Reason(spec.size, float(len(context.bars_for(spec)))) for spec in self.specs]
        since = Reason("since", -1.0 if context.since_entry is None else context.since_entry)
        return Signal(direction=Direction.UP, confidence=1.0, reasons=(*shown, since))


def test_a_bar_is_seen_when_it_is_over():
    bars = bars_of(MINUTES, 3)

    assert len(visible(bars, MINUTES, START + timedelta(seconds=59))) == 0
    assert visible(bars, MINUTES, START + timedelta(seconds=60)).close.tolist() == [1.0]


def test_an_instant_without_a_zone_shows_no_bars_for_it_would_be_that_of_the_machine():
    with pytest.raises(InvalidInput, match="has no time zone"):
        visible(bars_of(MINUTES, 3), MINUTES, START.replace(tzinfo=None))


def test_seconds_are_the_last_bars_and_weeks_are_calendar_time():
    late = START + timedelta(days=30)

    assert visible(bars_of(MINUTES, 30), MINUTES, late).close.tolist() == [26.0, 27.0, 28.0, 29.0, 30.0]
    assert len(visible(bars_of(DAYS, 40), DAYS, late)) == 7


def test_a_walk_says_something_at_every_close():
    steps = list(walk_forward(Watches(), bars_of(MINUTES, 7)))

    assert [step.at - START for step in steps] == [timedelta(minutes=n) for n in range(1, 8)]
    assert [step.signal.reasons[0].value for step in steps] == [1, 2, 3, 4, 5, 5, 5]


def test_until_a_strategy_is_warm_the_walk_speaks_in_its_place():
    class Warms(Watches):
        def needs(self):
            return Needs(bars=self.specs, least={MINUTES: 3})

        def decide(self, context):
            return Signal(direction=Direction.NONE, reasons=(Reason(context.symbol, 1.0),))

    steps = list(walk_forward(Warms(), bars_of(MINUTES, 4)))

    assert [str(step.signal.reasons[0]) for step in steps] == [
        "bars 1 (warming up: 1 of 3 bars of 1 min)",
        "bars 2 (warming up: 2 of 3 bars of 1 min)",
        "SPY 1",
        "SPY 1",
    ]


def test_bars_that_are_not_at_hand_count_as_none():
    said = warming_up(Needs(bars=(MINUTES, DAYS), least={MINUTES: 1, DAYS: 2}), {})

    assert [str(reason) for reason in said.reasons] == [
        "bars 0 (warming up: 0 of 1 bars of 1 min)",
        "bars 0 (warming up: 0 of 2 bars of 1 day)",
    ]


def test_a_second_series_is_cut_at_the_same_instant():
    history = {
        MINUTES: bars_of(MINUTES, 130),
        (hours := BarSpec(duration="1 D", size="1 hour")): bars_of(hours, 4),
    }

    steps = list(walk_forward(Watches((MINUTES, hours)), history))

    assert [steps[n].signal.reasons[1].value for n in (58, 59, 118, 119)] == [0, 1, 1, 2]


def test_bars_of_another_size_serve_as_many_as_the_span_could_hold():
    steps = list(walk_forward(Watches((DAYS,)), bars_of(MINUTES, 9)))

    assert [step.signal.reasons[0].value for step in steps] == [1, 2, 3, 4, 5, 6, 7, 7, 7]


def test_a_signal_may_count_as_an_entry():
    steps = list(walk_forward(Watches(), bars_of(MINUTES, 3), enters=True))

    assert [step.signal.reasons[-1].value for step in steps] == [-1.0, 60.0, 60.0]


class WatchesOnce(Watches):
    """Wants something at the first close alone."""

    def decide(self, context):
        said = super().decide(context)
        return (
            said
            if context.now == START + timedelta(minutes=1)
            else attrs.evolve(said, direction=Direction.NONE)
        )


@pytest.mark.parametrize(("memory", "told"), [(0.0, [-1, -1, -1, -1]), (120.0, [-1, 60, 120, -1])])
def test_an_entry_is_told_of_for_as_long_as_a_run_would_tell_of_it(memory, told):
    steps = walk_forward(WatchesOnce(memory=memory), bars_of(MINUTES, 4), enters=True)

    assert [step.signal.reasons[-1].value for step in steps] == told


def test_otherwise_no_signal_is_an_entry():
    steps = list(walk_forward(Watches(), bars_of(MINUTES, 3)))

    assert {step.signal.reasons[-1].value for step in steps} == {-1.0}


def test_quotes_are_those_of_the_instant():
    vix = Index("VIX")

    class Both(Watches):
        def needs(self):
            return Needs(bars=self.specs, quotes=(vix,))

        def decide(self, context):
            return Signal(direction=Direction.NONE, reasons=(Reason("vix", context.quotes[vix].last),))

    steps = walk_forward(
        Both(),
        bars_of(MINUTES, 2),
        quotes=lambda now: {vix: Quote(contract=vix, at=now, last=float(now.minute))},
    )

    assert [step.signal.reasons[0].value for step in steps] == [31.0, 32.0]


def test_a_strategy_without_bars_has_nothing_to_walk_along():
    with pytest.raises(InvalidInput, match="vix_regime"):
        next(walk_forward(VixRegime(), bars_of(MINUTES, 2)))
    with pytest.raises(InvalidInput, match="'3 W' of '1 hour'"):
        next(walk_forward(Whale(), {MINUTES: bars_of(MINUTES, 2)}))


@pytest.mark.parametrize("strategy", [Scalp(), Whale(min_bars=5), DailyVolume()], ids=lambda s: s.name)
def test_changing_any_future_bar_never_changes_a_past_signal(strategy):
    spec = strategy.needs().bars[0]

    @given(histories(spec, Stock("SPY"), max_size=60), st.integers(0, 59), st.floats(0.2, 5.0))
    def check(bars, first, factor):
        scale = np.where(np.arange(len(bars)) >= first, factor, 1.0)
        prices = {name: getattr(bars, name) * scale for name in ("open", "high", "low", "close", "volume")}

        said = list(walk_forward(strategy, bars, enters=True))[:first]

        assert list(walk_forward(strategy, attrs.evolve(bars, **prices), enters=True))[:first] == said

    check()


def test_instants_are_aware():
    [step] = walk_forward(Watches(), bars_of(MINUTES, 1))

    assert step.at == datetime(2024, 3, 4, 14, 31, tzinfo=UTC)
