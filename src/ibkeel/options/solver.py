"""The deviation that an out-of-the-money value implies: a guess, then two Householder steps.

The guess joins two closed forms. For a small deviation Black's value is Bachelier's, whose inverse
is a function of one variable (a fitted ratio of polynomials); the distance there is 2 sinh(x / 2).
For a large one, at the money, the value is an error function, inverted by Polya's approximation.
Their composition is within 2 % of the truth for strikes up to 2.7 times the forward, or 1 / 2.7,
and values below half of their maximum.

A step is of fourth order on the logarithm of the value, so 2 % becomes 1e-7 and then nothing.
Rows that still moved in the second step (values near their maximum) go on alone.
"""

import math
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.black import NormalForm, Reach, reach, shifted, spread
from ibkeel.options.inputs import Floats
from ibkeel.options.normal import SQRT_2PI, mills, rough_mills

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
    """The rows to solve.

    Args:
        distance: abs(ln(forward / strike)).
        value: Out of the money, in units.
        room: What the value lacks to its maximum.
        target: Logarithm of value x sqrt(2 pi).
    """

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
