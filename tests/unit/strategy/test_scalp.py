from datetime import UTC, datetime

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.indicators import ema, rsi, session_vwap, sessions_of
from ibkeel.model import Bars, BarSpec, Direction, Stock
from ibkeel.strategy import Needs, Scalp, Strategy, StrategyContext

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

    spec = BarSpec(duration="3600 S", size="1 min")
    assert strategy.name == "scalp"
    assert strategy.needs() == Needs(bars=(spec,), least={spec: 30})


@pytest.mark.parametrize(
    ("bars", "span"),
    [(60, "3600 S"), (61, "3660 S"), (390, "23400 S"), (391, "2 D"), (780, "2 D"), (781, "3 D")],
)
def test_more_bars_than_an_hour_holds_are_asked_for_where_they_are_needed(bars, span):
    assert Scalp(min_bars=bars).needs().bars == (BarSpec(duration=span, size="1 min"),)


def test_a_rising_trend_above_vwap_with_fair_strength_is_up(context_of):
    signal = decide(context_of, CLIMB)

    facts = by_name(signal)
    assert signal.direction is Direction.UP
    assert 45 <= facts["rsi14"] <= 70
    assert 0 < signal.confidence <= 1


@pytest.mark.parametrize(("steepness", "is_wide"), [(1.0, True), (0.5, False)])
def test_confidence_adds_up_from_the_gap_and_the_strength(context_of, steepness, is_wide):
    signal = decide(context_of, [100 + steepness * (close - 100) for close in CLIMB])

    facts, rules = by_name(signal), {reason.name: reason.rule for reason in signal.reasons}
    slow = float(rules["ema8"].rsplit(" ", 1)[1])
    gap = 500 * (facts["ema8"] - slow) / slow
    expected = 0.6 * min(1.0, gap) + 0.4 * (facts["rsi14"] - 45) / 25
    assert (gap > 1) is is_wide
    assert signal.confidence == pytest.approx(expected, rel=1e-3)


def test_a_falling_trend_is_down(context_of):
    signal = decide(context_of, [100 - 0.1 * n for n in range(40)])

    assert signal.direction is Direction.DOWN
    assert signal.confidence == 1.0


# Falls slowly, with every third minute up: neither the averages nor the strength are at their ends.
FALL = [100 - 0.016 * n + (0.031 if n % 3 == 2 else 0.0) for n in range(40)]


@pytest.mark.parametrize(
    ("strategy", "is_weak"),
    [(Scalp(), True), (Scalp(rsi_low=20.0, rsi_exit=5.0), False)],
    ids=["weak", "strong enough"],
)
def test_confidence_in_a_fall_adds_up_from_the_gap_and_the_weakness(context_of, strategy, is_weak):
    signal = decide(context_of, FALL, strategy)

    facts, rules = by_name(signal), {reason.name: reason.rule for reason in signal.reasons}
    slow = float(rules["ema8"].rsplit(" ", 1)[1])
    gap = 500 * (slow - facts["ema8"]) / facts["ema8"]
    weakness = 1 - facts["rsi14"] / strategy.rsi_exit
    assert signal.direction is Direction.DOWN
    assert 0 < gap < 1
    assert (weakness > 0) is is_weak
    assert signal.confidence == pytest.approx(0.6 * gap + 0.4 * max(weakness, 0.0), rel=1e-3)


@pytest.mark.parametrize(
    ("closes", "said"),
    [
        (CLIMB, ["ema8 100.44 (above ema21 100.2207)", "close 100.65 (above vwap 100.0143)", "rsi14 69.55"]),
        (
            FALL,
            ["ema8 99.44 (not above ema21 99.5461)", "close 99.38 (not above vwap 99.6981)", "rsi14 18.71"],
        ),
        (
            [100.0] * 40,
            [
                "ema8 100.00 (not above ema21 100.0000)",
                "close 100.00 (not above vwap 100.0000)",
                "rsi14 50.00",
            ],
        ),
    ],
    ids=["climb", "fall", "flat"],
)
def test_it_tells_what_each_reading_was_held_against(context_of, closes, said):
    signal = decide(context_of, closes)

    *averages, strength = (f"{reason.name} {reason.value:.2f} ({reason.rule})" for reason in signal.reasons)
    assert averages == said[:2]
    assert strength == f"{said[2]} (45 <= rsi <= 70, DOWN below 40)"


@pytest.mark.parametrize("bound", ["rsi_low", "rsi_high"])
def test_a_strength_that_is_just_fair_is_fair(context_of, bound):
    strength = by_name(decide(context_of, CLIMB))["rsi14"]

    assert decide(context_of, CLIMB, Scalp(**{bound: strength})).direction is Direction.UP


def test_a_strength_at_the_exit_is_no_weakness(context_of):
    strategy = Scalp(rsi_exit=50.0, rsi_low=50.0)

    signal = decide(context_of, [100.0] * 40, strategy)

    assert by_name(signal)["rsi14"] == 50.0
    assert signal.direction is Direction.NONE


def test_a_close_at_vwap_is_no_reason_to_buy(context_of):
    closes = [*CLIMB[:-1], 100.625]  # three of which have an exact sum

    signal = decide(context_of, closes, volumes=[0.0] * (len(closes) - 1) + [1.0])

    assert str(signal.reasons[1]) == "close 100.625 (not above vwap 100.6250)"
    assert signal.direction is Direction.NONE


def test_averages_that_are_equal_are_no_rising_trend(context_of):
    strategy = Scalp()
    context = context_of(strategy, [100.0] * 40)
    (bars,) = context.bars.values()
    dipped = attrs.evolve(bars, low=bars.low - 1.0)

    signal = strategy.decide(attrs.evolve(context, bars={bars.spec: dipped}))

    assert signal.reasons[1].rule == "above vwap 99.6667"
    assert signal.direction is Direction.NONE


def test_the_session_is_that_of_the_exchange(context_of):
    strategy = Scalp()
    context = context_of(strategy, [50.0] * 20 + [100.0] * 20)
    (bars,) = context.bars.values()
    # Midnight in Tokyo is 15:00 in UTC.
    tokyo = attrs.evolve(bars, at=bars.at - np.timedelta64(20 * 60, "s"), timezone="Asia/Tokyo")

    signal = strategy.decide(attrs.evolve(context, bars={bars.spec: tokyo}))

    assert signal.reasons[1].rule == "not above vwap 100.0000"


def test_strength_is_that_of_its_period(context_of):
    closes = [100.0] * 30 + [101.0 + 0.1 * (n % 3) for n in range(8)]

    facts = by_name(decide(context_of, closes, Scalp(rsi_period=7)))

    assert facts["rsi7"] == pytest.approx(rsi(np.array(closes), 7)[-1], rel=1e-9)


def test_an_overheated_climb_is_nothing(context_of):
    signal = decide(context_of, [100 + 0.1 * n for n in range(40)])

    assert (signal.direction, signal.confidence) == (Direction.NONE, 0.0)
    assert by_name(signal)["rsi14"] == 100.0


def test_weakness_is_down_even_while_the_averages_still_rise(context_of):
    closes = [100 + 0.2 * n for n in range(36)] + [104.0]

    signal = decide(context_of, closes, Scalp(rsi_exit=69.0, rsi_low=69.5))

    assert signal.direction is Direction.DOWN
    assert signal.reasons[0].rule.startswith("above ema21")
    assert signal.confidence == pytest.approx(0.4 * (1 - by_name(signal)["rsi14"] / 69))


def test_nothing_that_traded_is_no_reason_to_buy(context_of):
    signal = decide(context_of, CLIMB, volumes=[0.0] * len(CLIMB))

    assert signal.direction is Direction.NONE


def test_too_few_bars_are_nothing_with_a_reason(context_of):
    signal = decide(context_of, CLIMB[:29])

    assert signal.direction is Direction.NONE
    assert [str(reason) for reason in signal.reasons] == ["bars 29 (warming up: 29 of 30 bars of 1 min)"]
    assert "ema8" in by_name(decide(context_of, CLIMB[:30]))


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
        {"min_bars": 30, "rsi_period": 30},
        {"rsi_low": 71.0},
        {"rsi_low": 70.0},
        {"rsi_exit": 46.0},
        {"rsi_exit": 0.0},
        {"rsi_high": 101.0},
    ],
)
def test_parameters_that_make_no_sense_are_refused(params):
    with pytest.raises(InvalidInput):
        Scalp(**params)


@pytest.mark.parametrize(
    "params",
    [
        {"fast": 20},
        {"min_bars": 21},
        {"min_bars": 31, "rsi_period": 30},
        {"rsi_exit": 45.0},
        {"rsi_exit": 0.5},
    ],
)
def test_parameters_at_the_edge_of_their_range_are_taken(params):
    assert attrs.asdict(Scalp(**params)).items() >= params.items()
