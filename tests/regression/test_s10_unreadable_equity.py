"""S10: an equity that could not be read was stored as 0.0, and the daily loss guard was off all day."""

import math
from datetime import date

import pytest

from ibkeel.risk import DailyLossGuard

MONDAY = date(2024, 3, 4)


@pytest.mark.parametrize("equity", [None, 0.0, math.nan])
def test_an_unreadable_start_of_day_blocks_entries_and_is_not_remembered(equity):
    guard, verdict = DailyLossGuard(limit=0.15).observe(MONDAY, equity)

    assert not verdict.allowed
    assert guard.start_equity is None


def test_the_guard_works_from_the_first_readable_equity_on():
    guard, _ = DailyLossGuard(limit=0.15).observe(MONDAY, None)

    guard, first = guard.observe(MONDAY, 1000)
    _, second = guard.observe(MONDAY, 800)

    assert first.allowed
    assert not second.allowed


def test_the_model_of_what_was_there_let_every_loss_pass_after_a_failed_reading():
    def seed(readings, *, limit=0.15):
        start = readings[0] or 0.0
        return [start == 0 or (start - (each or 0.0)) / start < limit for each in readings]

    readings = [None, 1000, 500]
    guard, verdicts = DailyLossGuard(limit=0.15), []
    for equity in readings:
        guard, verdict = guard.observe(MONDAY, equity)
        verdicts.append(verdict.allowed)

    assert seed(readings) == [True, True, True]
    assert verdicts == [False, True, False]
