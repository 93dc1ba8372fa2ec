"""Framing: bytes to messages and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import WireError
from ibkeel.sim.wire import MAX_WRITE, FrameReader, Hello, encode, frame, parse_hello, writes

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
message = st.lists(text, min_size=1, max_size=6).map(tuple)
FILLER = encode(("8", "1", "09:30"))


@given(st.lists(message, max_size=6), st.data())
def test_messages_survive_any_chunking(messages, data):
    stream, reader, got = b"".join(map(encode, messages)), FrameReader(), []

    while stream:
        n = data.draw(st.integers(1, len(stream)))
        got, stream = got + reader.receive(stream[:n]), stream[n:]

    assert got == messages
    assert reader.pending == 0


@given(st.binary(max_size=200))
def test_bytes_that_are_no_protocol_yield_messages_or_a_wire_error(data):
    whole, pieces = FrameReader(limit=64), FrameReader(limit=64)

    try:
        expected = whole.receive(data)
    except WireError:
        with pytest.raises(WireError):
            list(map(pieces.receive, (bytes([byte]) for byte in data)))
    else:
        assert [m for byte in data for m in pieces.receive(bytes([byte]))] == expected


@given(st.lists(st.integers(1, 9000), max_size=60))
def test_writes_keep_every_frame_and_are_never_a_multiple_of_4096(sizes):
    frames = [b"x" * size for size in sizes]

    made = list(writes(frames, lambda: FILLER))

    assert all(len(each) % 4096 and len(each) <= MAX_WRITE for each in made)
    assert sum(each.count(b"x") for each in made) == sum(sizes)


def test_a_burst_of_exactly_4096_bytes_gets_a_harmless_frame_after_it():
    made = list(writes([b"x" * 4096], lambda: FILLER))

    assert made == [b"x" * 4096 + FILLER]


def test_a_message_too_large_for_a_client_is_refused():
    with pytest.raises(WireError, match="the most is"):
        frame(b"x" * 0x1000000)


def test_a_length_above_the_limit_ends_the_stream():
    with pytest.raises(WireError, match="4294967295 bytes"):
        FrameReader().receive(b"\xff\xff\xff\xff")


@pytest.mark.parametrize("fields", [(), ("1", "a\0b")])
def test_fields_that_cannot_be_framed_are_refused(fields):
    with pytest.raises(WireError):
        encode(fields)


def test_a_recorded_request_is_framed_as_recorded():
    assert encode(("49", "1")) == b"\0\0\0\x0549\x001\0"


@pytest.mark.parametrize(
    ("payload", "hello"),
    [
        (b"v157..176", Hello(minimum=157, maximum=176)),
        (b"v157..178 +PACEAPI", Hello(minimum=157, maximum=178, options="+PACEAPI")),
        (b"v163", Hello(minimum=163, maximum=163)),
    ],
)
def test_a_client_names_its_versions(payload, hello):
    assert parse_hello(payload) == hello


def test_a_greeting_without_versions_is_refused():
    with pytest.raises(WireError, match="does not name versions"):
        parse_hello(b"GET / HTTP/1.1")


@pytest.mark.parametrize("payload", [b"v" + b"9" * 5000, b"v157.." + b"9" * 5000])
def test_a_greeting_whose_version_has_no_end_is_refused(payload):
    with pytest.raises(WireError, match="does not name versions"):
        parse_hello(payload)
