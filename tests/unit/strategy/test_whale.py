from datetime import timedelta

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import BarSpec, Direction
from ibkeel.strategy import Needs, Strategy, Whale

FLAT = [100.0] * 30
DEFAULT = Whale()


def decide(context_of, closes, volumes, strategy=DEFAULT):
    return strategy.decide(context_of(strategy, closes, volumes, reach=0.5))


def test_a_close_above_the_range_on_heavy_volume_is_up(context_of):
    signal = decide(context_of, [*FLAT, 101.0], [100.0] * 30 + [130.0])

    assert signal.direction is Direction.UP
    assert signal.confidence == pytest.approx(0.6 * 100 * 0.5 / 100.5 + 0.4)


def test_a_close_below_the_range_on_heavy_volume_is_down(context_of):
    signal = decide(context_of, [*FLAT, 98.0], [100.0] * 30 + [130.0])

    assert signal.direction is Direction.DOWN
    assert signal.confidence == pytest.approx(1.0)


def test_a_break_on_ordinary_volume_is_nothing(context_of):
    assert decide(context_of, [*FLAT, 105.0], [100.0] * 30 + [120.0]).direction is Direction.NONE


def test_heavy_volume_within_the_range_is_nothing(context_of):
    assert decide(context_of, [*FLAT, 100.2], [100.0] * 30 + [500.0]).direction is Direction.NONE


def test_a_market_without_volume_is_nothing(context_of):
    assert decide(context_of, [*FLAT, 105.0], [0.0] * 31).direction is Direction.NONE


def test_bars_older_than_the_look_back_play_no_part(context_of):
    signal = decide(context_of, [200.0, *FLAT, 101.0], [9999.0] + [100.0] * 30 + [130.0], Whale(look_back=30))

    assert signal.direction is Direction.UP


def test_too_few_bars_are_nothing_with_a_reason(context_of):
    signal = decide(context_of, [100.0] * 19, [1.0] * 19)

    assert signal.direction is Direction.NONE
    assert signal.reasons[0].rule == "warming up: 19 of 20 bars of 1 hour"


def test_it_is_a_strategy():
    strategy: Strategy = Whale()

    spec = BarSpec(duration="3 W", size="1 hour")
    assert strategy.name == "whale"
    assert strategy.needs() == Needs(bars=(spec,), least={spec: 20}, memory=259_200.0)


@pytest.mark.parametrize(("look_back", "span"), [(71, "3 W"), (72, "4 W"), (95, "4 W"), (96, "5 W")])
def test_more_hours_are_asked_for_where_the_range_needs_them(look_back, span):
    assert [spec.duration for spec in Whale(look_back=look_back).needs().bars] == [span]
    assert [spec.duration for spec in Whale(min_bars=look_back + 1).needs().bars] == [span]


def test_it_tells_the_range_and_the_volume(context_of):
    for closes, volume in [([*FLAT, 101.0], 130.0), ([*FLAT, 101.0], 110.0)]:
        signal = decide(context_of, closes, [100.0] * 30 + [volume])

        assert [str(reason) for reason in signal.reasons] == [
            "close 101 (outside 99.5 to 100.5)",
            f"volume_ratio {volume / 100:g} (above 1.2)",
        ]


def test_less_than_the_usual_volume_is_less_sure_where_it_counts_as_heavy(context_of):
    strategy = Whale(volume_ratio=0.5)

    signal = decide(context_of, [*FLAT, 150.0], [100.0] * 30 + [80.0], strategy)

    assert signal.confidence == pytest.approx(0.6 + 0.4 * 0.8)
    assert decide(context_of, [*FLAT, 150.0], [0.0] * 31, strategy).direction is Direction.NONE


@pytest.mark.parametrize("last", [1.0, -1.0])
def test_prices_of_zero_have_no_range_to_break(context_of, last):
    context = context_of(DEFAULT, [0.0] * 30 + [last], [100.0] * 30 + [500.0])

    assert DEFAULT.decide(context).direction is Direction.NONE


@pytest.mark.parametrize(("last", "direction"), [(0.6, Direction.UP), (0.4, Direction.DOWN)])
def test_a_price_and_a_volume_below_one_are_as_good_as_any(context_of, last, direction):
    context = context_of(DEFAULT, [0.5] * 30 + [last], [0.5] * 30 + [1.0])

    assert DEFAULT.decide(context).direction is direction


@pytest.mark.parametrize("params", [{"look_back": 0}, {"min_bars": 1}, {"volume_ratio": 0.0}, {"rest": -1.0}])
def test_parameters_that_make_no_sense_are_refused(params):
    with pytest.raises(InvalidInput):
        Whale(**params)


@pytest.mark.parametrize(
    ("days", "direction"), [(0, Direction.NONE), (2.9, Direction.NONE), (3, Direction.UP), (30, Direction.UP)]
)
def test_a_symbol_rests_for_three_days_after_an_entry(context_of, days, direction):
    context = context_of(DEFAULT, [*FLAT, 101.0], [100.0] * 30 + [130.0], reach=0.5)
    entered = attrs.evolve(context, last_entry_at=context.now - timedelta(days=days))

    signal = DEFAULT.decide(entered)

    assert signal.direction is direction
    assert DEFAULT.needs().memory == timedelta(days=3).total_seconds()


def test_a_rest_is_told_as_the_reason(context_of):
    context = context_of(DEFAULT, [*FLAT, 101.0], [100.0] * 30 + [130.0], reach=0.5)

    signal = DEFAULT.decide(attrs.evolve(context, last_entry_at=context.now - timedelta(hours=1)))

    assert str(signal.reasons[-1]) == "seconds_since_entry 3600 (at least 259200)"


@pytest.mark.parametrize("close", [100.5, 99.5])
def test_a_close_at_the_edge_of_the_range_is_nothing(context_of, close):
    assert decide(context_of, [*FLAT, close], [100.0] * 30 + [500.0]).direction is Direction.NONE


def test_a_close_a_little_below_the_range_is_a_little_sure(context_of):
    signal = decide(context_of, [*FLAT, 99.4], [100.0] * 30 + [130.0])

    assert signal.confidence == pytest.approx(0.6 * 100 * 0.1 / 99.5 + 0.4)


def test_the_range_is_that_of_sixty_bars(context_of):
    closes, volumes = [200.0, *[100.0] * 60, 101.0], [9999.0] + [100.0] * 60 + [130.0]

    assert decide(context_of, closes, volumes).direction is Direction.UP
    assert decide(context_of, closes[:1] + closes[2:], volumes[1:]).direction is Direction.NONE


def test_the_fewest_bars_are_enough(context_of):
    assert decide(context_of, [100.0, 101.0], [100.0, 130.0], Whale(min_bars=2)).direction is Direction.UP
