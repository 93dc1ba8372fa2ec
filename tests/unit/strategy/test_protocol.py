from datetime import UTC, datetime

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import BarSpec
from ibkeel.strategy import Needs, StrategyContext


def test_a_strategy_may_need_nothing():
    assert Needs() == Needs(bars=(), quotes=())


@pytest.mark.parametrize("count", [0, 1.5, True, "2"])
def test_the_fewest_bars_are_a_number_from_one(count):
    spec = BarSpec()

    with pytest.raises(InvalidInput, match=r"Needs\.least is .* valid: 1 or more"):
        Needs(bars=(spec,), least={spec: count})
    assert Needs(bars=(spec,), least={spec: 1}).least == {spec: 1}


def test_the_fewest_bars_are_of_those_that_are_asked_for():
    with pytest.raises(InvalidInput, match="of what is among its bars"):
        Needs(least={BarSpec(): 1})


def test_two_together_need_the_greater_number_of_bars():
    one, other, third = (BarSpec(size=size) for size in ("1 min", "5 mins", "1 hour"))
    few = Needs(bars=(one, other, third), least={one: 5, other: 1})
    many = Needs(bars=(one, third), least={one: 3, third: 7})

    assert (few | many).least == (many | few).least == {one: 5, other: 1, third: 7}


def test_asking_for_bars_that_were_not_supplied_names_them():
    context = StrategyContext(symbol="SPY", now=datetime(2024, 3, 4, tzinfo=UTC), bars={})

    with pytest.raises(InvalidInput, match="'1 D' of '5 mins' for SPY"):
        context.bars_for(BarSpec(size="5 mins"))
