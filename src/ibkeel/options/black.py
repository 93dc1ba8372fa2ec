"""Black's formula in its normal form: one distance, one deviation, one out-of-the-money value; and back.

With F the forward and K the strike, let `distance` be abs(ln(F / K)), `deviation` the standard
deviation of ln F at expiry, and the unit of money sqrt(F K), discounted. Call and put are mirror
images in these units, so every option is the out-of-the-money one plus its intrinsic value.

Write a = distance / deviation, t = deviation / 2, and M for Mills' ratio. Completing the square in
Black's formula gives, for the out-of-the-money option,

    value = bell (M(a - t) - M(a + t)),    bell = exp(-(a^2 + t^2) / 2) / sqrt(2 pi)

and `bell` is also its slope in the deviation. The two terms are its legs: what it receives when
exercised, and what it pays.

The deviation that a value implies is a guess, then two Householder steps. The guess joins two closed
forms. For a small deviation Black's value is Bachelier's, whose inverse is a function of one variable
(a fitted ratio of polynomials); the distance there is 2 sinh(x / 2). For a large one, at the money, the
value is an error function, inverted by Polya's approximation. Their composition is within 2 % of the
truth for strikes up to 2.7 times the forward, or 1 / 2.7, and values below half of their maximum.

A step is of fourth order on the logarithm of the value, so 2 % becomes 1e-7 and then nothing.
Rows that still moved in the second step (values near their maximum) go on alone.

Everything follows from Mills' ratio, the normal distribution's upper tail divided by its density: it is smooth,
positive and between 0 and 1.26 on the half line, so nothing overflows or cancels where prices are small. One
rational function gives it, exact in both tails.
"""

import math
from collections.abc import Callable
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.inputs import Floats, Inputs

SQRT_2PI: Final = math.sqrt(2.0 * math.pi)
_INV_SQRT_2PI: Final = 1.0 / SQRT_2PI

# Interpolates Mills' ratio in 50 digits at 22 Chebyshev points of (z - 4) / (z + 4); the worst
# relative error on [0, 1e6] is 2.2e-17. All coefficients are positive: no term cancels another.
_ABOVE: Final = (
    29.187213377192688,
    422.47968085352215,
    3930.3545871781375,
    25793.488630715576,
    124146.22101435257,
    442858.33965389867,
    1156753.7676637298,
    2125018.274554392,
    2499107.981413463,
    1451473.7654918924,
)
_BELOW: Final = (
    29.187213377192702,
    423.47968085351454,
    3959.5418005570664,
    26213.968311367462,
    128018.20118871955,
    467816.86829072563,
    1273331.1717204081,
    2520439.9646690786,
    3444721.3476660424,
    2918036.5723339827,
    1158108.5078963798,
)
# The same at 12 points of (z - 3.5) / (z + 3.5), for a first step: within 4e-9.
_ROUGH_ABOVE: Final = (
    11.390979236600822,
    63.00568823643572,
    202.8951088213373,
    379.1793642058242,
    339.02039625052385,
)
_ROUGH_BELOW: Final = (
    11.390978980840675,
    64.00572552046259,
    214.28412189172198,
    440.2360278105831,
    518.368402897556,
    270.4991405285634,
)
# Powers of a larger argument overflow; the ratio is 1 / z there to the last digit.
_FARTHEST: Final = 1e9

# Below these the difference of the two ratios is summed as a series; 4 terms leave 7e-16. Beyond
# 50 deviations the value is no double, and the powers of `a` would overflow.
_SHORT: Final = 0.03
_NEAR: Final = 0.05
_FAR: Final = 50.0
_MOST_STEPS: Final = 30
# A fourth-order step of this relative size leaves less than a rounding error.
_SMALL_MOVE: Final = 1e-4
# Up to this, Mills' ratios are continued rather than computed again.
_TINY_MOVE: Final = 1e-6
# Bachelier: the distance in deviations is u P(sqrt(u)) / Q(sqrt(u)), u = log1p(distance / value),
# within 6e-4. Weighted least squares over distances from 1e-6 to 37 deviations, our own.
_INVERSE_ABOVE: Final = (0.022312011113305, 0.037664414409723, 0.018833721969100, 0.398881469488215)
_INVERSE_BELOW: Final = (0.015807075554711, 0.025969062177951, 0.119462954716167, 0.041047166385748, 1.0)
_LEAST_RATIO: Final = 1e-9


def _polynomial(z: Floats, coefficients: tuple[float, ...]) -> Floats:
    """Horner's rule in place; the highest coefficient, which is 1, is left out."""
    total = z + coefficients[0]
    for coefficient in coefficients[1:]:
        total *= z
        total += coefficient
    return total


def mills(z: Floats) -> Floats:
    """Mills' ratio, P(Z > z) / density(z).

    Args:
        z: 0 or more, of any shape.

    Returns:
        Of the same shape, 2 rounding errors from the truth at most.

    Source:
        W. J. Cody, Rational Chebyshev approximations for the error function, 1969, for the idea of
        a ratio of polynomials; the coefficients are our own.
    """
    near = np.minimum(z, _FARTHEST)
    ratio = _polynomial(near, _ABOVE)
    ratio /= _polynomial(near, _BELOW)
    return ratio


def rough_mills(z: Floats) -> Floats:
    """Mills' ratio within 4e-9, at 3 fifths of the cost."""
    ratio = _polynomial(z, _ROUGH_ABOVE)
    ratio /= _polynomial(z, _ROUGH_BELOW)
    return ratio


def density(x: Floats) -> Floats:
    """Density at `x`."""
    return _INV_SQRT_2PI * np.exp(-0.5 * x * x)


@attrs.frozen(kw_only=True, eq=False)
class NormalForm:
    """A piece of a chain in normal units.

    Args:
        distance: abs(ln(forward / strike)).
        above: Whether the forward is above the strike.
        scale: sqrt(forward x strike), discounted: the money that one unit is.
        in_money: Whether the forward is on the paying side of the strike.
        intrinsic: Of the forward, discounted; 0 out of the money.
        growth: exp(distance / 2); its inverse is the most that a unit can be worth.
        gap: abs(forward - strike) in units, 2 sinh(distance / 2).
    """

    distance: Floats
    above: npt.NDArray[np.bool_]
    scale: Floats
    in_money: npt.NDArray[np.bool_]
    intrinsic: Floats
    growth: Floats
    gap: Floats


def normal_form(inputs: Inputs) -> NormalForm:
    """The inputs of a piece in normal units; every column has the piece's length."""
    spot, strike, years = inputs.spot, inputs.strike, inputs.years
    gap = spot - strike
    # log(spot / strike) would lose the digits of a small distance to the rounding of the quotient.
    log = np.log1p(np.abs(gap) / np.minimum(spot, strike))
    log = np.copysign(log, gap) + (inputs.rate - inputs.dividend_yield) * years
    log = np.broadcast_to(log, inputs.shape)
    scale = np.sqrt(spot) * np.sqrt(strike) * np.exp(-0.5 * (inputs.rate + inputs.dividend_yield) * years)
    distance = np.abs(log)
    above = log > 0
    in_money = inputs.sign * log > 0
    excess = np.expm1(0.5 * distance)
    growth = 1.0 + excess
    gap = excess + excess / growth
    return NormalForm(
        distance=distance,
        above=above,
        scale=scale,
        in_money=in_money,
        intrinsic=np.where(in_money, scale * gap, 0.0),
        growth=growth,
        gap=gap,
    )


@attrs.frozen(kw_only=True, eq=False)
class Reach:
    """Where the strike lies, in deviations, and Mills' ratios there.

    Args:
        a: distance / deviation.
        t: deviation / 2.
        near: Mills' ratio at a - t.
        far: Mills' ratio at a + t.
    """

    a: Floats
    t: Floats
    near: Floats
    far: Floats

    def rows(self, rows: npt.NDArray[np.intp]) -> "Reach":
        """Some of the rows."""
        return Reach(a=self.a[rows], t=self.t[rows], near=self.near[rows], far=self.far[rows])

    def put(self, rows: npt.NDArray[np.intp], other: "Reach") -> None:
        """Overwrite some of the rows in place."""
        self.a[rows], self.t[rows] = other.a, other.t
        self.near[rows], self.far[rows] = other.near, other.far


def reach(distance: Floats, deviation: Floats, ratio: Callable[[Floats], Floats] = mills) -> Reach:
    """Mills' ratios of each row; `deviation` is above 0 and at most 70."""
    a = distance / deviation
    t = 0.5 * deviation
    points = np.empty((2, *a.shape))
    np.subtract(a, t, out=points[0])
    np.add(a, t, out=points[1])
    inner = np.minimum(points[0], 0.0)
    near, far = ratio(np.abs(points, out=points))
    left = inner < 0
    if left.any():
        near = np.where(left, SQRT_2PI * np.exp(0.5 * inner * inner) - near, near)
    return Reach(a=a, t=t, near=near, far=far)


def shifted(at: Reach, distance: Floats, deviation: Floats) -> Reach:
    """The same rows at deviations that differ by a millionth at most, without new ratios."""
    a, t = distance / deviation, 0.5 * deviation
    da, dt = a - at.a, t - at.t
    near = _continued(at.near, at.a - at.t, da - dt)
    far = _continued(at.far, at.a + at.t, da + dt)
    return Reach(a=a, t=t, near=near, far=far)


def _continued(ratio: Floats, z: Floats, by: Floats) -> Floats:
    """Mills' ratio at z + by, to the second order of Taylor's series."""
    slope = z * ratio - 1.0
    return ratio + by * (slope + (0.5 * by) * (ratio + z * slope))


def spread(at: Reach) -> Floats:
    """The difference near - far, to full relative accuracy where both are almost equal."""
    difference = at.near - at.far
    rows = np.flatnonzero((at.t < _SHORT) & (at.a * at.t < _NEAR) & (at.a < _FAR))
    if rows.size:
        difference[rows] = _series(at.a[rows], at.t[rows])
    return difference


def _series(a: Floats, t: Floats) -> Floats:
    """M(a - t) - M(a + t) by Taylor's odd terms; M' = a M - 1, and so on by recurrence."""
    before = mills(a)
    slope = a * before - 1.0
    derivatives = [slope]
    for order in range(1, 7):
        before, slope = slope, a * slope + order * before
        derivatives.append(slope)
    first, _, third, _, fifth, _, seventh = derivatives
    square = t * t
    total = first + square * (third / 6 + square * (fifth / 120 + square * (seventh / 5040)))
    return -2.0 * t * total


def bell(at: Reach) -> Floats:
    """Slope of the value in the deviation."""
    return np.exp(-0.5 * (at.a * at.a + at.t * at.t)) / SQRT_2PI


def _horner(x: Floats, coefficients: tuple[float, ...]) -> Floats:
    total = coefficients[0] * x
    for coefficient in coefficients[1:-1]:
        total += coefficient
        total *= x
    total += coefficients[-1]
    return total


def _guess(distance: Floats, gap: Floats, value: Floats) -> Floats:
    """Within 2 % of the deviation while the distance is below 1 and the value half its maximum."""
    least = _LEAST_RATIO * value
    log = np.log1p(np.maximum(gap, least) / value)
    root = np.sqrt(log)
    small = np.maximum(distance, least) * _horner(root, _INVERSE_BELOW)
    small /= log * _horner(root, _INVERSE_ABOVE)
    part = np.minimum(small * small / (2.0 * math.pi), 1.0 - 1e-12)
    return np.sqrt(-2.0 * math.pi * np.log1p(-part))


@attrs.frozen(kw_only=True, eq=False)
class _Sought:
    """The rows to solve: distances, values, what these lack to their maximum, and ln(value x sqrt(2 pi))."""

    distance: Floats
    value: Floats
    room: Floats
    target: Floats

    def rows(self, rows: npt.NDArray[np.intp]) -> "_Sought":
        return _Sought(
            distance=self.distance[rows],
            value=self.value[rows],
            room=self.room[rows],
            target=self.target[rows],
        )


def _step(start: Floats, at: Reach, factor: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Householder's third step on the logarithm of a quantity, and how far it went, relatively.

    Args:
        start: Deviations.
        at: Mills' ratios there.
        factor: The quantity in bells: near - far for the value, -(its room) for what it lacks.
        target: Logarithm of the quantity sought x sqrt(2 pi).
    """
    a_square, t_square = at.a * at.a, at.t * at.t
    newton = (target + 0.5 * (a_square + t_square) - np.log(np.abs(factor))) * factor
    relative_slope = 1.0 / factor
    second = (a_square - t_square) / start - relative_slope
    third = second * (second - relative_slope) - 3.0 * a_square / (start * start) - 0.25
    above = 1.0 + 0.5 * second * newton
    below = start * (1.0 + newton * (second + newton * third * (1.0 / 6.0)))
    move = newton * above / below
    np.clip(move, -0.5, 1.0, out=move)
    return start + start * move, np.abs(move)


def _exact_step(sought: _Sought, start: Floats) -> tuple[Floats, Floats, Reach]:
    """A step with all digits; values in the upper half of their range go by what they lack."""
    at = reach(sought.distance, start)
    found, moved = _step(start, at, spread(at), sought.target)
    high = np.flatnonzero((sought.value > sought.room) & (at.t > at.a))
    if high.size:
        upper = at.rows(high)
        lacking = mills(upper.t - upper.a) + upper.far
        target = np.log(sought.room[high] * SQRT_2PI)
        found[high], moved[high] = _step(start[high], upper, -lacking, target)
    return found, moved, at


def deviation(form: NormalForm, value: Floats) -> tuple[Floats, Reach]:
    """Standard deviation of the log price at expiry that a value implies, and the ratios there.

    Args:
        form: Normal units of a piece.
        value: Of the out-of-the-money option, in units of sqrt(forward x strike); above 0 and
            below exp(-distance / 2).

    Returns:
        Deviations and the ratios at them; NaN where no search settled or an argument is out of its
        domain.

    Source:
        P. Jaeckel, Let's be rational, 2015, for the normal form and the fourth-order step; the
        objectives and the guess are our own.
    """
    sought = _Sought(
        distance=form.distance,
        value=value,
        room=1.0 / form.growth - value,
        target=np.log(value * SQRT_2PI),
    )
    start = _guess(form.distance, form.gap, value)
    at = reach(form.distance, start, rough_mills)
    start, _ = _step(start, at, at.near - at.far, sought.target)
    found, moved, at = _exact_step(sought, start)
    slow = np.flatnonzero(moved > _TINY_MOVE)
    if slow.size:
        found[slow] = _finish(sought.rows(slow), found[slow], moved[slow])
    at = shifted(at, form.distance, found)
    if slow.size:
        at.put(slow, reach(form.distance[slow], found[slow]))
    return found, at


def _finish(sought: _Sought, found: Floats, moved: Floats) -> Floats:
    """More steps for the rows that moved further than the last step may."""
    rows = np.flatnonzero(moved > _SMALL_MOVE)
    for _ in range(_MOST_STEPS):
        if not rows.size:
            return found
        found[rows], moved, _ = _exact_step(sought.rows(rows), found[rows])
        rows = rows[moved > _SMALL_MOVE]
    found[rows] = np.nan
    return found
