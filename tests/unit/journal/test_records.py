from datetime import UTC, datetime

import attrs
import pytest

from ibkeel.errors import InvalidInput, JournalError
from ibkeel.journal import Decision, Intent, OrderUpdate, Purpose, kind_of
from ibkeel.journal.records import KINDS, from_row, reference_of, symbol_of, to_row
from ibkeel.model import OrderState, OrderTicket, Stock
from ibkeel.orders import StopIntent

NOW = datetime(2024, 3, 4, 17, tzinfo=UTC)


def test_every_record_survives_the_way_to_plain_data_and_back(records):
    for record in records:
        assert from_row(kind_of(record), to_row(record)) == record


def test_why_an_order_was_rejected_is_kept_and_other_rows_are_as_before_that_was_known(records):
    [update] = [record for record in records if isinstance(record, OrderUpdate)]
    report = attrs.evolve(update.report, state=OrderState.REJECTED, code=201)
    rejected = attrs.evolve(update, report=report)

    assert from_row("order_update", to_row(rejected)).report.code == 201
    assert "code" not in to_row(update)["report"]


def test_there_is_a_sample_of_every_kind(records):
    assert {kind_of(record) for record in records} == set(KINDS)


def test_a_kind_may_be_given_as_record_type_or_name(records):
    assert kind_of(Decision) == kind_of("decision") == kind_of(records[2]) == "decision"


@pytest.mark.parametrize("kind", ["decisions", int])
def test_a_kind_that_is_not_kept_is_refused(kind):
    with pytest.raises(JournalError, match="it keeps"):
        kind_of(kind)


def test_records_know_their_symbol_and_their_order(records):
    assert [symbol_of(record) or "-" for record in records] == [
        "-",
        "SPY",
        "SPY",
        "SPY",
        "SPY",
        "SPY",
        "QQQ",
        "SPY",
        "-",
        "SPY",
        "SPY",
        "-",
        "SPY",
        "-",
    ]
    assert [reference_of(record) or "-" for record in records] == [
        "-",
        "-",
        "-",
        "ibk-1",
        "ibk-1",
        "ibk-1",
        "-",
        "ibk-2",
        "-",
        "-",
        "ibk-1",
        "-",
        "ibk-1",
        "-",
    ]


def test_an_intent_says_what_it_is_for(records):
    entry, leave = (record for record in records if isinstance(record, Intent))

    assert (entry.purpose, entry.reason, entry.signal.confidence) == (Purpose.ENTRY, "tightest", 0.5)
    assert (leave.purpose, leave.reason, leave.signal) == (Purpose.EXIT, "end_of_day", None)


def test_a_stop_that_replaces_another_says_why():
    ticket = OrderTicket(
        contract=Stock("SPY"),
        side="SELL",
        quantity=1,
        order_type="STP",
        stop_price=9,
        client_order_id="ibk-3",
    )
    intent = StopIntent(client_order_id="ibk-3", symbol="SPY", at=NOW, ticket=ticket, gap="naked")

    record = Intent.of(intent)

    assert (record.purpose, record.reason, record.order) == (Purpose.PROTECTION, "naked", ticket)


def test_a_stop_has_a_stop_price():
    ticket = OrderTicket(contract=Stock("SPY"), side="SELL", quantity=1, client_order_id="ibk-3")

    with pytest.raises(InvalidInput, match="stop price"):
        StopIntent(client_order_id="ibk-3", symbol="SPY", at=NOW, ticket=ticket, gap="naked")


@pytest.mark.parametrize("data", [{}, {"at": "soon"}, {"at": "2024-03-04T17:00:00+00:00", "colour": "red"}])
def test_data_that_are_no_record_are_refused(data):
    with pytest.raises(JournalError, match="run_ended cannot be read"):
        from_row("run_ended", data)
