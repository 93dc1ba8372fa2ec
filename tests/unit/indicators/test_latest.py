"""The last values, where there is nothing to sum up or what there is is no number; elsewhere the columns are the reference."""

from datetime import datetime
from math import isnan

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.indicators import last_emas, last_rsi, last_session_vwap, session_start

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


def test_a_zone_that_nobody_knows_is_named():
    with pytest.raises(InvalidInput, match="New_Jork"):
        session_start(np.array([datetime(2026, 1, 5)], "datetime64[s]"), "America/New_Jork")
