"""The same crossing of two averages in other backtesters; run in an environment of their own, one a call.

Prints one JSON object: CPU seconds of each timed run, and how many orders filled.
"""

import json
import sys
import time
from typing import Any

import numpy as np

__all__ = ["BARS", "FAST", "SIZE", "SLOW", "columns"]

BARS, FAST, SLOW, SIZE = 97_500, 10, 50, 100  # 250 sessions of 390 minutes
_SEED = 1


def columns(count: int = BARS) -> dict[str, Any]:
    """Open, high, low and close of a seeded walk."""
    close = np.round(100.0 * np.exp(np.cumsum(np.random.default_rng(_SEED).normal(0.0, 5e-4, count))), 2)
    opened = np.concatenate([[100.0], close[:-1]])
    top, bottom = np.maximum(opened, close) + 0.01, np.minimum(opened, close) - 0.01
    return {"open": opened, "high": np.round(top, 2), "low": np.round(bottom, 2), "close": close}


def _frame(count: int) -> Any:
    import pandas as pd

    frame = pd.DataFrame(columns(count))
    frame["volume"] = 1000.0
    frame.index = pd.date_range("2024-01-02 14:30", periods=count, freq="min", tz="UTC", name="timestamp")
    return frame


def _timed(play: Any, rounds: int) -> tuple[list[float], int]:
    seconds, orders = [], 0
    for _ in range(rounds + 1):
        run = play()
        started = time.process_time()
        orders = run()
        seconds.append(time.process_time() - started)
    return seconds[1:], orders


def backtesting_py(count: int, rounds: int) -> tuple[list[float], int]:
    """backtesting.py, with its averages computed once for the whole column, as its manual does."""
    import warnings

    warnings.filterwarnings("ignore")
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover

    frame = _frame(count).rename(columns=str.capitalize).tz_localize(None)

    def average(values: Any, period: int) -> Any:
        import pandas as pd

        return pd.Series(values).rolling(period).mean()

    class Cross(Strategy):
        def init(self) -> None:
            self.fast = self.I(average, self.data.Close, FAST)
            self.slow = self.I(average, self.data.Close, SLOW)

        def next(self) -> None:
            if crossover(self.fast, self.slow):
                self.position.close()
                self.buy(size=SIZE)
            elif crossover(self.slow, self.fast):
                self.position.close()
                self.sell(size=SIZE)

    def play() -> Any:
        test = Backtest(frame, Cross, cash=1_000_000, commission=0.0, exclusive_orders=False)
        return lambda: len(test.run()["_trades"])

    return _timed(play, rounds)


def nautilus(count: int, rounds: int) -> tuple[list[float], int]:
    """nautilus_trader with a strategy in Python; only `run` is timed, not the making of its bars."""
    from decimal import Decimal

    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.indicators import SimpleMovingAverage
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import BarType
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money
    from nautilus_trader.persistence.wranglers import BarDataWrangler
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    instrument = TestInstrumentProvider.equity(symbol="SPY", venue="XNAS")
    bar_type = BarType.from_str("SPY.XNAS-1-MINUTE-LAST-EXTERNAL")
    bars = BarDataWrangler(bar_type, instrument).process(_frame(count))

    class Cross(Strategy):
        def __init__(self) -> None:
            super().__init__()
            self.fast, self.slow = SimpleMovingAverage(FAST), SimpleMovingAverage(SLOW)
            self.held = 0

        def on_start(self) -> None:
            self.register_indicator_for_bars(bar_type, self.fast)
            self.register_indicator_for_bars(bar_type, self.slow)
            self.subscribe_bars(bar_type)

        def on_bar(self, bar: Any) -> None:
            if not self.slow.initialized:
                return
            wanted = SIZE if self.fast.value > self.slow.value else -SIZE
            change = wanted - self.held
            if change:
                side = OrderSide.BUY if change > 0 else OrderSide.SELL
                quantity = instrument.make_qty(abs(change))
                self.submit_order(self.order_factory.market(instrument.id, side, quantity))
                self.held = wanted

    def play() -> Any:
        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
        engine.add_venue(
            venue=Venue("XNAS"),
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            base_currency=USD,
            starting_balances=[Money(1_000_000, USD)],
            default_leverage=Decimal(4),
        )
        engine.add_instrument(instrument)
        engine.add_data(bars)
        engine.add_strategy(Cross())

        def run() -> int:
            engine.run()
            return len(engine.cache.orders_closed())

        return run

    return _timed(play, rounds)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    seconds, orders = {"backtesting_py": backtesting_py, "nautilus": nautilus}[asked["peer"]](
        asked["bars"], asked["rounds"]
    )
    print(json.dumps({"seconds": seconds, "orders": orders}))
