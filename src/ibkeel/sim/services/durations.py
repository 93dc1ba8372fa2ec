"""Which requests for history are valid, how soon, which span of time they mean, and how far back it goes."""

import calendar
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum
from typing import Any, Final

import attrs

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.counters import Key
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import cancels, resolve
from ibkeel.sim.values import BarSize, SimBar, SimContract, SimSession
from ibkeel.sim.wire import parse_zone
from ibkeel.sim.world import Handler, Rejection, World

OF_HISTORY: Final = "Historical Market Data Service error message:"
_VIOLATION: Final = f"{OF_HISTORY}Historical data request pacing violation"
_TWICE: Final = "BID_ASK"

Sessions = Callable[[date, date], Sequence[SimSession]]
"""Regular sessions between two dates, both included, ascending."""

_HEAD: Final = "head_timestamp"
_WHATS: Final = ("TRADES", "MIDPOINT", "BID", "ASK")
_LONG_AGO: Final = date(1998, 1, 1)
_EPOCH_FORMAT: Final = 2
_PERIOD_UNITS: Final = {"second": "S", "day": "D", "week": "W", "month": "M", "year": "Y"}


def check_room(world: World, client: Client) -> None:
    """Make sure that one more historical request may be open.

    Raises:
        Rejection: There are as many as may be.
    """
    limit = world.settings.open_histories
    if world.counters.open_histories >= limit:
        world.counters.violated("open_histories", client.client_id)
        text = f"Only {limit} simultaneous API historical data requests allowed"
        raise Rejection(162, OF_HISTORY + text)


def pace_history(
    world: World, client: Client, *, identity: Key, stream: Key, what: str, seconds: float = 0.0
) -> None:
    """Count a historical request against the rules about pace.

    Args:
        world: The state behind all sessions.
        client: Who asks.
        identity: What makes two requests identical.
        stream: Contract, exchange and kind.
        what: The kind; BID_ASK counts twice.
        seconds: Length of the bars; longer ones are not paced.

    Raises:
        Rejection: A rule is broken.
    """
    limits, pacing, now = world.settings.limits, world.pacing, world.now().timestamp()
    is_paced = seconds <= limits.paced_bar_seconds
    if pacing.repeated(now, identity, limits.identical_history) and (
        is_paced or world.settings.paces_identical_histories
    ):
        _refuse(world, client, "identical_history")
    if not is_paced:
        return
    crowded = pacing.crowded(now, stream)
    if pacing.over_budget(now, 2 if what == _TWICE else 1):
        _refuse(world, client, "histories")
    if crowded:
        _refuse(world, client, "same_contract_histories")


class ShortBar(Enum):
    """Bar sizes below a minute, which no market keeps: they are made from what the feed showed."""

    SEC_1 = ("1 secs", 1)
    SECS_5 = ("5 secs", 5)
    SECS_10 = ("10 secs", 10)
    SECS_15 = ("15 secs", 15)
    SECS_30 = ("30 secs", 30)

    @property
    def text(self) -> str:
        """The size as the wire writes it."""
        return self.value[0]

    @property
    def seconds(self) -> int:
        """The size in seconds."""
        return self.value[1]


class LongBar(Enum):
    """Bar sizes above a day, which are made of daily bars."""

    WEEK_1 = ("1 week", 604_800)
    MONTH_1 = ("1 month", 2_592_000)

    @property
    def text(self) -> str:
        """The size as the wire writes it."""
        return self.value[0]

    @property
    def seconds(self) -> int:
        """The size in seconds; a month counts as 30 days."""
        return self.value[1]

    def key(self, day: date) -> tuple[int, int]:
        """The same for all days of one bar."""
        return day.isocalendar()[:2] if self is LongBar.WEEK_1 else (day.year, day.month)


Size = ShortBar | BarSize | LongBar


_FORM: Final = re.compile(r"(\d+) ?([SDWMY])")


_SIZES: Final[dict[str, Size]] = {
    "1 sec": ShortBar.SEC_1,  # both spellings are about
    **{size.text: size for size in ShortBar},
    **{size.text: size for size in BarSize},
    **{size.text: size for size in LongBar},
}


_LONGEST: Final = {"S": 86_400, "D": 365, "W": 52, "M": 12, "Y": 68}


_NEXT_UNIT: Final = {"S": "days", "D": "years", "W": "years", "M": "years"}


_UNIT_NAMES: Final = {"S": "seconds", "D": "days", "W": "weeks", "M": "months", "Y": "years"}


# Longest bar, in seconds, by the length of the request in seconds.
# Source: TWS API, "Historical Data Limitations". Longer units allow every size served here in one
# of the two documented tables, which disagree.
_LARGEST_BARS: Final = (
    (60, 60),
    (120, 120),
    (1_800, 1_800),
    (14_400, 10_800),
    (28_800, 28_800),
    (86_400, 86_400),
)


# Shortest bar, in seconds, by the unit of the request.
_LONGEST_UNITS: Final = {"W": LongBar.WEEK_1, "M": LongBar.MONTH_1, "Y": LongBar.MONTH_1}


_SMALLEST_BARS: Final = {"S": 1, "D": 5, "W": 10, "M": 30, "Y": 60}


_LONGEST_OF_SECONDS: Final = 2_000  # length of a request for bars of one second


_BEFORE: Final = "Error validating request.-'bX' : cause - "


@attrs.frozen
class Duration:
    """A length of history as the wire writes it."""

    count: int
    unit: str


def parse_duration(text: str) -> Duration:
    """The duration that a client sent.

    Raises:
        Rejection: It has no valid unit, or is longer than its unit allows.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or int(match[1]) < 1:
        raise Rejection(321, f"{_BEFORE}Historical data query duration is invalid: {text}")
    count, unit = int(match[1]), match[2]
    if count > _LONGEST[unit]:
        reason = (
            f"Historical data requests for durations longer than {_LONGEST[unit]} "
            f"{_UNIT_NAMES[unit]} must be made in {_NEXT_UNIT.get(unit, 'several requests')}."
        )
        raise Rejection(321, _BEFORE + reason)
    return Duration(count, unit)


def parse_bar_size(text: str) -> Size:
    """The bar size that a client sent.

    Raises:
        Rejection: There is no such size, or it is not served here.
    """
    size = _SIZES.get(text.strip())
    if size is None:
        legal = ", ".join(_SIZES)
        reason = f"Historical data bar size setting is invalid. Legal ones are: {legal}."
        raise Rejection(321, _BEFORE + reason)
    return size


def check_step(duration: Duration, size: Size) -> None:
    """Refuse bars that are too long or too short for the duration.

    Raises:
        Rejection: Error 162, "invalid step".
    """
    smallest = _SMALLEST_BARS[duration.unit]
    largest = _LONGEST_UNITS.get(duration.unit, BarSize.DAY_1).seconds
    if duration.unit == "S":
        largest = next(bar for length, bar in _LARGEST_BARS if duration.count <= length)
        if duration.count > _LONGEST_OF_SECONDS:
            smallest = ShortBar.SECS_5.seconds
    if not smallest <= size.seconds <= largest:
        text = f"Historical Market Data Service error message:invalid step: {size.seconds}"
        raise Rejection(162, text)


def start_of(
    duration: Duration, end: datetime, size: Size, *, sessions: Sessions, zone: tzinfo, rth: bool
) -> datetime:
    """Where the bars of a request begin.

    Seconds are trading time when only regular hours are asked for, so they reach back over nights
    (unverified). Days are session days. Weeks, months and years are calendar time.

    Args:
        duration: How far to go back.
        end: Where the bars end.
        size: Bar size; the bar that holds the start is included whole.
        sessions: The market's sessions.
        zone: Zone in which days begin.
        rth: Whether only regular hours count.
    """
    if duration.unit == "S":
        if rth:
            return _trading_seconds_back(duration.count, end, size, sessions)
        return _floored(end - timedelta(seconds=duration.count), size)
    day = end.astimezone(zone).date()
    if duration.unit == "D":
        first = _sessions_back(duration.count, end, day, sessions, zone, rth=rth)
    elif duration.unit == "W":
        first = day - timedelta(days=7 * duration.count - 1)
    else:
        months = duration.count * (12 if duration.unit == "Y" else 1)
        first = _months_back(day, months) + timedelta(days=1)
    return datetime.combine(first, time(), tzinfo=zone)


def _refuse(world: World, client: Client, rule: str) -> None:
    world.counters.violated(rule, client.client_id)
    raise Rejection(162, _VIOLATION)


def _floored(at: datetime, size: Size) -> datetime:
    return at - timedelta(seconds=at.timestamp() % size.seconds)


def _trading_seconds_back(seconds: int, end: datetime, size: Size, sessions: Sessions) -> datetime:
    left = float(seconds)
    day = end.date()
    recent = [each for each in sessions(day - timedelta(days=15), day) if each.opens_at < end]
    for session in reversed(recent):
        until = min(end, session.closes_at)
        open_for = (until - session.opens_at).total_seconds()
        if open_for >= left:
            into = open_for - left
            return session.opens_at + timedelta(seconds=into - into % size.seconds)
        left -= open_for
    return recent[0].opens_at if recent else end - timedelta(seconds=seconds)


def _sessions_back(
    count: int, end: datetime, day: date, sessions: Sessions, zone: tzinfo, *, rth: bool
) -> date:
    begun = [
        each.day
        for each in sessions(day - timedelta(days=count * 2 + 15), day)
        if (each.opens_at if rth else datetime.combine(each.day, time(), tzinfo=zone)) < end
    ]
    return begun[-count:][0] if begun else day


def _months_back(day: date, months: int) -> date:
    total = day.year * 12 + day.month - 1 - months
    year, month = divmod(total, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


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
