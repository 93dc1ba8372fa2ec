import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.model import TradingHours
from ibkeel.runner import ExchangeCalendar, LiquidHours, Session
from ibkeel.runner.schedule import session_now
from ibkeel.runner.visiting import SymbolBackoff

NYSE = ExchangeCalendar(start=date(2024, 1, 2))
DAY = date(2024, 9, 5)
OPEN = datetime(2024, 9, 5, 13, 30, tzinfo=UTC)
SESSION = Session(day=DAY, opens_at=OPEN, closes_at=OPEN + timedelta(hours=6, minutes=30))


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        (date(2024, 9, 5), datetime(2024, 9, 5, 20, 0, tzinfo=UTC)),
        (date(2024, 11, 29), datetime(2024, 11, 29, 18, 0, tzinfo=UTC)),
        (date(2024, 12, 24), datetime(2024, 12, 24, 18, 0, tzinfo=UTC)),
        (date(2024, 12, 25), None),
        (date(2024, 9, 7), None),
    ],
)
def test_holidays_weekends_and_early_closes_are_known(day, closes):
    session = NYSE.session(day)

    assert (session and session.closes_at) == closes


def test_a_calendar_is_that_of_its_exchange_from_its_first_day_on():
    monday, tuesday = date(2004, 5, 3), date(2004, 5, 4)

    london = ExchangeCalendar("XLON", start=date(2004, 1, 5))

    assert london.session(monday) is None
    assert london.session(tuesday).opens_at == datetime(2004, 5, 4, 7, tzinfo=UTC)
    assert ExchangeCalendar().session(DAY) == SESSION


def test_an_unknown_exchange_is_refused():
    with pytest.raises(ConfigurationError, match="XXXX"):
        ExchangeCalendar("XXXX")


def test_a_session_that_closes_before_it_opens_is_refused():
    with pytest.raises(InvalidInput, match="closes at"):
        Session(day=DAY, opens_at=OPEN, closes_at=OPEN)


def test_during_a_session_it_is_the_one_that_is_open():
    assert session_now(NYSE, OPEN + timedelta(hours=1)).day == DAY


def test_after_the_close_it_is_the_next_trading_day():
    assert session_now(NYSE, datetime(2024, 12, 24, 18, 0, tzinfo=UTC)).day == date(2024, 12, 26)


def test_the_trading_day_is_counted_in_new_york():
    assert session_now(NYSE, datetime(2024, 9, 6, 1, 0, tzinfo=UTC)).day == date(2024, 9, 6)


def test_the_zone_of_the_machine_plays_no_part(monkeypatch):
    """While New York trades it is the day after in Tokyo."""
    noon = OPEN + timedelta(hours=3)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()

        day = session_now(NYSE, noon).day
        own = LiquidHours([TradingHours(opens_at=noon, closes_at=SESSION.closes_at)])
        found = own.session(DAY), own.covers(DAY)
    time.tzset()

    assert day == DAY
    assert found == (attrs.evolve(SESSION, opens_at=noon), True)


def test_the_last_of_two_weeks_is_looked_at_too():
    opens = OPEN + timedelta(days=13)
    row = TradingHours(opens_at=opens, closes_at=opens + timedelta(hours=6))

    assert session_now(LiquidHours([row]), OPEN).opens_at == opens
    with pytest.raises(ConfigurationError, match="no session in the 14 days from 2024-09-04"):
        session_now(LiquidHours([row]), OPEN - timedelta(days=1))


def test_a_calendar_without_sessions_is_refused():
    with pytest.raises(ConfigurationError, match="no session"):
        session_now(LiquidHours(()), OPEN)


def test_the_contracts_own_hours_make_a_session_from_first_opening_to_last_close():
    noon = OPEN + timedelta(hours=3)
    hours = LiquidHours(
        [
            TradingHours(opens_at=OPEN, closes_at=noon),
            TradingHours(opens_at=noon, closes_at=noon + timedelta(hours=1)),
        ]
    )

    assert hours.session(DAY) == Session(day=DAY, opens_at=OPEN, closes_at=noon + timedelta(hours=1))
    assert hours.session(DAY + timedelta(days=1)) is None
    assert hours.covers(DAY)
    assert not hours.covers(DAY + timedelta(days=1))


def test_the_day_of_hours_is_that_of_their_exchange():
    """Sydney opens while it is still the day before in New York, and in UTC."""
    opens = datetime(2024, 1, 8, 23, tzinfo=UTC)
    row = TradingHours(opens_at=opens, closes_at=opens + timedelta(hours=6))

    hours = LiquidHours([row], ZoneInfo("Australia/Sydney"))

    assert hours.session(date(2024, 1, 9)).opens_at == opens
    assert hours.session(date(2024, 1, 8)) is None
    assert (hours.covers(date(2024, 1, 8)), hours.covers(date(2024, 1, 9))) == (False, True)
    assert LiquidHours([row]).session(date(2024, 1, 8)).opens_at == opens


def test_hours_cover_the_days_between_their_first_and_their_last():
    rows = [
        TradingHours(opens_at=at, closes_at=at + timedelta(hours=6))
        for at in (OPEN + timedelta(days=4), OPEN)
    ]

    covered = [day for day in range(-1, 7) if LiquidHours(rows).covers(DAY + timedelta(days=day))]

    assert covered == [0, 1, 2, 3, 4]


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5), st.integers(0, 4))
def test_a_symbol_sits_out_exactly_the_cycles_after_too_many_failures(outcomes, threshold, skips):
    backoff, row, sat_out = SymbolBackoff(threshold=threshold, skip_cycles=skips), 0, 0
    for is_good in outcomes:
        backoff, is_due = backoff.begin()
        assert is_due == (sat_out == 0)
        if not is_due:
            sat_out -= 1
            continue
        row = 0 if is_good else row + 1
        backoff = backoff.succeeded() if is_good else backoff.failed()
        sat_out = skips if row >= threshold and not is_good else 0
