"""Black's model of 1976: European options on a future, or on anything with a known forward.

A forward drifts as a share does that pays the whole interest as dividend, so the Black-Scholes-Merton
functions serve with `dividend_yield` equal to `rate`. Only rho differs: the forward stays where it is.
"""

from typing import Final

import attrs
import numpy as np

from ibkeel.options import greeks as merton
from ibkeel.options.greeks import GreekColumns, ImpliedVolatility
from ibkeel.options.inputs import Floats, Numbers, Rights

_POINTS: Final = 100.0


def black76_price(
    volatility: Numbers,
    *,
    forward: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
) -> Floats:
    """Price of European options on a forward.

    Args:
        volatility: A year, a fraction, 0 or more.
        forward: Price of delivery at expiry, above 0.
        strike: Above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.

    Returns:
        Of the inputs' common shape; NaN where an input is out of its domain.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.

    Source:
        F. Black, The pricing of commodity contracts, 1976.
    """
    return merton.price(
        volatility,
        spot=forward,
        strike=strike,
        years=years,
        right=right,
        rate=rate,
        dividend_yield=rate,
    )


def black76_implied_volatility(
    price: Numbers,
    *,
    forward: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
) -> ImpliedVolatility:
    """The volatility at which Black's model gives the price.

    Args:
        price: Of the option.
        forward: Price of delivery at expiry, above 0; see `parity_forward`.
        strike: Above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.

    Returns:
        Of the inputs' common shape, NaN with a reason where there is none.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    return merton.implied_volatility(
        price,
        spot=forward,
        strike=strike,
        years=years,
        right=right,
        rate=rate,
        dividend_yield=rate,
    )


def black76_greeks(
    volatility: Numbers,
    *,
    forward: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
) -> GreekColumns:
    """Price and sensitivities of European options on a forward.

    Args:
        volatility: A year, a fraction, above 0.
        forward: Price of delivery at expiry, above 0.
        strike: Above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.

    Returns:
        Delta and gamma are in the forward; theta and rho keep it where it is.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    found = merton.greeks(
        volatility,
        spot=forward,
        strike=strike,
        years=years,
        right=right,
        rate=rate,
        dividend_yield=rate,
    )
    return attrs.evolve(found, rho=-np.asarray(years, dtype=np.float64) * found.price / _POINTS)
