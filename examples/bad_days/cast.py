"""Who plays in which scenario: two of them need bots with a fault of their own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs
from typing_extensions import override

from bad_days.course import Bot
from bad_days.diary import Seen
from bad_days.naive import Naive
from bad_days.ours import Ours
from ibkeel.errors import WrongLoopError
from ibkeel.model import Bars
from ibkeel.virtual import VirtualLoop

__all__ = ["PLAYS", "Play", "play_of"]

T = TypeVar("T")

_FINE_FOR: Final = 5  # minutes for which the seed's bot worked
_NAP: Final = 38.0


class _OtherLoop(VirtualLoop):
    """A loop of its own, at the same time of day as another."""

    def __init__(self, now: float) -> None:
        super().__init__(datetime(2026, 1, 5, 14, 40, tzinfo=UTC))
        self._now = now


def _elsewhere(work: Callable[[], Awaitable[T]]) -> T:
    """What a thread with a loop of its own makes of it, while the loop that owns the socket stands still."""
    ours = asyncio.get_running_loop()
    found: list[T | BaseException] = []
    ended = [ours.time()]

    def run() -> None:
        loop = _OtherLoop(ours.time())
        asyncio.set_event_loop(loop)
        try:
            found.append(loop.run_until_complete(work()))
        except WrongLoopError as error:
            found.append(error)
        finally:
            ended[0] = loop.time()
            loop.close()
            asyncio.set_event_loop(None)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    _stand_still(ended[0] - ours.time())
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _stand_still(seconds: float) -> None:
    """The loop does not run for so long, as in a time.sleep()."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop._move_to(loop.time() + seconds)  # noqa: SLF001 - time.sleep() does not move virtual time


class NaiveThreads(Naive):
    """The seed: from its second cycle on, each question comes from a new thread with a new loop."""

    rounds = 0

    @override
    async def _bars(self) -> Any:
        self.rounds += 1
        if self.rounds <= _FINE_FOR:
            return await super()._bars()
        return _elsewhere(super()._bars)


class OursThreads(Ours):
    """The same mistake: it is refused at once, and the question goes where the error says."""

    rounds = refused = 0

    @override
    async def _bars(self) -> Bars:
        self.rounds += 1
        if self.rounds <= _FINE_FOR:
            return await super()._bars()
        try:
            return _elsewhere(super()._bars)
        except WrongLoopError:
            self.refused += 1
            return await super()._bars()


class NaiveSleeper(Naive):
    """Sleeps between its rounds with time.sleep()."""

    @override
    async def round(self) -> Seen:
        _stand_still(_NAP)
        return await super().round()


class OursSleeper(Ours):
    """The same mistake."""

    @override
    async def round(self) -> Seen:
        _stand_still(_NAP)
        return await super().round()


@attrs.frozen(kw_only=True)
class Play:
    """One scenario's cast.

    Args:
        naive: Makes the bot on the bare client library, given a port.
        ours: Makes the bot on `IBKRBroker`.
        minutes: How long they live.
    """

    naive: Callable[[int], Bot] = Naive
    ours: Callable[[int], Bot] = Ours
    minutes: int = 24


PLAYS: Final[Mapping[str, Play]] = MappingProxyType(
    {
        "farms-flap": Play(minutes=26),
        "reset-never-ends": Play(minutes=30),
        "seed-five-minutes": Play(naive=NaiveThreads, ours=OursThreads),
        "slow-consumer": Play(naive=NaiveSleeper, ours=OursSleeper),
        "weekly-login": Play(minutes=380),
    }
)


def play_of(name: str) -> Play:
    """Who plays in that scenario."""
    return PLAYS.get(name, Play())
