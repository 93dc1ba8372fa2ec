"""What a session says in words, and figures and times at their edges."""

from datetime import UTC, datetime

import pytest

from ibkeel.ibkr.code_rows import ERROR_TABLE
from ibkeel.ibkr.codes import About, Farm
from ibkeel.ibkr.notices import DataFarm, heard
from ibkeel.ibkr.session import Session, alarm, next_wait
from ibkeel.ibkr.states import ImpossibleEvent, SessionEvent, SessionPolicy, SessionState, next_state
from ibkeel.ibkr.windows import (
    DEFAULT_WINDOWS,
    NEWER_PAGE,
    OLDER_PAGE,
    WEEKLY_LOGIN,
    WINDOWS_OF_REGION,
    _of_region,
)
from ibkeel.resilience import Backoff

E = SessionEvent
DAY = datetime(2026, 7, 7, 15, 0, tzinfo=UTC)
START = 1000.0
USFARM = DataFarm(Farm.MARKET_DATA, "usfarm")
CASHFARM = DataFarm(Farm.MARKET_DATA, "cashfarm")


def after(*events, session=None, **policy):
    session = session or Session(policy=SessionPolicy(**policy))
    for event in events:
        name, farm = event if isinstance(event, tuple) else (event, None)
        session = session.on(name, START, farm=farm)
    return session


def ready(**policy):
    return after(E.CONNECT_ASKED, E.HANDSHAKE_DONE, E.SYNCED, **policy)


def test_a_session_that_nobody_asked_for_refuses_entries_by_its_state_alone():
    assert Session().entry_refusal == "the session is idle"
    assert after(E.LINK_LOST, session=ready()).entry_refusal == "the session is reconnecting: link lost"


def test_entries_are_refused_with_the_name_of_every_broken_farm():
    session = after((E.FARM_BROKEN, USFARM), (E.FARM_BROKEN, CASHFARM), session=ready())

    assert session.entry_refusal == (
        "market data farm cashfarm, market data farm usfarm broken: quotes may be old"
    )
    assert alarm(session, DEFAULT_WINDOWS, DAY, now=START + 300) == (
        "broken for 300 s: market data farm cashfarm, market data farm usfarm"
    )
    assert alarm(session, DEFAULT_WINDOWS, DAY, now=START + 299) is None


def test_a_session_is_missed_from_the_loss_on_or_from_when_it_was_asked_for():
    assert Session().cut_off_for(START + 5) == 0.0
    assert ready().cut_off_for(START + 5) == 0.0
    assert after(E.CONNECT_ASKED).cut_off_for(START + 5) == 5.0
    assert after(E.LINK_LOST, session=ready()).cut_off_for(START + 5) == 5.0


def test_an_alarm_without_a_cause_says_so():
    assert alarm(after(E.CONNECT_ASKED), DEFAULT_WINDOWS, DAY, now=START + 60) == (
        "no session for 60 s: no cause is known"
    )


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 0.25), (0.5, 0.1875)])
def test_a_wait_may_be_shorter_than_a_second_and_is_jittered(jitter, seconds):
    session = after(E.LINK_LOST, session=ready(reconnect=Backoff(first=0.25, attempts=None)))

    assert next_wait(session, DEFAULT_WINDOWS, DAY, now=START, jitter=jitter) == seconds


def test_a_gateway_without_servers_is_borne_with_from_the_loss_on():
    session = after(E.UPSTREAM_LOST, session=ready(upstream_patience=120, probe_failures_before_reconnect=1))

    assert session.on(E.PROBE_FAILED, START + 119).state is SessionState.UPSTREAM_LOST
    assert session.on(E.PROBE_FAILED, START + 120).state is SessionState.RECONNECTING


def test_a_probe_that_is_answered_as_expected_changes_nothing():
    session = ready()

    assert session.on(E.PROBE_ANSWERED, START + 5) is session


def test_a_window_that_was_only_heard_of_is_remembered_as_one():
    assert after(E.CONNECT_ASKED, E.ATTEMPT_FAILED, E.WINDOW_ENTERED).window == "reset window"


@pytest.mark.parametrize(
    "figures",
    [
        {"id_in_use_wait": 1.0},
        {"id_in_use_spread": 0.0},
        {"window_pause": 1.0},
        {"window_grace": 0.0},
        {"give_up_after": 0.0},
        {"give_up_after": 0.5},
    ],
)
def test_a_policy_at_the_edge_is_valid(figures):
    policy = SessionPolicy(**figures)

    assert {name: getattr(policy, name) for name in figures} == figures


def test_the_name_of_a_farm_stands_after_the_last_colon():
    text = "Market data farm connection is broken: see below:usfarm"

    assert heard(ERROR_TABLE.find(2103, text, About.SYSTEM), text) == (E.FARM_BROKEN, USFARM)


def test_an_impossible_event_changes_nothing_and_is_to_be_reported():
    with pytest.raises(ImpossibleEvent, match=r"nothing was changed\. Please report this$"):
        next_state(SessionState.IDLE, E.SYNCED)


@pytest.mark.parametrize("region", WINDOWS_OF_REGION)
def test_the_windows_of_a_region_are_those_of_both_pages_the_newer_first_and_the_login(region):
    # Built anew: the table was made when the module was imported.
    windows = _of_region(region)

    pages = [window for page in (NEWER_PAGE, OLDER_PAGE) for window in page if window.region == region]
    assert windows == WINDOWS_OF_REGION[region]
    assert [window for window in windows if window.region == region] == pages
    assert [window.name for window in windows if window.region == "everywhere"] == [
        "weekend reset",
        WEEKLY_LOGIN.name,
    ]
    assert windows[-1] is WEEKLY_LOGIN


def test_an_occurrence_begins_and_ends_in_utc():
    occurrence = NEWER_PAGE[0].next_occurrence(DAY)

    assert occurrence.begins_at.tzinfo is UTC
    assert occurrence.ends_at.tzinfo is UTC
