"""One look at the source, shared by all who want to see."""

import asyncio
import json
from typing import Any, Final

import attrs

from ibkeel.monitor.dashboard.source import Controls, Source
from ibkeel.telemetry import redact

__all__ = ["Look", "Looks"]

_VOLATILE: Final = frozenset({"now", "age"})


@attrs.frozen(kw_only=True)
class Look:
    """What was seen.

    Args:
        data: The board, with `origin`, `note` and `halted`.
        text: The same as JSON.
        settled: The same without ages, which change though nothing happened.
    """

    data: dict[str, Any]
    text: str
    settled: str


class Looks:
    """Looks at a source at most so often, however many pages are open: each look costs the bot something.

    Args:
        source: What is looked at.
        controls: Whether entries are halted.
        every: Seconds for which a look holds.
    """

    def __init__(self, source: Source, controls: Controls, every: float) -> None:
        self._source, self._controls, self._every = source, controls, every
        self._turn = asyncio.Lock()
        self._last: tuple[float, Look] | None = None

    async def look(self) -> Look:
        """The present look, or a new one."""
        async with self._turn:
            clock = asyncio.get_running_loop().time
            if self._last is None or clock() - self._last[0] >= self._every:
                self._last = (clock(), await self._new())
            return self._last[1]

    def forget(self) -> None:
        """Something was changed: look anew."""
        self._last = None

    async def _new(self) -> Look:
        view = await self._source.view()
        halted = redact(self._controls.halted)
        data = {**view.data, "origin": view.origin, "note": redact(view.note), "halted": halted}
        return Look(data=data, text=json.dumps(data, separators=(",", ":")), settled=_settled(data))


def _settled(data: dict[str, Any]) -> str:
    tiers = [{name: row[name] for name in row if name != "age"} for row in data["health"]["tiers"]]
    kept = {name: row for name, row in data.items() if name not in _VOLATILE}
    return json.dumps({**kept, "health": {**data["health"], "tiers": tiers}}, separators=(",", ":"))
