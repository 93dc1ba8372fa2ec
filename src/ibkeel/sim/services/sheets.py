"""From what moved in a quote to the messages that say so, ready to be filled in.

What is sent depends on which figures moved, and not on what they are. The same few sheets serve every
stream, and a change is written in one go.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress
from operator import ne
from typing import Any, Final, NamedTuple

from ibkeel.sim.codec import REPLIES, Sheet
from ibkeel.sim.services.feed import has_traded
from ibkeel.sim.services.ticks import shown_type
from ibkeel.sim.values import MarketQuote, SimContract

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


class TickSheet(NamedTuple):
    """The messages of a change; filled in with a `row_of` a quote."""

    sheet: Sheet
    of_quote: int  # so many come before the model's ticks; what follows is about the trade


class _Line(NamedTuple):
    """A message: its name, the values that are known, and the figures that fill the others."""

    name: str
    known: dict[str, Any]
    figures: dict[str, str]


def row_of(quote: MarketQuote, request_id: int) -> tuple[Any, ...]:
    """The figures that a sheet is filled in with."""
    figures: Any = quote[_SHOWN]
    return (*figures, request_id, int(quote.at.timestamp()))


def tick_sheet(
    version: int,
    contract: SimContract,
    quote: MarketQuote,
    before: MarketQuote,
    *,
    delayed: bool,
    open_interest: bool,
) -> TickSheet:
    """Messages that lead a client from the quote it knows to the present one: only what moved is sent.

    Args:
        version: Of the wire.
        contract: Whose quote it is.
        quote: What the feed shows now.
        before: What was sent last; an empty quote at first.
        delayed: Whether to use the tick types of delayed data.
        open_interest: Whether the client asked for open interest (generic tick 101).
    """
    figures: Any = quote[_SHOWN]
    known: Any = before[_SHOWN]
    return _sheet(
        version,
        (*map(ne, figures, known),),
        (*map(type, figures),),
        _OPEN_INTEREST.get(contract.right) if open_interest else None,
        delayed,
        not delayed and contract.sec_type != "IND" and has_traded(before, quote),
    )


@lru_cache(maxsize=_SHEETS)
def _sheet(
    version: int,
    moves: tuple[bool, ...],
    types: tuple[type, ...],
    interest: int | None,
    delayed: bool,
    traded: bool,
) -> TickSheet:
    moved = frozenset(compress(_FIGURES, moves))
    missing = frozenset(name for name, kind in zip(_FIGURES, types, strict=True) if kind is type(None))
    lines = [*_sides(moved, missing), *_day(moved - missing, interest)]
    of_quote = len(lines)
    if traded:
        lines.append(_Line("tick_string", {"type": _LAST_TIMESTAMP}, {"value": "seconds"}))
    return TickSheet(_written(version, lines, (*types, int, int), delayed=delayed), of_quote)


def _sides(moved: frozenset[str], missing: frozenset[str]) -> Iterator[_Line]:
    for price, size, price_type, size_type in _SIDES:
        if price in moved & missing:
            # A side that vanishes is -1 with size 0.
            yield _Line("tick_price", {"type": price_type, "price": -1.0, "size": 0}, {})
        elif price in moved:
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
        places += [_PLACES[figures.get(blank, blank)] for blank, _, _ in form.blanks]
    return Sheet(forms, places, types)
