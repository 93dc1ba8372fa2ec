"""Transcripts: every byte is kept, readable, whatever was said."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError
from ibkeel.sim.transcripts import Form, Header, Transcriber, Transcript, TranscriptFile
from ibkeel.sim.wire import GREETING, encode, frame

HELLO = GREETING + frame(b"v157..176")
START = encode(("71", "2", "9", ""))
SHAKEN = encode(("176", "20260105 09:30:00 US/Eastern"))
BEGAN = Header(began_at=datetime(2026, 1, 5, 14, 30, tzinfo=UTC))
payloads = st.binary(max_size=40).map(frame)


def heard(sender, stream, cut):
    transcriber, entries = Transcriber(1), []
    while stream:
        size = cut()
        entries += transcriber.heard(sender, stream[:size], 0.0)
        stream = stream[size:]
    return [*entries, *transcriber.closed(0.0)]


@given(st.data(), st.booleans(), st.lists(payloads, max_size=4), st.binary(max_size=12))
def test_what_a_client_said_can_be_said_again_byte_for_byte(data, greets, frames, rest):
    stream = (HELLO if greets else b"") + b"".join(frames) + rest

    entries = heard("client", stream, lambda: data.draw(st.integers(1, 9)))

    assert b"".join(entry.wire for entry in entries[:-1]) == stream
    assert entries[-1].form is Form.CLOSED


@given(st.lists(payloads, max_size=4), st.binary(max_size=12))
def test_a_file_gives_back_every_byte(tmp_path_factory, frames, rest):
    path = tmp_path_factory.mktemp("kept") / "t.jsonl"
    stream = SHAKEN + b"".join(frames) + rest
    made = Transcript(header=BEGAN, entries=tuple(heard("gateway", stream, lambda: 7)))

    made.save(path)

    assert Transcript.load(path) == made
    assert b"".join(entry.wire for entry in made.entries if entry.sender) == stream


def test_a_message_has_names_for_its_fields():
    transcriber = Transcriber(1)
    transcriber.heard("client", HELLO + START, 0.0)
    transcriber.heard("gateway", SHAKEN, 0.0)

    [entry] = transcriber.heard("gateway", encode(("4", "2", "-1", "2104", "farm is OK", "")), 1.5)

    assert (entry.name, entry.version, entry.at) == ("error", 176, 1.5)
    assert entry.fields == {"request_id": "-1", "code": "2104", "text": "farm is OK"}


def test_rows_are_named_one_by_one(transcript):
    answers = [entry for entry in transcript.entries if entry.sender == "gateway"]

    bars = next(entry for entry in answers if entry.name == "historical_data").fields["bars"]

    assert len(bars) == 13
    assert set(bars[0]) == {"date", "open", "high", "low", "close", "volume", "wap", "count"}


def test_a_session_is_read_back_as_it_was_written(transcript, tmp_path):
    path = tmp_path / "session.jsonl"

    with TranscriptFile(path, transcript.header) as file:
        for entry in transcript.entries:
            file.write(entry)

    assert Transcript.load(path) == transcript
    assert path.stat().st_mode & 0o077 == 0
    placed = next(json.loads(line) for line in path.read_text().splitlines() if '"place_order"' in line)
    assert placed["from"] == "client"
    assert placed["fields"]["order_ref"] == "my-ref"


def test_a_line_that_was_cut_short_is_left_out(transcript, tmp_path):
    path = tmp_path / "cut.jsonl"
    transcript.save(path)
    path.write_text(path.read_text()[:-20])

    assert Transcript.load(path).entries == transcript.entries[:-1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no transcript"),
        ("{}\n", "no transcript"),
        ("nonsense\n", "line 1"),
        ('{"ibkeel_transcript": 1, "began_at": "never"}\n', "line 1"),
        ('{"ibkeel_transcript": 1, "began_at": "2026-01-05T14:30:00+00:00"}\n{"t": 1}\n', "line 2"),
        ('{"ibkeel_transcript": 1, "began_at": "2026-01-05T14:30:00+00:00"}\n[]\n', "line 2"),
        ("[" * 100_000 + "\n", "line 1"),
    ],
)
def test_a_file_that_is_no_transcript_is_refused_with_the_line(text, reason, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=reason):
        Transcript.load(path)


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot write"):
        TranscriptFile(tmp_path / "missing" / "t.jsonl", BEGAN)


def test_a_recording_replaces_no_other(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("precious")

    with pytest.raises(ConfigurationError, match="there already"):
        TranscriptFile(path, BEGAN)

    assert path.read_text() == "precious"


def test_a_recording_of_nothing_leaves_no_file(tmp_path):
    path = tmp_path / "t.jsonl"

    TranscriptFile(path, BEGAN).close()

    assert not path.exists()
