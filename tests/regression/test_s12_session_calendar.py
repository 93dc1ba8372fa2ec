"""S12: the regular-hours check looked at the time of day only; it traded at weekends, holidays and early closes."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from ibkeel.runner import ExchangeCalendar, session_now

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = ExchangeCalendar(start=date(2024, 1, 2))
NO_SESSION = [
    pytest.param(datetime(2024, 11, 23, 16, tzinfo=UTC), date(2024, 11, 25), id="a Saturday"),
    pytest.param(datetime(2024, 11, 28, 16, tzinfo=UTC), date(2024, 11, 29), id="Thanksgiving"),
    pytest.param(datetime(2024, 11, 29, 18, 30, tzinfo=UTC), date(2024, 12, 2), id="after an early close"),
    pytest.param(datetime(2025, 1, 9, 16, tzinfo=UTC), date(2025, 1, 10), id="a day of mourning"),
]


def seed(now):
    """A model of what was there."""
    return time(9, 30) <= now.astimezone(NEW_YORK).time() < time(16)


@pytest.mark.parametrize(("now", "following"), NO_SESSION)
def test_when_the_exchange_is_closed_the_next_session_is_waited_for(now, following):
    session = session_now(CALENDAR, now)

    assert session.day == following
    assert now < session.opens_at
    assert seed(now), "the model of what was there would have traded"


def test_within_a_session_both_trade():
    now = datetime(2024, 11, 29, 17, 30, tzinfo=UTC)

    session = session_now(CALENDAR, now)

    assert session.opens_at <= now < session.closes_at
    assert seed(now)
