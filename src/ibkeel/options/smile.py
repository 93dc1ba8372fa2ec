"""The smile of one expiry: implied volatility by strike, and the spline that smooths it."""

from datetime import date
from enum import StrEnum
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.model import Right
from ibkeel.options.american import american_greeks
from ibkeel.options.greeks import GreekColumns, greeks
from ibkeel.options.inputs import Floats, Numbers
from ibkeel.options.series import Exercise

# Relative to the stiffest mode; the lowest ones are stiffer than 1e-12 of it for 1000 points.
_ROUGHEST, _SMOOTHEST = 1e-6, 1e14
_TRIALS: Final = 201
_EXACT: Final = 1e-9

_LEAST_VARIANCE: Final = 1e-10
_GRID: Final = 129
_ZOOMS: Final = (17,) * 5


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
    if x.size == 2:  # two points are a line
        return Spline(x=x, y=y, bends=np.zeros(2))
    second, band = _penalty(x)
    roughness = second @ np.linalg.solve(band, second.T)
    scaled = doubt[:, np.newaxis] * roughness * doubt
    stiffness, modes = np.linalg.eigh(0.5 * (scaled + scaled.T))
    # Straight lines bend nowhere: the two lowest are 0 but for rounding.
    stiffness = np.where(np.arange(x.size) < 2, 0.0, np.maximum(stiffness, 0.0))  # dimension of a line
    parts = modes.T @ (y / doubt)
    strength = _strength(stiffness / stiffness[-1], parts, least, most)
    fitted = doubt * (modes @ (parts / (1.0 + strength * stiffness / stiffness[-1])))
    bends = np.zeros(x.size)
    bends[1:-1] = np.linalg.solve(band, second.T @ fitted)
    return Spline(x=x, y=fitted, bends=bends)


class WhyLeftOut(StrEnum):
    """Why a strike plays no part in a smile."""

    ONE_SIDED = "one_sided"
    CROSSED = "crossed"
    UNSOLVED = "unsolved"
    WIDE = "wide"


@attrs.frozen(kw_only=True)
class LeftOut:
    """A strike that was quoted and plays no part.

    Args:
        strike: Per share.
        why: What is wrong with its out-of-the-money option.
    """

    strike: float
    why: WhyLeftOut


@attrs.frozen(kw_only=True)
class SmilePoint:
    """One out-of-the-money option of a smile.

    Args:
        strike: Per share.
        right: Put below the forward, call from there on.
        bid: Volatility at the bid, a fraction; NaN where the bid has none.
        mid: Volatility at mid.
        ask: Volatility at the ask.
    """

    strike: float
    right: Right
    bid: float
    mid: float
    ask: float


@attrs.frozen(kw_only=True)
class ExpectedMove:
    """How far the underlying is expected to go until expiry.

    Args:
        straddle: Price of the straddle nearest the forward, per share: about the mean absolute move.
        straddle_strike: Its strike.
        sigma: One standard deviation, forward x volatility x sqrt(years), per share; 1.25 times the
            straddle where the smile is flat.
        low: The forward one standard deviation down, on a logarithmic scale.
        high: Likewise up.
    """

    straddle: float
    straddle_strike: float
    sigma: float
    low: float
    high: float


@attrs.frozen(kw_only=True, eq=False)
class Smile:
    """Implied volatility by strike, for one expiry.

    Between the quoted strikes, total variance is a smooth curve in log-moneyness, ln(strike / forward).
    Beyond them there is no number unless asked for by `extrapolate=True`; then variance goes on straight.

    Args:
        expiry: Expiration date.
        years: To expiry.
        spot: Price of the underlying that the deltas refer to.
        forward: By parity.
        rate: Interest a year, continuous.
        dividend_yield: That carries the spot to the forward.
        exercise: Which formula the volatilities come from.
        straddle: Price and strike of the straddle nearest the forward.
        points: What the curve was fitted to, by strike.
        left_out: What was not used, by strike.
        curve: Total variance against log-moneyness.
    """

    expiry: date
    years: float
    spot: float
    forward: float
    rate: float
    dividend_yield: float
    exercise: Exercise
    straddle: tuple[float, float]
    points: tuple[SmilePoint, ...]
    left_out: tuple[LeftOut, ...]
    curve: Spline

    @property
    def strikes(self) -> tuple[float, float]:
        """Lowest and highest strike that the smile covers."""
        return self.points[0].strike, self.points[-1].strike

    def covers(self, strike: Numbers) -> npt.NDArray[np.bool_]:
        """Whether a strike lies between the lowest and the highest that was used."""
        given = np.asarray(strike, dtype=np.float64)
        low, high = self.strikes
        return np.asarray((given >= low) & (given <= high))

    def volatility(self, strike: Numbers, *, extrapolate: bool = False) -> Floats:
        """Implied volatility at strikes.

        Args:
            strike: Per share, above 0.
            extrapolate: Whether to answer beyond the quoted strikes, too.

        Returns:
            Fractions, of the same shape; NaN beyond the quoted strikes unless extrapolated, and where a
            strike is not above 0.
        """
        given = np.asarray(strike, dtype=np.float64)
        asked = (given > 0) & (given < np.inf) if extrapolate else self.covers(given)
        places = np.log(np.where(asked, given, self.forward) / self.forward)
        return np.where(asked, np.sqrt(self.total_variance(places) / self.years), np.nan)

    def volatility_at(self, log_moneyness: npt.ArrayLike, *, extrapolate: bool = False) -> Floats:
        """Implied volatility at ln(strike / forward); otherwise as `volatility`."""
        given = np.asarray(log_moneyness, dtype=np.float64)
        return self.volatility(self.forward * np.exp(given), extrapolate=extrapolate)

    def total_variance(self, log_moneyness: Floats) -> Floats:
        """Volatility squared times years; beyond the quoted strikes it goes on straight."""
        return np.maximum(self.curve.at(log_moneyness)[0], _LEAST_VARIANCE)

    @property
    def atm_volatility(self) -> float:
        """Implied volatility at the forward; NaN when no strike is quoted on one of its sides."""
        return float(self.volatility(self.forward))

    @property
    def expected_move(self) -> ExpectedMove:
        """How far the underlying is expected to go until expiry."""
        deviation = self.atm_volatility * self.years**0.5
        price, strike = self.straddle
        return ExpectedMove(
            straddle=price,
            straddle_strike=strike,
            sigma=self.forward * deviation,
            low=self.forward * float(np.exp(-deviation)),
            high=self.forward * float(np.exp(deviation)),
        )

    def greeks(self, strike: Numbers, right: Right, *, extrapolate: bool = False) -> GreekColumns:
        """Price and sensitivities at the smile's volatility, which stays with the strike.

        Args:
            strike: Per share, above 0.
            right: Calls or puts.
            extrapolate: Whether to answer beyond the quoted strikes, too.

        Returns:
            Columns of the same shape; NaN with a reason beyond the quoted strikes.
        """
        compute = american_greeks if self.exercise is Exercise.AMERICAN else greeks
        return compute(
            self.volatility(strike, extrapolate=extrapolate),
            spot=self.spot,
            strike=strike,
            years=self.years,
            right=right,
            rate=self.rate,
            dividend_yield=self.dividend_yield,
        )

    def strike_at_delta(self, delta: float, right: Right) -> float:
        """The strike whose option has that delta.

        Args:
            delta: Of a put -1 to 0, of a call 0 to 1.
            right: Calls or puts.

        Returns:
            Per share, between the strikes that are listed; of several, the one nearest the forward.

        Raises:
            InvalidInput: No strike that the smile covers has that delta.
        """
        low, high = np.log(np.asarray(self.strikes) / self.forward)
        for count in (_GRID, *_ZOOMS):
            places = np.linspace(low, high, count)
            deltas = self.greeks(self.forward * np.exp(places), right, extrapolate=True).delta
            above = deltas >= delta
            crossings = np.flatnonzero(above[1:] != above[:-1])
            if not crossings.size:
                raise InvalidInput(
                    f"no {Right(right).name.lower()} of {self.expiry} with delta {delta:g} between the strikes "
                    f"{self.strikes[0]:g} and {self.strikes[1]:g}; there deltas are {deltas[0]:.4f} to {deltas[-1]:.4f}"
                )
            nearest = crossings[np.argmin(np.abs(places[crossings]))]
            low, high = places[nearest], places[nearest + 1]
        return float(self.forward * np.exp(0.5 * (low + high)))


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
