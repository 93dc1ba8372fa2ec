"""When to exercise: American options as puts of strike 1, and the boundary of such a put.

A call is a put in which share and money change places: spot with strike, rate with dividend yield. The
boundary is found by fixed-point sweeps on a small grid.

A put on a share with price S and strike 1 is exercised early where S is at or below B(t), t being the
time left. With B known, what early exercise is worth is an integral over the remaining life. The
put's value at S = B, or its slope there, gives B(t) as a ratio of such integrals of B itself; a few
sweeps of that converge.

Times are in units of the life, and nodes are at x = sqrt(t). ln(B / B(0))^2 is smooth in x, so a
polynomial through seven points serves; the substitution u = t (1 - w^2) takes the singularity out of
the integrals, and then a point of quadrature falls on the same x for every option: interpolation is
one matrix product for all.
"""

from functools import cache
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.black import bell, density, normal_form, reach, rough_mills, spread
from ibkeel.options.inputs import Floats, Inputs

# Carry over variance: above, sweeps by the slope drift apart; below, they settle faster than those by the value.
# Less where the carry over the life exceeds 0.4: else prices are off by up to 6 % of the strike.
_STEEP: Final = 3.0
_TINY: Final = 1e-300

# 48 points a row: the sweep's arrays stay in the second-level cache.
CHUNK: Final = 256
# No deviation matters outside these.
LEAST, MOST = 1e-4, 20.0


@attrs.frozen(kw_only=True, eq=False)
class PutTerms:
    """American puts of strike 1, one a row.

    Args:
        deviation: Of the log price at expiry, above 0.
        rate: Interest over the life, above 0.
        dividend: Dividend yield over the life.
    """

    deviation: Floats
    rate: Floats
    dividend: Floats

    def rows(self, rows: npt.NDArray[np.intp]) -> "PutTerms":
        """Some of the rows."""
        return PutTerms(deviation=self.deviation[rows], rate=self.rate[rows], dividend=self.dividend[rows])

    @property
    def ceiling(self) -> Floats:
        """The boundary just before expiry: the strike, or where dividend and interest balance."""
        return self.rate / np.maximum(self.rate, self.dividend)


@attrs.frozen(kw_only=True, eq=False)
class Grid:
    """Where the boundary is sought and the integrals are evaluated; the same for all options.

    Args:
        nodes: sqrt(t), ascending, of shape (n,); at 0, left out, the boundary is known.
        points: Of quadrature, w in (0, 1), of shape (l,).
        weights: Of the points.
        onto_points: From values at the nodes to values at sqrt(t (1 - w^2)), of shape (n l, n).
        last_points: Of the quadrature of the price, of shape (p,).
        last_weights: Of those.
        onto_last: From values at the nodes to those points, of shape (p, n).
        sweeps: How often the boundary is improved.
    """

    nodes: Floats
    points: Floats
    weights: Floats
    onto_points: Floats
    last_points: Floats
    last_weights: Floats
    onto_last: Floats
    sweeps: int


def grid(*, nodes: int, points: int, sweeps: int, last_points: int) -> Grid:
    """A grid of Chebyshev nodes and Gauss-Legendre points."""
    places = 0.5 - 0.5 * np.cos(np.pi * np.arange(nodes + 1) / nodes)
    inner, weights = _gauss(points)
    last, last_weights = _gauss(last_points)
    onto = (places[1:, np.newaxis] * np.sqrt(1.0 - inner * inner)).ravel()
    return Grid(
        nodes=places[1:],
        points=inner,
        weights=weights,
        onto_points=_interpolation(places, onto),
        last_points=last,
        last_weights=last_weights,
        onto_last=_interpolation(places, np.sqrt(1.0 - last * last)),
        sweeps=sweeps,
    )


def _gauss(count: int) -> tuple[Floats, Floats]:
    points, weights = np.polynomial.legendre.leggauss(count)
    return 0.5 + 0.5 * points, 0.5 * weights


def _interpolation(places: Floats, onto: Floats) -> Floats:
    """Barycentric matrix from values at all places but the first, where the value is 0."""
    signs = (-1.0) ** np.arange(places.size)
    signs[[0, -1]] *= 0.5
    terms: Floats = signs / (onto[:, np.newaxis] - places)
    terms /= terms.sum(axis=1, keepdims=True)
    return terms[:, 1:]


def _odds(d: Floats, bell: Floats) -> Floats:
    """P(Z < d), within 4e-9, from the density at d."""
    tail: Floats = bell * rough_mills(np.abs(d))
    return np.where(d > 0, 1.0 - tail, tail)


def _first_guess(terms: PutTerms, nodes: Floats) -> Floats:
    """ln(boundary / ceiling) at the nodes, of shape (rows, n)."""
    variance = terms.deviation**2
    drift = (terms.rate - terms.dividend) / variance
    power = 0.5 - drift - np.sqrt((drift - 0.5) ** 2 + 2.0 * terms.rate / variance)
    perpetual, ceiling = power / (power - 1.0), terms.ceiling
    time = nodes * nodes
    pace = (terms.rate - terms.dividend)[:, np.newaxis] * time
    pace = (pace - 2.0 * terms.deviation[:, np.newaxis] * nodes) * (ceiling / (ceiling - perpetual))[
        :, np.newaxis
    ]
    share = (perpetual / ceiling)[:, np.newaxis]
    return np.log(share + (1.0 - share) * np.exp(np.minimum(pace, 0.0)))


@attrs.frozen(kw_only=True, eq=False)
class _Sweeper:
    """What does not change between sweeps; axes: row, node, point."""

    terms: PutTerms
    grid: Grid
    deviation: Floats
    carry: Floats
    ceiling: Floats
    width: Floats
    drift: Floats
    discount: Floats
    rate_growth: Floats
    dividend_growth: Floats

    @classmethod
    def of(cls, terms: PutTerms, grid: Grid) -> "_Sweeper":
        time, points = grid.nodes * grid.nodes, grid.points
        dividend = terms.dividend[:, np.newaxis] * time
        carry = (terms.rate - terms.dividend)[:, np.newaxis] * time
        deviation = terms.deviation[:, np.newaxis] * grid.nodes
        square = points * points
        return cls(
            terms=terms,
            grid=grid,
            deviation=deviation,
            carry=carry,
            ceiling=np.log(terms.ceiling)[:, np.newaxis],
            width=deviation[:, :, np.newaxis] * points,
            drift=carry[:, :, np.newaxis] * square,
            discount=np.exp(-dividend[:, :, np.newaxis] * square),
            rate_growth=terms.rate[:, np.newaxis] * np.exp(carry + dividend),
            dividend_growth=terms.dividend[:, np.newaxis] * np.exp(dividend),
        )

    def by_slope(self, log: Floats) -> Floats:
        """ln(boundary / ceiling) once more, from the slope there, which is -1."""
        ratio, d, bell = self._at_points(log)
        grid, terms = self.grid, self.terms
        time, slope = 2.0 * grid.nodes**2, 2.0 * grid.nodes / terms.deviation[:, np.newaxis]
        odds = (self.discount * _odds(d, bell)) @ (grid.points * grid.weights)
        bell *= self.discount
        paid = (bell * np.exp(ratio)) @ grid.weights
        held = bell @ grid.weights
        start = self._start(log)
        final = density(start)
        above = final / self.deviation * np.exp(log + self.ceiling + self.carry)
        above += self.rate_growth * slope * paid
        below = final / self.deviation + _odds(start, final)
        below += self.dividend_growth * (time * odds + slope * held)
        return self._ratio(above, below, log)

    def by_value(self, log: Floats) -> Floats:
        """ln(boundary / ceiling) once more, from the value there, which is that of exercise."""
        ratio, d, bell = self._at_points(log)
        time, weights = 2.0 * self.grid.nodes**2, self.grid.points * self.grid.weights
        held = (self.discount * _odds(d, bell)) @ weights
        # density(d - width) = density(d) exp(ratio + drift): no second exponential of a square.
        growth = np.exp(ratio + self.drift)
        paid = (self.discount / np.exp(self.drift) * _odds(d - self.width, bell * growth)) @ weights
        start = self._start(log)
        final = start - self.deviation
        above = _odds(final, density(final)) + self.rate_growth * time * paid
        below = _odds(start, density(start)) + self.dividend_growth * time * held
        return self._ratio(above, below, log)

    def _start(self, log: Floats) -> Floats:
        """How far the strike lies from the boundary, in deviations to expiry."""
        return (log + self.ceiling + self.carry) / self.deviation + 0.5 * self.deviation

    def _ratio(self, above: Floats, below: Floats, log: Floats) -> Floats:
        found = np.log(above / below) - self.carry - self.ceiling
        return np.where(np.isfinite(found), np.minimum(found, 0.0), log)

    def _at_points(self, log: Floats) -> tuple[Floats, Floats, Floats]:
        """Logarithm of the boundary over that later, its distance in deviations, and the density there."""
        later = -_root((log * log) @ self.grid.onto_points.T).reshape(self.width.shape)
        ratio = log[:, :, np.newaxis] - later
        d = (ratio + self.drift) / self.width + 0.5 * self.width
        return ratio, d, density(d)


def _root(square: Floats) -> Floats:
    """Square root; interpolation may leave a little below 0."""
    return np.sqrt(np.maximum(square, 0.0))


@cache
def _finer(like: Grid) -> Grid:
    """For volatilities that are small beside the carry: the boundary is sharp there, and settles slowly."""
    nodes, points, last = like.nodes.size, 3 * like.points.size // 2, like.last_points.size
    return grid(nodes=nodes, points=points, sweeps=2 * like.sweeps, last_points=last)


def _boundary(terms: PutTerms, grid: Grid) -> Floats:
    """ln(boundary / ceiling) at the nodes, of shape (rows, n)."""
    log = _first_guess(terms, grid.nodes)
    carry = np.abs(terms.rate - terms.dividend)
    steep = carry * np.maximum(1.0, 2.5 * carry) > _STEEP * terms.deviation**2
    for rows, is_steep in ((np.flatnonzero(~steep), False), (np.flatnonzero(steep), True)):
        if rows.size:
            used = _finer(grid) if is_steep else grid
            sweeper = _Sweeper.of(terms.rows(rows), used)
            improve = sweeper.by_value if is_steep else sweeper.by_slope
            part = log[rows]
            for _ in range(used.sweeps):
                part = improve(part)
            log[rows] = part
    return log


@attrs.frozen(kw_only=True, eq=False)
class _Last:
    """The integral over the remaining life, at its points; axes: row, point."""

    boundary_now: Floats
    points: Floats
    weights: Floats
    width: Floats
    d1: Floats
    interest: Floats
    dividends: Floats

    @classmethod
    def of(cls, share: Floats, terms: PutTerms, grid: Grid) -> "_Last":
        log = _boundary(terms, grid)
        ceiling = np.log(terms.ceiling)
        points, square = grid.last_points, grid.last_points**2
        boundary = ceiling[:, np.newaxis] - _root((log * log) @ grid.onto_last.T)
        width = terms.deviation[:, np.newaxis] * points
        drift = (terms.rate - terms.dividend)[:, np.newaxis] * square
        return cls(
            boundary_now=log[:, -1] + ceiling,
            points=points,
            weights=2.0 * points * grid.last_weights,
            width=width,
            d1=(np.log(share)[:, np.newaxis] - boundary + drift) / width + 0.5 * width,
            interest=terms.rate[:, np.newaxis] * np.exp(-terms.rate[:, np.newaxis] * square),
            dividends=terms.dividend[:, np.newaxis] * np.exp(-terms.dividend[:, np.newaxis] * square),
        )

    def premium(self, share: Floats) -> Floats:
        d2 = self.d1 - self.width
        gained = self.interest * _odds(-d2, density(d2))
        gained -= self.dividends * share[:, np.newaxis] * _odds(-self.d1, density(self.d1))
        return np.maximum(gained @ self.weights, 0.0)


def early_premium(share: Floats, terms: PutTerms, grid: Grid) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """What early exercise adds to European puts of strike 1.

    Args:
        share: Price of the share, of shape (rows,).
        terms: Of the puts.
        grid: How finely to work.

    Returns:
        The premium, and whether the put is to be exercised now (its premium then means nothing).

    Source:
        L. Andersen, M. Lake, D. Offengenden, High-performance American option pricing, 2016; the
        first guess: P. Bjerksund, G. Stensland, Closed-form approximation of American options, 1993.
    """
    last = _Last.of(share, terms, grid)
    return last.premium(share), np.log(share) <= last.boundary_now


@attrs.frozen(kw_only=True, eq=False)
class Premium:
    """What early exercise adds, in units of the strike, and its slope and bend in the share; each of shape (rows,).

    Where the put is to be exercised `now`, the rest means nothing.
    """

    value: Floats
    slope: Floats
    bend: Floats
    now: npt.NDArray[np.bool_]


def premium_slopes(share: Floats, terms: PutTerms, grid: Grid) -> Premium:
    """`early_premium` with its slopes: the boundary does not depend on the share."""
    last = _Last.of(share, terms, grid)
    d1, width, column = last.d1, last.width, share[:, np.newaxis]
    d2 = d1 - width
    bell1, bell2 = density(d1), density(d2)
    paid, held = last.interest * bell2 / (column * width), last.dividends * bell1 / width
    slope = held - paid - last.dividends * _odds(-d1, bell1)
    bend = paid / column * (1.0 + d2 / width) + held / column * (1.0 - d1 / width)
    return Premium(
        value=last.premium(share),
        slope=slope @ last.weights,
        bend=bend @ last.weights,
        now=np.log(share) <= last.boundary_now,
    )


@attrs.frozen(kw_only=True, eq=False)
class Puts:
    """A piece of a chain, as puts, each with the share delivered for money; rates and yields are over the life."""

    inputs: Inputs
    share: Floats
    money: Floats
    rate: Floats
    dividend: Floats
    intrinsic: Floats

    @classmethod
    def of(cls, inputs: Inputs) -> "Puts":
        """Calls with spot and strike, rate and dividend yield changed places; puts as they are."""
        put = inputs.sign < 0
        share, money = np.where(put, inputs.spot, inputs.strike), np.where(put, inputs.strike, inputs.spot)
        rate = np.where(put, inputs.rate, inputs.dividend_yield) * inputs.years
        dividend = np.where(put, inputs.dividend_yield, inputs.rate) * inputs.years
        share, money, rate, dividend = (
            np.broadcast_to(column, inputs.shape) for column in (share, money, rate, dividend)
        )
        # Without interest, but on a share whose yield is below 0, there is the boundary of the least interest.
        rate = np.where((rate == 0) & (dividend < 0), _TINY, rate)
        return cls(
            inputs=inputs,
            share=share,
            money=money,
            rate=rate,
            dividend=dividend,
            intrinsic=np.maximum(money - share, 0.0),
        )

    @property
    def has_two_boundaries(self) -> npt.NDArray[np.bool_]:
        """Interest below 0, dividends further below: exercise may pay between two prices."""
        return (self.rate < 0) & (self.dividend < self.rate)

    def price(self, deviation: Floats, grid: Grid) -> tuple[Floats, Floats]:
        """American price and European slope in the deviation; `inputs.given` plays no part."""
        form = normal_form(self.inputs)
        at = reach(form.distance, deviation)
        slope = form.scale * bell(at)
        value = form.intrinsic + slope * spread(at)
        # Without interest on the strike nothing is gained by paying it sooner.
        rows = np.flatnonzero(self.rate > 0)
        if rows.size:
            terms = PutTerms(deviation=deviation[rows], rate=self.rate[rows], dividend=self.dividend[rows])
            money = self.money[rows]
            premium, now = early_premium(self.share[rows] / money, terms, grid)
            value[rows] = np.where(now, self.intrinsic[rows], value[rows] + money * premium)
        return np.maximum(value, self.intrinsic), slope
