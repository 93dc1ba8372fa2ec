from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.indicators import ema, rsi, session_vwap, sessions_of
from ibkeel.model import Bars, BarSpec, Direction, Stock
from ibkeel.strategy import Scalp, Strategy, StrategyContext

# Falls, then climbs in steps: a rising trend whose strength is not overheated.
CLIMB = [100 - 0.02 * n for n in range(15)] + [
    99.7 + 0.05 * n - (0.15 if n % 3 == 2 else 0.0) for n in range(20)
]
DEFAULT = Scalp()


def decide(context_of, closes, strategy=DEFAULT, **fields):
    return strategy.decide(context_of(strategy, closes, **fields))


def by_name(signal):
    return {reason.name: reason.value for reason in signal.reasons}


def test_it_is_a_strategy_with_the_documented_needs():
    strategy: Strategy = Scalp()

    assert strategy.name == "scalp"
    assert strategy.needs().bars == (BarSpec(duration="3600 S", size="1 min"),)


def test_a_rising_trend_above_vwap_with_fair_strength_is_up(context_of):
    signal = decide(context_of, CLIMB)

    facts = by_name(signal)
    assert signal.direction is Direction.UP
    assert 45 <= facts["rsi14"] <= 70
    assert 0 < signal.confidence <= 1


def test_confidence_adds_up_from_the_gap_and_the_strength(context_of):
    signal = decide(context_of, CLIMB)

    facts, rules = by_name(signal), {reason.name: reason.rule for reason in signal.reasons}
    slow = float(rules["ema8"].rsplit(" ", 1)[1])
    gap = (facts["ema8"] - slow) / slow
    expected = 0.6 * min(1.0, 500 * gap) + 0.4 * (facts["rsi14"] - 45) / 25
    assert signal.confidence == pytest.approx(expected, rel=1e-3)


def test_a_falling_trend_is_down(context_of):
    signal = decide(context_of, [100 - 0.1 * n for n in range(40)])

    assert signal.direction is Direction.DOWN
    assert signal.confidence == 1.0


def test_an_overheated_climb_is_nothing(context_of):
    signal = decide(context_of, [100 + 0.1 * n for n in range(40)])

    assert (signal.direction, signal.confidence) == (Direction.NONE, 0.0)
    assert by_name(signal)["rsi14"] == 100.0


def test_weakness_is_down_even_while_the_averages_still_rise(context_of):
    closes = [100 + 0.2 * n for n in range(36)] + [104.0]

    signal = decide(context_of, closes, Scalp(rsi_exit=69.0, rsi_low=69.5))

    assert signal.direction is Direction.DOWN
    assert by_name(signal)["ema8"] > 100


def test_nothing_that_traded_is_no_reason_to_buy(context_of):
    signal = decide(context_of, CLIMB, volumes=[0.0] * len(CLIMB))

    assert signal.direction is Direction.NONE


def test_too_few_bars_are_nothing_with_a_reason(context_of):
    signal = decide(context_of, CLIMB[:29])

    assert signal.direction is Direction.NONE
    assert signal.reasons[0].rule == "warming up: 29 of 30 bars of 1 min"


@given(
    st.lists(st.integers(-9, 9), min_size=90, max_size=90), st.integers(0, 60), st.sets(st.integers(0, 59))
)
def test_what_it_reads_are_the_last_elements_of_the_columns(steps, first, gaps):
    kept = [n for n in range(first, 90) if n not in gaps]  # every prefix's window, revised and with gaps
    close = 100.0 + 0.01 * np.cumsum(steps)[kept]
    spec = DEFAULT.needs().bars[0]
    bars = Bars(
        contract=Stock("SPY"),
        spec=spec,
        at=np.datetime64("2024-03-05T04:00", "s") + 60 * np.array(kept),  # over New York's midnight
        open=close,
        high=close + 0.05,
        low=close - 0.05,
        close=close,
        volume=100.0 + np.array(kept),
    )
    now = datetime(2024, 3, 5, 6, tzinfo=UTC)

    signal = DEFAULT.decide(StrategyContext(symbol="SPY", now=now, bars={spec: bars}))

    sessions = sessions_of(bars.at, bars.timezone)
    vwap = session_vwap(bars.high, bars.low, bars.close, bars.volume, sessions)[-1]
    facts, rules = by_name(signal), {reason.name: reason.rule for reason in signal.reasons}
    if len(kept) >= DEFAULT.min_bars:
        assert facts["ema8"] == pytest.approx(ema(bars.close, 8)[-1], rel=1e-12)
        assert facts["rsi14"] == pytest.approx(rsi(bars.close, 14)[-1], rel=1e-9, abs=1e-9)
        assert facts["close"] == bars.close[-1]
        assert rules["ema8"].endswith(f"ema21 {ema(bars.close, 21)[-1]:.4f}")
        assert rules["close"].endswith(f"vwap {vwap:.4f}")


def test_a_flat_market_is_nothing(context_of):
    assert decide(context_of, [100.0] * 40).direction is Direction.NONE


def test_equal_inputs_give_equal_signals(context_of):
    assert decide(context_of, CLIMB) == decide(context_of, CLIMB)


@pytest.mark.parametrize(
    "params",
    [
        {"fast": 21},
        {"fast": 0},
        {"min_bars": 20},
        {"rsi_low": 71.0},
        {"rsi_exit": 46.0},
        {"rsi_exit": 0.0},
        {"rsi_high": 101.0},
    ],
)
def test_parameters_that_make_no_sense_are_refused(params):
    with pytest.raises(InvalidInput):
        Scalp(**params)
