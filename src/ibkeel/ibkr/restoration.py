"""A stream is restored when it ticks again, and not when somebody says so."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from ibkeel.model import TradingHours

_KNOWN_AFTER: Final = 20  # ticks: from then on the gaps between them say something
_TIMES_THE_LONGEST: Final = 5.0
_FORGETS: Final = 0.98  # of the longest gap stays with each tick
_A_PAUSE: Final = 3600.0  # seconds: a night or a halt, not a gap between two ticks


class Step(StrEnum):
    """What to do about a stream that was interrupted, once its deadline is over."""

    RESTORED = "it ticks again"
    WAIT = "no tick is due, for its market is closed"
    RESUBSCRIBE = "cancel it and subscribe again"
    RECONNECT = "a new connection is worth trying"
    GIVE_UP = "end it with an error"


@attrs.frozen(kw_only=True)
class Restoration:
    """How far the search for a first tick is, since an interruption or a silence, in monotonic seconds."""

    since: float
    is_silence: bool = False
    was_sent: bool = False
    was_reconnected: bool = False

    def step(self, *, has_ticked: bool, is_due: bool) -> "tuple[Restoration, Step]":
        """What follows when a deadline is over: whether a tick came since the interruption, and whether one should have."""
        if has_ticked:
            return self, Step.RESTORED
        if not is_due:
            return self, Step.WAIT
        if not self.was_sent:
            return attrs.evolve(self, was_sent=True), Step.RESUBSCRIBE
        if not self.was_reconnected:
            return attrs.evolve(self, was_reconnected=True), Step.RECONNECT
        return self, Step.GIVE_UP

    def sent(self) -> "Restoration":
        """It was subscribed to anew, because of a new link or lost data."""
        return attrs.evolve(self, was_sent=True)


@attrs.define
class Rhythm:
    """How often a stream ticks: a stock every second, an option far from the money now and then.

    Its last tick is in monotonic seconds, and its longest gap of late in seconds.
    """

    last: float = float("-inf")
    longest: float = 0.0
    ticks: int = 0

    def ticked(self, now: float) -> None:
        """Note a tick."""
        gap = now - self.last
        if gap < _A_PAUSE:
            self.longest = max(gap, self.longest * _FORGETS)
        self.last = now
        self.ticks += 1

    def silence(self, least: float) -> float:
        """Seconds without a tick, `least` or more, that are too long for this stream; infinity while too little is known."""
        if self.ticks < _KNOWN_AFTER:
            return float("inf")
        return max(least, _TIMES_THE_LONGEST * self.longest)


def expects_ticks(hours: Iterable[TradingHours], now: datetime, *, ticked_before: bool) -> bool:
    """Whether a stream should tick at an instant.

    Where the hours of that day are not known, it should if it ticked shortly before the interruption.
    """
    known = tuple(hours)
    if any(span.opens_at <= now < span.closes_at for span in known):
        return True
    covers_now = bool(known) and now < max(span.closes_at for span in known)
    return ticked_before and not covers_now
