import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Direction
from ibkeel.strategy import DailyVolume, Strategy

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


def test_too_few_bars_are_nothing_with_a_reason(context_of):
    signal = decide(context_of, 105.0, 100.0, before=FLAT[1:])

    assert signal.direction is Direction.NONE
    assert signal.reasons[0].rule == "warming up: 10 of 11 bars of 1 hour"


def test_it_is_a_strategy():
    strategy: Strategy = DailyVolume()

    assert strategy.name == "daily_volume"
    assert [spec.size for spec in strategy.needs().bars] == ["1 hour"]


@pytest.mark.parametrize("params", [{"look_back": 0}, {"volume_ratio": 0.0}, {"band": -0.1}])
def test_parameters_that_make_no_sense_are_refused(params):
    with pytest.raises(InvalidInput):
        DailyVolume(**params)


@pytest.mark.parametrize("last", [50.0, 150.0])
def test_a_close_at_the_edge_of_the_band_is_nothing(context_of, last):
    assert decide(context_of, last, 500.0, DailyVolume(band=0.5)).direction is Direction.NONE
