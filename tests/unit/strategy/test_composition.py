from datetime import UTC, datetime

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import BarSpec, Direction, ExitPolicy, Index, OptionWish, Reason, Signal
from ibkeel.strategy import Confirmed, Needs, StrategyContext, default_registry

CONTEXT = StrategyContext(symbol="SPY", now=datetime(2024, 3, 4, tzinfo=UTC), bars={})
MINUTES, HOURS = BarSpec(duration="3600 S", size="1 min"), BarSpec(duration="1 W", size="1 hour")


@attrs.frozen
class Says:
    name: str
    direction: Direction
    confidence: float = 0.5
    wants: Needs = attrs.field(factory=Needs)

    def needs(self):
        return self.wants

    def decide(self, context):
        sure = self.confidence if self.direction is not Direction.NONE else 0.0
        return Signal(
            direction=self.direction,
            confidence=sure,
            reasons=(Reason("said", sure),),
            wish=OptionWish(min_dte=len(self.name)),
            exits=ExitPolicy(min_dte=len(self.name)),
        )


UP, DOWN, NONE = Direction


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (UP, UP, UP),
        (DOWN, DOWN, DOWN),
        (UP, DOWN, NONE),
        (UP, NONE, NONE),
        (NONE, UP, NONE),
        (DOWN, UP, NONE),
    ],
)
def test_the_first_decides_and_the_second_must_agree(first, second, together):
    both = Confirmed(decides=Says("one", first), confirms=(Says("other", second),))

    assert both.decide(CONTEXT).direction is together


def test_confirmation_adds_to_confidence():
    both = Confirmed(decides=Says("one", UP, 0.6), confirms=(Says("other", UP, 0.5),))

    assert both.decide(CONTEXT).confidence == pytest.approx(0.8)


def test_a_refusal_to_confirm_leaves_no_confidence():
    both = Confirmed(decides=Says("one", UP, 0.6), confirms=(Says("other", NONE),))

    assert both.decide(CONTEXT).confidence == 0.0


def test_everybodys_reasons_are_told_under_their_names():
    for first, second, told in [
        (UP, DOWN, ["one.said", "other.said"]),
        (UP, UP, ["one.said", "other.said"]),
        (NONE, UP, ["one.said"]),
    ]:
        both = Confirmed(decides=Says("one", first), confirms=(Says("other", second),))

        assert [reason.name for reason in both.decide(CONTEXT).reasons] == told


def test_everybody_is_shown_the_same_market():
    @attrs.frozen
    class Names(Says):
        def decide(self, context):
            return Signal(direction=UP, confidence=0.5, reasons=(Reason(context.symbol, 1.0),))

    both = Confirmed(decides=Names("one", UP), confirms=(Names("other", UP),))

    assert [reason.name for reason in both.decide(CONTEXT).reasons] == ["one.SPY", "other.SPY"]


def test_options_and_exits_are_those_of_the_one_that_decides():
    signal = Confirmed(decides=Says("one", UP), confirms=(Says("other", UP),)).decide(CONTEXT)

    assert (signal.wish.min_dte, signal.exits.min_dte) == (3, 3)


def test_it_needs_what_all_of_them_need_each_thing_once():
    one = Needs(bars=(MINUTES, HOURS), memory=5.0)
    other = Needs(bars=(HOURS,), quotes=(Index("VIX"),), chain=True, memory=7.0)

    both = Confirmed(decides=Says("one", UP, wants=one), confirms=(Says("other", UP, wants=other),))

    assert both.needs() == Needs(bars=(MINUTES, HOURS), quotes=(Index("VIX"),), chain=True, memory=7.0)


def test_compositions_nest():
    inner = Confirmed(decides=Says("b", UP), confirms=(Says("c", UP),))

    both = Confirmed(decides=Says("a", UP), confirms=(inner,))

    assert both.name == "a+b+c"
    assert both.decide(CONTEXT).confidence == pytest.approx(0.875)


def test_a_composition_of_one_is_refused():
    with pytest.raises(InvalidInput, match="confirms"):
        Confirmed(decides=Says("one", UP), confirms=())


def test_names_joined_by_plus_are_a_composition():
    strategy = default_registry().create("scalp+whale", {"whale": {"rest": 0.0}})

    assert strategy.name == "scalp+whale"
    assert [spec.size for spec in strategy.needs().bars] == ["1 min", "1 hour"]
    assert strategy.needs().memory == 0.0


@pytest.mark.parametrize("params", [{"shark": {}}, {"whale": 3}, {"whale": {"teeth": 3}}])
def test_parameters_of_a_composition_belong_to_one_of_its_parts(params):
    with pytest.raises(InvalidInput):
        default_registry().create("scalp+whale", params)
