"""Ticks beyond the quote: those that always come, and the generic ones that clients ask for.

Source: TWS API, "Available Tick Types". How often a Gateway sends each is unverified: figures of past
days come once, when the subscription begins, and the others when they change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import fmean
from typing import Final

from ibkeel.sim.services.feed import trade_of
from ibkeel.sim.services.ticks import Tick
from ibkeel.sim.services.volatility import historical_volatility, implied_volatility
from ibkeel.sim.values import BarSize, Market, MarketQuote, SimBar, SimContract

_HALTED: Final = 49
_RT_VOLUME: Final = ("233", 48)
_MARK: Final = (frozenset({"221", "232"}), 37)
_SHORTABLE: Final = (46, 3.0)  # at least a thousand shares can be borrowed
_YEAR: Final = timedelta(days=365)
# Low and high of so many days.
_RANGES: Final = ((91, 15, 16), (182, 17, 18), (364, 19, 20))
_AVERAGE_VOLUME: Final = (90, 21)

_Maker = Callable[[Market, SimContract, datetime], Iterator[Tick]]


def initial(
    market: Market, contract: SimContract, generic: frozenset[str], at: datetime, *, halted: int = 0
) -> list[Tick]:
    """The ticks that come once.

    Args:
        market: Where history and options come from.
        contract: Whose ticks.
        generic: Numbers of the generic ticks that the client asked for.
        at: The instant they are about.
        halted: What tick 49 tells: 0 for a contract that trades.
    """
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
