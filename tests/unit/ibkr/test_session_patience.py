from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.ibkr.codes import Farm
from ibkeel.ibkr.notices import DataFarm
from ibkeel.ibkr.session import Session, alarm, next_wait
from ibkeel.ibkr.states import SessionEvent, SessionPolicy, SessionState
from ibkeel.ibkr.windows import DEFAULT_WINDOWS, in_window
from ibkeel.resilience import Backoff

E = SessionEvent
DAY = datetime(2026, 7, 7, 15, 0, tzinfo=UTC)  # a Tuesday, eleven in New York
NIGHT = datetime(2026, 7, 7, 4, 30, tzinfo=UTC)
SUNDAY = datetime(2026, 7, 5, 12, 0, tzinfo=UTC)
POLICY = SessionPolicy(
    reconnect=Backoff(first=1, factor=2, cap=8, attempts=None),
    window_pause=20,
    window_grace=300,
    link_patience=60,
    upstream_patience=120,
    farm_patience=240,
)


def ready(policy=POLICY):
    session = Session(policy=policy)
    for event in (E.CONNECT_ASKED, E.HANDSHAKE_DONE, E.SYNCED):
        session = session.on(event, 0.0)
    return session


def lost(*, failures=0, policy=POLICY):
    session = ready(policy).on(E.LINK_LOST, 0.0, cause="gone")
    for _ in range(failures):
        session = session.on(E.ATTEMPT_FAILED, 0.0)
    return session


def wait(session, *, wall=DAY, now=0.0, **more):
    return next_wait(session, DEFAULT_WINDOWS, wall, now=now, **more)


def alarmed(session, *, wall=DAY, now):
    return alarm(session, DEFAULT_WINDOWS, wall, now=now)


def test_the_first_attempt_waits_for_nothing():
    assert wait(Session(policy=POLICY).on(E.CONNECT_ASKED, 0.0)) == 0.0


def test_waits_grow_up_to_the_cap_and_never_end():
    assert [wait(lost(failures=n)) for n in range(6)] == [1, 2, 4, 8, 8, 8]
    assert wait(lost(failures=500), now=1e6) == 8


def test_attempts_that_somebody_waits_for_can_have_waits_of_their_own():
    once = Backoff(first=3, attempts=2)

    assert wait(lost(), backoff=once) == 3
    assert wait(lost(failures=1), backoff=once) is None


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 20))
def test_a_client_id_in_use_is_given_half_a_minute_to_a_minute(jitter, failures):
    session = lost(failures=failures).on(E.ID_IN_USE, 0.0)

    assert 30 <= wait(session, jitter=jitter) <= 60


def test_in_a_window_the_pauses_are_all_alike():
    assert {wait(lost(failures=n), wall=NIGHT) for n in range(8)} == {20}


def test_in_a_window_a_client_id_in_use_still_takes_its_time():
    assert wait(lost().on(E.ID_IN_USE, 0.0), wall=NIGHT) == 30


def test_giving_up_is_for_those_who_ask_for_it():
    session = lost(policy=attrs.evolve(POLICY, give_up_after=600))

    assert wait(session, now=599.9) == 1
    assert wait(session, now=600.0) is None
    assert wait(session, now=600.0, wall=NIGHT) == 20


def test_the_time_in_a_window_does_not_count_for_giving_up():
    session = lost(policy=attrs.evolve(POLICY, give_up_after=600))

    session = session.observe_window(in_window(NIGHT, DEFAULT_WINDOWS), 10.0).observe_window(None, 5000.0)

    assert wait(session, now=5599.0) == 1
    assert wait(session, now=5600.0) is None


@pytest.mark.parametrize("now", [0.0, 1e6])
def test_a_session_that_works_alarms_nobody(now):
    assert alarmed(ready(), now=now) is None
    assert alarmed(ready(), wall=SUNDAY, now=now) is None


@pytest.mark.parametrize("session", [Session(), lost().on(E.DISCONNECT_ASKED, 0.0)])
def test_who_wants_no_session_is_not_told_that_there_is_none(session):
    assert alarmed(session, now=1e6) is None


def test_a_session_that_stays_away_alarms_with_its_cause():
    assert alarmed(lost(), now=59.9) is None
    assert alarmed(lost(), now=60.0) == "no session for 60 s: gone"


def test_sessions_that_come_and_go_end_no_trouble():
    session = lost()
    for second in (10.0, 40.0):
        session = session.on(E.HANDSHAKE_DONE, second).on(E.SYNCED, second)
        assert session.is_fresh(second + 29.0)
        session = session.on(E.LINK_LOST, second + 29.0, cause="gone again")

    assert alarmed(session, now=70.0) == "no lasting session for 70 s: gone again"


def test_a_session_that_lasted_ends_the_trouble():
    session = lost().on(E.HANDSHAKE_DONE, 10.0).on(E.SYNCED, 10.0)
    session = session.on(E.FARM_BROKEN, 39.0).on(E.FARM_WELL, 39.5)
    assert not session.is_fresh(40.0)

    session = session.on(E.LINK_LOST, 40.0, cause="gone again")

    assert alarmed(session, now=99.0) is None
    assert alarmed(session, now=100.0) == "no session for 60 s: gone again"


def test_a_sync_that_takes_for_ever_alarms_too():
    session = lost().on(E.HANDSHAKE_DONE, 1.0)

    assert alarmed(session, now=60.0) == "no session for 60 s: gone"


def test_an_upstream_loss_is_borne_for_longer():
    session = ready().on(E.UPSTREAM_LOST, 0.0)

    assert alarmed(session, now=119.9) is None
    assert alarmed(session, now=120.0) == "the Gateway has no link to its servers for 120 s: 1100, 2110"


@pytest.mark.parametrize("session", [lost(), ready().on(E.UPSTREAM_LOST, 0.0)], ids=["link", "upstream"])
def test_in_a_window_and_for_a_while_after_it_nobody_is_alarmed(session):
    session = session.observe_window(in_window(NIGHT, DEFAULT_WINDOWS), 10.0)
    assert alarmed(session, wall=NIGHT, now=4000.0) is None

    session = session.observe_window(None, 4000.0)

    assert alarmed(session, now=4299.0) is None
    assert alarmed(session, now=4300.0) is not None


@pytest.mark.parametrize(
    ("session", "said"),
    [
        (lost(), "no session for 300 s: weekly login, log in to the Gateway"),
        (
            ready().on(E.UPSTREAM_LOST, 0.0),
            "the Gateway has no link to its servers for 300 s: weekly login, log in to the Gateway",
        ),
    ],
    ids=["link", "upstream"],
)
def test_after_the_weekly_login_expired_a_person_is_asked_to_log_in(session, said):
    assert alarmed(session, wall=SUNDAY, now=299.0) is None
    assert alarmed(session, wall=SUNDAY, now=300.0) == said


def test_a_farm_that_stays_broken_alarms_with_its_name():
    session = ready().on(E.FARM_BROKEN, 0.0, farm=DataFarm(Farm.MARKET_DATA, "usfarm"))

    assert session.state is SessionState.DEGRADED
    assert alarmed(session, now=239.0) is None
    assert alarmed(session, now=240.0) == "broken for 240 s: market data farm usfarm"
    assert alarmed(session, wall=NIGHT, now=1e6) is None
