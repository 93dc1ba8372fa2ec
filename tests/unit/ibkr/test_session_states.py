from itertools import product

import pytest

from ibkeel.ibkr.states import (
    IGNORED,
    TRANSITIONS,
    ImpossibleEvent,
    SessionEvent,
    SessionState,
    next_state,
)

LINKED = {SessionState.SYNCING, SessionState.READY, SessionState.DEGRADED, SessionState.UPSTREAM_LOST}
UNLINKED = set(SessionState) - LINKED


def test_no_event_is_both_heeded_and_ignored():
    assert [pair for pair in TRANSITIONS if pair[0] in IGNORED.get(pair[1], ())] == []


@pytest.mark.parametrize(("state", "event"), tuple(product(SessionState, SessionEvent)))
def test_an_event_is_heeded_or_ignored_or_refused_with_both_names(state, event):
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    elif state in IGNORED.get(event, ()):
        assert next_state(state, event) is None
    else:
        with pytest.raises(ImpossibleEvent, match=f"{event.name}.*{state.name}") as refusal:
            next_state(state, event)
        assert (refusal.value.state, refusal.value.event) == (state, event)


def test_every_state_can_be_reached_from_the_first():
    reached = {SessionState.IDLE}
    for _ in SessionState:
        reached |= {following for (state, _), following in TRANSITIONS.items() if state in reached}

    assert reached == set(SessionState)


@pytest.mark.parametrize("state", SessionState)
def test_asking_to_disconnect_stops_it_whatever_it_was(state):
    assert next_state(state, SessionEvent.DISCONNECT_ASKED) is SessionState.STOPPED


@pytest.mark.parametrize("state", [state for state in SessionState if state is not SessionState.STOPPED])
def test_every_state_but_the_last_can_be_left_without_a_person(state):
    asked = {SessionEvent.CONNECT_ASKED, SessionEvent.DISCONNECT_ASKED}
    ways = [e for (s, e), following in TRANSITIONS.items() if s is state and following is not state]

    assert state is SessionState.IDLE or set(ways) - asked


def test_ready_follows_upon_a_sync_or_upon_the_last_farm_alone():
    ways = {
        (state, event)
        for (state, event), following in TRANSITIONS.items()
        if following is SessionState.READY and state is not SessionState.READY
    }

    assert ways == {
        (SessionState.SYNCING, SessionEvent.SYNCED),
        (SessionState.DEGRADED, SessionEvent.ALL_FARMS_WELL),
    }


def test_only_a_handshake_leads_from_no_link_to_a_link():
    ways = {
        event
        for (state, event), following in TRANSITIONS.items()
        if state in UNLINKED and following in LINKED
    }

    assert ways == {SessionEvent.HANDSHAKE_DONE, SessionEvent.HANDSHAKE_DONE_CUT_OFF}


def test_the_loss_of_a_link_never_leaves_one():
    lost = {SessionEvent.LINK_LOST, SessionEvent.PORT_RESET, SessionEvent.PROBES_FAILED}

    assert {f for (_, e), f in TRANSITIONS.items() if e in lost} == {SessionState.RECONNECTING}


def test_only_states_with_a_link_send_the_loss_of_one_anywhere():
    assert {s for s, e in TRANSITIONS if e is SessionEvent.LINK_LOST} == LINKED
