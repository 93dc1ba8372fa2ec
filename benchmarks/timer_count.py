"""How many timers a loop is asked for."""

import asyncio
from typing import Any

__all__ = ["timers_each_second"]


async def timers_each_second(seconds: int) -> float:
    """Count what the running loop is asked for meanwhile, this function's own timer apart."""
    loop: Any = asyncio.get_running_loop()
    set_timer, number = loop.call_at, 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal number
        number += 1
        return set_timer(*args, **kwargs)

    loop.call_at = counted
    try:
        await asyncio.sleep(seconds)
    finally:
        loop.call_at = set_timer
    return (number - 1) / seconds
