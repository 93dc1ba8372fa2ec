"""Where along a ladder of strikes to look next, and when no more looking can change the answer."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from statistics import NormalDist
from typing import Final

import attrs
import numpy as np

from ibkeel.model import Option, Quote, Right
from ibkeel.options.greeks import implied_greeks
from ibkeel.options.parity import implied_dividend_yield, parity_of
from ibkeel.options.select import nearest_strikes

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
    """What is known of the strikes of one expiry: asked for and listed, or asked for and not."""

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
    """Strikes in the order in which they are worth a quote: outwards from a goal, by turns."""
    at = bisect_left(strikes, goal)
    places = {strike: abs(index + 0.5 - at) for index, strike in enumerate(strikes)}
    return sorted(strikes, key=lambda strike: (places[strike], abs(float(strike) - goal), strike))


def round_neighbours(strikes: Sequence[Decimal], goal: float) -> list[Decimal]:
    """The strikes below and above a goal that are rounder than the odd ones there.

    Should the odd ones not be listed at an expiry, these are.
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


_PAIRS: Final = 3
_NEAR: Final = Decimal("0.01")
_GUESS: Final = 0.25  # a volatility to begin with, when no quote gives one
_NORMAL: Final = NormalDist()
_ALIKE: Final = 1e-6
_CURVE: Final = 3  # points of a parabola
_ROOM: Final = 0.04  # deviations between the bounds of a forward: a delta moves by less than 0.01 there


@attrs.frozen(kw_only=True)
class Expiry:
    """The options of one expiry and the wanted right, by strike, ascending, with their twins of the other right.

    The figures that price them are the spot per share, the years to expiry, and the interest a year, continuous.
    """

    wanted: Mapping[Decimal, Option]
    twins: Mapping[Decimal, Option]
    spot: float
    years: float
    rate: float

    @property
    def right(self) -> Right:
        """Of the options that are looked for."""
        return next(iter(self.wanted.values())).right


@attrs.frozen
class Marked:
    """An option's own volatility and delta, at mid; `reach` is the `d1` of the formula."""

    iv: float
    delta: float
    reach: float


@attrs.frozen(kw_only=True)
class View:
    """What is known of an expiry so far.

    Args:
        expiry: Its options.
        forward: Per share; from parity, or the spot carried at the rate.
        has_parity: Whether the forward is from parity.
        is_pinned: Whether the pairs leave it little room, so that no other is asked for.
        marks: Volatility and delta by strike, ascending, of those that have them.
    """

    expiry: Expiry
    forward: float
    has_parity: bool
    is_pinned: bool = False
    marks: Mapping[Decimal, Marked]

    @property
    def dividend_yield(self) -> float:
        """The yield that carries the spot to the forward."""
        of = self.expiry
        return implied_dividend_yield(forward=self.forward, spot=of.spot, years=of.years, rate=of.rate)

    def reach_of(self, delta: float) -> float:
        """The `d1` at which an option of this right has that delta, given without sign."""
        share = delta * math.exp(self.dividend_yield * self.expiry.years)
        reach = _NORMAL.inv_cdf(min(max(share, _ALIKE), 1 - _ALIKE))
        return reach if self.expiry.right is Right.CALL else -reach

    def strike_at(self, reach: float, volatility: float) -> float:
        """The strike at which a volatility gives that `d1`."""
        deviation = volatility * math.sqrt(self.expiry.years)
        return self.forward * math.exp(deviation * (0.5 * deviation - reach))

    def strike_of(self, delta: float) -> float:
        """The strike, listed or not, at which the smile seen so far has that delta.

        Log strikes are read off a parabola through the three marks nearest in `d1`: along a smile
        either is nearly a straight line of the other. Two marks give the line, one its volatility.
        """
        reach = self.reach_of(delta)
        near = sorted(self.marks.items(), key=lambda one: (abs(one[1].reach - reach), one[0]))
        points = _apart([(mark.reach, math.log(strike)) for strike, mark in near])
        if len(points) > 1:
            return math.exp(_at(points[:_CURVE], reach))
        volatility = near[0][1].iv if near else _GUESS
        return self.strike_at(reach, volatility)


def _apart(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points on one falling line: a strike above another with no lower `d1` is a bad quote's."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        if all((x - other_x) * (y - other_y) < -_ALIKE * _ALIKE for other_x, other_y in kept):
            kept.append((x, y))
    return kept


def _at(points: Sequence[tuple[float, float]], x: float) -> float:
    """Value at `x` of the polynomial through points, by Neville's scheme; between two of them, no wilder."""
    values = [y for _, y in points]
    for width in range(1, len(points)):
        for i in range(len(points) - width):
            left, right = points[i][0], points[i + width][0]
            values[i] = ((x - right) * values[i] + (left - x) * values[i + 1]) / (left - right)
    around = [y for other, y in points if other <= x][:1] + [y for other, y in points if other > x][:1]
    if len(around) == 2:  # one on each side
        return min(max(values[0], min(around)), max(around))
    return values[0]


def pair_strikes(expiry: Expiry) -> tuple[Decimal, ...]:
    """Strikes whose pairs may give the forward, the first choice first.

    Those within 1 % of the spot, where early exercise is worth next to nothing; the roundest first, for
    round ones are listed at every expiry, and of these the nearest. Then the nearest, to make three.
    """
    spot = Decimal(str(expiry.spot))
    within = [strike for strike in expiry.wanted if abs(strike - spot) <= _NEAR * spot]
    within.sort(key=lambda strike: (-grain(strike), abs(strike - spot), strike))
    return tuple(dict.fromkeys((*within, *nearest_strikes(expiry.wanted, spot, _PAIRS))))[:_PAIRS]


def view_of(expiry: Expiry, quotes: Mapping[Option, Quote]) -> View:
    """What two-sided quotes of some options, each with the ask not below the bid, say of their expiry."""
    forward, is_pinned = _forward(expiry, quotes)
    carried = expiry.spot * math.exp(expiry.rate * expiry.years)
    has_parity = forward is not None
    view = View(
        expiry=expiry, forward=forward or carried, has_parity=has_parity, is_pinned=is_pinned, marks={}
    )
    return attrs.evolve(view, marks=_marks(view, quotes))


def _forward(expiry: Expiry, quotes: Mapping[Option, Quote]) -> tuple[float | None, bool]:
    """From the first pairs that are quoted whole, and whether they pin it down.

    A further pair counts only where those before it leave too much room, so that whoever asks gets the same.
    """
    rows: list[tuple[float, ...]] = []
    forward = None
    room = _ROOM * expiry.spot * _GUESS * math.sqrt(expiry.years)
    for strike in pair_strikes(expiry):
        one, other = quotes.get(expiry.wanted[strike]), quotes.get(expiry.twins[strike])
        if one is None or other is None:
            continue
        call, put = (one, other) if expiry.right is Right.CALL else (other, one)
        row = (float(strike), *(side or 0.0 for side in (call.bid, call.ask, put.bid, put.ask)))
        table = np.array([*rows, row]).T
        found = parity_of(table[0], table[1:3], table[3:], expiry.years, expiry.rate)
        if found.forward > 0:
            rows.append(row)
            forward = found.forward
            if abs(found.upper - found.lower) <= room:
                return forward, True
    return forward, False


def _marks(view: View, quotes: Mapping[Option, Quote]) -> dict[Decimal, Marked]:
    expiry = view.expiry
    mids = {strike: quotes[option].mid for strike, option in expiry.wanted.items() if option in quotes}
    if not mids:
        return {}
    found = implied_greeks(
        np.array(list(mids.values()), dtype=np.float64),
        spot=expiry.spot,
        strike=np.array(list(mids), dtype=np.float64),
        years=expiry.years,
        right=expiry.right,
        rate=expiry.rate,
        dividend_yield=view.dividend_yield,
    )
    rows = zip(mids, found.volatility.values.tolist(), found.greeks.delta.tolist(), strict=True)
    return {
        strike: Marked(iv, delta, _reach(view, float(strike), iv))
        for strike, iv, delta in rows
        if not math.isnan(iv) and not math.isnan(delta)
    }


def _reach(view: View, strike: float, iv: float) -> float:
    deviation = iv * math.sqrt(view.expiry.years)
    return math.log(view.forward / strike) / deviation + 0.5 * deviation
