"""Public values that cross from one process to another, as those of a pool's workers do."""

import copy
import inspect
import pickle
from datetime import UTC, datetime
from importlib import import_module
from pkgutil import walk_packages

import attrs
import pytest

import ibkeel
from ibkeel.backtest import MarketTrial, SeededData
from ibkeel.ibkr import IBKRConfig
from ibkeel.model import BarSpec, OptionWish
from ibkeel.resilience import BreakerPolicy
from ibkeel.runner import StrategyConfig
from ibkeel.runner.tally import Tally
from ibkeel.strategy import Needs, StrategyContext, VixRegime

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
TRAVELS = [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
# Of the monitor and the simulator: what they hold goes to others as JSON and as lines of a file.
STAYS = ("ibkeel.monitor", "ibkeel.sim")


def public_classes():
    """Every public attrs class."""
    packages = [
        module.name for module in walk_packages(ibkeel.__path__, "ibkeel.") if module.name.count(".") == 1
    ]
    modules = [import_module(name) for name in packages if name not in STAYS]
    listed = [getattr(module, name) for module in modules for name in getattr(module, "__all__", ())]
    return [
        each for each in dict.fromkeys(each for each in listed if inspect.isclass(each)) if attrs.has(each)
    ]


def needs_nothing(kind):
    return all(field.default is not attrs.NOTHING or not field.init for field in attrs.fields(kind))


@pytest.mark.parametrize("travel", TRAVELS, ids=["copied", "copied deep", "pickled"])
@pytest.mark.parametrize("kind", [each for each in public_classes() if needs_nothing(each)])
def test_a_value_of_defaults_arrives_as_it_was(kind, travel):
    value = kind()

    arrived = travel(value)

    assert repr(arrived) == repr(value)


@pytest.mark.parametrize("travel", TRAVELS, ids=["copied", "copied deep", "pickled"])
@pytest.mark.parametrize(
    "value",
    [
        IBKRConfig(aliases={"DU1234567": "paper"}, breakers={"historical data": BreakerPolicy(failures=1)}),
        MarketTrial(strategy=VixRegime(calls={"GLD": OptionWish(min_dte=60)}), data=SeededData()),
        Needs(bars=(BarSpec(),), least={BarSpec(): 20}),
        StrategyConfig(name="mine", params={"fast": 3}),
        Tally("run", ("SPY",)).report(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_with_a_mapping_arrives_as_it_was(value, travel):
    assert travel(value) == value


def test_a_context_arrives_as_it_was():
    context = StrategyContext(symbol="SPY", now=NOW, bars={})

    assert dict(pickle.loads(pickle.dumps(context)).quotes) == {}


def test_what_arrived_can_be_changed_no_more_than_before():
    wishes = pickle.loads(pickle.dumps(VixRegime())).puts

    with pytest.raises(TypeError, match="does not support item assignment"):
        wishes["SPY"] = OptionWish()
