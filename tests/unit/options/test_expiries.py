from datetime import date

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.options import dte, expiries_within, nearest_expiry, weekly_expiry

MONDAY = date(2015, 12, 21)
THURSDAY = date(2015, 12, 24)  # the Friday of that week is Christmas
NEXT_THURSDAY = date(2015, 12, 31)
MONTHLY = date(2016, 1, 15)


def test_dte_counts_calendar_days_and_goes_negative():
    assert dte(THURSDAY, MONDAY) == 3
    assert dte(MONDAY, THURSDAY) == -3


def test_a_closed_range_keeps_both_of_its_ends():
    found = expiries_within([MONTHLY, THURSDAY, NEXT_THURSDAY, THURSDAY], today=MONDAY, min_dte=3, max_dte=10)

    assert found == (THURSDAY, NEXT_THURSDAY)


def test_an_expiry_of_today_is_among_them_unless_it_is_asked_for_later():
    assert expiries_within([THURSDAY], today=THURSDAY) == (THURSDAY,)
    assert nearest_expiry([THURSDAY], today=THURSDAY) == THURSDAY
    assert weekly_expiry([THURSDAY], today=THURSDAY) == THURSDAY


def test_no_expiry_in_range_is_an_empty_answer():
    assert expiries_within([THURSDAY], today=MONDAY, min_dte=4, max_dte=9) == ()


def test_passed_expiries_are_never_chosen():
    assert expiries_within([MONDAY], today=THURSDAY) == ()


@pytest.mark.parametrize(("low", "high"), [(-1, 5), (6, 5)])
def test_a_range_the_wrong_way_round_is_refused(low, high):
    with pytest.raises(InvalidInput, match=f"^DTE range {low} to {high}; valid: 0 <= min_dte <= max_dte"):
        expiries_within([THURSDAY], today=MONDAY, min_dte=low, max_dte=high)


def test_the_nearest_expiry_is_at_or_after_the_wanted_dte():
    assert nearest_expiry([MONTHLY, THURSDAY], today=MONDAY, min_dte=3) == THURSDAY
    assert nearest_expiry([MONTHLY, THURSDAY], today=MONDAY, min_dte=4) == MONTHLY
    assert nearest_expiry([THURSDAY], today=MONDAY, min_dte=4) is None


def test_the_weekly_expiry_is_the_last_one_of_this_week():
    daily = [date(2024, 3, day) for day in (4, 5, 6, 7, 8, 11)]

    assert weekly_expiry(daily, today=date(2024, 3, 5)) == date(2024, 3, 8)


def test_the_weekly_expiry_is_the_thursday_before_a_holiday():
    assert weekly_expiry([THURSDAY, NEXT_THURSDAY], today=MONDAY) == THURSDAY


def test_the_weekly_expiry_moves_on_when_this_week_has_none_left():
    assert weekly_expiry([MONTHLY], today=MONDAY) == MONTHLY
    assert weekly_expiry([THURSDAY, NEXT_THURSDAY], today=THURSDAY, min_dte=1) == NEXT_THURSDAY


def test_there_is_no_weekly_expiry_when_all_have_passed():
    assert weekly_expiry([MONDAY], today=THURSDAY) is None
