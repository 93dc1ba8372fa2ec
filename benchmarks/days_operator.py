"""Who minds a bot from the command line, and asks it to close everything."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from benchmarks.campaign_life import PORT
from benchmarks.days_life import SetClock
from benchmarks.days_plan import Event
from benchmarks.days_vigil import Bot
from ibkeel.clock import Clock
from ibkeel.runner import Flattened, FlattenRequest, FlattenRequests

__all__ = ["Operator"]

_WAIT: Final = 60.0  # seconds that exits may take
_PATIENCE: Final = 90.0  # more of them until an answer is overdue
_LOOKS: Final = 0.5
_UNCLEAR: Final = 30.0  # good seconds that a request may lack


class Operator:
    """Types commands.

    Args:
        folder: The state directory that commands and bots share.
        machine: The clock that they share, too.
        clock: The right one.
        is_flat: Whether a bot holds nothing and no entry of its works, by the venue's book.
        trace: Told what is done, in words.
    """

    def __init__(
        self,
        folder: Path,
        machine: SetClock,
        clock: Clock,
        is_flat: Callable[[Bot], bool],
        trace: Callable[[str], None],
    ) -> None:
        self._folder, self._machine, self._clock = folder, machine, clock
        self._is_flat, self._trace = is_flat, trace
        self.wrongs: list[str] = []
        """Answers that were not true, and those that never came."""

    def requests_to(self, client_id: int) -> FlattenRequests:
        """Where a bot is asked, and where it looks."""
        return FlattenRequests(self._folder, port=PORT, client_id=client_id, clock=self._machine)

    async def flatten(self, bot: Bot, event: Event) -> None:
        """Ask a bot to close what it holds, and see whether what it answers is true."""
        requests, asked_at, before = self.requests_to(bot.client_id), self._clock.now(), bot.good
        request = FlattenRequest(
            name=asked_at.isoformat(),
            wait=_WAIT,
            everything=event.number % 4 == 0,
            asked_until=self._machine.now() + timedelta(seconds=_WAIT + _PATIENCE),
        )
        requests.ask(request)
        done = await self._answer(requests, request.name)
        requests.withdraw(request.name)
        words = f"bot {bot.client_id}, asked at {asked_at:%d %H:%M:%S} to close everything"
        if done is None:
            if bot.good - before >= _WAIT + _PATIENCE - _UNCLEAR:
                self.wrongs.append(f"{words}: no answer though the link was good")
            return
        self._trace(f"FLATTENED {done}")
        if done.is_flat and not self._is_flat(bot):
            self.wrongs.append(f"{words}: said to be flat, and is not: {done}")

    async def _answer(self, requests: FlattenRequests, name: str) -> Flattened | None:
        for _ in range(int((_WAIT + _PATIENCE) / _LOOKS)):
            if (done := requests.answered(name)) is not None:
                return done
            await asyncio.sleep(_LOOKS)
        return None
