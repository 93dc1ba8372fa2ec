"""Historical bars: one-off requests, and those that are kept up to date; those of weeks and months, made of days."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any, Final

import attrs

from ibkeel.errors import WireError
from ibkeel.sim.client import FOLLOWED, HISTORY, Client, Stream, Ticket
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import resolve
from ibkeel.sim.services.durations import (
    OF_HISTORY,
    Duration,
    LongBar,
    ShortBar,
    Size,
    answer_history,
    check_id,
    check_room,
    check_step,
    is_kept,
    pace_history,
    parse_bar_size,
    parse_duration,
    start_of,
)
from ibkeel.sim.services.feed import KINDS as VOLATILITIES
from ibkeel.sim.services.feed import short_bars, volatility_bars
from ibkeel.sim.values import BarSize, SimBar, SimContract, SimSession
from ibkeel.sim.venue.hours import Window, window_of
from ibkeel.sim.wire import compact, parse_instant, parse_zone, zoned
from ibkeel.sim.world import Handler, Rejection, World, error_321

_KINDS: Final = {
    "TRADES": "Trades",
    "ADJUSTED_LAST": "Trades",
    "MIDPOINT": "Midpoint",
    "BID": "Bid",
    "ASK": "Ask",
    "BID_ASK": "Bid_Ask",
    "HISTORICAL_VOLATILITY": "Historical Volatility",
    "OPTION_IMPLIED_VOLATILITY": "Implied Volatility",
    "SCHEDULE": "Schedule",
}
_FOLLOWED: Final = ("TRADES", "MIDPOINT", "BID", "ASK")
_SCHEDULE: Final = "SCHEDULE"
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
    size: Size
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
    check_id(client, query.request_id)
    check_room(world)
    pace_history(
        world,
        identity=query.identity,
        stream=(query.contract.con_id, query.exchange, query.what),
        what=query.what,
        seconds=query.size.seconds,
    )
    send = _send_schedule if query.what == _SCHEDULE else _send
    answer_history(world, client, query.request_id, lambda now: send(world, client, query, now))


def _understood(world: World, values: dict[str, Any]) -> _Query:
    what = values["what"].upper()
    if what not in _KINDS:
        # The code is documented for bad parameters; the text is unverified.
        legal = ", ".join(_KINDS)
        raise error_321("bX", f"Historical data type {values['what']!r} is not served. Legal: {legal}")
    duration, size = parse_duration(values["duration"]), parse_bar_size(values["bar_size"])
    check_step(duration, size)
    if values["keep_up_to_date"] and (values["end"].strip() or what not in _FOLLOWED):
        # Documented; the code and the text are unverified.
        raise error_321("bX", "Only TRADES, MIDPOINT, BID and ASK up to now can be kept up to date")
    try:
        end = parse_instant(values["end"], world.settings.timezone)
    except WireError as error:
        raise Rejection(10314, f"End Date/Time: {error}") from error
    contract = resolve(world, values, has_expired=True)
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


def _send(world: World, client: Client, query: _Query, now: datetime) -> None:
    start, end = _span(world, client, query, now)
    bars = _bars(world, query, start, end, query.what)
    are_kept = is_kept(query.contract, query.size, end, now)
    if not are_kept or not (bars or query.keep):
        contract = query.contract
        what = f"{contract.symbol}@{query.exchange} {_KINDS[query.what]}"
        raise Rejection(162, f"{OF_HISTORY}HMDS query returned no data: {what}")
    zone, version = world.settings.timezone, client.session.version
    span = {"start": zoned(start, zone, version), "end": zoned(end, zone, version)}
    rows = [_row(world, client, query, bar) for bar in bars]
    client.reply("historical_data", request_id=query.request_id, bars=rows, **span)
    if version >= 196:  # from this version on the end has a message of its own
        client.reply("historical_data_end", request_id=query.request_id, **span)
    if query.keep:
        stream = Stream(kind=FOLLOWED, request_id=query.request_id, holds_history=True)
        world.open_stream(client, stream)
        _follow(world, client, stream, query, now, bars[-1].at if bars else None)


def _span(world: World, client: Client, query: _Query, now: datetime) -> tuple[datetime, datetime]:
    newest = now
    if not world.is_entitled(client):
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
    return start, end


def _bars(world: World, query: _Query, start: datetime, end: datetime, what: str) -> Sequence[SimBar]:
    market, contract, size = world.market, query.contract, query.size
    if what == "BID_ASK":
        return _averaged(world, query, start, end)
    if what in VOLATILITIES:
        if not isinstance(size, BarSize) or contract.sec_type == "OPT":
            return ()
        return volatility_bars(market, contract, what, start=start, end=end, size=size, rth=query.rth)
    if isinstance(size, LongBar):
        days = market.bars(contract, start=start, end=end, size=BarSize.DAY_1, what=what, rth=query.rth)
        return _long_bars(days, size, parse_zone(contract.timezone))
    if isinstance(size, ShortBar):
        return short_bars(market, contract, start=start, end=end, seconds=size.seconds, what=what)
    return market.bars(contract, start=start, end=end, size=size, what=what, rth=query.rth)


def _averaged(world: World, query: _Query, start: datetime, end: datetime) -> list[SimBar]:
    """Bars of both sides: open and close are the averages of bid and ask, low and high their extremes.

    The average of a side is taken to be the middle of its open and close.
    """
    asks = {bar.at: bar for bar in _bars(world, query, start, end, "ASK")}
    return [
        attrs.evolve(
            bid,
            open=round((bid.open + bid.close) / 2, 4),
            high=asks[bid.at].high,
            close=round((asks[bid.at].open + asks[bid.at].close) / 2, 4),
        )
        for bid in _bars(world, query, start, end, "BID")
        if bid.at in asks
    ]


def _row(world: World, client: Client, query: _Query, bar: SimBar) -> dict[str, Any]:
    traded = query.what == "TRADES"
    return {
        "date": _date(world, client, query, bar.at),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume if traded else -1,
        "wap": bar.wap if traded else -1.0,
        "count": bar.count if traded else -1,
    }


def _date(world: World, client: Client, query: _Query, at: datetime) -> str:
    if query.size.seconds >= BarSize.DAY_1.seconds:
        return f"{at.astimezone(parse_zone(query.contract.timezone)):%Y%m%d}"
    if query.epoch:
        return str(int(at.timestamp()))
    return zoned(at, world.settings.timezone, client.session.version)


def _follow(
    world: World, client: Client, stream: Stream, query: _Query, now: datetime, since: datetime | None
) -> None:
    """Plan the next update of a request that is kept up to date.

    The bar at `since` may still change; it is told to the end before the next one begins.
    """
    change = world.market.next_change(query.contract, now)
    if change is None:
        stream.ticket = Ticket(now, lambda _: None)
        return

    def update(then: datetime) -> None:
        shown = since
        bars = _bars(world, query, *_span(world, client, query, then), query.what)
        if not world.disorder.silences(Service.HISTORY, client.client_id):
            for bar in bars:
                if since is None or bar.at >= since:
                    row = _row(world, client, query, bar)
                    client.reply("historical_update", request_id=query.request_id, **row)
            shown = bars[-1].at if bars else since
        _follow(world, client, stream, query, then, shown)

    wait = max((change - now).total_seconds(), _UPDATE_SECONDS)
    stream.ticket = world.answer(client, query.request_id, wait, update)


def _cancel(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    if not any(world.end_stream(client, kind, request_id) for kind in (HISTORY, FOLLOWED)):
        raise Rejection(366, f"No historical data query found for ticker id:{request_id}")
    raise Rejection(162, f"{OF_HISTORY}API historical data query cancelled: {request_id}")


def _send_schedule(world: World, client: Client, query: _Query, now: datetime) -> None:
    """The sessions of a span, in the Gateway's time zone."""
    start, end = _span(world, client, query, now)
    contract, shown = query.contract, world.settings.timezone
    zone = parse_zone(contract.timezone)
    extended = contract.sec_type == "STK" and not query.rth
    rows = [
        _hours(each, window_of(each, zone, extended=extended), shown)
        for each in world.market.sessions(start.astimezone(zone).date(), end.astimezone(zone).date())
        if each.opens_at < end
    ]
    client.reply(
        "historical_schedule",
        request_id=query.request_id,
        start=rows[0]["start"] if rows else _text(start, shown),
        end=rows[-1]["end"] if rows else _text(end, shown),
        time_zone=shown,
        sessions=rows,
    )


def _long_bars(days: Sequence[SimBar], size: LongBar, zone: tzinfo) -> list[SimBar]:
    """Daily bars put together; each is dated by its last session (unverified)."""
    groups = groupby(days, key=lambda bar: size.key(bar.at.astimezone(zone).date()))
    return [_joined(list(group)) for _, group in groups]


def _joined(bars: list[SimBar]) -> SimBar:
    is_traded = bars[0].volume >= 0
    volume = sum(bar.volume for bar in bars)
    turnover = sum(bar.wap * bar.volume for bar in bars)
    return attrs.evolve(
        bars[-1],
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        volume=volume if is_traded else -1,
        wap=turnover / volume if is_traded and volume else bars[-1].wap,
        count=sum(bar.count for bar in bars) if is_traded else -1,
    )


def _hours(session: SimSession, window: Window, zone: str) -> dict[str, str]:
    opens, closes = _text(window.opens_at, zone), _text(window.closes_at, zone)
    return {"start": opens, "end": closes, "day": compact(session.day)}


def _text(at: datetime, zone: str) -> str:
    return f"{at.astimezone(parse_zone(zone)):%Y%m%d-%H:%M:%S}"


HANDLERS: Final[Mapping[str, Handler]] = {
    "historical_data": _historical_data,
    "cancel_historical_data": _cancel,
}
