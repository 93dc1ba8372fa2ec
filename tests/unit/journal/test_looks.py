"""A look is one row in the file, and three records to whoever reads."""

import io
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import JournalError, UnwritableRecord
from ibkeel.journal import CycleDone, Decision, Failure, Journal, Look, QuoteSeen
from ibkeel.model import (
    Direction,
    ExitPolicy,
    Greeks,
    Index,
    OptionWish,
    Quote,
    Reason,
    Signal,
    Stock,
)

AT = datetime(2024, 3, 4, 15, 0, 0, 250, tzinfo=UTC)
SIGNAL = Signal(direction=Direction.NONE, reasons=(Reason("rsi14", 55.5, "45 <= rsi <= 70"),))
LOOK = Look(
    at=AT,
    symbol="SPY",
    cycle=7,
    outcome="no_signal",
    seconds=0.25,
    quote=Quote(contract=Stock("SPY"), at=AT - timedelta(seconds=3), bid=1.0, ask=1.1),
    quoted_at=AT - timedelta(microseconds=250),
    signal=SIGNAL,
    decided_at=AT - timedelta(microseconds=1),
)

instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
numbers = st.floats(0.01, 1e9) | st.none() | st.integers(1, 10**9)
fractions = st.floats(0.01, 0.99) | st.none()
texts = st.text(st.characters(codec="utf-8"), max_size=20)
contracts = st.sampled_from(
    [Stock("SPY"), Stock("SPY", con_id=756733), Stock("SAN", currency="EUR"), Stock("QQQ"), Index("SPY")]
)
looks = st.builds(
    Look,
    at=instants,
    symbol=st.sampled_from(["SPY", "BRK B"]),
    cycle=st.integers(1, 10**6),
    outcome=st.sampled_from(["no_signal", "refused"]),
    seconds=st.floats(0, 1e4),
    quote=st.builds(
        Quote,
        contract=contracts,
        at=instants,
        bid=numbers,
        ask=numbers,
        last=numbers,
        volume=numbers,
        greeks=st.none() | st.builds(Greeks, iv=fractions, delta=fractions),
    ),
    quoted_at=instants,
    signal=st.builds(
        Signal,
        direction=st.sampled_from(Direction),
        confidence=st.floats(0, 1),
        reasons=st.lists(st.builds(Reason, texts, st.floats(-1e9, 1e9), texts), max_size=3).map(tuple),
        wish=st.builds(OptionWish, min_dte=st.none() | st.integers(0, 9)),
        exits=st.builds(ExitPolicy, stop_fraction=fractions),
    ),
    decided_at=instants,
    reasons=st.lists(texts, max_size=2).map(tuple),
)


def failure(message):
    return Failure(at=AT, kind="NoData", message=message)


@given(st.lists(looks, min_size=1, max_size=3))
def test_what_is_read_is_what_was_written_and_exports_do_not_tell_it_from_records(written):
    whole, one_by_one = io.StringIO(), io.StringIO()
    with Journal.in_memory() as ours, Journal.in_memory() as plain:
        ours.record_all(written)
        plain.record_all([record for look in written for record in look.records])

        entries = list(ours.events())
        ours.export_jsonl(whole)
        plain.export_jsonl(one_by_one)

        assert entries == list(plain.events())
        assert [entry.seq for entry in entries] == list(range(1, 3 * len(written) + 1))
        assert whole.getvalue() == one_by_one.getvalue()


def test_its_records_are_numbered_in_the_order_of_writing(journal):
    numbers = journal.record_all([failure("a"), LOOK, failure("b"), LOOK])

    assert numbers == (1, 4, 5, 8)
    assert journal.record(failure("c")) == 9
    assert [entry.seq for entry in journal.events()] == list(range(1, 10))
    assert [entry.seq for entry in journal.events(Decision)] == [3, 7]
    assert [entry.seq for entry in journal.events(after=2)] == list(range(3, 10))
    assert [entry.seq for entry in journal.events(CycleDone, after=4)] == [8]


def test_each_of_its_records_is_counted_and_found_as_the_last_of_its_kind(journal):
    journal.record_all([failure("a"), LOOK, attrs.evolve(LOOK, symbol="QQQ"), failure("b")])

    last = journal.last(Decision, symbol="SPY")
    assert last is not None
    assert (last.seq, last.record) == (3, LOOK.records[1])
    assert [journal.count(kind) for kind in (QuoteSeen, Decision, CycleDone, Failure, None)] == [
        2,
        2,
        2,
        2,
        8,
    ]
    assert journal.last(QuoteSeen, symbol="IWM") is None
    journal.check_integrity()


def test_it_is_found_by_ticker_and_by_the_instant_at_which_it_ended(journal):
    journal.record_all([LOOK, attrs.evolve(LOOK, symbol="QQQ", at=AT + timedelta(hours=1))])

    assert [entry.seq for entry in journal.events(symbol="QQQ")] == [4, 5, 6]
    assert [entry.seq for entry in journal.events(since=AT + timedelta(minutes=1))] == [4, 5, 6]
    assert [entry.seq for entry in journal.events(until=AT + timedelta(minutes=1))] == [1, 2, 3]


def test_an_instant_of_another_time_zone_is_the_same_instant(journal):
    local = AT.astimezone(timezone(timedelta(hours=-5)))

    journal.record(attrs.evolve(LOOK, at=local, quoted_at=local))

    assert [entry.record.at for entry in journal.events()] == [AT, LOOK.decided_at, AT]


def test_a_number_that_is_not_finite_is_refused_with_everything_beside_it(journal):
    broken = attrs.evolve(LOOK, seconds=float("nan"))

    with pytest.raises(
        UnwritableRecord, match=r"this Look cannot be written as data: .*Out of range float"
    ) as refused:
        journal.record_all([failure("a"), broken])

    assert refused.value.record is broken
    assert journal.count() == 0


STORED = (
    '[7,"no_signal",0.25,[],250,1,null,3000000,"live",1.0,1.1,null,null,null,null,null,null,null,null,'
    '"none",0.0,[["rsi14",55.5,"45 <= rsi <= 70"]],null,null]'
)


def test_its_form_in_the_file_is_the_one_of_version_2(journal):
    journal.record(LOOK)

    with closing(sqlite3.connect(journal.path)) as file:
        rows = file.execute("SELECT * FROM events").fetchall()
    assert rows == [(3, "2024-03-04T15:00:00.000250+00:00", "look", "SPY", "", STORED)]


@pytest.mark.parametrize("text", ["[]", "{}", "7", json.dumps(json.loads(STORED)[:-1]), "[["])
def test_a_damaged_look_is_named(journal, text):
    journal.record(LOOK)
    with closing(sqlite3.connect(journal.path)) as file:
        file.execute("UPDATE events SET data = ?", (text,))
        file.commit()

    with pytest.raises(JournalError, match=r"record 3 of .* is damaged|cannot be read"):
        list(journal.events())
