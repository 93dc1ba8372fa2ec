"""The scribe writes whatever was said, and tells when it cannot."""

import errno
from datetime import UTC, datetime

import pytest

from ibkeel.sim.transcripts import Form, Header, Scribe, Transcript, TranscriptFile
from ibkeel.sim.wire import GREETING, encode, frame

BEGAN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HELLO = GREETING + frame(b"v157..176")
ENDLESS = "9" * 5000


class FullDisk(TranscriptFile):
    """Has room for one entry."""

    def write(self, entry):
        if self.entries:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(entry)


class FullAtTheEnd(TranscriptFile):
    """Cannot write what it still had in memory."""

    def close(self):
        super().close()
        raise OSError(errno.ENOSPC, "No space left on device")


class WithoutMessages(TranscriptFile):
    """Cannot name the fields of any message."""

    def write(self, entry):
        if entry.form is Form.MESSAGE:
            raise ValueError("no such field")
        super().write(entry)


@pytest.fixture
def written(tmp_path):
    """What comes of a conversation: the transcript, the scribe, and what was told."""

    def run(*said, kind=TranscriptFile):
        told, path = [], tmp_path / "t.jsonl"
        scribe = Scribe(kind(path, Header(began_at=BEGAN)), BEGAN, warn=told.append)
        scribe.opened(1, BEGAN)
        for sender, data in said:
            scribe.heard(1, sender, data, BEGAN)
        scribe.stop(BEGAN)
        return Transcript.load(path), scribe, told

    return run


@pytest.mark.parametrize(
    "said",
    [
        ("client", encode(("71", "2", ENDLESS, ""))),
        ("client", encode(("71", "2", "--7", ""))),
        ("client", encode((ENDLESS, "1"))),
        ("gateway", encode((ENDLESS, "20260105 09:30:00"))),
    ],
)
def test_a_number_without_end_is_written_down_and_what_follows_too(written, said):
    transcript, scribe, told = written(("client", HELLO), said, ("client", encode(("49", "1"))))

    assert (scribe.failure, told) == (None, [])
    assert b"".join(entry.wire for entry in transcript.entries if entry.sender == "client").startswith(HELLO)
    assert transcript.entries[-2].name == "current_time"


def test_a_recording_that_ends_is_told_of_once_with_the_reason(written):
    transcript, scribe, told = written(("client", HELLO), ("client", encode(("49", "1"))), kind=FullDisk)

    assert len(transcript.entries) == 1
    assert "is incomplete: No space left on device" in scribe.failure
    [line] = told
    assert line.startswith(scribe.failure)


def test_a_message_whose_fields_cannot_be_named_is_kept_as_bytes(written):
    message = encode(("49", "1"))

    transcript, scribe, _ = written(("client", HELLO), ("client", message), kind=WithoutMessages)

    assert scribe.failure is None
    assert [entry.payload for entry in transcript.entries if entry.form is Form.BYTES] == [message]


def test_a_file_that_cannot_be_closed_is_told_to_be_incomplete(written):
    _, scribe, told = written(("client", HELLO), kind=FullAtTheEnd)

    assert "is incomplete: No space left on device" in scribe.failure
    assert len(told) == 1
