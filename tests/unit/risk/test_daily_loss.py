import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import from_data, to_data
from ibkeel.risk import DailyLossGuard, LossVerdict

MONDAY, TUESDAY = date(2024, 3, 4), date(2024, 3, 5)


def after(*readings):
    guard, verdict = DailyLossGuard(limit=0.15), None
    for session, equity in readings:
        guard, verdict = guard.observe(session, equity)
    return guard, verdict


def test_the_first_readable_equity_of_a_session_is_its_start():
    guard, verdict = after((MONDAY, 1000))

    assert guard.start_equity == 1000
    assert (verdict.allowed, verdict.loss) == (True, 0.0)


def test_the_limit_is_inclusive():
    assert after((MONDAY, 1000), (MONDAY, 850.01))[1].allowed
    assert not after((MONDAY, 1000), (MONDAY, 850))[1].allowed


def test_once_reached_the_limit_holds_for_the_session_even_after_a_recovery():
    guard, verdict = after((MONDAY, 1000), (MONDAY, 800), (MONDAY, 1100))

    assert guard.tripped
    assert not verdict.allowed
    assert "rest of the session" in verdict.reason


def test_the_next_session_starts_anew():
    guard, verdict = after((MONDAY, 1000), (MONDAY, 800), (TUESDAY, 800))

    assert verdict.allowed
    assert guard.start_equity == 800


def test_the_limit_and_the_account_of_a_guard_hold_for_the_next_session_too():
    guard = DailyLossGuard(limit=0.02, owner="DU1")

    for day, equity in [(MONDAY, 1000), (TUESDAY, 1000), (TUESDAY, 980)]:
        guard, verdict = guard.observe(day, equity)

    assert (guard.limit, guard.owner) == (0.02, "DU1")
    assert (guard.tripped, verdict.allowed) == (True, False)


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ([(MONDAY, 1000), (MONDAY, 990)], "loss 1.00% of 1000.00 since the session began; limit 15.00%"),
        (
            [(MONDAY, 1000), (MONDAY, 850)],
            "loss 15.00% of 1000.00 since the session began; limit 15.00%; no new entries for the rest of the session",
        ),
        ([(MONDAY, math.nan)], "equity is unreadable: nan"),
        (
            [(TUESDAY, 1000), (MONDAY, 1000)],
            "session 2024-03-04 is before 2024-03-05, which was seen already",
        ),
    ],
    ids=["within", "reached", "unreadable", "backwards"],
)
def test_a_verdict_tells_its_figures(readings, words):
    assert after(*readings)[1].reason == words


def test_an_equity_below_one_is_an_equity():
    assert after((MONDAY, 0.5), (MONDAY, 0.25))[1].loss == 0.5


def test_a_gain_is_a_negative_loss():
    assert after((MONDAY, 1000), (MONDAY, 1100))[1].loss == pytest.approx(-0.1)


@pytest.mark.parametrize("equity", [None, math.nan, math.inf, 0, -1])
def test_unreadable_equity_allows_nothing_and_keeps_the_start(equity):
    guard, verdict = after((MONDAY, 1000), (MONDAY, equity))

    assert not verdict.allowed
    assert verdict.loss is None
    assert guard.start_equity == 1000


def test_a_session_that_goes_backwards_allows_nothing():
    guard, verdict = after((TUESDAY, 1000), (MONDAY, 1000))

    assert not verdict.allowed
    assert guard.session == TUESDAY


def test_the_state_survives_a_restart_as_plain_data():
    guard, _ = after((MONDAY, Decimal("1000.5")), (MONDAY, 700))

    assert from_data(to_data(guard), DailyLossGuard) == guard


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.5, math.nan])
def test_a_limit_that_is_no_fraction_is_refused(limit):
    with pytest.raises(InvalidInput, match="limit"):
        DailyLossGuard(limit=limit)


@pytest.mark.parametrize("session", [datetime(2024, 3, 4, 17, tzinfo=UTC), "2024-03-04", 20240304, None])
def test_what_is_no_trading_date_is_refused_for_the_loss_would_begin_anew_at_each_reading(session):
    guard, _ = after((MONDAY, 1000))

    with pytest.raises(InvalidInput, match=r"DailyLossGuard\.session .* trading date, without a time of day"):
        guard.observe(session, 500)
    with pytest.raises(InvalidInput, match="trading date, without a time of day"):
        DailyLossGuard().observe(session, 500)


def test_a_guard_is_not_restored_from_texts():
    with pytest.raises(InvalidInput, match="session"):
        DailyLossGuard(session="2024-03-04")
    with pytest.raises(InvalidInput, match="tripped"):
        DailyLossGuard(tripped="False")


def test_a_verdict_that_is_a_text_allows_nothing():
    with pytest.raises(InvalidInput, match="allowed"):
        LossVerdict(allowed="False", loss=0.5, reason="")
