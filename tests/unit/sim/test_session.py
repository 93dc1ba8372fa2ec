"""One client's side of the protocol, without IO."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.session import (
    Malformed,
    Negotiated,
    Refused,
    Request,
    Session,
    Started,
    State,
    Unknown,
    negotiate,
)
from ibkeel.sim.wire import GREETING, Hello, encode, frame


def greeting(versions):
    return GREETING + frame(versions.encode())


def started(version=176):
    session = Session()
    session.receive(greeting(f"v157..{version}") + encode(("71", "2", "5", "")))
    return session


@given(st.integers(0, 300), st.integers(0, 300), st.integers(157, 200))
def test_the_chosen_version_suits_both_sides(minimum, maximum, highest):
    version = negotiate(Hello(minimum=minimum, maximum=maximum), highest)

    assert version != 158
    assert version is None or (157 <= version <= min(maximum, highest) and version >= minimum)


@pytest.mark.parametrize(("maximum", "version"), [(157, 157), (158, 157), (176, 176), (178, 178), (226, 200)])
def test_known_clients_get_their_version(maximum, version):
    assert negotiate(Hello(minimum=100, maximum=maximum)) == version


def test_a_client_that_is_too_old_is_refused_with_a_reason():
    session = Session()

    [event] = session.receive(greeting("v100..145"))

    assert isinstance(event, Refused)
    assert "100 to 145" in event.reason
    assert event.reply
    assert session.state is State.CLOSED


def test_a_session_that_has_begun_begins_no_more():
    session = started()

    [event] = session.receive(encode(("71", "2", "6", "")))

    assert isinstance(event, Malformed)
    assert session.client_id == 5


def test_a_client_that_speaks_only_newer_versions_is_refused():
    [event] = Session().receive(greeting("v213..226"))

    assert isinstance(event, Refused)


def test_a_browser_is_refused():
    session = Session()

    [event] = session.receive(b"GET / HTTP/1.1\r\n")

    assert isinstance(event, Refused)
    assert session.receive(b"more") == []


@given(st.data())
def test_a_session_is_the_same_in_any_chunking(data):
    stream = greeting("v157..176") + encode(("71", "2", "5", "")) + encode(("49", "1"))
    session, events = Session(), []

    while stream:
        n = data.draw(st.integers(1, len(stream)))
        events, stream = events + session.receive(stream[:n]), stream[n:]

    hello = Hello(minimum=157, maximum=176)
    assert events == [
        Negotiated(hello=hello, version=176),
        Started(client_id=5),
        Request(name="current_time", values={}),
    ]


def test_an_unknown_message_is_named_and_the_session_goes_on():
    session = started()

    events = session.receive(encode(("4711", "1")) + encode(("49", "1")))

    assert events == [Unknown(number="4711"), Request(name="current_time", values={})]


def test_a_malformed_message_carries_its_request_id():
    [event] = started().receive(encode(("1", "11", "42", "x")))

    assert isinstance(event, Malformed)
    assert (event.name, event.request_id) == ("market_data", 42)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (("9" * 5000, "1"), Unknown),
        (("1", "11", "9" * 5000, "x"), Malformed),
        (("1", "11", "9" * 11, "x"), Malformed),
    ],
)
def test_a_number_without_end_is_none(message, kind):
    [told] = started().receive(encode(message))

    assert isinstance(told, kind)
    assert getattr(told, "request_id", -1) == -1


@given(st.binary(max_size=300))
def test_any_bytes_after_the_start_yield_events_only(data):
    session = started()

    assert isinstance(session.receive(frame(data)), list)


def test_the_handshake_reply_has_exactly_two_fields():
    session = Session()
    session.receive(greeting("v157..176"))

    assert session.handshake("20260105 09:30:00 US/Eastern") == encode(
        ("176", "20260105 09:30:00 US/Eastern")
    )
