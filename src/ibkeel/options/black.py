"""Black's formula in its normal form: one distance, one deviation, one out-of-the-money value.

With F the forward and K the strike, let `distance` be abs(ln(F / K)), `deviation` the standard
deviation of ln F at expiry, and the unit of money sqrt(F K), discounted. Call and put are mirror
images in these units, so every option is the out-of-the-money one plus its intrinsic value.

Write a = distance / deviation, t = deviation / 2, and M for Mills' ratio. Completing the square in
Black's formula gives, for the out-of-the-money option,

    value = bell (M(a - t) - M(a + t)),    bell = exp(-(a^2 + t^2) / 2) / sqrt(2 pi)

and `bell` is also its slope in the deviation. The two terms are its legs: what it receives when
exercised, and what it pays.
"""

from collections.abc import Callable
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.inputs import Floats, Inputs
from ibkeel.options.normal import SQRT_2PI, mills

# Below these the difference of the two ratios is summed as a series; 4 terms leave 7e-16. Beyond
# 50 deviations the value is no double, and the powers of `a` would overflow.
_SHORT: Final = 0.03
_NEAR: Final = 0.05
_FAR: Final = 50.0


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
