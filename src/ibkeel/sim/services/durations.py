"""Which requests for history are valid, whether they come too soon, and which span of time they mean."""

import calendar
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

import attrs

from ibkeel.sim.client import FOLLOWED, HISTORY, Client, Stream
from ibkeel.sim.counters import Key
from ibkeel.sim.disorder import Service
from ibkeel.sim.values import BarSize, Length, SimContract, SimSession
from ibkeel.sim.venue.hours import has_ended
from ibkeel.sim.world import Rejection, World, error_321

OF_HISTORY: Final = "Historical Market Data Service error message:"
_VIOLATION: Final = f"{OF_HISTORY}Historical data request pacing violation"
_TWICE: Final = "BID_ASK"

Sessions = Callable[[date, date], Sequence[SimSession]]
"""Regular sessions between two dates, both included, ascending."""


def check_id(client: Client, request_id: int) -> None:
    """Refuse the id of a historical request that is open."""
    if (HISTORY, request_id) in client.streams or (FOLLOWED, request_id) in client.streams:
        raise Rejection(386, "Duplicate ticker ID for API historical data query.")


def check_room(world: World) -> None:
    """Refuse a historical request when as many are open as may be."""
    limit = world.settings.open_histories
    if limit is not None and world.counters.open_histories >= limit:
        text = f"Only {limit} simultaneous API historical data requests allowed"
        raise Rejection(162, OF_HISTORY + text, rule="open_histories")


def pace_history(world: World, *, identity: Key, stream: Key, what: str, seconds: float = 0.0) -> None:
    """Count a historical request against the rules about pace, or refuse it.

    Two of one `identity` are identical; a `stream` is contract, exchange and kind. BID_ASK counts twice, and bars
    that are longer than a limit are not paced.
    """
    limits, pacing, now = world.settings.limits, world.pacing, world.now().timestamp()
    is_paced = seconds <= limits.paced_bar_seconds
    if pacing.repeated(now, identity, limits.identical_history) and (
        is_paced or world.settings.paces_identical_histories
    ):
        raise Rejection(162, _VIOLATION, rule="identical_history")
    if not is_paced:
        return
    crowded = pacing.crowded(now, stream)
    if pacing.over_budget(now, 2 if what == _TWICE else 1):
        raise Rejection(162, _VIOLATION, rule="histories")
    if crowded:
        raise Rejection(162, _VIOLATION, rule="same_contract_histories")


def answer_history(world: World, client: Client, request_id: int, send: Callable[[datetime], None]) -> None:
    """Answer a historical request after the usual wait; it is open until then."""
    stream = world.open_stream(client, Stream(kind=HISTORY, request_id=request_id, holds_history=True))

    def answer(now: datetime) -> None:
        world.end_stream(client, HISTORY, request_id)
        send(now)

    latency = world.settings.latency.history
    stream.ticket = world.answer(client, request_id, latency, answer, needs=Service.HISTORY)


class ShortBar(Length):
    """Bar sizes below a minute, which no market keeps: they are made from what the feed showed."""

    SEC_1 = ("1 secs", 1)
    SECS_5 = ("5 secs", 5)
    SECS_10 = ("10 secs", 10)
    SECS_15 = ("15 secs", 15)
    SECS_30 = ("30 secs", 30)


class LongBar(Length):
    """Bar sizes above a day, which are made of daily bars; a month counts as 30 days."""

    WEEK_1 = ("1 week", 604_800)
    MONTH_1 = ("1 month", 2_592_000)

    def key(self, day: date) -> tuple[int, int]:
        """The same for all days of one bar."""
        return day.isocalendar()[:2] if self is LongBar.WEEK_1 else (day.year, day.month)


Size = ShortBar | BarSize | LongBar

_SHOWN: Final = 60  # characters of a text that is refused
_FORM: Final = re.compile(r"(\d{1,9}) ?([SDWMY])")
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
    (3_600, 3_600),
    (14_400, 10_800),
    (28_800, 28_800),
    (86_400, 86_400),
)
# Shortest bar, in seconds, by the length of the request in seconds; the stricter of the two tables.
_SMALLEST_BARS_OF_SECONDS: Final = ((2_000, 1), (3_600, 5), (14_400, 10), (86_400, 30))
_LONGEST_UNITS: Final = {"W": LongBar.WEEK_1, "M": LongBar.MONTH_1, "Y": LongBar.MONTH_1}
# Shortest bar, in seconds, by the unit of the request.
_SMALLEST_BARS: Final = {"S": 1, "D": 5, "W": 10, "M": 30, "Y": 60}
_MONTHS_OF_SHORT_BARS: Final = 6


@attrs.frozen
class Duration:
    """A length of history as the wire writes it."""

    count: int
    unit: str


def parse_duration(text: str) -> Duration:
    """The duration that a client sent; refused without a valid unit, or when it is longer than that allows."""
    match = _FORM.fullmatch(text.strip())
    if match is None or int(match[1]) < 1:
        raise error_321("bX", f"Historical data query duration is invalid: {text[:_SHOWN]}")
    count, unit = int(match[1]), match[2]
    if count > _LONGEST[unit]:
        reason = (
            f"Historical data requests for durations longer than {_LONGEST[unit]} "
            f"{_UNIT_NAMES[unit]} must be made in {_NEXT_UNIT.get(unit, 'several requests')}."
        )
        raise error_321("bX", reason)
    return Duration(count, unit)


def parse_bar_size(text: str) -> Size:
    """The bar size that a client sent; refused when it is not served here."""
    size = _SIZES.get(text.strip())
    if size is None:
        legal = ", ".join(_SIZES)
        raise error_321("bX", f"Historical data bar size setting is invalid. Legal ones are: {legal}.")
    return size


def check_step(duration: Duration, size: Size) -> None:
    """Refuse bars that are too long or too short for the duration: error 162, "invalid step"."""
    smallest = _SMALLEST_BARS[duration.unit]
    largest = _LONGEST_UNITS.get(duration.unit, BarSize.DAY_1).seconds
    if duration.unit == "S":
        largest = next(bar for length, bar in _LARGEST_BARS if duration.count <= length)
        smallest = next(bar for length, bar in _SMALLEST_BARS_OF_SECONDS if duration.count <= length)
    if not smallest <= size.seconds <= largest:
        raise Rejection(162, f"{OF_HISTORY}invalid step: {size.seconds}")


def is_kept(contract: SimContract, size: Size, end: datetime, now: datetime) -> bool:
    """Whether bars up to `end` are kept: no short ones that are half a year old, nor those of an expired option.

    Source:
        TWS API, "Unavailable Historical Data"; that the answer is one of no data is unverified.
    """
    oldest = _months_back(now.date(), _MONTHS_OF_SHORT_BARS)
    is_too_old = isinstance(size, ShortBar) and end.date() < oldest
    return not is_too_old and not has_ended(contract, now)


def start_of(
    duration: Duration, end: datetime, size: Size, *, sessions: Sessions, zone: tzinfo, rth: bool
) -> datetime:
    """Where the bars of a request begin; the bar that holds the start is included whole.

    Seconds are trading time when only regular hours are asked for, so they reach back over nights
    (unverified). Days are session days. Weeks, months and years are calendar time.
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
