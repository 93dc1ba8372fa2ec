"""What the pairs of an expiry say about the forward: put-call parity, across strikes.

Holding the call and owing the put of one strike delivers the share at that strike, so its price is
discount x (forward - strike). Each pair's quotes bound the forward; the pairs nearest the money bound
it best, for their quotes are narrow and their early exercise, if any, is worth least.
"""

import math
from collections.abc import Callable
from typing import Final, TypeVar

import attrs
import numpy as np

from ibkeel.errors import InvalidInput
from ibkeel.options.american import american_implied_volatility, american_price
from ibkeel.options.greeks import price as european_price
from ibkeel.options.inputs import Floats, Numbers

_PAIRS: Final = 10

# The correction is a few per cent of the time value, and each round leaves a few per cent of it.
_ROUNDS: Final = 3
_SPARE: Final = 3
_MOST_OF_IT: Final = 0.5
_Result = TypeVar("_Result")


@attrs.frozen(kw_only=True)
class ParityForward:
    """A forward implied by the quotes of one expiry.

    Args:
        forward: Per share; of the pairs' middles, the weighted median, kept within the bounds when
            they agree.
        lower: The highest that selling a pair's forward brings: the forward is not below it.
        upper: The lowest that buying a pair's forward costs: the forward is not above it.
        pairs: How many strikes took part.
    """

    forward: float
    lower: float
    upper: float
    pairs: int

    @property
    def is_consistent(self) -> bool:
        """Whether one forward fits the bid and ask of every pair that took part."""
        return self.lower <= self.upper


def parity_forward(
    *,
    strike: Numbers,
    call_bid: Numbers,
    call_ask: Numbers,
    put_bid: Numbers,
    put_ask: Numbers,
    years: float,
    rate: float,
    pairs: int = _PAIRS,
) -> ParityForward:
    """The forward that put-call parity implies, from the pairs nearest the money.

    Args:
        strike: Strikes of one expiry, of shape (n,), in any order.
        call_bid: Per share, of the same shape; NaN or 0 where there is none.
        call_ask: Likewise.
        put_bid: Likewise.
        put_ask: Likewise.
        years: Time to expiry, 0 or more.
        rate: Interest a year, continuous, a fraction.
        pairs: How many of the strikes nearest the money to use, 1 or more.

    Returns:
        The forward with its bounds.

    Raises:
        InvalidInput: No strike has both sides of both quotes, the shapes differ, or a number is out
            of its domain.

    Source:
        H. R. Stoll, The relationship between put and call option prices, 1969.
    """
    if not (years >= 0 and math.isfinite(rate) and pairs >= 1):
        raise InvalidInput(
            f"years {years}, rate {rate}, pairs {pairs}; valid: years of 0 or more, a finite rate, a pair"
        )
    strikes, *quotes = _whole_pairs(strike, call_bid, call_ask, put_bid, put_ask)
    return _from_quotes(strikes, quotes, math.exp(rate * years), pairs)


def table_of(*columns: Numbers) -> Floats:
    """Columns of one length and one dimension, as the rows of one table; else InvalidInput."""
    rows = [np.asarray(each, dtype=np.float64) for each in columns]
    if any(row.ndim != 1 or row.shape != rows[0].shape for row in rows):
        shapes = ", ".join(str(row.shape) for row in rows)
        raise InvalidInput(f"columns of shapes {shapes}; valid: one dimension, equal")
    return np.array(rows)


def _whole_pairs(*columns: Numbers) -> Floats:
    """Strike, bid and ask of the call, bid and ask of the put: of those strikes that have them all."""
    table = table_of(*columns)
    quoted = ((table > 0) & (table < math.inf)).all(axis=0) & (table[2] >= table[1]) & (table[4] >= table[3])
    if not quoted.any():
        raise InvalidInput(f"none of {table.shape[1]} strikes has a bid and an ask of call and put")
    return table[:, quoted]


def _from_quotes(strikes: Floats, quotes: list[Floats], growth: float, pairs: int) -> ParityForward:
    call_bid, call_ask, put_bid, put_ask = quotes
    away = np.abs((call_bid + call_ask) - (put_bid + put_ask))
    near = np.lexsort((strikes, away))[:pairs]
    below = (strikes + growth * (call_bid - put_ask))[near]
    above = (strikes + growth * (call_ask - put_bid))[near]
    lower, upper = float(below.max()), float(above.min())
    width = np.maximum(above - below, np.finfo(np.float64).eps * strikes[near])
    middle = _weighted_median(0.5 * (below + above), 1.0 / width)
    if lower <= upper:
        middle = min(max(middle, lower), upper)
    return ParityForward(forward=middle, lower=lower, upper=upper, pairs=near.size)


def _weighted_median(values: Floats, weights: Floats) -> float:
    """The lowest value with at least half of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def implied_dividend_yield(*, forward: float, spot: float, years: float, rate: float) -> float:
    """The continuous yield that carries the spot to the forward.

    It holds whatever the forward knows that the spot does not: dividends, borrow fees, and the age
    of the spot's own quote.

    Args:
        forward: Per share, above 0.
        spot: Per share, above 0.
        years: Time to expiry, above 0.
        rate: Interest a year, continuous, a fraction.

    Returns:
        A year, a fraction; below 0 when carrying the share costs more than interest.

    Raises:
        InvalidInput: A number is out of its domain.
    """
    if not (forward > 0 and spot > 0 and years > 0 and math.isfinite(forward + spot + years + rate)):
        raise InvalidInput(
            f"forward {forward}, spot {spot}, years {years}: valid above 0; rate {rate}: finite"
        )
    return rate - math.log(forward / spot) / years


def american_parity_forward(
    *,
    strike: Numbers,
    call_bid: Numbers,
    call_ask: Numbers,
    put_bid: Numbers,
    put_ask: Numbers,
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
        The forward with its bounds, of the last correction that leaves a pair its prices; of plain parity when
        none does.

    Raises:
        InvalidInput: As `parity_forward`, or the spot is out of its domain.
    """
    table = _whole_pairs(strike, call_bid, call_ask, put_bid, put_ask)
    away = np.abs(table[1] + table[2] - table[3] - table[4])
    # Those far from the money take no part, before or after the correction.
    strikes, *quotes = table[:, np.lexsort((table[0], away))[: _SPARE * pairs]]
    calls, puts = np.array(quotes[:2]), np.array(quotes[2:])
    found = parity_of(strikes, calls, puts, years, rate, pairs)
    for _ in range(_ROUNDS):
        carry = implied_dividend_yield(forward=found.forward, spot=spot, years=years, rate=rate)
        at = _Terms(spot=spot, strike=strikes, years=years, rate=rate, dividend_yield=carry)
        plain_calls, plain_puts = calls - at.premium(calls, "C"), puts - at.premium(puts, "P")
        if not (np.concatenate([plain_calls, plain_puts]).min(axis=0) > 0).any():
            break
        found = parity_of(strikes, plain_calls, plain_puts, years, rate, pairs)
    return found


def parity_of(
    strikes: Floats, calls: Floats, puts: Floats, years: float, rate: float, pairs: int = _PAIRS
) -> ParityForward:
    """`parity_forward` of tables whose rows are bid and ask."""
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
