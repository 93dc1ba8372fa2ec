"""American options with cash dividends, backwards in time on one grid for all rows.

Between dividends the logarithm of the share is a Brownian motion. Measured in deviations of the whole
life from the path of the forward, it is the same motion for every option, so one step back is one matrix
product for all of them. The matrix is the heat kernel in a sine basis; its eigenvalues are those of a
difference operator of the eighth order, which is local, so what is cut off at the edges stays there.

At a dividend the value just before is that of the share less the dividend just after, and exercise is
allowed at both instants. Exercise at n instants a life misses some of the value of exercise at any time,
in proportion to 1 / n; two grids, extrapolated, remove that.

The nodes' distance limits the accuracy: measured against a finer scheme of another kind, prices are
within 1e-5 of the strike; 3e-5 where a dividend comes a day before expiry, for what is left of an option
then bends within one gap.
"""

from functools import cache
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.greeks import price as european_price
from ibkeel.options.inputs import CashDividend, Floats

# Beyond 6.5 deviations nothing reaches the middle that a double could show.
_REACH: Final = 6.5
_NODES: Final = 201
_MIDDLE: Final = _NODES // 2
_GAP: Final = _REACH / _MIDDLE
_PLACES: Final = np.linspace(-_REACH, _REACH, _NODES)
_STEPS: Final = 32
# The share cannot fall below nothing: what a dividend leaves is at least this part of it.
_LEFT: Final = 1e-9


@attrs.frozen(kw_only=True, eq=False)
class Terms:
    """Options of one expiry, one a row, each column of shape (rows, 1).

    Args:
        sign: +1 for calls, -1 for puts.
        volatility: A year, a fraction, above 0.
        spot: Per share.
        strike: Per share.
        rate: A year, continuous.
        dividend_yield: A year, continuous; beside the dividends in cash.
        years: To expiry, the same for all.
    """

    sign: Floats
    volatility: Floats
    spot: Floats
    strike: Floats
    rate: Floats
    dividend_yield: Floats
    years: float

    @property
    def rights(self) -> npt.NDArray[np.str_]:
        """The letters C and P."""
        return np.where(self.sign > 0, "C", "P")

    def exercised(self, share: Floats) -> Floats:
        """What exercise brings."""
        paid: Floats = self.sign * (share - self.strike)
        return paid


@attrs.frozen(kw_only=True, eq=False)
class Stepped:
    """Values at the spot, each of shape (rows,).

    Args:
        price: Per share.
        delta: Change of price for one unit of the underlying.
        gamma: Change of delta for one unit of the underlying.
    """

    price: Floats
    delta: Floats
    gamma: Floats


@cache
def _basis() -> tuple[Floats, Floats]:
    """Sines on the nodes, orthonormal, and the operator's eigenvalues."""
    place = np.arange(1, _NODES + 1)
    wave = np.pi / (_NODES + 1) * place
    sines = np.sqrt(2.0 / (_NODES + 1)) * np.sin(np.outer(place, wave))
    x = np.sin(0.5 * wave) ** 2
    # -(wave)^2 = -4 arcsin(sqrt(x))^2, to the fourth term of its series.
    return sines, -4.0 * x * (1.0 + x * (1 / 3 + x * (8 / 45 + x * (4 / 35))))


def _kernel(part: float) -> Floats:
    """One step back over that part of the life's variance."""
    sines, eigenvalues = _basis()
    kernel: Floats = (sines * np.exp(0.5 * part / _GAP**2 * eigenvalues)) @ sines
    return kernel


@attrs.frozen(kw_only=True, eq=False)
class _Span:
    """The time between two dividends, or between one of them and now or expiry."""

    start: float
    end: float
    forward: Floats

    def shares(self, terms: Terms, time: float) -> Floats:
        """Prices at the nodes, of shape (rows, nodes)."""
        variance = terms.volatility**2
        drift = (terms.rate - terms.dividend_yield) * (time - self.start) - 0.5 * variance * time
        deviation = terms.volatility * np.sqrt(terms.years)
        shares: Floats = self.forward * np.exp(drift + deviation * _PLACES)
        return shares


def _spans(terms: Terms, dividends: tuple[CashDividend, ...]) -> list[_Span]:
    """In order of time; each starts at the forward that its dividend leaves."""
    start, forward, spans = 0.0, terms.spot, []
    for dividend in dividends:
        spans.append(_Span(start=start, end=dividend.years, forward=forward))
        grown = forward * np.exp((terms.rate - terms.dividend_yield) * (dividend.years - start))
        forward = np.maximum(grown - dividend.amount, _LEFT * grown)
        start = dividend.years
    return [*spans, _Span(start=start, end=terms.years, forward=forward)]


def _at_expiry(terms: Terms, share: Floats, years: float) -> Floats:
    """One step before expiry no exercise is left but the last: the closed form is exact."""
    value: Floats = european_price(
        terms.volatility,
        spot=share,
        strike=terms.strike,
        years=years,
        right=terms.rights,
        rate=terms.rate,
        dividend_yield=terms.dividend_yield,
    )
    return value


def _through(values: Floats | None, terms: Terms, span: _Span, refined: int) -> Floats:
    """From the end of a span (None: expiry) to its start."""
    count = refined * max(1, round(_STEPS * (span.end - span.start) / terms.years))
    step = (span.end - span.start) / count
    kernel, discount = _kernel(step / terms.years), np.exp(-terms.rate * step)
    for index in reversed(range(count)):
        share = span.shares(terms, span.start + index * step)
        held = _at_expiry(terms, share, step) if values is None else discount * (values @ kernel)
        values = np.maximum(held, terms.exercised(share))
    assert values is not None
    return values


def _before(values: Floats, terms: Terms, spans: tuple[_Span, _Span], amount: float) -> Floats:
    """Values just before a dividend from those just after: cubic between the nodes."""
    earlier, later = spans
    share = earlier.shares(terms, earlier.end)
    middle = later.forward * np.exp(-0.5 * terms.volatility**2 * earlier.end)
    after = np.log(np.maximum(share - amount, _LEFT * share) / middle)
    place = after / (terms.volatility * np.sqrt(terms.years) * _GAP) + _MIDDLE
    place = np.clip(place, 0.0, _NODES - 1.0)
    first = np.clip(np.nan_to_num(place).astype(np.intp) - 1, 0, _NODES - 4)
    x = place - first
    weights = (
        (x - 1) * (x - 2) * (x - 3) / -6,
        x * (x - 2) * (x - 3) / 2,
        x * (x - 1) * (x - 3) / -2,
        x * (x - 1) * (x - 2) / 6,
    )
    held = sum(
        (
            weight * np.take_along_axis(values, first + offset, axis=1)
            for offset, weight in enumerate(weights)
        ),
        np.zeros_like(share),
    )
    return np.maximum(held, terms.exercised(share))


def _backwards(terms: Terms, dividends: tuple[CashDividend, ...], refined: int) -> Floats:
    """Values at the nodes now, of shape (rows, nodes)."""
    spans = _spans(terms, dividends)
    values = _through(None, terms, spans[-1], refined)
    for index in reversed(range(len(dividends))):
        values = _before(values, terms, (spans[index], spans[index + 1]), dividends[index].amount)
        values = _through(values, terms, spans[index], refined)
    return values


def stepped(terms: Terms, dividends: tuple[CashDividend, ...]) -> Stepped:
    """Price, delta and gamma of American options with cash dividends.

    Args:
        terms: Of options with one expiry.
        dividends: Ascending, all before expiry.

    Returns:
        NaN where the inputs are, or where they leave the range of doubles on the way.
    """
    with np.errstate(all="ignore"):
        return _at_the_spot(terms, 2.0 * _backwards(terms, dividends, 2) - _backwards(terms, dividends, 1))


def _at_the_spot(terms: Terms, values: Floats) -> Stepped:
    price, spot = values[:, _MIDDLE], terms.spot[:, 0]
    intrinsic = terms.exercised(terms.spot)[:, 0]
    gap = (terms.volatility * np.sqrt(terms.years))[:, 0] * _GAP
    left2, left, middle, right, right2 = values[:, _MIDDLE - 2 : _MIDDLE + 3].T
    slope = (8.0 * (right - left) - (right2 - left2)) / (12.0 * gap)
    bend = (16.0 * (right + left) - (right2 + left2) - 30.0 * middle) / (12.0 * gap * gap)
    now = price <= intrinsic
    return Stepped(
        price=np.where(now, intrinsic, price),
        delta=np.where(now, terms.sign[:, 0], slope / spot),
        gamma=np.where(now, 0.0, (bend - slope) / (spot * spot)),
    )
