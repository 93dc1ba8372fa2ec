"""S19: the breakout rule compared a close with a maximum that included it; it could never fire."""

from datetime import UTC, datetime, timedelta

from ibkeel.model import Bar, Bars, Direction, Stock
from ibkeel.strategy import StrategyContext, Whale


def test_a_new_high_on_heavy_volume_fires():
    strategy = Whale()
    (spec,) = strategy.needs().bars
    start = datetime(2024, 3, 4, 15, tzinfo=UTC)
    rows = [Bar(start + timedelta(hours=n), 100.0, 100.0, 100.0, 100.0, 10.0) for n in range(20)]
    rows.append(Bar(start + timedelta(hours=20), 100.0, 101.0, 100.0, 101.0, 1000.0))
    bars = Bars.from_rows(rows, contract=Stock("SPY"), spec=spec)

    signal = strategy.decide(StrategyContext(symbol="SPY", now=start, bars={spec: bars}))

    assert signal.direction is Direction.UP


def test_the_model_of_what_was_there_never_fired_on_any_bars():
    def seed(highs, closes):
        return closes[-1] > max(highs)

    highs = [100.0] * 20 + [101.0]

    assert not seed(highs, [100.0] * 20 + [101.0])
    assert Whale(min_bars=2).decide(_rising(highs)).direction is Direction.UP


def _rising(highs):
    (spec,) = Whale(min_bars=2).needs().bars
    start = datetime(2024, 3, 4, 15, tzinfo=UTC)
    rows = [
        Bar(start + timedelta(hours=n), 100.0, high, 100.0, high, 10.0 ** (n // 20 + 1))
        for n, high in enumerate(highs)
    ]
    bars = Bars.from_rows(rows, contract=Stock("SPY"), spec=spec)
    return StrategyContext(symbol="SPY", now=start + timedelta(days=1), bars={spec: bars})
