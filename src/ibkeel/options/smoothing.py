"""A natural cubic spline that leaves each point by no more than its doubt allows."""

from typing import Final

import attrs
import numpy as np

from ibkeel.options.inputs import Floats

# Relative to the stiffest mode; the lowest ones are stiffer than 1e-12 of it for 1000 points.
_ROUGHEST, _SMOOTHEST = 1e-6, 1e14
_TRIALS: Final = 201
_EXACT: Final = 1e-9


@attrs.frozen(kw_only=True, eq=False)
class Spline:
    """A piecewise cubic, straight beyond its ends.

    Args:
        x: Knots, ascending, of shape (n,), n of 2 or more.
        y: Values there.
        bends: Second derivatives there; 0 at the ends.
    """

    x: Floats
    y: Floats
    bends: Floats

    def at(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Value, slope and bend at any points."""
        inside = np.clip(x, self.x[0], self.x[-1])
        piece = np.clip(np.searchsorted(self.x, inside, side="right") - 1, 0, self.x.size - 2)
        gap = self.x[piece + 1] - self.x[piece]
        right = (inside - self.x[piece]) / gap
        left = 1.0 - right
        y0, y1, b0, b1 = self.y[piece], self.y[piece + 1], self.bends[piece], self.bends[piece + 1]
        value = left * y0 + right * y1 + gap**2 / 6 * ((left**3 - left) * b0 + (right**3 - right) * b1)
        slope = (y1 - y0) / gap + gap / 6 * ((3 * right**2 - 1) * b1 - (3 * left**2 - 1) * b0)
        return value + slope * (x - inside), slope, np.where(x == inside, left * b0 + right * b1, 0.0)


def smoothed(x: Floats, y: Floats, doubt: Floats, *, least: float = 0.0, most: float = 1.0) -> Spline:
    """A spline as smooth as the points themselves suggest, by generalised cross-validation.

    Args:
        x: Ascending, of shape (n,), n of 2 or more.
        y: Of the same shape.
        doubt: Standard error or half width of each `y`, above 0.
        least: What the root mean square of (fitted - y) / doubt should not be below: known noise, which
            neighbours share so that they do not show it.
        most: What it may be.

    Source:
        P. J. Green, B. W. Silverman, Nonparametric Regression and Generalized Linear Models, 1994,
        chapters 2 and 3; the common basis: A. Demmler, C. Reinsch, 1975.
    """
    if x.size == 2:  # noqa: PLR2004 - two points are a line
        return Spline(x=x, y=y, bends=np.zeros(2))
    second, band = _penalty(x)
    roughness = second @ np.linalg.solve(band, second.T)
    scaled = doubt[:, np.newaxis] * roughness * doubt
    stiffness, modes = np.linalg.eigh(0.5 * (scaled + scaled.T))
    # Straight lines bend nowhere: the two lowest are 0 but for rounding.
    stiffness = np.where(np.arange(x.size) < 2, 0.0, np.maximum(stiffness, 0.0))  # noqa: PLR2004 - dimension of a line
    parts = modes.T @ (y / doubt)
    strength = _strength(stiffness / stiffness[-1], parts, least, most)
    fitted = doubt * (modes @ (parts / (1.0 + strength * stiffness / stiffness[-1])))
    bends = np.zeros(x.size)
    bends[1:-1] = np.linalg.solve(band, second.T @ fitted)
    return Spline(x=x, y=fitted, bends=bends)


def _penalty(x: Floats) -> tuple[Floats, Floats]:
    """Green and Silverman's Q and R: bends solve R bends = Q' values."""
    gap = np.diff(x)
    inner = np.arange(x.size - 2)
    second = np.zeros((x.size, x.size - 2))
    second[inner, inner] = 1.0 / gap[:-1]
    second[inner + 1, inner] = -1.0 / gap[:-1] - 1.0 / gap[1:]
    second[inner + 2, inner] = 1.0 / gap[1:]
    band = np.diag((gap[:-1] + gap[1:]) / 3.0)
    between = gap[1:-1] / 6.0
    return second, band + np.diag(between, 1) + np.diag(between, -1)


def _strength(stiffness: Floats, parts: Floats, least: float, most: float) -> float:
    """How much to smooth: what predicts each point best from the others, within the bounds; else not."""
    strengths = np.array([0.0, *np.geomspace(_ROUGHEST, _SMOOTHEST, _TRIALS)])[:, np.newaxis]
    kept = 1.0 / (1.0 + strengths * stiffness)
    misses = np.sqrt(np.mean((parts * (1.0 - kept)) ** 2, axis=1))
    left = np.maximum(1.0 - kept.mean(axis=1), _EXACT)
    fine = misses <= most
    fine &= misses >= min(least, misses[fine].max())
    # No smoothing at all leaves nothing to judge by: it comes first, and is taken when nothing else is fine.
    score = np.where(fine & (strengths[:, 0] > 0), misses / left, np.inf)
    return float(strengths[np.argmin(score), 0])
