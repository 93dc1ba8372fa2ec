"""The first bot's cycle, written anew: one symbol after another, a frame of 60 rows in, pandas inside.

Measured on its own code: 930 to 1,170 symbol-cycles a second (facts in the project's papers); this is
written from its description, so both figures are given.
"""

import time
from typing import Any

from benchmarks.runner_stub import BARS, closes

__all__ = ["seed_cycles"]

_LOOK_BACK = 20


class _SeedBroker:
    """Builds the frame anew for each request, as its stub does."""

    def __init__(self) -> None:
        import pandas as pd

        self._pandas, self._closes = pd, closes()

    def is_connected(self) -> bool:
        return True

    def account(self) -> dict[str, float]:
        return {"NetLiquidation": 100_000.0, "AvailableFunds": 100_000.0}

    def positions(self) -> list[Any]:
        return []

    def historical_prices(self, symbol: str) -> Any:
        pd, column = self._pandas, self._closes
        return pd.DataFrame(
            {
                "date": pd.date_range("2024-03-04 09:30", periods=BARS, freq="min", tz="America/New_York"),
                "open": column,
                "high": column * 1.0001,
                "low": column * 0.9999,
                "close": column,
                "volume": [1000] * BARS,
            }
        )


def _to_frame(pd: Any, rows: Any) -> Any:
    frame = pd.DataFrame(rows)
    frame.columns = [str(name).lower() for name in frame.columns]
    frame["date"] = pd.to_datetime(frame["date"])
    return frame.set_index("date").sort_index()


def _rules(frame: Any) -> str:
    """Breakout on volume: last close against the range and the mean volume before it."""
    before = frame.iloc[-_LOOK_BACK - 1 : -1]
    mean, last = before["volume"].mean(), frame.iloc[-1]
    if last["volume"] > 1.5 * mean and last["close"] > before["high"].max():
        return "BUY"
    if last["volume"] > 1.5 * mean and last["close"] < before["low"].min():
        return "SELL"
    return "HOLD"


def seed_cycles(symbols: tuple[str, ...], cycles: int) -> float:
    """Symbol-cycles a second of CPU time, without its sleeps and without a log."""
    import pandas as pd

    broker, failures, skip = _SeedBroker(), dict.fromkeys(symbols, 0), dict.fromkeys(symbols, 0)
    first = broker.account()["NetLiquidation"]
    started = time.process_time()
    for _ in range(cycles):
        for symbol in symbols:
            if skip[symbol]:
                skip[symbol] -= 1
                continue
            values = broker.account()
            loss = (first - values["NetLiquidation"]) / first
            if values["AvailableFunds"] < 500 or loss >= 0.15 or not broker.is_connected():
                continue
            broker.positions()
            frame = _to_frame(pd, broker.historical_prices(symbol))
            if frame.empty:
                failures[symbol] += 1
                continue
            failures[symbol] = 0
            _rules(frame)
    return len(symbols) * cycles / (time.process_time() - started)
