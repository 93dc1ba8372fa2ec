"""What the quotes of one expiry say: the forward, each strike's own delta, the strike of another delta."""

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from statistics import NormalDist
from typing import Final

import attrs
import numpy as np

from ibkeel.model import Option, Quote, Right
from ibkeel.options.delta_search import grain
from ibkeel.options.greeks import implied_greeks
from ibkeel.options.parity import implied_dividend_yield, parity_forward
from ibkeel.options.select import nearest_strikes

_PAIRS: Final = 3
_NEAR: Final = Decimal("0.01")
_GUESS: Final = 0.25  # a volatility to begin with, when no quote gives one
_NORMAL: Final = NormalDist()
_ALIKE: Final = 1e-6
_CURVE: Final = 3  # points of a parabola


@attrs.frozen(kw_only=True)
class Expiry:
    """The options of one expiry, by strike, and the figures that price them.

    Args:
        wanted: Options of the right that is looked for, by strike, ascending; not empty.
        twins: Those of the other right, of the same strikes.
        spot: Price of the underlying per share.
        years: Time to expiry, above 0.
        rate: Interest a year, continuous, a fraction.
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
        marks: Volatility and delta by strike, ascending, of those that have them.
    """

    expiry: Expiry
    forward: float
    has_parity: bool
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
    if len(around) == 2:  # noqa: PLR2004 - one on each side
        return min(max(values[0], min(around)), max(around))
    return values[0]


def pair_strikes(expiry: Expiry) -> tuple[Decimal, ...]:
    """Strikes whose pairs may give the forward, the first choice first.

    Those within 1 % of the spot, where early exercise is worth next to nothing; the roundest first, for
    round ones are listed at every expiry, and of these the nearest. The three nearest when none is within.
    """
    spot = Decimal(str(expiry.spot))
    within = [strike for strike in expiry.wanted if abs(strike - spot) <= _NEAR * spot]
    if not within:
        return nearest_strikes(expiry.wanted, spot, _PAIRS)
    return tuple(sorted(within, key=lambda strike: (-grain(strike), abs(strike - spot), strike))[:_PAIRS])


def view_of(expiry: Expiry, quotes: Mapping[Option, Quote]) -> View:
    """What two-sided quotes say of their expiry.

    Args:
        expiry: Its options.
        quotes: Of some of them, each with bid and ask, the ask not below.
    """
    forward = _forward(expiry, quotes)
    carried = expiry.spot * math.exp(expiry.rate * expiry.years)
    view = View(expiry=expiry, forward=forward or carried, has_parity=forward is not None, marks={})
    return attrs.evolve(view, marks=_marks(view, quotes))


def _forward(expiry: Expiry, quotes: Mapping[Option, Quote]) -> float | None:
    """From the first pair that is quoted whole: one pair, so that whoever asks gets the same."""
    for strike in pair_strikes(expiry):
        one, other = quotes.get(expiry.wanted[strike]), quotes.get(expiry.twins[strike])
        if one is None or other is None:
            continue
        call, put = (one, other) if expiry.right is Right.CALL else (other, one)
        found = parity_forward(
            strike=[float(strike)],
            call_bid=[call.bid or 0.0],
            call_ask=[call.ask or 0.0],
            put_bid=[put.bid or 0.0],
            put_ask=[put.ask or 0.0],
            years=expiry.years,
            rate=expiry.rate,
        )
        if found.forward > 0:
            return found.forward
    return None


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
