"""Expiries, taken from what is listed and never computed from a weekday."""

from collections.abc import Iterable
from datetime import date

from ibkeel.errors import InvalidInput


def dte(expiry: date, today: date) -> int:
    """Calendar days from `today` to `expiry`; negative once it has passed."""
    return (expiry - today).days


def expiries_within(
    expiries: Iterable[date], *, today: date, min_dte: int = 0, max_dte: int | None = None
) -> tuple[date, ...]:
    """Expiries whose DTE lies in a closed range.

    Args:
        expiries: Listed expiries, in any order.
        today: Trading date to count from, in the exchange's calendar.
        min_dte: Fewest calendar days to expiry, inclusive; 0 admits today's.
        max_dte: Most calendar days to expiry, inclusive; None for no limit.

    Returns:
        Matching expiries, ascending; empty when none match.

    Raises:
        InvalidInput: `min_dte` is negative or above `max_dte`.
    """
    if min_dte < 0 or (max_dte is not None and min_dte > max_dte):
        raise InvalidInput(f"DTE range {min_dte} to {max_dte}; valid: 0 <= min_dte <= max_dte")
    return tuple(
        expiry
        for expiry in sorted(set(expiries))
        if dte(expiry, today) >= min_dte and (max_dte is None or dte(expiry, today) <= max_dte)
    )


def nearest_expiry(expiries: Iterable[date], *, today: date, min_dte: int = 0) -> date | None:
    """The first listed expiry at least `min_dte` calendar days away; None when there is none.

    Raises:
        InvalidInput: `min_dte` is negative.
    """
    return next(iter(expiries_within(expiries, today=today, min_dte=min_dte)), None)


def weekly_expiry(expiries: Iterable[date], *, today: date, min_dte: int = 0) -> date | None:
    """The last listed expiry of the first calendar week that has one at or after `min_dte`.

    That is this week's Friday where a Friday is listed, the Thursday when the exchange is shut
    on that Friday, and the next listed week when this one has none left.

    Args:
        expiries: Listed expiries, in any order.
        today: Trading date to count from, in the exchange's calendar.
        min_dte: Fewest calendar days to expiry, inclusive; 0 admits today's.

    Returns:
        A listed expiry, or None when all have passed.

    Raises:
        InvalidInput: `min_dte` is negative.
    """
    ahead = expiries_within(expiries, today=today, min_dte=min_dte)
    if not ahead:
        return None
    week = ahead[0].isocalendar()[:2]
    return max(expiry for expiry in ahead if expiry.isocalendar()[:2] == week)
