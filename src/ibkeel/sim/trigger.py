"""When a fault strikes: pure rules over occasions and instants."""

from datetime import UTC, datetime, timedelta

from ibkeel.sim.faults import Fault
from ibkeel.sim.market.draws import uniform
from ibkeel.sim.wiretime import parse_zone

__all__ = ["Trigger", "first_instant", "next_instant"]


class Trigger:
    """Decides which occasions of one fault are strikes.

    Args:
        fault: Whose.
        key: Names its random draws; equal keys draw alike.
    """

    def __init__(self, fault: Fault, key: tuple[object, ...]) -> None:
        self._fault, self._key = fault, key
        self._occasions = 0
        self._strikes = 0

    @property
    def is_spent(self) -> bool:
        """Whether no occasion can strike any more."""
        limit = self._fault.limit
        return limit is not None and self._strikes >= limit

    def strikes(self) -> bool:
        """Note an occasion; True when it is a strike."""
        self._occasions += 1
        fault = self._fault
        if self.is_spent or self._occasions <= fault.skip:
            return False
        if fault.chance < 1.0 and uniform(*self._key, self._occasions) >= fault.chance:
            return False
        self._strikes += 1
        return True


def first_instant(fault: Fault, since: datetime, zone: str) -> datetime:
    """The first instant of the clock at which a fault may strike, or its window opens.

    Args:
        fault: Whose.
        since: Where `after` counts from, and the earliest instant for `at`.
        zone: Time zone of `at`.
    """
    if fault.at is None:
        return since + timedelta(seconds=fault.after or 0.0)
    local = since.astimezone(parse_zone(zone))
    today = datetime.combine(local.date(), fault.at, local.tzinfo).astimezone(UTC)
    return today if today >= since else _next_day(fault, today, zone)


def next_instant(fault: Fault, last: datetime, zone: str) -> datetime | None:
    """The occasion of the clock that follows `last`; None: there is none."""
    if fault.every is not None:
        return last + timedelta(seconds=fault.every)
    return None if fault.at is None else _next_day(fault, last, zone)


def _next_day(fault: Fault, last: datetime, zone: str) -> datetime:
    assert fault.at is not None
    local = last.astimezone(parse_zone(zone))
    return datetime.combine(local.date() + timedelta(days=1), fault.at, local.tzinfo).astimezone(UTC)
