"""What each scenario does to a naive loop on the bare client library, and to the same loop on the adapter."""

import attrs
import pytest
from bad_days.diary import Harm, Mark
from bad_days.page import PAGE, day_of, row, section

from ibkeel.ibkr.library import LIBRARY
from ibkeel.sim import Scenario

pytestmark = pytest.mark.skipif(LIBRARY != "ib_insync", reason="the diaries are those of ib_insync")

OLD, EMPTY, STUCK, UNAWARE, LOST = Harm.OLD, Harm.EMPTY, Harm.STUCK, Harm.UNAWARE, Harm.LOST
TRADED, DOUBLED, LIMITS = Harm.TRADED, Harm.DOUBLED, Harm.LIMITS
FOR_GOOD = {OLD, LOST, TRADED}  # it never subscribes again, and trades on the last price for ever
HANGS = {EMPTY, STUCK, UNAWARE}  # 60 s without an answer are an empty list


@attrs.frozen
class Expected:
    """Of one scenario.

    Args:
        harms: What the naive bot suffers.
        errors: What the adapter says instead.
        told: Most minutes in which it does.
        again: Most seconds from the end of the last fault until all is served; None: no such end.
        alarms: How often a person is told.
        at_venue: How many of the three orders are at the venue in the end.
    """

    harms: set
    errors: set
    told: int
    again: float | None
    alarms: int = 0
    at_venue: int = 3


TABLE = {
    "client-id-clash": Expected(FOR_GOOD, {"NotConnected"}, 1, 60, alarms=1),
    "closed-after-login": Expected(FOR_GOOD, {"NotConnected"}, 4, 80, alarms=1),
    "competing-session": Expected(FOR_GOOD | {UNAWARE}, {"CompetingSession"}, 6, 120, alarms=1),
    "data-kept": Expected(HANGS, {"NotConnected"}, 1, 60),
    "data-lost": Expected(FOR_GOOD | HANGS, {"NotConnected"}, 2, 30, alarms=1),
    "deaf-after-login": Expected(FOR_GOOD, {"NotConnected"}, 5, 60, alarms=1),
    "farm-blip": Expected(FOR_GOOD | {UNAWARE}, set(), 0, 0),
    "farms-flap": Expected(FOR_GOOD | {UNAWARE}, set(), 0, 0),
    "half-open": Expected(
        {OLD, TRADED, DOUBLED} | HANGS, {"NotConnected", "QuoteUnavailable"}, 5, 30, alarms=1
    ),
    "history-farm": Expected(HANGS, {"RequestTimeout"}, 1, 30),
    "invalid-step": Expected({EMPTY, UNAWARE}, {"GatewayRejected"}, 10, 30),
    "lost-acknowledgement": Expected(FOR_GOOD | {DOUBLED, UNAWARE}, set(), 0, 0),
    "mute-port": Expected(FOR_GOOD, {"NotConnected"}, 4, 80, alarms=1),
    "nightly-restart": Expected(FOR_GOOD, {"NotConnected"}, 2, 60, alarms=1),
    "no-data-at-the-open": Expected({EMPTY, UNAWARE}, {"NoData"}, 8, 30),
    "no-subscription": Expected({EMPTY, TRADED, UNAWARE}, {"NotEntitled"}, 24, None, at_venue=0),
    "not-entitled": Expected({EMPTY, TRADED, UNAWARE}, {"NotEntitled"}, 24, None, at_venue=0),
    "option-farm-wakes": Expected(set(), set(), 0, 30),
    "pacing-rejections": Expected({EMPTY, UNAWARE}, {"PacingExceeded"}, 3, None),
    "port-closed": Expected(FOR_GOOD, {"NotConnected"}, 6, 80, alarms=1),
    "reports-while-lost": Expected(HANGS, {"NotConnected"}, 1, 60),
    "reset-never-ends": Expected(FOR_GOOD | HANGS | {DOUBLED}, {"NotConnected"}, 16, 60, alarms=1),
    "rolled-back-ids": Expected(FOR_GOOD | {UNAWARE}, set(), 0, 0, alarms=2),
    "seed-five-minutes": Expected({EMPTY, STUCK}, set(), 0, None),
    "seed-sixty-seconds": Expected(HANGS, {"RequestTimeout", "CircuitOpen"}, 13, 200, alarms=1),
    "server-reset": Expected({OLD, TRADED} | HANGS, {"NotConnected"}, 3, 30, alarms=1),
    "silent-streams": Expected(
        {OLD, TRADED, UNAWARE}, {"NotConnected", "QuoteUnavailable"}, 10, 30, alarms=1
    ),
    "slow-consumer": Expected({OLD, TRADED}, set(), 0, None, alarms=2),
    "slow-history": Expected(HANGS, {"RequestTimeout"}, 1, None),
    "summary-leak": Expected({LIMITS, UNAWARE}, set(), 0, 0),
    "undecodable-message": Expected(FOR_GOOD | {UNAWARE}, set(), 0, 0),
    "weekly-login": Expected(FOR_GOOD, {"NotConnected"}, 361, 90, alarms=1),
}


def test_every_scenario_has_its_row():
    assert sorted(TABLE) == list(Scenario.names())


@pytest.mark.parametrize("name", Scenario.names())
def test_a_naive_loop_suffers_where_the_adapter_says_what_is_wrong(name):
    expected, page = TABLE[name], PAGE.read_text(encoding="utf-8")

    day = day_of(name)

    ours, told = day.ours, [minute for minute in day.ours.minutes if minute.mark is Mark.TOLD]
    assert day.naive.harms == expected.harms
    assert ours.harms == set()
    assert {minute.word for minute in told} == expected.errors
    assert len(told) <= expected.told
    assert (ours.recovered_after is None) == (expected.again is None)
    assert (ours.recovered_after or 0) <= (expected.again or 0)
    assert len(ours.alarms) == expected.alarms
    assert ours.orders.at_venue == expected.at_venue
    assert ours.orders.doubled == 0
    assert ours.orders.unknown == 0
    assert row(day) in page, "run: python -m bad_days, in examples"
    assert section(day) in page, "run: python -m bad_days, in examples"


def test_the_page_has_these_scenarios_and_no_others():
    sections = [
        line.rpartition("#")[2].rstrip(" }\n")
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("## ") and "{ #" in line
    ]

    assert sections == list(Scenario.names())


def test_the_same_day_is_the_same_twice():
    assert day_of("farms-flap") == day_of("farms-flap")
