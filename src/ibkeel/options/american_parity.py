"""The forward that American pairs imply, once the right to exercise early is taken off their prices."""

from collections.abc import Callable
from typing import Final, TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.american import american_implied_volatility, american_price
from ibkeel.options.greeks import price as european_price
from ibkeel.options.inputs import Floats
from ibkeel.options.parity import ParityForward, implied_dividend_yield, parity_forward

# The correction is a few per cent of the time value, and each round leaves a few per cent of it.
_ROUNDS: Final = 3
_PAIRS: Final = 10
_SPARE: Final = 3
_MOST_OF_IT: Final = 0.5
_Result = TypeVar("_Result")


def american_parity_forward(
    *,
    strike: npt.ArrayLike,
    call_bid: npt.ArrayLike,
    call_ask: npt.ArrayLike,
    put_bid: npt.ArrayLike,
    put_ask: npt.ArrayLike,
    spot: float,
    years: float,
    rate: float,
    pairs: int = _PAIRS,
) -> ParityForward:
    """The forward that the pairs of American options imply, as `parity_forward` does for European ones.

    Parity holds for European options. An American put is worth more when interest is high, a call when
    dividends are; parity of their plain prices would be off by the difference. So it is estimated at the
    mid's own volatility, taken off the quotes, and parity is asked again.

    Args:
        strike: Strikes of one expiry, of shape (n,), in any order.
        call_bid: Per share, of the same shape; NaN or 0 where there is none.
        call_ask: Likewise.
        put_bid: Likewise.
        put_ask: Likewise.
        spot: Price of the underlying per share at the time of the quotes, above 0.
        years: Time to expiry, above 0.
        rate: Interest a year, continuous, a fraction.
        pairs: How many of the strikes nearest the money to use, 1 or more.

    Returns:
        The forward with its bounds; that of plain parity when no pair can be corrected.

    Raises:
        InvalidInput: As `parity_forward`, or the spot is out of its domain.
    """
    table = np.array([strike, call_bid, call_ask, put_bid, put_ask], dtype=np.float64)
    away = np.abs(table[1] + table[2] - table[3] - table[4])
    # Those far from the money take no part, before or after the correction.
    strikes, *quotes = table[:, np.argsort(away, kind="stable")[: _SPARE * pairs]]
    calls, puts = np.array(quotes[:2]), np.array(quotes[2:])
    found = _parity(strikes, calls, puts, years, rate, pairs)
    for _ in range(_ROUNDS):
        carry = implied_dividend_yield(forward=found.forward, spot=spot, years=years, rate=rate)
        at = _Terms(spot=spot, strike=strikes, years=years, rate=rate, dividend_yield=carry)
        plain_calls, plain_puts = calls - at.premium(calls, "C"), puts - at.premium(puts, "P")
        if np.isnan(plain_calls + plain_puts).any(axis=0).all():
            break
        found = _parity(strikes, plain_calls, plain_puts, years, rate, pairs)
    return found


def _parity(
    strikes: Floats, calls: Floats, puts: Floats, years: float, rate: float, pairs: int
) -> ParityForward:
    return parity_forward(
        strike=strikes,
        call_bid=calls[0],
        call_ask=calls[1],
        put_bid=puts[0],
        put_ask=puts[1],
        years=years,
        rate=rate,
        pairs=pairs,
    )


@attrs.frozen(kw_only=True, eq=False)
class _Terms:
    spot: float
    strike: Floats
    years: float
    rate: float
    dividend_yield: float

    def premium(self, quotes: Floats, right: str) -> Floats:
        """What early exercise adds at the volatility of the mid; NaN where it is most of the time value."""
        volatility = self._apply(american_implied_volatility, quotes.mean(axis=0), right).values
        added = self._apply(american_price, volatility, right)
        added -= self._apply(european_price, volatility, right)
        sign = 1.0 if right == "C" else -1.0
        time_value = quotes.mean(axis=0) - np.maximum(sign * (self.spot - self.strike), 0.0)
        # Near the price at which exercise is due, quotes tell of little else.
        return np.where(added <= _MOST_OF_IT * time_value, np.maximum(added, 0.0), np.nan)

    def _apply(self, formula: Callable[..., _Result], given: Floats, right: str) -> _Result:
        return formula(
            given,
            spot=self.spot,
            strike=self.strike,
            years=self.years,
            right=right,
            rate=self.rate,
            dividend_yield=self.dividend_yield,
        )
