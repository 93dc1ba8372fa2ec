"""The last values, where there is nothing to sum up or what there is is no number; elsewhere the columns are the reference."""

import time
from datetime import datetime
from math import isnan

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.indicators import last_emas, last_rsi, last_session_vwap, rsi, session_start, sessions_of

SOME = np.array([100.0, 101.0, 99.0, 102.0])


def test_each_period_that_is_too_long_for_the_values_has_no_average():
    short, long = last_emas(SOME, (2, 5))

    assert short == pytest.approx(101.1667, abs=1e-4)
    assert isnan(long)
    assert all(isnan(average) for average in last_emas(np.array([]), (2, 5)))


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(hole):
    broken = np.append(SOME, hole)

    for ask in (
        lambda: last_emas(broken, (2,)),
        lambda: last_rsi(broken, 3),
        lambda: last_session_vwap(broken, broken, broken, np.ones(5)),
        lambda: last_session_vwap(np.ones(5), np.ones(5), np.ones(5), broken),
    ):
        with pytest.raises(InvalidInput, match="finite"):
            ask()


def test_a_strength_takes_one_close_more_than_its_period_and_is_even_where_nothing_moves():
    assert isnan(last_rsi(SOME, 4))
    assert not isnan(last_rsi(SOME, 3))
    assert last_rsi(np.full(20, 100.0), 14) == 50.0


def test_where_nothing_traded_there_is_no_average_price():
    assert isnan(last_session_vwap(SOME, SOME, SOME, np.zeros(4)))
    assert last_session_vwap(SOME, SOME, SOME, np.ones(4), start=3) == pytest.approx(102.0)


def test_a_session_begins_with_its_first_bar_or_with_the_first_there_is():
    days = np.array(["2026-01-05T20:59", "2026-01-06T14:30", "2026-01-06T14:31"], "datetime64[s]")

    assert session_start(days) == 1
    assert session_start(days[1:]) == 0
    assert session_start(days[:0]) == 0


def test_a_session_holds_what_traded_in_the_night_before_its_open():
    night = np.array(["2026-01-06T04:59:59", "2026-01-06T05:00", "2026-01-06T14:30:30"], "datetime64[s]")

    assert session_start(night) == 1


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_zone_of_the_machine_plays_no_part(monkeypatch, zone):
    night = np.array(["2026-01-06T04:59", "2026-01-06T05:00", "2026-01-06T14:30"], "datetime64[s]")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()

        start, labels = session_start(night), sessions_of(night)
    time.tzset()

    assert start == 1
    assert np.diff(labels).tolist() == [1, 0]


def test_strength_is_that_of_fourteen_closes_unless_told_otherwise():
    closes = 100.0 + np.cumsum([0.5, -0.25, 0.125] * 10)

    assert last_rsi(closes) == pytest.approx(rsi(closes, 14)[-1], rel=1e-12)


def test_a_zone_that_nobody_knows_is_named():
    with pytest.raises(InvalidInput, match="New_Jork"):
        session_start(np.array([datetime(2026, 1, 5)], "datetime64[s]"), "America/New_Jork")
