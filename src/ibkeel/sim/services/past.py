"""The past beside its bars: ticks, how far it goes back, and how the trades of a span spread over prices.

Ticks are trades, quotes, or middles of quotes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final

import attrs

from ibkeel.errors import WireError
from ibkeel.sim.client import Client, Stream
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import cancels, permission, resolve
from ibkeel.sim.services.durations import (
    OF_HISTORY,
    answer_history,
    check_id,
    check_room,
    pace_history,
    parse_duration,
    start_of,
)
from ibkeel.sim.services.feed import Change, changes, price_of, trade_of
from ibkeel.sim.values import BarSize, SimBar, SimContract, SimSession
from ibkeel.sim.wire import parse_instant, parse_zone
from ibkeel.sim.world import Handler, Rejection, World, error_321

Tick = dict[str, Any]
"""The values of one tick, by name."""
_MOST: Final = 1000
_MESSAGES: Final = {
    "TRADES": "historical_ticks_last",
    "BID_ASK": "historical_ticks_bid_ask",
    "MIDPOINT": "historical_ticks",
}
_PRICES: Final = ("bid", "ask")
_SIZES: Final = ("bid_size", "ask_size")
_FIRST_LOOK: Final = timedelta(minutes=5)
_LONGEST_LOOK: Final = timedelta(days=10)  # longer than any run of closed days
_HEAD: Final = "head_timestamp"
_WHATS: Final = ("TRADES", "MIDPOINT", "BID", "ASK")
_LONG_AGO: Final = date(1998, 1, 1)
_EPOCH_FORMAT: Final = 2
_PERIOD_UNITS: Final = {"second": "S", "day": "D", "week": "W", "month": "M", "year": "Y"}


@attrs.frozen(kw_only=True)
class _Query:
    request_id: int
    contract: SimContract
    what: str
    start: datetime | None
    end: datetime | None
    count: int
    ignore_size: bool


def _historical_ticks(world: World, client: Client, values: dict[str, Any]) -> None:
    query = _understood(world, client, values)
    check_id(client, query.request_id)
    check_room(world)
    stream = query.contract.con_id, query.contract.exchange, query.what
    identity = ("ticks", *stream, query.start, query.end, query.count)
    pace_history(world, identity=identity, stream=stream, what=query.what)

    def send(now: datetime) -> None:
        if query.start is not None:
            stop = min(now, query.start + _LONGEST_LOOK)
            found = _ticks(world, query.contract, query.what, query.start, stop, query.ignore_size)
            ticks = list(islice(found, query.count))
        else:
            end = now if query.end is None else min(query.end, now)
            ticks = latest(
                world, query.contract, query.what, end=end, count=query.count, ignore_size=query.ignore_size
            )
        send_ticks(client, query.request_id, query.what, ticks, query.contract)

    answer_history(world, client, query.request_id, send)


def _understood(world: World, client: Client, values: dict[str, Any]) -> _Query:
    what, count = values["what"].upper(), values["count"] or 0
    try:
        start, end = (parse_instant(values[name], world.settings.timezone) for name in ("start", "end"))
    except WireError as error:
        raise Rejection(10314, f"End Date/Time: {error}") from error
    # The code is documented for bad parameters; the texts are unverified.
    if what not in _MESSAGES:
        raise error_321("cH", f"{values['what']!r} is not one of {', '.join(_MESSAGES)}")
    if (start is None) == (end is None):
        raise error_321("cH", "exactly one of start and end must be given")
    if not 1 <= count <= _MOST:
        raise error_321("cH", f"the number of ticks must be from 1 to {_MOST}")
    contract = resolve(world, values)
    if not world.is_entitled(client):
        raise Rejection(10187, f"Failed to request historical ticks:{permission(contract)}")
    return _Query(
        request_id=values["request_id"],
        contract=contract,
        what=what,
        start=start,
        end=end,
        count=count,
        ignore_size=values["ignore_size"],
    )


def _ticks(
    world: World, contract: SimContract, what: str, start: datetime, end: datetime, ignore_size: bool
) -> Iterator[Tick]:
    seen = (
        tick_of(what, change, ignore_size=ignore_size)
        for change in changes(world.market, contract, start, end)
    )
    return (tick for tick in seen if tick is not None)


def latest(
    world: World,
    contract: SimContract,
    what: str,
    *,
    end: datetime,
    count: int,
    ignore_size: bool = False,
) -> list[Tick]:
    """The last ticks of a kind before an instant, ascending, at most `count`; with `ignore_size` none of sizes alone."""
    look, count = _FIRST_LOOK, min(count, _MOST)
    while True:
        ticks = list(_ticks(world, contract, what, end - look, end, ignore_size))
        if len(ticks) >= count or look >= _LONGEST_LOOK:
            return ticks[-count:]
        look = min(4 * look, _LONGEST_LOOK)


def tick_of(what: str, change: Change, *, ignore_size: bool) -> Tick | None:
    """The tick of a kind that a change of the feed brings; None when it brings none."""
    before, quote = change
    time = int(quote.at.timestamp())
    if what == "TRADES":
        trade = trade_of(change)
        return None if trade is None else {"time": time, **trade._asdict()}
    middle = price_of(quote, "MIDPOINT")
    if middle is None:
        return None
    if what == "MIDPOINT":
        return None if middle == price_of(before, what) else {"time": time, "price": middle, "size": 0}
    watched = _PRICES if ignore_size else (*_PRICES, *_SIZES)
    if all(getattr(before, name) == getattr(quote, name) for name in watched):
        return None
    return {"time": time, **{name: getattr(quote, name) for name in (*_PRICES, *_SIZES)}}


def send_ticks(
    client: Client, request_id: int, what: str, ticks: Sequence[Tick], contract: SimContract
) -> None:
    """Send ticks of the past in one message, which says that no more will come."""
    exchange = contract.primary_exchange or contract.exchange
    rows = [{**tick, "exchange": exchange} for tick in ticks]
    client.reply(_MESSAGES[what], request_id=request_id, ticks=rows, done=True)


def _head_timestamp(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, what = values["request_id"], values["what"].upper()
    if what not in _WHATS:
        raise error_321("bV", f"{values['what']!r} is not one of {', '.join(_WHATS)}")
    contract = resolve(world, values)
    check_room(world)
    key = contract.con_id, contract.exchange, what
    pace_history(world, identity=(_HEAD, *key, values["use_rth"]), stream=key, what=what)
    stream = world.open_stream(client, Stream(kind=_HEAD, request_id=request_id, holds_history=True))

    def answer(now: datetime) -> None:
        first = _first_bar(world, contract, what, now, rth=values["use_rth"])
        if first is None:
            world.end_stream(client, _HEAD, request_id)
            raise Rejection(162, f"{OF_HISTORY}No head time stamp")
        client.reply("head_timestamp", request_id=request_id, at=_text(first, values["date_format"]))

    latency = world.settings.latency.history
    stream.ticket = world.answer(client, request_id, latency, answer, needs=Service.HISTORY)


def _first_bar(
    world: World, contract: SimContract, what: str, now: datetime, *, rth: bool
) -> datetime | None:
    """Start of the first bar, sought by halves: history is taken to have no end before the present."""
    sessions = world.market.sessions(_LONG_AGO, now.date())

    def starts(session: SimSession) -> Sequence[SimBar]:
        end = min(session.closes_at, now)
        return world.market.bars(
            contract, start=session.opens_at, end=end, size=BarSize.DAY_1, what=what, rth=rth
        )

    position = bisect_left(sessions, True, key=lambda session: bool(starts(session)))
    bars = starts(sessions[position]) if position < len(sessions) else ()
    return bars[0].at if bars else None


def _text(at: datetime, date_format: int | None) -> str:
    if date_format == _EPOCH_FORMAT:
        return str(int(at.timestamp()))
    return f"{at.astimezone(UTC):%Y%m%d-%H:%M:%S}"


def _histogram(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    contract = resolve(world, values)
    period = _period(values["period"])
    stream = world.open_stream(client, Stream(kind="histogram", request_id=request_id))

    def answer(now: datetime) -> None:
        world.end_stream(client, "histogram", request_id)
        spread = _spread(world, contract, period, now, rth=values["use_rth"])
        rows = [{"price": price, "count": spread[price]} for price in sorted(spread)]
        client.reply("histogram", request_id=request_id, rows=rows)

    latency = world.settings.latency.history
    stream.ticket = world.answer(client, request_id, latency, answer, needs=Service.HISTORY)


def _period(text: str) -> str:
    """A duration from a period such as `3 days`."""
    count, _, unit = text.strip().lower().partition(" ")
    letter = _PERIOD_UNITS.get(unit.removesuffix("s"))
    if letter is None:
        raise error_321("cE", f"Histogram period is invalid: {text}")
    return f"{count} {letter}"


def _spread(
    world: World, contract: SimContract, period: str, now: datetime, *, rth: bool
) -> Mapping[float, int]:
    """Volume by price; a minute's volume counts at the price of its last trade."""
    market, zone = world.market, parse_zone(contract.timezone)
    duration = parse_duration(period)
    start = start_of(duration, now, BarSize.MIN_1, sessions=market.sessions, zone=zone, rth=rth)
    spread: Counter[float] = Counter()
    for bar in market.bars(contract, start=start, end=now, size=BarSize.MIN_1, what="TRADES", rth=rth):
        spread[bar.close] += bar.volume
    return spread


HANDLERS: Final[Mapping[str, Handler]] = {
    "historical_ticks": _historical_ticks,
    "head_timestamp": _head_timestamp,
    "cancel_head_timestamp": cancels(_HEAD),
    "histogram": _histogram,
    "cancel_histogram": cancels("histogram"),
}
