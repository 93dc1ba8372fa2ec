"""Where along a ladder of strikes to look next, and when no more looking can change the answer."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from typing import Final

__all__ = ["by_nearness", "grain", "is_settled", "presumed_missing", "round_neighbours", "roundest"]

_GRAINS: Final = tuple(
    Decimal(text) for text in ("100", "50", "25", "10", "5", "2.5", "1", "0.5", "0.25", "0.1", "0.05")
)
_WITNESSES: Final = 2
_REACH: Final = 0.25
_ROUNDING: Final = 1e-12


def grain(strike: Decimal) -> Decimal:
    """The coarsest of the usual steps between strikes that a strike is a multiple of; 0 for none."""
    return next((step for step in _GRAINS if strike % step == 0), Decimal(0))


def roundest(strikes: Sequence[Decimal], start: float, goal: float) -> Decimal:
    """A strike near a goal that surely exists: round ones are listed at every expiry, odd ones at few.

    Args:
        strikes: Not empty.
        start: Where the way to the goal begins; a strike may miss the goal by a quarter of the way.
        goal: Per share.

    Returns:
        The roundest within reach, of those the nearest; the nearest of all when none is within reach.
    """
    reach = _REACH * abs(goal - start)
    within = [strike for strike in strikes if abs(float(strike) - goal) <= reach]
    return min(
        within or strikes,
        key=lambda strike: (-grain(strike) if within else 0, abs(float(strike) - goal), strike),
    )


def presumed_missing(
    strikes: Iterable[Decimal], *, existing: Collection[Decimal], missing: Collection[Decimal]
) -> frozenset[Decimal]:
    """Strikes that are likely not listed: the two nearest of the same step that were asked for are not.

    Args:
        strikes: Not asked for yet.
        existing: Asked for, and listed at this expiry.
        missing: Asked for, and not.
    """
    counts = Counter(map(grain, missing))
    doubtful = {step for step, count in counts.items() if count >= _WITNESSES}
    if not doubtful:
        return frozenset()
    asked = [(strike, True) for strike in existing] + [(strike, False) for strike in missing]

    def is_presumed(strike: Decimal) -> bool:
        step = grain(strike)
        if step not in doubtful:
            return False
        alike = sorted((abs(one - strike), one, is_listed) for one, is_listed in asked if grain(one) == step)
        return not any(is_listed for _, _, is_listed in alike[:_WITNESSES])

    return frozenset(strike for strike in strikes if is_presumed(strike))


def by_nearness(strikes: Sequence[Decimal], goal: float) -> list[Decimal]:
    """Strikes in the order in which they are worth a quote: outwards from a goal, by turns.

    Args:
        strikes: Ascending.
        goal: Per share.
    """
    at = bisect_left(strikes, goal)
    places = {strike: abs(index + 0.5 - at) for index, strike in enumerate(strikes)}
    return sorted(strikes, key=lambda strike: (places[strike], abs(float(strike) - goal), strike))


def round_neighbours(strikes: Sequence[Decimal], goal: float) -> list[Decimal]:
    """The strikes below and above a goal that are rounder than the odd ones there.

    Should the odd ones not be listed at an expiry, these are.

    Args:
        strikes: Ascending.
        goal: Per share.
    """
    near = by_nearness(strikes, goal)[:_WITNESSES]
    finest = min(map(grain, near), default=Decimal(0))
    rounder = [strike for strike in strikes if grain(strike) > finest]
    at = bisect_left(rounder, goal)
    return rounder[max(0, at - 1) : at + 1]


def is_settled(ladder: Sequence[float | None], best: int, target: float) -> bool:
    """Whether nothing that was not asked for can be nearer to the target, if values ascend.

    Args:
        ladder: Ascending values; NaN where asking gave none, None where nobody asked.
        best: Index of the nearest one that will do.
        target: To come near to.

    Returns:
        True when on either side every one was asked for, up to one that is no nearer than the best.
    """
    value = ladder[best]
    assert value is not None
    error = abs(value - target) - _ROUNDING
    return _is_shut(ladder[best::-1], lambda low: low <= target - error) and _is_shut(
        ladder[best:], lambda high: high >= target + error
    )


def _is_shut(values: Iterable[float | None], is_far: Callable[[float], bool]) -> bool:
    for value in values:
        if value is None:
            return False
        if not math.isnan(value) and is_far(value):
            return True
    return True
