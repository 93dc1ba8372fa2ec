"""Ticks of market data: their types, from what moved in a quote to the messages that say so, and those beyond it.

What is sent depends on which figures moved, and not on what they are. The same few sheets serve every
stream, and a change is written in one go.

Source: TWS API, "Available Tick Types". How often a Gateway sends each is unverified: figures of past
days come once, when the subscription begins, and the others when they change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import compress
from operator import ne
from statistics import fmean
from typing import Any, Final, NamedTuple

import attrs

from ibkeel.sim.codec import REPLIES, Sheet
from ibkeel.sim.services.feed import historical_volatility, implied_volatility, trade_of
from ibkeel.sim.values import BarSize, Market, MarketQuote, ModelGreeks, SimBar, SimContract

Tick = tuple[str, dict[str, Any]]
"""Name of the message and its values, but for the request id."""

# Price figure, size figure, tick type of the price, tick type of the size.
_SIDES: Final = (("bid", "bid_size", 1, 0), ("ask", "ask_size", 2, 3), ("last", "last_size", 4, 5))
_PRICES: Final = (("high", 6), ("low", 7), ("close", 9), ("open", 14))
_VOLUME: Final = 8
_OPEN_INTEREST: Final = {"C": 27, "P": 28}
_LAST_TIMESTAMP: Final = 45
_SHEETS: Final = 1024
_SHOWN: Final = slice(1, -2)  # all but the instant, and what no tick of a sheet tells
_FIGURES: Final = MarketQuote._fields[_SHOWN]
_PLACES: Final = {name: place for place, name in enumerate((*_FIGURES, "request_id", "seconds"))}
_NEVER_SET: Final = {"mask": 0}

_HALTED: Final = 49
_RT_VOLUME: Final = ("233", 48)
_MARK: Final = (frozenset({"221", "232"}), 37)
_SHORTABLE: Final = (46, 3.0)  # at least a thousand shares can be borrowed
_YEAR: Final = timedelta(days=365)
# Low and high of so many days.
_RANGES: Final = ((91, 15, 16), (182, 17, 18), (364, 19, 20))
_AVERAGE_VOLUME: Final = (90, 21)

_Maker = Callable[[Market, SimContract, datetime], Iterator[Tick]]


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


class TickSheet(NamedTuple):
    """The messages of a change; filled in with a `row_of` a quote."""

    sheet: Sheet
    of_quote: int  # so many come before the model's ticks; what follows is about the trade


class _Line(NamedTuple):
    """A message: its name, the values that are known, and the figures that fill the others."""

    name: str
    known: dict[str, Any]
    figures: dict[str, str]


def row_of(quote: MarketQuote, request_id: int, traded_at: datetime | None) -> tuple[Any, ...]:
    """The figures that a sheet is filled in with."""
    figures: Any = quote[_SHOWN]
    return (*figures, request_id, 0 if traded_at is None else int(traded_at.timestamp()))


def tick_sheet(
    version: int,
    contract: SimContract,
    quote: MarketQuote,
    before: MarketQuote,
    *,
    delayed: bool,
    open_interest: bool,
    traded: bool,
) -> TickSheet:
    """Messages that lead a client from the quote it knows, at first an empty one, to the present one.

    Only what moved is sent: in the tick types of delayed data when it is `delayed`, with the open interest (generic
    tick 101), and with the time of the last trade, when these are asked for.
    """
    figures: Any = quote[_SHOWN]
    known: Any = before[_SHOWN]
    return _sheet(
        version,
        (*map(ne, figures, known),),
        (*map(type, figures),),
        (*map(type, known),),
        _OPEN_INTEREST.get(contract.right) if open_interest else None,
        delayed,
        traded,
    )


def initial(
    market: Market, contract: SimContract, generic: frozenset[str], at: datetime, *, halted: int = 0
) -> list[Tick]:
    """The ticks that come once."""
    made: list[Tick] = []
    if contract.sec_type != "IND":
        made.append(("tick_generic", {"type": _HALTED, "value": float(halted)}))
    for number, maker in _ONCE.items():
        if number in generic and contract.sec_type != "OPT":
            made += maker(market, contract, at)
    return made


def changing(
    contract: SimContract, quote: MarketQuote, before: MarketQuote | None, generic: frozenset[str]
) -> Iterator[Tick]:
    """The ticks that come with a change of the feed, beyond those of the quote and its trade."""
    known = before or MarketQuote(at=quote.at)
    traded = contract.sec_type != "IND" and _RT_VOLUME[0] in generic
    trade = trade_of((known, quote)) if traded else None
    if trade is not None:
        size = f"{trade.size:g}" if before is not None else f"{quote.last_size or 0}"
        millis = int(quote.at.timestamp() * 1000)
        text = f"{trade.price:g};{size};{millis};{quote.volume or 0};{trade.price:g};true"
        yield "tick_string", {"type": _RT_VOLUME[1], "value": text}
    if before is not None and quote.halted != before.halted:
        yield "tick_generic", {"type": _HALTED, "value": float(quote.halted)}
    if generic & _MARK[0] and (mark := _mark(quote)) not in {None, _mark(known)}:
        yield "tick_price", {"type": _MARK[1], "price": mark, "size": 0}


def _mark(quote: MarketQuote) -> float | None:
    """The last price, but no lower than the bid and no higher than the ask."""
    price = quote.close if quote.last is None else quote.last
    if price is None:
        return None
    if quote.ask is not None:
        price = min(price, quote.ask)
    return price if quote.bid is None else max(price, quote.bid)


def _days(market: Market, contract: SimContract, at: datetime, span: timedelta) -> Sequence[SimBar]:
    return market.bars(contract, start=at - span, end=at, size=BarSize.DAY_1, what="TRADES", rth=True)


def _historical_volatility(market: Market, contract: SimContract, at: datetime) -> Iterator[Tick]:
    value = historical_volatility(market, contract, at)
    if value is not None:
        yield "tick_generic", {"type": 23, "value": value}


def _implied_volatility(market: Market, contract: SimContract, at: datetime) -> Iterator[Tick]:
    value = implied_volatility(market, contract, at)
    if value is not None:
        yield "tick_generic", {"type": 24, "value": value}


def _ranges(market: Market, contract: SimContract, at: datetime) -> Iterator[Tick]:
    bars = _days(market, contract, at, _YEAR)
    for days, low, high in _RANGES:
        recent = [bar for bar in bars if bar.at >= at - timedelta(days=days)]
        if recent:
            yield "tick_price", {"type": low, "price": min(bar.low for bar in recent), "size": 0}
            yield "tick_price", {"type": high, "price": max(bar.high for bar in recent), "size": 0}
    volumes = [bar.volume for bar in bars if bar.at >= at - timedelta(days=_AVERAGE_VOLUME[0])]
    if volumes:
        yield "tick_size", {"type": _AVERAGE_VOLUME[1], "size": round(fmean(volumes))}


def _shortable(_market: Market, contract: SimContract, _at: datetime) -> Iterator[Tick]:
    if contract.sec_type == "STK":
        kind, value = _SHORTABLE
        yield "tick_generic", {"type": kind, "value": value}


_ONCE: Final[Mapping[str, _Maker]] = {
    "104": _historical_volatility,
    "106": _implied_volatility,
    "165": _ranges,
    "236": _shortable,
}


@lru_cache(maxsize=_SHEETS)
def _sheet(
    version: int,
    moves: tuple[bool, ...],
    types: tuple[type, ...],
    before: tuple[type, ...],
    interest: int | None,
    delayed: bool,
    traded: bool,
) -> TickSheet:
    moved = frozenset(compress(_FIGURES, moves))
    missing, unknown = (
        frozenset(name for name, kind in zip(_FIGURES, kinds, strict=True) if kind is type(None))
        for kinds in (types, before)
    )
    lines = [*_sides(moved, missing, unknown), *_day(moved - missing, interest)]
    of_quote = len(lines)
    if traded:
        lines.append(_Line("tick_string", {"type": _LAST_TIMESTAMP}, {"value": "seconds"}))
    return TickSheet(_written(version, lines, (*types, int, int), delayed=delayed), of_quote)


def _sides(moved: frozenset[str], missing: frozenset[str], unknown: frozenset[str]) -> Iterator[_Line]:
    for price, size, price_type, size_type in _SIDES:
        if price in moved & missing:
            # A side that vanishes is -1 with size 0.
            yield _Line("tick_price", {"type": price_type, "price": -1.0, "size": 0}, {})
        elif price in moved and size in missing:
            yield _Line("tick_price", {"type": price_type, "size": 0}, {"price": price})
        elif price in moved or (size in moved & unknown and price not in missing):
            # A price that came without its size comes again with it: to ib_async it was none.
            yield _Line("tick_price", {"type": price_type}, {"price": price, "size": size})
        elif size in moved and not {price, size} & missing:
            yield _Line("tick_size", {"type": size_type}, {"size": size})


def _day(moved: frozenset[str], interest: int | None) -> Iterator[_Line]:
    if "volume" in moved:
        yield _Line("tick_size", {"type": _VOLUME}, {"size": "volume"})
    for price, kind in _PRICES:
        if price in moved:
            yield _Line("tick_price", {"type": kind, "size": 0}, {"price": price})
    if interest is not None and "open_interest" in moved:
        yield _Line("tick_size", {"type": interest}, {"size": "open_interest"})


def _written(version: int, lines: Iterable[_Line], types: Sequence[type], *, delayed: bool) -> Sheet:
    forms, places = [], []
    for name, known, figures in lines:
        kind = shown_type(known["type"], delayed=delayed)
        form = REPLIES[name].form(version, {**_NEVER_SET, **known, "type": kind})
        forms.append(form)
        places += [_PLACES[figures.get(blank.name, blank.name)] for blank in form.blanks]
    return Sheet(forms, places, types)
