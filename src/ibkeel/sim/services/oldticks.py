"""Ticks of the past: trades, quotes, middles of quotes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

import attrs

from ibkeel.errors import WireError
from ibkeel.sim.client import Client
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import permission, resolve
from ibkeel.sim.services.durations import check_id, check_room, pace_history
from ibkeel.sim.services.feed import Change, changes, price_of, trade_of
from ibkeel.sim.values import SimContract
from ibkeel.sim.wiretime import parse_instant
from ibkeel.sim.world import Handler, Rejection, World

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
    check_room(world, client)
    stream = query.contract.con_id, query.contract.exchange, query.what
    identity = ("ticks", *stream, query.start, query.end, query.count)
    pace_history(world, client, identity=identity, stream=stream, what=query.what)

    def answer(now: datetime) -> None:
        del client.histories[query.request_id]
        world.counters.history_closed()
        if query.start is not None:
            ticks = _earliest(world, query, query.start, now)
        else:
            end = now if query.end is None else min(query.end, now)
            ticks = latest(
                world, query.contract, query.what, end=end, count=query.count, ignore_size=query.ignore_size
            )
        send_ticks(client, query.request_id, query.what, ticks, query.contract)

    world.counters.history_opened()
    client.histories[query.request_id] = world.answer(
        client, query.request_id, world.settings.latency.history, answer, needs=Service.HISTORY
    )


def _understood(world: World, client: Client, values: dict[str, Any]) -> _Query:
    what, count = values["what"].upper(), values["count"] or 0
    try:
        start, end = (parse_instant(values[name], world.settings.zone) for name in ("start", "end"))
    except WireError as error:
        raise Rejection(10314, f"End Date/Time: {error}") from error
    # The code is documented for bad parameters; the texts are unverified.
    if what not in _MESSAGES:
        _refuse(f"{values['what']!r} is not one of {', '.join(_MESSAGES)}")
    if (start is None) == (end is None):
        _refuse("exactly one of start and end must be given")
    if not 1 <= count <= _MOST:
        _refuse(f"the number of ticks must be from 1 to {_MOST}")
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


def _refuse(reason: str) -> NoReturn:
    raise Rejection(321, f"Error validating request.-'cH' : cause - {reason}")


def _earliest(world: World, query: _Query, start: datetime, now: datetime) -> list[Tick]:
    made: list[Tick] = []
    stop = min(now, start + _LONGEST_LOOK)
    for change in changes(world.market, query.contract, start, stop):
        tick = tick_of(query.what, change, ignore_size=query.ignore_size)
        if tick is not None:
            made.append(tick)
            if len(made) == query.count:
                break
    return made


def latest(
    world: World,
    contract: SimContract,
    what: str,
    *,
    end: datetime,
    count: int,
    ignore_size: bool = False,
) -> list[Tick]:
    """The last ticks before an instant, ascending.

    Args:
        world: The state behind all sessions.
        contract: Whose ticks.
        what: TRADES, BID_ASK or MIDPOINT.
        end: Where to stop, exclusive.
        count: The most to return.
        ignore_size: Leave out quotes of which only the sizes changed.
    """
    look, count = _FIRST_LOOK, min(count, _MOST)
    while True:
        seen = (
            tick_of(what, change, ignore_size=ignore_size)
            for change in changes(world.market, contract, end - look, end)
        )
        ticks = [tick for tick in seen if tick is not None]
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


HANDLERS: Final[Mapping[str, Handler]] = {"historical_ticks": _historical_ticks}
