"""The normal distribution on arrays, exact in both tails, by one rational function.

Everything follows from Mills' ratio, the upper tail divided by the density: it is smooth, positive
and between 0 and 1.26 on the half line, so nothing overflows or cancels where prices are small.
"""

import math
from typing import Final

import numpy as np

from ibkeel.options.inputs import Floats

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
