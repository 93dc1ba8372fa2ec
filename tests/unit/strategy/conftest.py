"""Bars from a list of closes, and the context a strategy gets."""

from datetime import UTC, datetime, timedelta

import pytest

from ibkeel.model import Bar, Bars, Stock
from ibkeel.strategy import StrategyContext

START = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)


def make_context(strategy, closes, volumes=None, *, reach=0.0):
    (spec,) = strategy.needs().bars
    traded = volumes or [100.0] * len(closes)
    rows = [
        Bar(
            START + timedelta(seconds=n * spec.size_seconds),
            close,
            close + reach,
            close - reach,
            close,
            volume,
        )
        for n, (close, volume) in enumerate(zip(closes, traded, strict=True))
    ]
    bars = Bars.from_rows(rows, contract=Stock("SPY"), spec=spec)
    return StrategyContext(symbol="SPY", now=START + timedelta(hours=3), bars={spec: bars})


@pytest.fixture
def context_of():
    return make_context
