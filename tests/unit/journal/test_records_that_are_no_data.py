"""What cannot be written as data is refused by itself; what was stored and is no record is named, or passed over."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import JournalError, UnreadableRecord, UnwritableRecord
from ibkeel.journal import (
    CommissionSeen,
    Decision,
    Failure,
    FillSeen,
    Intent,
    Look,
    OrderUpdate,
    SparingReader,
    fills_of,
    highest_order_id,
)
from ibkeel.model import Direction, Quote, Signal, Stock

AT = datetime(2024, 3, 4, 15, tzinfo=UTC)


def failure(message="fine", **more):
    return Failure(at=AT, kind="NoData", message=message, **more)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (failure("half \ud83d of a pair"), "this Failure cannot be written as data: UnicodeEncodeError"),
        (failure(symbol="\udc80"), "UnicodeEncodeError"),
        (failure(symbol=None), "AttributeError"),
        (failure({1, 2}), "TypeError: .*set is not JSON serializable"),
        (failure(float("inf")), "ValueError: Out of range float"),
        (failure({object(): 1}), "TypeError"),
        (Decision(at=AT, symbol="SPY", signal="UP", outcome="x"), "this Decision cannot be written"),
        ("no record at all", "this str cannot be written as data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_record_that_is_no_data_is_refused_by_name_and_nothing_is_written(journal, broken, words):
    with pytest.raises(UnwritableRecord, match=words) as refused:
        journal.record_all([failure(), broken, failure()])

    assert refused.value.record is broken
    assert str(refused.value).encode()
    assert journal.count() == 0


def change(journal, seq, data):
    """Store something else under a number, as a damaged disk does."""
    with closing(sqlite3.connect(journal.path)) as file:
        file.execute("UPDATE events SET data = ? WHERE seq = ?", (data, seq))
        file.commit()


@pytest.mark.parametrize("data", ["{}", "[]", "7", "null", '"text"', "[[", '{"at": 1e999}'])
def test_what_is_no_record_is_named_by_its_number_and_passed_over_by_who_must_go_on(journal, data):
    journal.record_all([failure("a"), failure("b"), failure("c")])
    change(journal, 2, data)

    with pytest.raises(UnreadableRecord, match=r"record 2 of .*journal\.sqlite is damaged") as named:
        list(journal.events())
    reader = SparingReader(journal)
    found = [(entry.seq, entry.record.message) for entry in reader.events()]

    assert named.value.seq == 2
    assert found == [(1, "a"), (3, "c")]
    assert list(reader.skipped) == [2]
    with pytest.raises(JournalError):
        journal.check_integrity()


def test_the_last_of_a_kind_that_is_no_record_is_named(journal):
    journal.record_all([failure("a"), failure("b")])
    change(journal, 2, "{}")

    with pytest.raises(UnreadableRecord, match="record 2 of"):
        journal.last(Failure)


def test_a_look_that_is_no_data_is_passed_over_whole(journal):
    quote = Quote(contract=Stock("SPY"), at=AT, bid=1.0, ask=1.1)
    look = Look(
        at=AT, symbol="SPY", cycle=1, outcome="no_signal", seconds=0.0, quote=quote, quoted_at=AT,
        signal=Signal(direction=Direction.NONE), decided_at=AT,
    )  # fmt: skip
    journal.record_all([failure("a"), look, look, failure("b")])
    change(journal, 4, "[]")

    assert [entry.seq for entry in SparingReader(journal).events()] == [1, 5, 6, 7, 8]


def test_what_is_wanted_of_it_is_narrowed_as_ever(journal):
    later = AT + timedelta(hours=1)
    journal.record_all([failure("a"), failure("b"), attrs.evolve(failure("c"), at=later)])
    change(journal, 1, "{}")
    reader = SparingReader(journal)

    assert [entry.seq for entry in reader.events(Failure, after=2)] == [3]
    assert [entry.seq for entry in reader.events(Failure, until=later)] == [2]
    assert [entry.seq for entry in reader.events(Failure, since=later)] == [3]
    assert list(reader.events(Intent)) == []


def test_a_file_that_cannot_be_read_is_passed_over_by_nobody(journal):
    journal.close()

    with pytest.raises(JournalError, match="cannot be read"):
        list(SparingReader(journal).events())


def test_order_ids_are_counted_past_what_is_no_record(journal, records):
    update, fill = (next(row for row in records if isinstance(row, kind)) for kind in (OrderUpdate, FillSeen))
    journal.record_all([update, update, fill, fill])
    for seq in (1, 3):
        change(journal, seq, "{}")

    assert highest_order_id(journal, 7) == 5


def test_order_ids_are_those_of_the_client_and_of_every_fill(journal, records):
    update = next(row for row in records if isinstance(row, OrderUpdate))
    others = attrs.evolve(update, report=attrs.evolve(update.report, client_id=8, order_id=90))
    mine = attrs.evolve(update, report=attrs.evolve(update.report, client_id=7, order_id=30))
    journal.record_all([mine, others])

    assert highest_order_id(journal, 7) == 30
    assert highest_order_id(journal, 9) == 0


def test_a_fill_whose_cost_came_with_it_or_later_is_told_from_one_without(journal, records):
    fill = next(row for row in records if isinstance(row, FillSeen))
    names = ("early", "free", "told", "untold")
    fills = {
        name: attrs.evolve(
            fill,
            execution=attrs.evolve(fill.execution, exec_id=name, commission=1.0 if name == "told" else None),
        )
        for name in names
    }
    later = attrs.evolve(
        next(row for row in records if isinstance(row, CommissionSeen)),
        exec_id="free",
        at=fill.at + timedelta(hours=1),
    )
    early = attrs.evolve(fills["early"], at=fill.at - timedelta(days=1))
    journal.record_all([early, fills["free"], fills["told"], fills["untold"], later])

    assert fills_of(SparingReader(journal), fill.at) == {"free": True, "told": True, "untold": False}


@pytest.mark.parametrize(("days", "are_left_out"), [(0, False), (1, True)])
def test_orders_in_options_that_expired_can_be_left_out(journal, records, days, are_left_out):
    journal.record_all(records)
    update = next(row for row in records if isinstance(row, OrderUpdate))
    [*gone] = [row for row in records if isinstance(row, OrderUpdate | Intent)]
    day = update.report.contract.expiry + timedelta(days=days)
    shares = attrs.evolve(update, report=attrs.evolve(update.report, contract=Stock("SPY")))
    journal.record(shares)

    left = [entry.record for entry in journal.events(alive_on=day)]

    assert [row for row in left if row in gone] == ([] if are_left_out else gone)
    assert [row for row in left if row not in gone] == [row for row in records if row not in gone] + [shares]
    assert len(gone) == 3


@pytest.mark.parametrize("data", ["{}", "[]", "7", "null", '"text"', "[[", '{"report": 1}'])
def test_what_is_no_record_is_told_of_though_expired_options_are_left_out(journal, records, data):
    update = next(row for row in records if isinstance(row, OrderUpdate))
    journal.record_all([update, update])
    change(journal, 1, data)
    reader = SparingReader(journal)

    assert list(reader.events(OrderUpdate, alive_on=date(2030, 1, 1))) == []
    assert list(reader.skipped) == [1]
    assert highest_order_id(journal, 7) == 5
