import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import BarSpec, Direction
from ibkeel.strategy import DailyVolume, Needs, Strategy

FLAT = [100.0] * 10
DEFAULT = DailyVolume()


def decide(context_of, last, volume, strategy=DEFAULT, before=FLAT):
    return strategy.decide(context_of(strategy, [*before, last], [100.0] * len(before) + [volume]))


@pytest.mark.parametrize(("last", "direction"), [(100.2, Direction.UP), (99.8, Direction.DOWN)])
def test_a_close_away_from_the_average_on_ordinary_volume_is_followed(context_of, last, direction):
    signal = decide(context_of, last, 120.0)

    assert signal.direction is direction
    assert signal.confidence == pytest.approx(0.5 + 0.1 * 1.2)


def test_the_volume_that_is_just_enough_is_enough(context_of):
    assert decide(context_of, 101.0, 80.0).direction is Direction.UP
    assert decide(context_of, 101.0, 79.0).direction is Direction.NONE


@pytest.mark.parametrize("last", [100.1, 99.9, 100.0])
def test_a_close_within_the_band_is_nothing(context_of, last):
    assert decide(context_of, last, 500.0).direction is Direction.NONE


def test_confidence_is_capped(context_of):
    assert decide(context_of, 101.0, 100_000.0).confidence == 1.0


def test_the_bar_under_test_is_no_part_of_the_averages(context_of):
    signal = decide(context_of, 200.0, 1e9)

    facts = {reason.name: reason.value for reason in signal.reasons}
    assert facts == {"volume_ratio": 1e7, "distance": 1.0}


def test_a_market_without_volume_is_nothing(context_of):
    strategy = DailyVolume()

    signal = strategy.decide(context_of(strategy, [*FLAT, 105.0], [0.0] * 11))

    assert signal.direction is Direction.NONE
    assert [reason.name for reason in signal.reasons] == ["volume_ratio", "distance"]


def test_too_few_bars_are_nothing_with_a_reason(context_of):
    signal = decide(context_of, 105.0, 100.0, before=FLAT[1:])

    assert signal.direction is Direction.NONE
    assert signal.reasons[0].rule == "warming up: 10 of 11 bars of 1 hour"


def test_it_is_a_strategy():
    strategy: Strategy = DailyVolume()

    assert strategy.name == "daily_volume"
    spec = BarSpec(duration="1 W", size="1 hour")
    assert strategy.needs() == Needs(bars=(spec,), least={spec: 11})


@pytest.mark.parametrize(("look_back", "span"), [(23, "1 W"), (24, "2 W"), (47, "2 W"), (48, "3 W")])
def test_more_hours_than_a_week_holds_are_asked_for_where_they_are_needed(context_of, look_back, span):
    strategy = DailyVolume(look_back=look_back)

    assert [spec.duration for spec in strategy.needs().bars] == [span]
    assert decide(context_of, 101.0, 100.0, strategy, [100.0] * look_back).direction is Direction.UP


def test_the_averages_are_those_of_the_bars_just_before(context_of):
    strategy = DailyVolume(look_back=3)
    closes, volumes = [900.0, 70.0, 90.0, 140.0, 120.0], [5e6, 100.0, 200.0, 600.0, 450.0]

    signal = strategy.decide(context_of(strategy, closes, volumes))

    assert [str(reason) for reason in signal.reasons] == [
        "volume_ratio 1.5 (at least 0.8)",
        "distance 0.2 (more than 0.001 from sma3 100.0000)",
    ]
    assert signal.direction is Direction.UP


def test_prices_of_zero_say_nothing(context_of):
    assert decide(context_of, 0.0, 100.0, before=[0.0] * 10).direction is Direction.NONE


def test_a_price_and_a_volume_below_one_are_as_good_as_any(context_of):
    signal = DEFAULT.decide(context_of(DEFAULT, [0.5] * 10 + [0.6], [0.5] * 11))

    assert signal.direction is Direction.UP
    assert signal.confidence == 0.6


@pytest.mark.parametrize("params", [{"look_back": 0}, {"volume_ratio": 0.0}, {"band": -0.1}])
def test_parameters_that_make_no_sense_are_refused(params):
    with pytest.raises(InvalidInput):
        DailyVolume(**params)


@pytest.mark.parametrize("last", [50.0, 150.0])
def test_a_close_at_the_edge_of_the_band_is_nothing(context_of, last):
    assert decide(context_of, last, 500.0, DailyVolume(band=0.5)).direction is Direction.NONE
