"""Tasks that were cancelled, and need a moment to end."""

import asyncio
from collections.abc import Iterable


async def gone(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait until tasks have ended, and those who waited for them have heard of it."""
    # Those of a loop that was closed have ended, and cannot be waited for.
    await asyncio.gather(*(task for task in tasks if not task.done()), return_exceptions=True)
    await asyncio.sleep(0)
