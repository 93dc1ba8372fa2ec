from datetime import UTC, datetime

import pytest

from ibkeel.errors import JournalError
from ibkeel.journal import Journal, RunEnded

RECORD = RunEnded(at=datetime(2024, 3, 4, tzinfo=UTC), run="r1", outcome="finished")


def test_a_journal_in_memory_keeps_records_until_it_is_closed():
    with Journal.in_memory() as journal:
        number = journal.record(RECORD)
        kept = [entry.record for entry in journal.events()]

    assert (number, kept) == (1, [RECORD])
    with pytest.raises(JournalError, match=":memory:"):
        journal.count()


def test_two_journals_in_memory_know_nothing_of_each_other():
    with Journal.in_memory() as one, Journal.in_memory() as two:
        one.record(RECORD)

        assert (one.count(), two.count()) == (1, 0)
