"""How far back history goes, and how the trades of a span spread over prices."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import cancels, resolve
from ibkeel.sim.services.durations import OF_HISTORY, check_room, pace_history, parse_duration, start_of
from ibkeel.sim.values import BarSize, SimBar, SimContract, SimSession
from ibkeel.sim.wiretime import parse_zone
from ibkeel.sim.world import Handler, Rejection, World

_HEAD: Final = "head_timestamp"
_WHATS: Final = ("TRADES", "MIDPOINT", "BID", "ASK")
_LONG_AGO: Final = date(1998, 1, 1)
_EPOCH_FORMAT: Final = 2
_PERIOD_UNITS: Final = {"second": "S", "day": "D", "week": "W", "month": "M", "year": "Y"}


def _head_timestamp(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, what = values["request_id"], values["what"].upper()
    if what not in _WHATS:
        reason = f"{values['what']!r} is not one of {', '.join(_WHATS)}"
        raise Rejection(321, f"Error validating request.-'bV' : cause - {reason}")
    contract = resolve(world, values)
    check_room(world, client)
    key = contract.con_id, contract.exchange, what
    pace_history(world, client, identity=(_HEAD, *key, values["use_rth"]), stream=key, what=what)
    stream = Stream(kind=_HEAD, request_id=request_id, holds_history=True)
    world.open_stream(client, stream)

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
    stream = Stream(kind="histogram", request_id=request_id)
    world.open_stream(client, stream)

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
        reason = f"Histogram period is invalid: {text}"
        raise Rejection(321, f"Error validating request.-'cE' : cause - {reason}")
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
    "head_timestamp": _head_timestamp,
    "cancel_head_timestamp": cancels(_HEAD),
    "histogram": _histogram,
    "cancel_histogram": cancels("histogram"),
}
