"""What the feed showed between two instants: single trades and bars shorter than a minute; and how volatile it was."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean, stdev
from typing import Final, NamedTuple

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.disorder import Service
from ibkeel.sim.values import BarSize, ContractPattern, Market, MarketQuote, SimBar, SimContract
from ibkeel.sim.world import World

Change = tuple[MarketQuote, MarketQuote]
"""What the feed showed before an instant, and at it."""

_INSTANT: Final = timedelta(microseconds=1)
_LONGEST_LOOK: Final = 2**20  # seconds: longer than any run of closed days
_SIDES: Final = {"BID": "bid", "ASK": "ask"}


class Trade(NamedTuple):
    """A trade, or what a second brought together."""

    price: float
    size: float


def changes(market: Market, contract: SimContract, start: datetime, end: datetime) -> Iterator[Change]:
    """Every change of the feed with start <= at < end inside regular sessions, ascending."""
    for session in market.sessions(start.date() - timedelta(days=1), end.date() + timedelta(days=1)):
        at: datetime | None = max(start, session.opens_at)
        stop = min(end, session.closes_at)
        if at is None or at >= stop:
            continue
        before = market.quote(contract, at - _INSTANT)
        while at is not None and at < stop:
            quote = market.quote(contract, at)
            yield before, quote
            before, at = quote, market.next_change(contract, at)


def trade_of(change: Change) -> Trade | None:
    """The trade that a change shows."""
    before, quote = change
    if quote.last is None or not has_traded(before, quote):
        return None
    return Trade(quote.last, max(_growth(before, quote), 0) or quote.last_size or 0)


def has_traded(before: MarketQuote, quote: MarketQuote) -> bool:
    """Whether a change shows a trade: the last price has moved, or the day's volume has grown."""
    return quote.last is not None and (quote.last != before.last or _growth(before, quote) > 0)


def last_trade_at(market: Market, contract: SimContract, quote: MarketQuote) -> datetime | None:
    """When the trade was that a quote shows; None: there was none on that day.

    Of what trades before the open or after the close it is the instant of the quote: the day's volume, by
    which the others are found, does not count it.
    """
    at, volume = quote.at, quote.volume
    if quote.is_extended:
        return at
    if not volume:
        return None

    def differs(seconds: int) -> bool:
        return market.quote(contract, at - timedelta(seconds=seconds)).volume != volume

    back = 1
    while not differs(back):
        back *= 2
        if back > _LONGEST_LOOK:
            return None
    near = range(back // 2, back)
    return at - timedelta(seconds=near[bisect_left(near, True, key=differs) - 1])


def _growth(before: MarketQuote, quote: MarketQuote) -> int:
    return 0 if quote.volume is None or before.volume is None else quote.volume - before.volume


def price_of(quote: MarketQuote, what: str) -> float | None:
    """The price of a kind, BID, ASK or MIDPOINT, that a quote shows; None when there is none."""
    if what in _SIDES:
        price: float | None = getattr(quote, _SIDES[what])
        return price
    if quote.bid is None or quote.ask is None:
        return None
    return round((quote.bid + quote.ask) / 2, 4)


def bar_of(at: datetime, trades: list[Trade], *, traded: bool) -> SimBar:
    """A bar of prices, of which there is one at least; one of quotes has -1 for what trades tell."""
    prices = [trade.price for trade in trades]
    volume = sum(trade.size for trade in trades)
    turnover = sum(trade.price * trade.size for trade in trades)
    average = round(turnover / volume, 6) if volume else prices[-1]
    return SimBar(
        at=at,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=int(volume) if traded else -1,
        wap=average if traded else -1.0,
        count=len(trades) if traded else -1,
    )


def short_bars(
    market: Market, contract: SimContract, *, start: datetime, end: datetime, seconds: int, what: str
) -> list[SimBar]:
    """Bars of some seconds with start <= at < end, ascending; an instant without a price has none.

    A bar that covers `end` holds what had come by then.
    """
    made: dict[int, list[Trade]] = {}
    for change in changes(market, contract, start, end):
        trade = trade_of(change) if what == "TRADES" else _quoted(change[1], what)
        if trade is not None:
            second = int(change[1].at.timestamp())
            made.setdefault(second - second % seconds, []).append(trade)
    return [
        bar_of(datetime.fromtimestamp(at, UTC), trades, traded=what == "TRADES")
        for at, trades in made.items()
    ]


def _quoted(quote: MarketQuote, what: str) -> Trade | None:
    price = price_of(quote, what)
    return None if price is None else Trade(price, 0.0)


def follow(
    world: World, client: Client, stream: Stream, before: MarketQuote, show: Callable[[Change], None]
) -> None:
    """Show a stream every change of the feed, inside regular sessions, until it is stopped."""
    contract, now = stream.contract, world.now()
    assert contract is not None, "only a stream with a contract has a feed"
    change_at = world.market.next_change(contract, now)
    if change_at is None:
        return

    def changed(then: datetime) -> None:
        quote = world.market.quote(contract, then)
        is_heard = not world.disorder.silences(Service.MARKET_DATA, client.client_id)
        if is_heard and world.session_at(then) is not None:
            show((before, quote))
        follow(world, client, stream, quote, show)

    wait = (change_at - now).total_seconds()
    stream.ticket = world.answer(client, stream.request_id, wait, changed)


_DAYS: Final = 30
_TRADING_DAYS: Final = 252
_TERM: Final = timedelta(days=30)
_LAST_QUOTE: Final = timedelta(seconds=1)


def historical_volatility(market: Market, contract: SimContract, at: datetime) -> float | None:
    """Deviation of the daily returns of 30 sessions, a fraction a year; None with fewer than two.

    Source: the length of 30 days is TWS API's, "Available Tick Types"; the estimator is unverified.
    """
    bars = market.bars(contract, start=at - 2 * _TERM, end=at, size=BarSize.DAY_1, what="TRADES", rth=True)
    closes = [bar.close for bar in bars][-_DAYS - 1 :]
    returns = [math.log(after / before) for before, after in pairwise(closes)]
    return stdev(returns) * math.sqrt(_TRADING_DAYS) if len(returns) > 1 else None


def implied_volatility(market: Market, contract: SimContract, at: datetime) -> float | None:
    """That of the options at the money which expire nearest to 30 days ahead; None without any."""
    last = market.quote(contract, at).last
    classes = [each for each in market.option_classes(contract.con_id) if each.exchange == "SMART"]
    days = {day for each in classes for day in each.expiries if day > at.date()}
    if last is None or not days:
        return None
    target = at.date() + _TERM
    expiry = min(days, key=lambda day: (abs(day - target), day))
    options = market.find(ContractPattern(symbol=contract.symbol, sec_type="OPT", expiry=f"{expiry:%Y%m%d}"))
    nearest = min((abs(each.strike - last) for each in options), default=0.0)
    computed = [market.greeks(each, at) for each in options if math.isclose(abs(each.strike - last), nearest)]
    volatilities = [each.iv for each in computed if each is not None]
    return fmean(volatilities) if volatilities else None


KINDS: Final[Mapping[str, Callable[[Market, SimContract, datetime], float | None]]] = {
    "HISTORICAL_VOLATILITY": historical_volatility,
    "OPTION_IMPLIED_VOLATILITY": implied_volatility,
}


def volatility_bars(
    market: Market,
    contract: SimContract,
    kind: str,
    *,
    start: datetime,
    end: datetime,
    size: BarSize,
    rth: bool,
) -> list[SimBar]:
    """Bars of a volatility, at the instants at which there are bars of trades.

    Each knows its first and its last value alone; what lies between is unverified.
    """
    compute = KINDS[kind]
    made: list[SimBar] = []
    for bar in market.bars(contract, start=start, end=end, size=size, what="TRADES", rth=rth):
        first = compute(market, contract, bar.at)
        last = compute(market, contract, _last_instant(market, bar, size, end))
        if first is not None and last is not None:
            low, high = sorted((first, last))
            made.append(
                SimBar(at=bar.at, open=first, high=high, low=low, close=last, volume=-1, wap=-1.0, count=-1)
            )
    return made


def _last_instant(market: Market, bar: SimBar, size: BarSize, end: datetime) -> datetime:
    day: Sequence[datetime] = [each.closes_at for each in market.sessions(bar.at.date(), bar.at.date())]
    until = min([bar.at + timedelta(seconds=size.seconds), end, *day])
    return max(bar.at, until - _LAST_QUOTE)
