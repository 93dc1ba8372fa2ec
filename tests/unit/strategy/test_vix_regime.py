from datetime import UTC, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import DataType, Direction, Index, OptionWish, Quote
from ibkeel.strategy import Regime, Registry, Strategy, StrategyContext, VixRegime

NOW = datetime(2024, 3, 4, 15, tzinfo=UTC)
VIX = Index("VIX")
DEFAULT = VixRegime()


def decide(symbol, level, strategy=DEFAULT, **changes):
    quote = attrs.evolve(Quote(contract=VIX, at=NOW, last=level), **changes)
    return strategy.decide(StrategyContext(symbol=symbol, now=NOW, bars={}, quotes={VIX: quote}))


@pytest.mark.parametrize(
    ("level", "regime", "puts", "calls"),
    [
        (9.14, Regime.COMPLACENCY, 0.85, 0.0),
        (14.99, Regime.COMPLACENCY, 0.85, 0.0),
        (15.0, Regime.NORMAL, 0.0, 0.60),
        (19.99, Regime.NORMAL, 0.0, 0.60),
        (20.0, Regime.ELEVATED, 0.0, 0.75),
        (29.99, Regime.ELEVATED, 0.0, 0.75),
        (30.0, Regime.PEAK_FEAR, 0.0, 0.0),
        (82.69, Regime.PEAK_FEAR, 0.0, 0.0),
    ],
)
def test_each_regime_begins_at_its_lower_bound(level, regime, puts, calls):
    spy, gld = decide("SPY", level), decide("GLD", level)

    assert DEFAULT.regime(level) is regime
    assert (spy.confidence, gld.confidence) == (puts, calls)
    assert spy.direction is (Direction.DOWN if puts else Direction.NONE)
    assert gld.direction is (Direction.UP if calls else Direction.NONE)


@pytest.mark.parametrize(
    ("symbol", "level", "otm", "dte"),
    [
        ("SPY", 12.0, (0.05, 0.10), (30, 60)),
        ("QQQ", 12.0, (0.00, 0.10), (30, 45)),
        ("IWM", 12.0, (0.05, 0.10), (30, 60)),
        ("NVDA", 12.0, (0.00, 0.10), (30, 60)),
        ("TSLA", 12.0, (0.10, 0.20), (30, 60)),
        ("GLD", 17.0, (0.02, 0.05), (60, 90)),
        ("LMT", 17.0, (0.02, 0.05), (45, 90)),
        ("XLE", 17.0, (0.02, 0.05), (30, 60)),
    ],
)
def test_each_symbol_has_its_own_options(symbol, level, otm, dte):
    wish = decide(symbol, level).wish

    assert ((wish.min_otm, wish.max_otm), (wish.min_dte, wish.max_dte)) == (otm, dte)


def test_a_symbol_of_neither_universe_is_nothing_with_a_reason():
    signal = decide("AAPL", 12.0)

    assert signal.direction is Direction.NONE
    assert [str(reason) for reason in signal.reasons] == [
        "vix 12 (complacency)",
        "in_universe 0 (one of SPY, QQQ, IWM, NVDA, TSLA)",
    ]


def test_an_entry_tells_the_level_and_its_regime():
    assert [str(reason) for reason in decide("GLD", 17.5).reasons] == ["vix 17.5 (normal)"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"last": None}, "vix_known 0 (a VIX that could be read)"),
        ({"at": NOW - timedelta(seconds=901)}, "vix_age 901 (at most 900 s)"),
        ({"data_type": DataType.DELAYED}, "vix_live 0 (live data, not delayed)"),
        ({"data_type": DataType.FROZEN}, "vix_live 0 (live data, not frozen)"),
    ],
)
def test_without_a_fresh_live_level_it_says_nothing(changes, reason):
    signal = decide("SPY", 12.0, **changes)

    assert signal.direction is Direction.NONE
    assert [str(fact) for fact in signal.reasons] == [reason]


def test_without_any_quote_it_says_nothing():
    signal = DEFAULT.decide(StrategyContext(symbol="SPY", now=NOW, bars={}))

    assert signal.direction is Direction.NONE


def test_universes_come_from_configuration():
    registry = Registry({"vix_regime": VixRegime}, discover=tuple)
    params = {"puts": {"AAPL": {"min_otm": 0.0, "max_otm": 0.05, "min_dte": 20, "max_dte": 40}}}

    strategy = registry.create("vix_regime", params)

    assert decide("AAPL", 12.0, strategy).wish == OptionWish(
        min_otm=0.0, max_otm=0.05, min_dte=20, max_dte=40
    )
    assert decide("SPY", 12.0, strategy).direction is Direction.NONE


def test_it_is_a_strategy():
    strategy: Strategy = VixRegime()

    assert strategy.name == "vix_regime"
    assert strategy.needs().quotes == (VIX,)


@pytest.mark.parametrize("params", [{"calm": 20.0}, {"fear": 20.0}, {"max_age": 0.0}, {"calm": -1.0}])
def test_parameters_that_make_no_sense_are_refused(params):
    with pytest.raises(InvalidInput):
        VixRegime(**params)


def test_a_level_of_the_greatest_age_still_counts():
    assert decide("SPY", 12.0, at=NOW - timedelta(seconds=900)).is_entry
