"""Tasks that run as long as a block does."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


@asynccontextmanager
async def beside(*companions: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines that never end beside the body; whatever ends the body ends them."""
    tasks = [asyncio.create_task(companion) for companion in companions]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
