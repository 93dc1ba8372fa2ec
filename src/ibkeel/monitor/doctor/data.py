"""Which data the login may see, symbol by symbol."""

from collections.abc import Iterable
from typing import Final

import attrs

from ibkeel.errors import (
    CompetingSession,
    ConnectionFailure,
    NotEntitled,
    QuoteUnavailable,
    RequestFailed,
    UnknownContract,
)
from ibkeel.model import Broker, DataType, Quote, Stock
from ibkeel.monitor.doctor.findings import Finding, Verdict

_DELAYED_ONLY: Final = frozenset({10089, 10167})
_SUBSCRIBE: Final = (
    "subscribe to the exchange's data in Client Portal (Settings, Market Data Subscriptions), and sign the market data "
    "agreement for the API; a paper login shares the live login's data only when that is set there"
)


@attrs.frozen
class Seen:
    """One symbol's finding, and its quote when there was one."""

    finding: Finding
    quote: Quote | None = None


async def look_at_data(broker: Broker, symbols: Iterable[str], *, is_open: bool) -> list[Seen]:
    """Ask for a quote of each symbol.

    Args:
        broker: Connected.
        symbols: Tickers of stocks and funds.
        is_open: Whether the exchange is open.
    """
    return [await _one(broker, symbol, is_open=is_open) for symbol in symbols]


async def _one(broker: Broker, symbol: str, *, is_open: bool) -> Seen:
    check = f"data {symbol}"
    try:
        quote = await broker.quote(Stock(symbol))
    except (RequestFailed, ConnectionFailure) as error:
        return Seen(_failed(check, symbol, error, is_open=is_open))
    if quote.data_type is DataType.LIVE or (quote.data_type is DataType.FROZEN and not is_open):
        shown = f"bid {quote.bid}, ask {quote.ask}, last {quote.last}"
        return Seen(Finding(check=check, verdict=Verdict.OK, said=f"{quote.data_type}: {shown}"), quote)
    return Seen(_delayed(check, symbol, f"prices of {symbol} are {quote.data_type}"), quote)


def _delayed(check: str, symbol: str, said: str) -> Finding:
    return Finding(
        check=check,
        verdict=Verdict.WARNING,
        said=f"only delayed data of {symbol}: {said}",
        remedy=f"{_SUBSCRIBE}. Nothing is entered on delayed quotes",
    )


def _failed(check: str, symbol: str, error: Exception, *, is_open: bool) -> Finding:
    said = str(error)
    match error:
        case CompetingSession():
            remedy = "end the other session of this user (a phone, Client Portal, another TWS): it takes the live data"
        case NotEntitled() if error.code in _DELAYED_ONLY:
            return _delayed(check, symbol, said)
        case NotEntitled():
            remedy = _SUBSCRIBE
        case UnknownContract():
            remedy = "check the ticker; a share class is written with a space, such as 'BRK B'"
        case QuoteUnavailable() if not is_open:
            return Finding(
                check=check, verdict=Verdict.OK, said=f"no prices of {symbol}: the exchange is closed"
            )
        case _:
            remedy = "see the findings above: farms and upstream come first"
    return Finding(check=check, verdict=Verdict.FAULT, said=said, remedy=remedy)
