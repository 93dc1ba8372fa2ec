"""Historical bars: one-off requests, and those that are kept up to date."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from ibkeel.errors import WireError
from ibkeel.sim.client import Client
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import resolve
from ibkeel.sim.services.durations import (
    Duration,
    check_step,
    parse_bar_size,
    parse_duration,
    start_of,
)
from ibkeel.sim.values import BarSize, SimBar, SimContract
from ibkeel.sim.wiretime import parse_instant, parse_zone, zoned
from ibkeel.sim.world import Handler, Rejection, World

__all__ = ["HANDLERS"]

_BEFORE: Final = "Historical Market Data Service error message:"
_KINDS: Final = {
    "TRADES": "Trades",
    "ADJUSTED_LAST": "Trades",
    "MIDPOINT": "Midpoint",
    "BID": "Bid",
    "ASK": "Ask",
}
_IDENTICAL_SECONDS: Final = 15.0
_UPDATE_SECONDS: Final = 5.0  # bars that are kept up to date move about every five seconds
_EPOCH_FORMAT: Final = 2


@attrs.frozen(kw_only=True)
class _Query:
    """A historical request, understood."""

    request_id: int
    contract: SimContract
    exchange: str
    end: datetime | None
    duration: Duration
    size: BarSize
    what: str
    rth: bool
    epoch: bool
    keep: bool

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two requests identical in the eyes of the pacing rule."""
        named = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "request_id")
        return tuple(named.values())


def _historical_data(world: World, client: Client, values: dict[str, Any]) -> None:
    query = _understood(world, values)
    if query.request_id in client.histories:
        text = "Duplicate ticker ID for API historical data query"
        raise Rejection(322, f"Error processing request.-'bX' : cause - {text}")
    _pace(world, query)

    def answer(now: datetime) -> None:
        del client.histories[query.request_id]
        world.counters.history_closed()
        _send(world, client, query, now)

    world.counters.history_opened()
    client.histories[query.request_id] = world.answer(
        client, query.request_id, world.settings.latency.history, answer, needs=Service.HISTORY
    )


def _understood(world: World, values: dict[str, Any]) -> _Query:
    what = values["what"].upper()
    if what not in _KINDS:
        # The code is documented for bad parameters; the text is unverified.
        reason = f"Historical data type {values['what']!r} is not served. Legal: {', '.join(_KINDS)}"
        raise Rejection(321, f"Error validating request.-'bX' : cause - {reason}")
    duration, size = parse_duration(values["duration"]), parse_bar_size(values["bar_size"])
    check_step(duration, size)
    try:
        end = parse_instant(values["end"], world.settings.zone)
    except WireError as error:
        reason = f"End Date/Time: {error}"
        raise Rejection(10314, reason) from error
    contract = resolve(world, values)
    return _Query(
        request_id=values["request_id"],
        contract=contract,
        exchange=values["exchange"] or contract.exchange,
        end=end,
        duration=duration,
        size=size,
        what="TRADES" if what == "ADJUSTED_LAST" else what,
        rth=values["use_rth"],
        epoch=values["date_format"] == _EPOCH_FORMAT,
        keep=values["keep_up_to_date"],
    )


def _pace(world: World, query: _Query) -> None:
    counters, settings = world.counters, world.settings
    if counters.open_histories >= settings.open_histories:
        counters.pacing_violations += 1
        text = f"Only {settings.open_histories} simultaneous API historical data requests allowed"
        raise Rejection(162, _BEFORE + text)
    now = world.now()
    asked_at = world.histories_asked.get(query.identity)
    world.histories_asked[query.identity] = now
    repeated = asked_at is not None and (now - asked_at).total_seconds() < _IDENTICAL_SECONDS
    if repeated and settings.paces_identical_histories:
        counters.pacing_violations += 1
        raise Rejection(162, f"{_BEFORE}Historical data request pacing violation")


def _send(world: World, client: Client, query: _Query, now: datetime) -> None:
    start, end, bars = _bars(world, query, now)
    if not bars and not query.keep:
        contract = query.contract
        what = f"{contract.symbol}@{query.exchange} {_KINDS[query.what]}"
        raise Rejection(162, f"{_BEFORE}HMDS query returned no data: {what}")
    zone, version = world.settings.zone, client.session.version
    span = {"start": zoned(start, zone, version), "end": zoned(end, zone, version)}
    rows = [_row(world, client, query, bar) for bar in bars]
    client.reply("historical_data", request_id=query.request_id, bars=rows, **span)
    if version >= 196:  # noqa: PLR2004 - from this version on the end has a message of its own
        client.reply("historical_data_end", request_id=query.request_id, **span)
    if query.keep:
        _follow(world, client, query, now)


def _bars(world: World, query: _Query, now: datetime) -> tuple[datetime, datetime, Sequence[SimBar]]:
    newest = now
    if not world.is_entitled:
        newest -= timedelta(seconds=world.settings.delay_seconds)
    end = newest if query.end is None else min(query.end, newest)
    start = start_of(
        query.duration,
        end,
        query.size,
        sessions=world.market.sessions,
        zone=parse_zone(query.contract.timezone),
        rth=query.rth,
    )
    bars = world.market.bars(
        query.contract, start=start, end=end, size=query.size, what=query.what, rth=query.rth
    )
    return start, end, bars


def _row(world: World, client: Client, query: _Query, bar: SimBar) -> dict[str, Any]:
    row: dict[str, Any] = attrs.asdict(bar)
    row["date"] = _date(world, client, query, row.pop("at"))
    if query.what != "TRADES":
        row.update(volume=-1, wap=-1.0, count=-1)
    return row


def _date(world: World, client: Client, query: _Query, at: datetime) -> str:
    if query.size is BarSize.DAY_1:
        return f"{at.astimezone(parse_zone(query.contract.timezone)):%Y%m%d}"
    if query.epoch:
        return str(int(at.timestamp()))
    return zoned(at, world.settings.zone, client.session.version)


def _follow(world: World, client: Client, query: _Query, now: datetime) -> None:
    """Plan the next update of a request that is kept up to date."""
    change = world.market.next_change(query.contract, now)
    if change is None:
        return

    def update(then: datetime) -> None:
        _, _, bars = _bars(world, query, then)
        if bars and not world.disorder.silences(Service.HISTORY, client.client_id):
            row = _row(world, client, query, bars[-1])
            client.reply("historical_update", request_id=query.request_id, **row)
        _follow(world, client, query, then)

    wait = max((change - now).total_seconds(), _UPDATE_SECONDS)
    client.repeats["history", query.request_id] = world.answer(client, query.request_id, wait, update)


def _cancel(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    waiting = client.histories.pop(request_id, None)
    following = client.repeats.pop(("history", request_id), None)
    if waiting is not None:
        world.counters.history_closed()
    ticket = waiting or following
    if ticket is None:
        raise Rejection(366, f"No historical data query found for ticker id:{request_id}")
    ticket.cancel()
    raise Rejection(162, f"{_BEFORE}API historical data query cancelled: {request_id}")


HANDLERS: Final[Mapping[str, Handler]] = {
    "historical_data": _historical_data,
    "cancel_historical_data": _cancel,
}
