"""Ticks of market data: their types, live and delayed, and those of the model."""

from typing import Any, Final

import attrs

from ibkeel.sim.values import MarketQuote, ModelGreeks, SimContract

Tick = tuple[str, dict[str, Any]]
"""Name of the message and its values, but for the request id."""


class LiveType:
    """Market data types of the wire."""

    LIVE: Final = 1
    FROZEN: Final = 2
    DELAYED: Final = 3
    DELAYED_FROZEN: Final = 4


_MODEL: Final = 13
_DELAYED: Final = {
    0: 69,
    1: 66,
    2: 67,
    3: 70,
    4: 68,
    5: 71,
    6: 72,
    7: 73,
    8: 74,
    9: 75,
    13: 83,
    14: 76,
}
_WANTED: Final = ("bid", "ask", "last", "volume", "high", "low", "close")
_WANTED_OF_INDEX: Final = ("last", "high", "low", "close")


def without_book(quote: MarketQuote) -> MarketQuote:
    """The quote as live data shows it outside the session: no bid, no ask."""
    return quote._replace(bid=None, ask=None, bid_size=None, ask_size=None)


def is_complete(contract: SimContract, quote: MarketQuote) -> bool:
    """Whether a snapshot has nothing left to wait for."""
    wanted = _WANTED_OF_INDEX if contract.sec_type == "IND" else _WANTED
    return all(getattr(quote, name) is not None for name in wanted)


def computations(greeks: ModelGreeks | None, before: ModelGreeks | None, *, delayed: bool) -> list[Tick]:
    """The model computation of an option, when it changed."""
    if greeks is None or greeks == before:
        return []
    kind = shown_type(_MODEL, delayed=delayed)
    return [("option_computation", {"type": kind, "dividends": 0.0, **attrs.asdict(greeks)})]


def shown_type(kind: int, *, delayed: bool) -> int:
    """The type under which delayed data, or other data, show a tick."""
    return _DELAYED.get(kind, kind) if delayed else kind
