"""The simulator's calendar against exchange_calendars, which shares nothing with it."""

from datetime import UTC, date, datetime, timedelta

import exchange_calendars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.sim.market import calendar

DAYS = st.dates(date(2013, 1, 2), date(2030, 12, 30))


# The oracle uses a form that the pandas beside it deprecates.
@pytest.mark.filterwarnings("ignore:Series.values returning")
def test_sessions_agree_with_exchange_calendars_from_2013_to_2027():
    oracle = exchange_calendars.get_calendar("XNYS", start="2013-01-01", end="2027-12-31")
    expected = [
        (day.date(), oracle.opens[day].to_pydatetime(), oracle.closes[day].to_pydatetime())
        for day in oracle.sessions
    ]

    sessions = calendar.sessions_between(date(2013, 1, 1), date(2027, 12, 31))

    assert [(each.day, each.opens_at, each.closes_at) for each in sessions] == expected


def test_a_saturday_new_year_is_not_kept_on_the_friday_before():
    session = calendar.session_on(date(2021, 12, 31))

    assert session is not None


def test_every_one_off_closure_is_on_a_weekday_and_has_a_reason():
    for day, reason in calendar.CLOSURES.items():
        assert day.weekday() < 5
        assert reason
        assert calendar.session_on(day) is None


@pytest.mark.parametrize("year", [2012, 2031])
def test_a_year_outside_the_table_is_refused_by_name(year):
    with pytest.raises(InvalidInput, match="2013 to 2030"):
        calendar.session_on(date(year, 6, 1))


def test_before_the_first_session_there_is_none_to_go_back_to():
    with pytest.raises(InvalidInput, match="no session on or before 2013-01-01"):
        calendar.latest_session(date(2013, 1, 1))


def test_after_the_last_session_there_is_no_next_one():
    last = calendar.sessions_between(date(2030, 12, 1), date(2030, 12, 31))[-1]

    assert calendar.next_session(last.day) is None


@given(DAYS)
def test_previous_and_next_sessions_are_neighbours(day):
    following = calendar.next_session(day)

    assert following is None or calendar.latest_session(following.day - timedelta(days=1)) == (
        calendar.latest_session(day)
    )


@given(DAYS)
def test_a_trading_day_starts_at_four_and_holds_its_session(day):
    session = calendar.latest_session(day) if day > date(2013, 1, 2) else None
    if session is None:
        return
    start = calendar.trading_day_start(session)

    assert calendar.trading_day(start) == session
    assert calendar.trading_day(session.closes_at) == session
    assert start < session.opens_at
    assert start == session.opens_at - timedelta(hours=5, minutes=30)


def test_before_four_in_the_morning_it_is_still_the_day_before():
    session = calendar.trading_day(datetime(2024, 1, 8, 8, 59, tzinfo=UTC))

    assert session.day == date(2024, 1, 5)
