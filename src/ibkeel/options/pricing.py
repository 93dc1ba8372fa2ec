"""Black-Scholes-Merton prices and greeks, on arrays.

Rows that have no answer are NaN with a reason, never a number.
"""

from enum import IntEnum
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.model import Right
from ibkeel.options.normal import cdf, density

__all__ = [
    "GreekColumns",
    "Inputs",
    "Unsolved",
    "greeks",
    "price",
]

Floats = npt.NDArray[np.float64]
Rights = Right | str | npt.ArrayLike

_DAYS_A_YEAR: Final = 365.0
_POINTS: Final = 100.0


class Unsolved(IntEnum):
    """Why a row has no number; 0 when it has one."""

    SOLVED = 0
    NOT_FINITE = 1
    OUT_OF_DOMAIN = 2
    BELOW_INTRINSIC = 3
    NO_TIME_VALUE = 4
    ABOVE_MAXIMUM = 5
    NOT_FOUND = 6


@attrs.frozen(kw_only=True, eq=False)
class GreekColumns:
    """Prices and sensitivities, all of one shape; NaN where `reasons` is not 0.

    Args:
        price: Per share.
        delta: Change of price for one unit of the underlying.
        gamma: Change of delta for one unit of the underlying.
        theta: Change of price a calendar day.
        vega: Change of price a volatility point (0.01).
        rho: Change of price a point (0.01) of the interest rate.
        reasons: Codes of `Unsolved`.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    reasons: npt.NDArray[np.int8]


def _signs(right: Rights) -> Floats:
    """+1 for calls, -1 for puts."""
    codes = np.asarray(right.value if isinstance(right, Right) else right)
    text = np.array([getattr(code, "value", code) for code in codes.ravel().tolist()], dtype=object)
    if not np.isin(text.astype(str), ("C", "P")).all():
        raise InvalidInput(f"right holds {sorted(set(map(str, text)) - {'C', 'P'})}; valid: 'C' and 'P'")
    return np.where(text.astype(str) == "C", 1.0, -1.0).reshape(codes.shape)


@attrs.frozen(kw_only=True, eq=False)
class Inputs:
    """The inputs of every formula, broadcast to one shape."""

    sign: Floats
    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    given: Floats

    @classmethod
    def of(
        cls,
        given: npt.ArrayLike,
        spot: npt.ArrayLike,
        strike: npt.ArrayLike,
        years: npt.ArrayLike,
        right: Rights,
        rate: npt.ArrayLike,
        dividend_yield: npt.ArrayLike,
    ) -> "Inputs":
        """Everything as float arrays of one shape; `given` is the volatility or the price."""
        numbers = (given, spot, strike, years, rate, dividend_yield)
        columns = [_signs(right), *(np.asarray(number, dtype=np.float64) for number in numbers)]
        try:
            sign, known, spots, strikes, times, rates, yields = np.broadcast_arrays(*columns)
        except ValueError as error:
            shapes = ", ".join(str(column.shape) for column in columns)
            raise InvalidInput(
                f"inputs of shapes {shapes} do not fit together; valid: equal or ()"
            ) from error
        return cls(
            sign=sign,
            given=known,
            spot=spots,
            strike=strikes,
            years=times,
            rate=rates,
            dividend_yield=yields,
        )

    @property
    def discount(self) -> Floats:
        """Present value of one unit of money at expiry."""
        return np.exp(-self.rate * self.years)

    @property
    def carried_spot(self) -> Floats:
        """Present value of one share delivered at expiry."""
        return self.spot * np.exp(-self.dividend_yield * self.years)

    def reasons(self) -> npt.NDArray[np.int8]:
        """SOLVED, or why the row cannot be computed at all."""
        columns = (self.given, self.spot, self.strike, self.years, self.rate, self.dividend_yield)
        finite = np.logical_and.reduce([np.isfinite(column) for column in columns])
        inside = (self.spot > 0) & (self.strike > 0) & (self.years > 0) & (self.given >= 0)
        codes = np.where(inside, Unsolved.SOLVED, Unsolved.OUT_OF_DOMAIN)
        return np.where(finite, codes, Unsolved.NOT_FINITE).astype(np.int8)

    def moments(self) -> tuple[Floats, Floats, Floats]:
        """Standard deviation of the log price at expiry, d1 and d2."""
        deviation = self.given * np.sqrt(self.years)
        log = np.log(self.carried_spot / (self.strike * self.discount))
        d1 = log / deviation + deviation / 2
        # At no volatility the outcome is certain: the limit is the sign of the forward moneyness.
        d1 = np.where(deviation > 0, d1, np.where(log == 0, 0.0, np.copysign(np.inf, log)))
        return deviation, d1, d1 - deviation


def price(
    volatility: npt.ArrayLike,
    *,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    right: Rights,
    rate: npt.ArrayLike = 0.0,
    dividend_yield: npt.ArrayLike = 0.0,
) -> Floats:
    """Price of European options.

    Args:
        volatility: A year, a fraction, 0 or more.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.

    Returns:
        Per share, of the inputs' common shape; NaN where an input is out of its domain.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.

    Source:
        R. C. Merton, Theory of Rational Option Pricing, 1973.
    """
    inputs = Inputs.of(volatility, spot, strike, years, right, rate, dividend_yield)
    with np.errstate(all="ignore"):
        return np.where(inputs.reasons() == Unsolved.SOLVED, _price(inputs), np.nan)


def _price(inputs: Inputs) -> Floats:
    _, d1, d2 = inputs.moments()
    share = inputs.carried_spot * cdf(inputs.sign * d1)
    money = inputs.strike * inputs.discount * cdf(inputs.sign * d2)
    # The difference of two nearly equal sums may fall a rounding error below nothing.
    return np.maximum(inputs.sign * (share - money), 0.0)


def greeks(
    volatility: npt.ArrayLike,
    *,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    right: Rights,
    rate: npt.ArrayLike = 0.0,
    dividend_yield: npt.ArrayLike = 0.0,
) -> GreekColumns:
    """Price and sensitivities of European options.

    Args:
        volatility: A year, a fraction, above 0.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.

    Returns:
        Columns of the inputs' common shape; NaN with a reason where an input is out of its domain.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    inputs = Inputs.of(volatility, spot, strike, years, right, rate, dividend_yield)
    reasons = inputs.reasons()
    certain = (reasons == Unsolved.SOLVED) & (inputs.given == 0)
    reasons = np.where(certain, Unsolved.OUT_OF_DOMAIN, reasons).astype(np.int8)
    with np.errstate(all="ignore"):
        columns = _greeks(inputs)
    blank = {name: np.where(reasons == Unsolved.SOLVED, column, np.nan) for name, column in columns.items()}
    return GreekColumns(**blank, reasons=reasons)


def _greeks(inputs: Inputs) -> dict[str, Floats]:
    deviation, d1, d2 = inputs.moments()
    sign, share, money = inputs.sign, inputs.carried_spot, inputs.strike * inputs.discount
    bell = share * density(d1)
    share_odds, money_odds = cdf(sign * d1), cdf(sign * d2)
    drift = sign * (inputs.dividend_yield * share * share_odds - inputs.rate * money * money_odds)
    decay = -bell * deviation / (2 * inputs.years)
    return {
        "price": _price(inputs),
        "delta": sign * share_odds * share / inputs.spot,
        "gamma": bell / (inputs.spot * inputs.spot * deviation),
        "theta": (decay + drift) / _DAYS_A_YEAR,
        "vega": bell * np.sqrt(inputs.years) / _POINTS,
        "rho": sign * inputs.years * money * money_odds / _POINTS,
    }
