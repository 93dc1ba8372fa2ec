"""The broker's greeks of the option that was chosen, beside our own."""

from collections.abc import Mapping
from datetime import date, datetime

from ibkeel.model import OptionChain
from ibkeel.options import (
    CheckTerms,
    CrossCheck,
    DeltaPick,
    cross_check,
    implied_dividend_yield,
    series_of,
    years_to_expiry,
)

__all__ = ["checked"]


def checked(
    pick: DeltaPick,
    chain: OptionChain,
    closes: Mapping[date, datetime],
    *,
    spot: float,
    rate: float,
) -> CrossCheck | None:
    """Compare the greeks of the option chosen, at the forward and the instant of its quote.

    Args:
        pick: With the forward that our own deltas come from.
        chain: Where the option is listed.
        closes: When the exchange closes, by its date.
        spot: Price of the underlying per share.
        rate: Interest a year, continuous, a fraction.

    Returns:
        None when nothing was chosen, the broker sent no greeks, or the option is settled by then.
    """
    chosen = pick.chosen
    quote = None if chosen is None else chosen.quote
    if chosen is None or quote is None or quote.greeks is None:
        return None
    option = chosen.option
    row = next(row for row in chain.classes if row.trading_class == option.trading_class)
    series = series_of(chain.underlying, row, option.expiry, today=option.expiry, closes=closes)
    if series.expires_at <= quote.at:
        return None
    years = years_to_expiry(series.expires_at, now=quote.at)
    carry = implied_dividend_yield(forward=pick.forward, spot=spot, years=years, rate=rate)
    terms = CheckTerms(spot=spot, years=years, rate=rate, dividend_yield=carry, exercise=series.exercise)
    return cross_check(quote, terms)
