"""The least that a cycle can cost which wakes by the clock, works in a task and leaves one row in a file.

One task asks for each symbol's quote and bars and looks at none of them. No rule, no strategy, no event, no
account: whatever a runner does comes on top. The row goes straight to SQLite, the same few bytes each time.
"""

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from benchmarks.runner_stub import StubBroker
from ibkeel.model import BarSpec, Stock
from ibkeel.virtual import run_virtual, virtual_clock

__all__ = ["floor_rate"]

_INTERVAL: Final = 60.0
_ROW: Final = "[1,'no_signal',100.0,100.02,100.01]"


def floor_rate(symbols: tuple[str, ...], cycles: int, opens_at: datetime) -> float:
    """Symbol-cycles a second of CPU time."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "rows.sqlite", isolation_level=None)) as rows,
    ):
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = NORMAL")
        rows.execute("CREATE TABLE looks (data TEXT NOT NULL)")
        seconds = run_virtual(_cycles(symbols, cycles, opens_at, rows), start=opens_at, travel=False)
        assert rows.execute("SELECT count(*) FROM looks").fetchone() == (cycles,)
    return len(symbols) * cycles / seconds


async def _cycles(
    symbols: tuple[str, ...], cycles: int, opens_at: datetime, rows: sqlite3.Connection
) -> float:
    spec, stocks = BarSpec(), [Stock(symbol) for symbol in symbols]
    broker = StubBroker(symbols, virtual_clock(), opens_at, 6.5, spec=spec, cycles=cycles)

    async def visit_all() -> None:
        for stock in stocks:
            await broker.quote(stock)
            await broker.bars(stock, spec)

    started = time.process_time()
    for _ in range(cycles):
        await asyncio.sleep(_INTERVAL)
        async with asyncio.TaskGroup() as group:
            group.create_task(visit_all())
        rows.execute("INSERT INTO looks VALUES (?)", (_ROW,))
    return time.process_time() - started
