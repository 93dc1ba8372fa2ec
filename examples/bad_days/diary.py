"""What became of a bot's minutes on a bad day: values, without IO."""

from enum import StrEnum
from typing import Final

import attrs

__all__ = ["Diary", "Harm", "Mark", "Minute", "Orders", "Seen", "judged"]

OLD_PRICE: Final = 30.0  # seconds: a stock like SPY moves every second
_LATE: Final = 120.0  # seconds: who notices later does so by chance


class Mark(StrEnum):
    """What a minute was worth."""

    SERVED = "served"
    """A price of now and bars came."""
    TOLD = "told"
    """Something did not come, and the bot was told so by an error."""
    FOOLED = "fooled"
    """What came was old or empty, and nothing said so."""
    STUCK = "stuck"
    """The bot still waited for an answer of an earlier minute."""
    ENDED = "ended"
    """The bot was no more."""


class Harm(StrEnum):
    """What a bot can suffer without an error."""

    OLD = "took an old price for the present one"
    EMPTY = "took an answer that never came for an empty one"
    STUCK = "waited through whole minutes"
    UNAWARE = "did not notice within two minutes"
    LOST = "was not well again when the Gateway was"
    TRADED = "sent orders without a price of now"
    DOUBLED = "sent an order twice"
    WRONG_BOOK = "kept a wrong book of its orders"
    LIMITS = "broke the Gateway's limits"


OLD: Final = "old price"
NO_PRICE: Final = "no price, no error"
NO_BARS: Final = "no bars, no error"


@attrs.frozen(kw_only=True)
class Seen:
    """What a round brought its bot.

    Args:
        price: Per share; None when the bot had none.
        age: Seconds since that price came.
        bars: How many came.
        error: Name of the error's type that reached the bot; empty for none.
    """

    price: float | None = None
    age: float = 0.0
    bars: int = 0
    error: str = ""


@attrs.frozen(kw_only=True)
class Minute:
    """One minute.

    Args:
        mark: What it was worth.
        word: Why, in few words; empty when served.
        took: Seconds that its round lasted.
    """

    mark: Mark
    word: str = ""
    took: float = 0.0


@attrs.frozen(kw_only=True)
class Orders:
    """What became of the orders that a bot wanted, each once.

    Args:
        wanted: How many.
        at_venue: How many the venue had, at the end.
        doubled: How many too many.
        believed: How many the bot took for working that the venue never had.
        unknown: How many the bot knew that it knew nothing of.
        missed: How many the bot took for failed that work at the venue.
        on_old_price: How many were sent in a round whose price was old.
        shared_ids: How many went under a number that another of the bot's had.
    """

    wanted: int = 0
    at_venue: int = 0
    doubled: int = 0
    believed: int = 0
    unknown: int = 0
    missed: int = 0
    on_old_price: int = 0
    shared_ids: int = 0


@attrs.frozen(kw_only=True)
class Diary:
    """One bot's course through one scenario.

    Args:
        bot: Whose.
        minutes: In order.
        orders: What became of them.
        alarms: What a person was told.
        broken_limits: How often the Gateway counted a limit as broken.
        noticed_after: Seconds from the first fault until the bot knew that something was wrong.
        recovered_after: Seconds from the end of the last fault until every round was served again;
            None when that never came, or the last fault never ended.
        is_lost_for_good: Whether all faults ended, and the rounds were not served again.
        had_trouble: Whether anything was wrong with the Gateway.
        silent_for: Longest time without a tick of the stream while the market was open, in seconds.
    """

    bot: str
    minutes: tuple[Minute, ...]
    orders: Orders
    alarms: tuple[str, ...] = ()
    broken_limits: int = 0
    noticed_after: float | None = None
    recovered_after: float | None = None
    is_lost_for_good: bool = False
    had_trouble: bool = False
    silent_for: float = 0.0

    @property
    def harms(self) -> frozenset[Harm]:
        """What the bot suffered."""
        words = {minute.word for minute in self.minutes}
        orders = self.orders
        found = {
            Harm.OLD: OLD in words,
            Harm.EMPTY: NO_BARS in words or NO_PRICE in words,
            Harm.STUCK: self.count(Mark.STUCK) > 0,
            Harm.LOST: self.is_lost_for_good,
            Harm.TRADED: orders.on_old_price > 0,
            Harm.DOUBLED: orders.doubled > 0,
            Harm.WRONG_BOOK: orders.believed + orders.missed + orders.shared_ids > 0,
            Harm.LIMITS: self.broken_limits > 0,
        }
        harms = {harm for harm, is_there in found.items() if is_there}
        is_late = self.noticed_after is None or self.noticed_after > _LATE
        if harms and self.had_trouble and is_late:
            harms.add(Harm.UNAWARE)
        return frozenset(harms)

    def count(self, mark: Mark) -> int:
        """How many minutes were worth that."""
        return sum(minute.mark is mark for minute in self.minutes)


def judged(seen: Seen, took: float) -> Minute:
    """What a round was worth, with the knowledge of an onlooker."""
    if seen.error:
        return Minute(mark=Mark.TOLD, word=seen.error, took=took)
    if seen.price is None:
        return Minute(mark=Mark.FOOLED, word=NO_PRICE, took=took)
    if seen.age > OLD_PRICE:
        return Minute(mark=Mark.FOOLED, word=OLD, took=took)
    if not seen.bars:
        return Minute(mark=Mark.FOOLED, word=NO_BARS, took=took)
    return Minute(mark=Mark.SERVED, took=took)
