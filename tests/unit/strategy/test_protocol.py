from datetime import UTC, datetime

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import BarSpec
from ibkeel.strategy import Needs, StrategyContext


def test_a_strategy_may_need_nothing():
    assert Needs() == Needs(bars=(), quotes=())


def test_asking_for_bars_that_were_not_supplied_names_them():
    context = StrategyContext(symbol="SPY", now=datetime(2024, 3, 4, tzinfo=UTC), bars={})

    with pytest.raises(InvalidInput, match="'1 D' of '5 mins' for SPY"):
        context.bars_for(BarSpec(size="5 mins"))
