import re
from importlib.metadata import EntryPoint

import attrs
import pytest

from ibkeel.errors import InvalidInput, UnknownStrategy
from ibkeel.model import Direction, Signal
from ibkeel.strategy import Needs, Registry, Scalp, default_registry, register


@attrs.frozen(kw_only=True)
class Idle:
    """Does nothing."""

    patience: int = 1
    name: str = "idle"

    def needs(self):
        return Needs()

    def decide(self, context):
        return Signal(direction=Direction.NONE)


OFFERED = EntryPoint(name="offered", value="ibkeel.strategy:Scalp", group="ibkeel.strategies")


def make_registry(*offered):
    return Registry({"scalp": Scalp}, discover=lambda: offered)


def test_a_built_in_is_made_with_its_parameters():
    assert make_registry().create("scalp", {"fast": 5}) == Scalp(fast=5)


def test_a_registered_class_is_made_by_name():
    registry = make_registry()

    registry.register("idle")(Idle)

    assert registry.create("idle", {"patience": 3}).patience == 3
    assert registry.names() == ("idle", "scalp")


def test_a_registered_function_is_called_with_its_parameters():
    registry = make_registry()

    @registry.register("patient")
    def make(patience):
        return Idle(patience=patience)

    assert registry.create("patient", {"patience": 9}).patience == 9
    with pytest.raises(InvalidInput, match="hurry"):
        registry.create("patient", {"hurry": 1})


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("patience is a virtue"), "'picky': ValueError: patience is a virtue"),
        (InvalidInput("patience is -1; valid: 0 or more"), "^patience is -1"),
    ],
)
def test_a_function_that_refuses_its_parameters_is_told_as_it_said(error, words):
    def make(patience):
        raise error

    with pytest.raises(InvalidInput, match=words):
        Registry({"picky": make}).create("picky", {"patience": -1})


def test_a_strategy_of_an_installed_package_is_found_by_name():
    registry = make_registry(OFFERED)

    assert registry.names() == ("offered", "scalp")
    assert registry.create("offered") == Scalp()
    assert registry.create("offered", {"fast": 3}) == Scalp(fast=3)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(UnknownStrategy, match="scalp") as caught:
        make_registry(OFFERED).create("scalpel")

    assert caught.value.known == ("offered", "scalp")


@pytest.mark.parametrize("params", [{"fats": 5}, {"fast": "many"}, {"fast": 0}])
def test_a_parameter_that_does_not_fit_is_refused_by_name(params):
    with pytest.raises(InvalidInput, match=next(iter(params))):
        make_registry().create("scalp", params)


def test_a_fraction_is_no_whole_number():
    with pytest.raises(InvalidInput, match=r"fast is 5\.5; valid: a whole number"):
        default_registry().create("scalp", {"fast": 5.5})


@attrs.frozen(kw_only=True)
class Switched(Scalp):
    """One with a switch."""

    shorts: bool = False


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ({"fast": True}, "fast is True; valid: a whole number"),
        ({"rsi_high": True, "rsi_low": 0.5, "rsi_exit": 0.5}, "rsi_high is True; valid: a number"),
        ({"shorts": "no"}, "shorts is 'no'; valid: true or false"),
        ({"shorts": 0}, "shorts is 0; valid: true or false"),
    ],
)
def test_a_switch_is_no_number_and_a_text_no_switch(param, words):
    """The converter would make 1 of true, and true of "no"."""
    registry = Registry({"switched": Switched})

    with pytest.raises(InvalidInput, match=words):
        registry.create("switched", param)

    assert registry.create("switched", {"shorts": True, "fast": 5, "rsi_high": 70}).shorts


def test_a_name_cannot_be_taken_twice_by_different_strategies():
    registry = make_registry()

    registry.register("scalp")(Scalp)

    with pytest.raises(InvalidInput, match="registered already"):
        registry.register("scalp")(Idle)


def test_the_default_registry_is_one_object_with_the_built_ins():
    assert default_registry() is default_registry()
    for name in ("daily_volume", "scalp", "vix_regime", "whale"):
        assert default_registry().create(name).name == name
    assert register("scalp")(Scalp) is Scalp
    with pytest.raises(InvalidInput, match="'scalp' is registered already"):
        register("scalp")(Idle)


def test_a_class_of_any_kind_is_made_with_its_parameters():
    class Plain:
        def __init__(self, patience):
            self.patience = patience

    assert Registry({"plain": Plain}).create("plain", {"patience": 3}).patience == 3


def test_an_installed_package_offers_strategies_by_its_entry_points(tmp_path, monkeypatch):
    package = tmp_path / "offers-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: offers\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[ibkeel.strategies]\noffered = ibkeel.strategy:Scalp\n[console_scripts]\noffers = offers:main\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    names = Registry().names()

    assert "offered" in names
    assert "offers" not in names
    assert Registry().create("offered") == Scalp()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("ibkeel_nowhere:Scalp", "ModuleNotFoundError: No module named 'ibkeel_nowhere'; mend that package"),
        ("ibkeel.strategy:Nobody", "AttributeError: "),
        ("ibkeel.strategy.scalp:__doc__", "valid: a class or function"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_named_and_the_others_go_on(value, words):
    registry = make_registry(EntryPoint(name="broken", value=value, group="ibkeel.strategies"))

    with pytest.raises(InvalidInput, match=re.escape(words)) as refused:
        registry.create("broken")

    assert "'broken'" in str(refused.value)
    assert isinstance(registry.create("scalp"), Scalp)
