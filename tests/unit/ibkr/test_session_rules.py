import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.ibkr import ERROR_TABLE
from ibkeel.ibkr.codes import About, Farm
from ibkeel.ibkr.notices import DataFarm, heard
from ibkeel.ibkr.session import Session
from ibkeel.ibkr.states import ImpossibleEvent, SessionEvent, SessionPolicy, SessionState
from ibkeel.ibkr.windows import DEFAULT_WINDOWS
from ibkeel.resilience import Backoff

E, S = SessionEvent, SessionState
USFARM = DataFarm(Farm.MARKET_DATA, "usfarm")
CASHFARM = DataFarm(Farm.MARKET_DATA, "cashfarm")
USHMDS = DataFarm(Farm.HISTORY, "ushmds")
NIGHT = DEFAULT_WINDOWS[0]


def after(*events, session=None, now=0.0):
    session = session or Session()
    for event in events:
        name, farm = event if isinstance(event, tuple) else (event, None)
        session = session.on(name, now, farm=farm)
    return session


def ready(**policy):
    return after(E.CONNECT_ASKED, E.HANDSHAKE_DONE, E.SYNCED, session=Session(policy=SessionPolicy(**policy)))


STORIES = [
    ((), S.IDLE),
    ((E.CONNECT_ASKED,), S.CONNECTING),
    ((E.CONNECT_ASKED, E.HANDSHAKE_DONE), S.SYNCING),
    ((E.CONNECT_ASKED, E.HANDSHAKE_DONE, E.SYNCED), S.READY),
    ((E.CONNECT_ASKED, E.HANDSHAKE_DONE, E.SYNCED, (E.FARM_BROKEN, USFARM)), S.DEGRADED),
    ((E.CONNECT_ASKED, E.HANDSHAKE_DONE, E.SYNCED, E.UPSTREAM_LOST), S.UPSTREAM_LOST),
    ((E.CONNECT_ASKED, E.HANDSHAKE_DONE, E.SYNCED, E.LINK_LOST), S.RECONNECTING),
    ((E.CONNECT_ASKED, E.ATTEMPT_FAILED, E.WINDOW_ENTERED), S.MAINTENANCE),
    ((E.CONNECT_ASKED, E.REFUSED_FOR_GOOD), S.STOPPED),
]
LICENCES = {
    #               request enter  exit   probe
    S.IDLE:          (False, False, False, False),
    S.CONNECTING:    (False, False, False, False),
    S.SYNCING:       (False, False, False, True),
    S.READY:         (True, True, True, True),
    S.DEGRADED:      (True, False, True, True),
    S.UPSTREAM_LOST: (False, False, True, True),
    S.RECONNECTING:  (False, False, False, False),
    S.MAINTENANCE:   (False, False, False, False),
    S.STOPPED:       (False, False, False, False),
}  # fmt: skip


@pytest.mark.parametrize(("events", "state"), STORIES)
def test_each_state_permits_what_it_is_good_for(events, state):
    session = after(*events)

    permitted = (session.may_request, session.may_enter, session.may_exit, session.may_probe)
    assert session.state is state
    assert permitted == LICENCES[state]
    assert bool(session.entry_refusal) is not session.may_enter


@pytest.mark.parametrize(
    ("broken", "may_enter"),
    [((USHMDS,), True), ((DataFarm(Farm.DEFINITIONS, "secdefil"),), True), ((USFARM, USHMDS), False)],
)
def test_which_farm_is_broken_decides_about_entries(broken, may_enter):
    session = after(*((E.FARM_BROKEN, farm) for farm in broken), session=ready())

    assert session.state is S.DEGRADED
    assert session.may_enter is may_enter


def test_the_last_broken_farm_that_is_well_again_ends_the_trouble():
    session = after((E.FARM_BROKEN, USFARM), (E.FARM_BROKEN, CASHFARM), session=ready())

    partly = after((E.FARM_WELL, USFARM), session=session)
    wholly = after((E.FARM_WELL, CASHFARM), session=partly)

    assert (partly.state, partly.farms) == (S.DEGRADED, (CASHFARM,))
    assert (wholly.state, wholly.farms) == (S.READY, ())
    assert partly.generation == wholly.generation == session.generation


def test_all_farms_can_be_well_at_once():
    session = after((E.FARM_BROKEN, USFARM), (E.FARM_BROKEN, CASHFARM), E.ALL_FARMS_WELL, session=ready())

    assert (session.state, session.farms) == (S.READY, ())


def test_a_farm_without_a_name_is_taken_for_the_worst_kind():
    assert not after(E.FARM_BROKEN, session=ready()).may_enter


def test_a_farm_that_breaks_during_the_handshake_is_not_forgotten():
    session = after(E.CONNECT_ASKED, (E.FARM_BROKEN, USFARM), E.HANDSHAKE_DONE, E.SYNCED)

    assert (session.state, session.farms) == (S.DEGRADED, (USFARM,))


def test_a_new_link_knows_nothing_of_the_farms_of_the_old_one():
    session = after((E.FARM_BROKEN, USFARM), E.LINK_LOST, E.HANDSHAKE_DONE, E.SYNCED, session=ready())

    assert session.state is S.READY


def test_an_upstream_loss_during_the_handshake_is_not_forgotten():
    session = after(E.CONNECT_ASKED, E.UPSTREAM_LOST, E.HANDSHAKE_DONE)

    assert session.state is S.UPSTREAM_LOST
    assert session.must_resubscribe
    assert not session.may_exit  # what is to be closed was not looked up on this link


def test_an_upstream_loss_that_ends_during_the_handshake_is_over():
    session = after(E.CONNECT_ASKED, E.UPSTREAM_LOST, E.RESTORED_DATA_KEPT, E.HANDSHAKE_DONE)

    assert session.state is S.SYNCING


def test_a_notice_during_an_attempt_does_not_make_its_result_worthless():
    session = after(E.CONNECT_ASKED, E.ATTEMPT_FAILED)

    noticed = after(E.UPSTREAM_LOST, E.RESTORED_DATA_LOST, (E.FARM_BROKEN, USFARM), session=session)

    assert noticed.generation == session.generation


def test_after_1101_streams_are_sent_again_and_after_1102_they_are_only_looked_at():
    lost = after(E.UPSTREAM_LOST, E.RESTORED_DATA_LOST, session=ready())
    kept = after(E.UPSTREAM_LOST, E.RESTORED_DATA_KEPT, session=ready())

    assert (lost.state, lost.must_resubscribe) == (S.SYNCING, True)
    assert (kept.state, kept.must_resubscribe) == (S.SYNCING, False)


def test_1102_does_not_take_back_what_an_unfinished_1101_asks_for():
    session = after(E.RESTORED_DATA_LOST, E.UPSTREAM_LOST, E.RESTORED_DATA_KEPT, session=ready())

    assert session.must_resubscribe
    assert not after(E.SYNCED, session=session).must_resubscribe


def test_repeated_1100_do_not_restart_the_patience():
    session = ready().on(E.UPSTREAM_LOST, 10.0, cause="1100")

    assert session.on(E.UPSTREAM_LOST, 50.0, cause="1100 again") == session


def test_a_sync_that_ends_after_the_data_were_lost_again_counts_for_nothing():
    begun = after(E.CONNECT_ASKED, E.HANDSHAKE_DONE)

    again = begun.on(E.RESTORED_DATA_LOST, 5.0)

    assert again.on(E.SYNCED, 6.0, generation=begun.generation) == again
    assert again.on(E.SYNCED, 6.0, generation=again.generation).state is S.READY
    assert again.since == 5.0


@pytest.mark.parametrize("loss", [E.LINK_LOST, E.BREAKER_RECONNECT, E.PORT_RESET])
def test_whatever_ends_the_link_leads_to_new_attempts_and_is_remembered(loss):
    session = ready().on(loss, 30.0, cause="somebody pulled the plug")

    assert session.state is S.RECONNECTING
    assert (session.failures, session.last_lost_at, session.cause) == (1, 30.0, "somebody pulled the plug")
    assert "plug" in session.entry_refusal


def test_without_words_the_cause_is_the_event():
    assert "link lost" in after(E.LINK_LOST, session=ready()).entry_refusal


def test_failures_add_up_until_a_sync_is_done():
    session = after(
        E.LINK_LOST, E.ATTEMPT_FAILED, E.ID_IN_USE, E.HANDSHAKE_DONE, E.SYNC_FAILED, session=ready()
    )

    assert session.failures == 4
    assert after(E.HANDSHAKE_DONE, E.SYNCED, session=session).failures == 0


def test_the_client_id_is_in_use_until_an_attempt_says_otherwise():
    session = after(E.CONNECT_ASKED, E.ID_IN_USE)

    assert session.id_in_use
    assert not after(E.ATTEMPT_FAILED, session=session).id_in_use
    assert not after(E.HANDSHAKE_DONE, session=session).id_in_use


def test_so_many_failed_probes_in_a_row_end_the_link():
    session = ready(probe_failures_before_reconnect=3)

    almost = after(E.PROBE_FAILED, E.PROBE_FAILED, session=session)
    again = after(E.PROBE_ANSWERED, E.PROBE_FAILED, E.PROBE_FAILED, session=almost)

    assert almost.state is again.state is S.READY
    assert after(E.PROBE_FAILED, session=again).state is S.RECONNECTING


def test_a_gateway_without_servers_may_owe_an_answer_for_a_while():
    session = after(E.UPSTREAM_LOST, session=ready(upstream_patience=120, probe_failures_before_reconnect=1))

    early = session.on(E.PROBE_FAILED, 119.0)
    late = early.on(E.PROBE_FAILED, 120.0)

    assert early.state is S.UPSTREAM_LOST
    assert late.state is S.RECONNECTING


def test_a_probe_of_the_old_link_says_nothing_about_the_new_one():
    session = ready(probe_failures_before_reconnect=1)

    renewed = after(E.LINK_LOST, E.HANDSHAKE_DONE, E.SYNCED, session=session)

    assert renewed.on(E.PROBE_FAILED, 9.0, generation=session.generation) == renewed


def test_what_cannot_be_is_refused_and_not_guessed():
    with pytest.raises(ImpossibleEvent, match=r"SYNCED.*IDLE"):
        Session().on(E.SYNCED, 0.0)


def test_connecting_anew_starts_with_a_clean_slate_and_a_new_generation():
    stopped = after((E.FARM_BROKEN, USFARM), E.LINK_LOST, E.DISCONNECT_ASKED, session=ready())

    session = stopped.on(E.CONNECT_ASKED, 99.0)

    assert (session.failures, session.cause, session.farms, session.since) == (0, "", (), 99.0)
    assert session.generation > stopped.generation


# Reset windows.


def test_a_session_lost_in_a_window_is_in_maintenance_and_its_failures_do_not_count():
    session = after(E.LINK_LOST, session=ready().observe_window(NIGHT, 0.0)).observe_window(NIGHT, 1.0)

    session = after(E.ATTEMPT_FAILED, E.ATTEMPT_FAILED, session=session)

    assert (session.state, session.window, session.failures) == (S.MAINTENANCE, NIGHT.name, 1)


def test_the_end_of_a_window_begins_the_waits_anew():
    session = after(E.CONNECT_ASKED, *[E.ATTEMPT_FAILED] * 8).observe_window(NIGHT, 1.0)

    session = session.observe_window(None, 900.0)

    assert (session.state, session.window, session.failures) == (S.RECONNECTING, "", 1)
    assert session.window_left_at == 900.0


def test_a_window_changes_nothing_for_a_session_that_works():
    session = ready()

    during = session.observe_window(NIGHT, 1.0)

    assert (during.state, during.since, during.generation) == (S.READY, session.since, session.generation)
    assert during.observe_window(NIGHT, 2.0) is during
    assert session.observe_window(None, 2.0) is session


@pytest.mark.parametrize("session", [Session(), after(E.DISCONNECT_ASKED)])
def test_who_wants_no_session_does_not_look_at_the_calendar(session):
    assert session.observe_window(NIGHT, 1.0) is session
    assert session.on(E.WINDOW_ENTERED, 1.0) is session


def test_a_window_without_a_name_can_be_left_too():
    session = after(E.CONNECT_ASKED, E.ATTEMPT_FAILED, E.WINDOW_ENTERED)

    assert session.observe_window(None, 5.0).state is S.RECONNECTING


# Notices.


@pytest.mark.parametrize(
    ("code", "text", "event", "farm"),
    [
        (1100, "Connectivity lost", E.UPSTREAM_LOST, None),
        (2110, "Connectivity is broken", E.UPSTREAM_LOST, None),
        (1101, "restored - data lost", E.RESTORED_DATA_LOST, None),
        (1102, "restored - data maintained", E.RESTORED_DATA_KEPT, None),
        (1300, "port reset", E.PORT_RESET, None),
        (2103, "is broken:usfarm", E.FARM_BROKEN, USFARM),
        (2104, "is OK:usfarm", E.FARM_WELL, USFARM),
        (2105, "is broken:ushmds", E.FARM_BROKEN, USHMDS),
        (2106, "is OK:ushmds", E.FARM_WELL, USHMDS),
        (2107, "is inactive:ushmds", E.FARM_WELL, USHMDS),
        (2108, "is inactive:usfarm", E.FARM_WELL, USFARM),
        (2157, "is broken:secdefil", E.FARM_BROKEN, DataFarm(Farm.DEFINITIONS, "secdefil")),
        (2158, "is OK:", E.FARM_WELL, DataFarm(Farm.DEFINITIONS, "unnamed")),
    ],
)
def test_a_notice_is_heard_for_what_it_means(code, text, event, farm):
    assert heard(ERROR_TABLE.find(code, text, About.SYSTEM), text) == (event, farm)


@pytest.mark.parametrize("code", [2119, 2150, 2100])
def test_other_notices_mean_nothing_for_the_session(code):
    assert heard(ERROR_TABLE.find(code, "", About.SYSTEM), "") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"id_in_use_wait": 0},
        {"id_in_use_spread": -1},
        {"window_pause": 0.5},
        {"upstream_patience": float("nan")},
        {"probe_failures_before_reconnect": 0},
        {"probe_failures_before_reconnect": True},
        {"give_up_after": float("inf")},
        {"sync_deadline": float("inf")},
    ],
)
def test_a_policy_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        SessionPolicy(**wrong)


def test_a_policy_tries_for_ever_unless_told_otherwise():
    policy = SessionPolicy()

    assert policy.reconnect.attempts is None
    assert policy.give_up_after is None
    assert Backoff(attempts=None).wait(10**9) == Backoff().cap
