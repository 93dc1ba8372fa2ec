"""Sensitivities of a whole structure: the legs' own, added up."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar

import attrs

from ibkeel.errors import InvalidInput, RequestFailed
from ibkeel.model import Contract, Greeks, Option, Quote
from ibkeel.options.greeks import greeks
from ibkeel.options.structures import Structure

_Key = TypeVar("_Key")
_SUMMED = ("delta", "gamma", "theta", "vega", "price")


@attrs.frozen(kw_only=True)
class NetGreeks:
    """Sensitivities of a structure; a figure is None when a leg has none.

    Args:
        per_share: As those of one option are told: for one share of the multiplier; `price` is the
            net price, `iv` is None.
        per_contract: The same times the multiplier: `delta` in shares, `theta` and `vega` in the
            currency.
        missing: Legs without any figures.
    """

    per_share: Greeks
    per_contract: Greeks
    missing: tuple[Contract, ...] = ()


def net_greeks(
    structure: Structure,
    *,
    spot: float,
    volatility: float | Mapping[Option, float],
    years: float | Mapping[date, float],
    rate: float = 0.0,
    dividend_yield: float = 0.0,
) -> NetGreeks:
    """Sensitivities by Black-Scholes-Merton, every option taken for a European one.

    Args:
        structure: With prices or without.
        spot: Price of the underlying per share, above 0.
        volatility: A year, a fraction: of every option, or of each.
        years: Time to expiry: of every option, or by expiry; see `years_to_expiry`.
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.

    Raises:
        InvalidInput: A volatility or a time to expiry is missing.
    """

    def of(option: Option) -> Greeks:
        columns = greeks(
            _given(volatility, option, f"volatility of {option}"),
            spot=spot,
            strike=float(option.strike),
            years=_given(years, option.expiry, f"time to {option.expiry}"),
            right=option.right,
            rate=rate,
            dividend_yield=dividend_yield,
        )
        if columns.reasons.any():
            return Greeks()
        return Greeks(**{figure: float(getattr(columns, figure)) for figure in _SUMMED})

    return _summed(structure, of, spot)


def broker_net_greeks(
    structure: Structure, quotes: Mapping[Contract, Quote | RequestFailed], *, spot: float
) -> NetGreeks:
    """Sensitivities as the broker computed them for each leg.

    Args:
        structure: With prices or without.
        quotes: What `Broker.quotes` answered for the legs.
        spot: Price of the underlying per share.
    """

    def of(option: Option) -> Greeks:
        quote = quotes.get(option)
        return (quote.greeks if isinstance(quote, Quote) else None) or Greeks()

    return _summed(structure, of, spot)


def _given(values: float | Mapping[_Key, float], key: _Key, what: str) -> float:
    if not isinstance(values, Mapping):
        return values
    if key not in values:
        raise InvalidInput(f"the {what} is missing")
    return values[key]


def _summed(structure: Structure, of: Callable[[Option], Greeks], spot: float) -> NetGreeks:
    share = Greeks(delta=1.0, gamma=0.0, theta=0.0, vega=0.0, price=spot)
    known = {
        leg.contract: of(leg.contract) if isinstance(leg.contract, Option) else share
        for leg in structure.legs
    }
    totals: dict[str, float] = {}
    for figure in _SUMMED:
        terms = [(leg.shares, getattr(known[leg.contract], figure)) for leg in structure.legs]
        if all(value is not None for _, value in terms):
            totals[figure] = sum(shares * value for shares, value in terms)
    return NetGreeks(
        per_share=Greeks(
            **{figure: total / structure.multiplier for figure, total in totals.items()},
            underlying_price=spot,
        ),
        per_contract=Greeks(**totals, underlying_price=spot),
        missing=tuple(contract for contract, found in known.items() if found == Greeks()),
    )
