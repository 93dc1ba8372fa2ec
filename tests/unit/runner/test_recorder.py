from datetime import UTC, datetime

import pytest

from ibkeel.errors import JournalError
from ibkeel.journal import Failure, Journal
from ibkeel.runner.recorder import Recorder

AT = datetime(2025, 3, 14, 14, 0, tzinfo=UTC)


def failure(message):
    return Failure(at=AT, kind="RequestTimeout", message=message)


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as opened:
        yield opened


def full(*_):
    raise JournalError("disk full")


def messages(journal):
    return [entry.record.message for entry in journal.events(Failure)]


def test_a_record_that_cannot_be_kept_is_written_with_the_next_one_in_order(journal, monkeypatch, caplog):
    recorder = Recorder(journal)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "record_all", full)
        recorder.keep(failure("first"))
    waited = recorder.waiting

    recorder.keep(failure("second"))

    assert (waited, recorder.waiting) == (1, 0)
    assert messages(journal) == ["first", "second"]
    assert "disk full" in caplog.text


async def test_a_record_that_must_be_written_is_refused_and_not_tried_again(journal, monkeypatch):
    recorder = Recorder(journal)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "record_all", full)
        with pytest.raises(JournalError):
            await recorder.record(failure("entry"))

    await recorder.record(failure("later"))

    assert messages(journal) == ["later"]
