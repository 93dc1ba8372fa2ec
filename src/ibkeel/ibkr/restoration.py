"""A stream is restored when it ticks again, and not when somebody says so."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import attrs

from ibkeel.model import TradingHours

__all__ = ["Restoration", "Step", "expects_ticks"]


class Step(StrEnum):
    """What to do about a stream that was interrupted, once its deadline is over."""

    RESTORED = "it ticks again"
    WAIT = "no tick is due, for its market is closed"
    RESUBSCRIBE = "cancel it and subscribe again"
    RECONNECT = "a new connection is worth trying"
    GIVE_UP = "end it with an error"


@attrs.frozen(kw_only=True)
class Restoration:
    """How far the search for a first tick is.

    Args:
        since: When the stream was interrupted, in monotonic seconds.
        was_sent: Whether it was subscribed to anew since.
        was_reconnected: Whether a new connection was tried since.
    """

    since: float
    was_sent: bool = False
    was_reconnected: bool = False

    def step(self, *, has_ticked: bool, is_due: bool) -> "tuple[Restoration, Step]":
        """What follows when a deadline is over.

        Args:
            has_ticked: Whether a tick came since the interruption.
            is_due: Whether one should have come.
        """
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


def expects_ticks(hours: Iterable[TradingHours], now: datetime, *, ticked_before: bool) -> bool:
    """Whether a stream should tick at an instant.

    Args:
        hours: Regular trading hours of its contract, as far as they are known.
        now: Aware.
        ticked_before: Whether it ticked shortly before the interruption, which decides when the
            hours of that day are not known.
    """
    known = tuple(hours)
    if any(span.opens_at <= now < span.closes_at for span in known):
        return True
    covers_now = bool(known) and now < max(span.closes_at for span in known)
    return ticked_before and not covers_now
