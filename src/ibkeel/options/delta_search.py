"""Where along a ladder of strikes to look next, and when no more looking can change the answer."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

import attrs

_GRAINS: Final = tuple(
    Decimal(text) for text in ("100", "50", "25", "10", "5", "2.5", "1", "0.5", "0.25", "0.1", "0.05")
)
_WITNESSES: Final = 2
_ROUND: Final = Decimal(50)
_REACH: Final = 0.25
_ROUNDING: Final = 1e-12


def _strike_set(strikes: Iterable[Decimal]) -> frozenset[Decimal]:
    """Strikes as a set."""
    return frozenset(strikes)


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


@attrs.frozen(kw_only=True)
class Listed:
    """What is known of the strikes of one expiry.

    Args:
        existing: Asked for, and listed.
        missing: Asked for, and not.
    """

    existing: frozenset[Decimal] = attrs.field(converter=_strike_set)
    missing: frozenset[Decimal] = attrs.field(converter=_strike_set)

    def ends(self) -> tuple[float, float]:
        """Bounds that no listed strike reaches, as far as they show; infinite where they do not.

        A list ends before the first missing strike beyond the outermost existing one, when several are
        missing there that are as round as that one, or very round.
        """
        if not self.existing:
            return -math.inf, math.inf
        low, high = min(self.existing), max(self.existing)
        under = [one for one in self.missing if one < low and grain(one) >= min(grain(low), _ROUND)]
        over = [one for one in self.missing if one > high and grain(one) >= min(grain(high), _ROUND)]
        return (
            float(max(under)) if len(under) >= _WITNESSES else -math.inf,
            float(min(over)) if len(over) >= _WITNESSES else math.inf,
        )

    def likely(self, strikes: Iterable[Decimal]) -> list[Decimal]:
        """Those strikes that may well be listed, in their order.

        Not beyond the ends; and not between listed ones, when the two nearest of the same step that
        were asked for are missing.
        """
        floor, ceiling = self.ends()
        inside = [strike for strike in strikes if floor < strike < ceiling]
        if len(self.missing) < _WITNESSES or not self.existing:
            return inside
        low, high = min(self.existing), max(self.existing)
        steps = Counter(map(grain, self.missing))
        asked = [(one, True) for one in self.existing] + [(one, False) for one in self.missing]
        return [
            strike
            for strike in inside
            if not low < strike < high
            or steps[grain(strike)] < _WITNESSES
            or any(_nearest_alike(strike, asked))
        ]

    def next_to(self, strikes: Sequence[Decimal], goal: float, count: int) -> list[Decimal]:
        """The strikes most worth a quote on the way to a goal.

        Args:
            strikes: Likely ones that were not asked for, ascending.
            goal: Per share.
            count: How many at most.

        Returns:
            Those around the goal, by turns; when it lies beyond an end of the list, the roundest
            between that end and what is known to be listed.
        """
        floor, ceiling = self.ends()
        if floor < goal < ceiling:
            return by_nearness(strikes, goal)[:count]
        low, high = min(self.existing), max(self.existing)
        between = [one for one in strikes if (one > high if goal >= ceiling else one < low)]
        between.sort(key=lambda strike: (-grain(strike), abs(float(strike) - goal), strike))
        return between[:count]


def _nearest_alike(strike: Decimal, asked: Iterable[tuple[Decimal, bool]]) -> list[bool]:
    """Whether the nearest strikes of the same step are listed."""
    step = grain(strike)
    alike = sorted((abs(one - strike), one, is_listed) for one, is_listed in asked if grain(one) == step)
    return [is_listed for _, _, is_listed in alike[:_WITNESSES]]


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
