from ibkeel.ibkr.sent_ledger import Sent, SentLedger
from ibkeel.ibkr.wire_table import MESSAGES, Reading
from ibkeel.resilience import Request

BY_NAME = {message.name: message for message in MESSAGES.values()}


def sent(name, key, *, goes_on=False, subject="SPY on SMART", asked_at=0.0):
    message = BY_NAME[name]
    request = Request(kind=message.kind, lane=message.lane, subject=subject)
    return Sent(
        reading=Reading(message=message, request=request, key=key, goes_on=goes_on),
        scope=None,
        asked_at=asked_at,
    )


def test_only_what_counts_until_it_ends_is_open():
    ledger = SentLedger()
    for name, key in (
        ("reqMktData", 1),
        ("reqContractDetails", 2),
        ("reqHistoricalData", 3),
        ("reqPositions", None),
    ):
        ledger.enter(sent(name, key))

    assert {key: one.name for key, one in ledger.open.items()} == {1: "reqMktData", 3: "reqHistoricalData"}
    assert ledger.lines == {1: "SPY on SMART"}
    assert str(ledger.get(2)) == "reqContractDetails 2 of SPY on SMART"


def test_what_ended_is_known_until_its_id_is_used_again():
    ledger = SentLedger()
    first = sent("reqMktData", 1)
    ledger.enter(first)

    ended, again = ledger.end(1, "reqMktData"), ledger.end(1, "reqMktData")
    was_known = ledger.has_ended(1, "reqMktData")
    ledger.enter(sent("reqMktData", 1))

    assert (ended, again) == (first, None)
    assert (was_known, ledger.has_ended(1, "reqMktData")) == (True, False)
    assert ledger.ended_lines() == []


def test_a_request_is_only_found_under_its_own_name():
    ledger = SentLedger()
    ledger.enter(sent("placeOrder", 5, subject=""))

    assert ledger.get(5, "reqMktData") is None
    assert ledger.end(5, "reqMktData") is None
    assert str(ledger.get(5)) == "placeOrder 5"


def test_memory_has_a_limit_and_what_is_open_is_never_forgotten():
    ledger = SentLedger()
    ledger.enter(sent("reqMktData", 0))
    for key in range(1, 10_000):
        ledger.enter(sent("reqContractDetails", key, asked_at=float(key)))
    for key in range(10_000, 20_000):
        ledger.enter(sent("reqMktData", key))
        ledger.end(key)

    assert ledger.get(1) is None
    assert ledger.lines == {0: "SPY on SMART"}
    assert len(ledger.ended_lines()) == 4096


def test_what_may_still_be_answered_is_remembered_however_much_it_is():
    ledger = SentLedger()
    for key in range(5000):
        ledger.enter(sent("reqContractDetails", key))
    for key in range(5000, 10_000):
        ledger.enter(sent("reqHistoricalData", key, asked_at=900.0))

    assert len(ledger.open) == 5000
    assert len(ledger.unanswered()) < 10_000


def test_history_that_goes_on_does_not_end_with_its_answer():
    once, kept = sent("reqHistoricalData", 1), sent("reqHistoricalData", 2, goes_on=True)

    assert (once.is_one_answer, kept.is_one_answer) == (True, False)


def test_a_new_session_begins_with_nothing():
    ledger = SentLedger()
    ledger.enter(sent("reqMktData", 1))
    ledger.end(1)

    ledger.forget()

    assert (ledger.open, ledger.ended_lines()) == ({}, [])
