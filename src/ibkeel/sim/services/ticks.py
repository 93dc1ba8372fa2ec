"""From what the feed shows to tick messages: only what changed is sent."""

from typing import Any, Final

import attrs

from ibkeel.sim.values import MarketQuote, ModelGreeks, SimContract

__all__ = ["LiveType", "Tick", "computations", "is_complete", "ticks", "without_book"]

Tick = tuple[str, dict[str, Any]]
"""Name of the message and its values, but for the request id."""


class LiveType:
    """Market data types of the wire."""

    LIVE: Final = 1
    FROZEN: Final = 2
    DELAYED: Final = 3
    DELAYED_FROZEN: Final = 4


# Price field, size field, tick type of the price, tick type of the size.
_SIDES: Final = (("bid", "bid_size", 1, 0), ("ask", "ask_size", 2, 3), ("last", "last_size", 4, 5))
_PRICES: Final = (("high", 6), ("low", 7), ("close", 9), ("open", 14))
_VOLUME: Final = 8
_MODEL: Final = 13
_OPEN_INTEREST: Final = {"C": 27, "P": 28}
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
    return attrs.evolve(quote, bid=None, ask=None, bid_size=None, ask_size=None)


def is_complete(contract: SimContract, quote: MarketQuote) -> bool:
    """Whether a snapshot has nothing left to wait for."""
    wanted = _WANTED_OF_INDEX if contract.sec_type == "IND" else _WANTED
    return all(getattr(quote, name) is not None for name in wanted)


def ticks(
    contract: SimContract,
    quote: MarketQuote,
    before: MarketQuote | None,
    *,
    delayed: bool,
    open_interest: bool,
) -> list[Tick]:
    """Messages that lead a client from the quote it knows to the present one.

    Args:
        contract: Whose quote it is.
        quote: What the feed shows now.
        before: What was sent last; None at first.
        delayed: Whether to use the tick types of delayed data.
        open_interest: Whether the client asked for open interest (generic tick 101).
    """
    known = before or MarketQuote(at=quote.at)
    made = _sides(quote, known)
    made += _day(quote, known)
    if open_interest and quote.open_interest not in {None, known.open_interest}:
        kind = _OPEN_INTEREST.get(contract.right)
        if kind is not None:
            made.append(("tick_size", {"type": kind, "size": quote.open_interest}))
    return [_retyped(tick) for tick in made] if delayed else made


def _sides(quote: MarketQuote, known: MarketQuote) -> list[Tick]:
    made: list[Tick] = []
    for price_name, size_name, price_type, size_type in _SIDES:
        price, size = getattr(quote, price_name), getattr(quote, size_name)
        if price != getattr(known, price_name):
            # A side that vanishes is -1 with size 0.
            shown = -1.0 if price is None else price
            made.append(
                ("tick_price", {"type": price_type, "price": shown, "size": size if price is not None else 0})
            )
        elif price is not None and size is not None and size != getattr(known, size_name):
            made.append(("tick_size", {"type": size_type, "size": size}))
    return made


def _day(quote: MarketQuote, known: MarketQuote) -> list[Tick]:
    made: list[Tick] = []
    if quote.volume is not None and quote.volume != known.volume:
        made.append(("tick_size", {"type": _VOLUME, "size": quote.volume}))
    for name, kind in _PRICES:
        price = getattr(quote, name)
        if price is not None and price != getattr(known, name):
            made.append(("tick_price", {"type": kind, "price": price, "size": 0}))
    return made


def computations(greeks: ModelGreeks | None, before: ModelGreeks | None, *, delayed: bool) -> list[Tick]:
    """The model computation of an option, when it changed."""
    if greeks is None or greeks == before:
        return []
    tick: Tick = ("option_computation", {"type": _MODEL, "dividends": 0.0, **attrs.asdict(greeks)})
    return [_retyped(tick) if delayed else tick]


def _retyped(tick: Tick) -> Tick:
    name, values = tick
    return name, {**values, "type": _DELAYED.get(values["type"], values["type"])}
