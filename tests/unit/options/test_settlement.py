from datetime import UTC, date, datetime, time, timedelta

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import TradingHours
from ibkeel.options import Settlement, closes_by_day, settles_at, years_to_expiry


@pytest.mark.parametrize(
    ("expiry", "settlement", "closes", "expected"),
    [
        (date(2025, 5, 16), Settlement.PM, time(16), datetime(2025, 5, 16, 20, tzinfo=UTC)),
        (date(2025, 12, 19), Settlement.PM, time(16), datetime(2025, 12, 19, 21, tzinfo=UTC)),
        (date(2025, 12, 19), Settlement.AM, time(16), datetime(2025, 12, 19, 14, 30, tzinfo=UTC)),
        (date(2015, 12, 24), Settlement.PM, time(13), datetime(2015, 12, 24, 18, tzinfo=UTC)),
    ],
)
def test_an_option_is_decided_at_open_or_close_in_new_york(expiry, settlement, closes, expected):
    found = settles_at(expiry, settlement, closes=closes)

    assert found == expected
    assert found.tzinfo is UTC


def test_another_exchange_has_another_time_zone():
    got = settles_at(date(2025, 6, 20), closes=time(17, 30), timezone="Europe/Berlin")

    assert got == datetime(2025, 6, 20, 15, 30, tzinfo=UTC)


def test_a_day_is_a_365th_of_a_year_and_a_minute_counts():
    now = datetime(2025, 5, 15, 20, tzinfo=UTC)

    day = years_to_expiry(settles_at(date(2025, 5, 16)), now=now)
    minute = years_to_expiry(settles_at(date(2025, 5, 15), closes=time(16, 1)), now=now)

    assert day == pytest.approx(1 / 365)
    assert minute == pytest.approx(1 / 365 / 1440)


def test_clocks_that_change_do_not_stretch_the_day():
    before = datetime(2025, 3, 8, 21, tzinfo=UTC)

    got = years_to_expiry(settles_at(date(2025, 3, 9)), now=before)

    assert got == pytest.approx(23 / 24 / 365)


def test_at_its_end_no_time_is_left():
    end = settles_at(date(2025, 5, 16))

    assert years_to_expiry(end, now=end) == 0.0
    assert years_to_expiry(end, now=end - timedelta(seconds=0.5)) == pytest.approx(0.5 / 86_400 / 365)


def test_an_expiry_that_has_passed_is_refused():
    with pytest.raises(InvalidInput, match="60 seconds in the past"):
        years_to_expiry(settles_at(date(2025, 5, 16)), now=datetime(2025, 5, 16, 20, 1, tzinfo=UTC))


def test_a_naive_instant_is_refused():
    with pytest.raises(InvalidInput, match="no time zone"):
        years_to_expiry(settles_at(date(2025, 5, 16)), now=datetime(2025, 5, 16, 20, 1))


def test_hours_tell_the_close_of_each_day_by_the_date_of_the_exchange():
    def hours(day, opens, closes):
        return TradingHours(
            opens_at=datetime(2024, 11, day, opens, tzinfo=UTC),
            closes_at=datetime(2024, 11, day, closes, tzinfo=UTC),
        )

    whole, morning, afternoon = hours(27, 14, 21), hours(29, 14, 16), hours(29, 17, 18)

    assert closes_by_day([afternoon, morning, whole]) == {
        date(2024, 11, 27): whole.closes_at,
        date(2024, 11, 29): afternoon.closes_at,
    }
    assert list(closes_by_day([whole], timezone="Asia/Tokyo")) == [date(2024, 11, 28)]
    assert closes_by_day([]) == {}
