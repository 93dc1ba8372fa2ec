"""What is read from a message, field by field; `test_wire_table.py` reads what the libraries write."""

import pytest

from ibkeel.ibkr.wire_table import MESSAGES, Message, _cancel, read
from ibkeel.resilience import Lane, Request

CONTRACT = ("0", "SPY", "STK", "", "0.0", "", "", "SMART", "ARCA", "USD", "", "")


def text(*fields):
    return "".join(f"{field}\0" for field in fields)


def bars(*, size="5 secs"):
    return text("20", "7", *CONTRACT, "0", "", size, "3600 S", "1", "TRADES", "2", "0", "")


def test_a_message_in_which_nothing_matters_amounts_to_its_kind_and_urgency():
    message = Message(name="a", kind="order", lane=Lane.OPENING)

    assert message.plain == Request(kind="order", lane=Lane.OPENING)


def test_a_cancel_goes_in_turn_with_the_quotes_and_names_what_it_ends():
    # Built anew: the table was made when the module was imported.
    assert _cancel("a", "b") == Message(name="a", lane=Lane.QUOTES, id_at=2, cancels="b")
    assert _cancel("a", "b", lane=Lane.CLOSING).lane is Lane.CLOSING
    assert _cancel("cancelMktData", "reqMktData") == MESSAGES["2"]


def test_a_message_about_no_contract_is_counted_as_its_kind_alone():
    assert read(text("4", "1", "7")).request == Request(kind="message", lane=Lane.CLOSING)


def test_bars_wait_like_bars():
    assert read(bars()).request.lane is Lane.HISTORY


@pytest.mark.parametrize(
    ("message", "goes_on"),
    [(text("1", "11", "7", *CONTRACT), False), (text("87", "7", *CONTRACT, "0", "1", "TRADES", "2"), True)],
    ids=["market data", "head timestamp"],
)
def test_what_is_not_ended_by_its_answer_goes_on(message, goes_on):
    assert read(message).goes_on is goes_on


@pytest.mark.parametrize("number", ["1", "10"])
def test_what_no_limit_compares_has_no_identity(number):
    assert read(text(number, "11", "7", *CONTRACT)).request.identity == ""


def test_a_contract_of_a_short_message_is_named_with_its_exchange():
    message = text("97", "7", *CONTRACT, "Last", "0", "0")

    assert read(message).request.subject == "SPY STK on SMART"


@pytest.mark.parametrize("strike", ["0", "0.0", ""])
def test_a_strike_of_nothing_is_not_named(strike):
    contract = [*CONTRACT[:4], strike, *CONTRACT[5:]]

    assert read(text("97", "7", *contract, "Last", "0", "0")).request.subject == "SPY STK on SMART"


@pytest.mark.parametrize(
    ("fields", "subject"),
    [((), " on "), (("",), " on "), (CONTRACT[:7], "SPY STK on "), (CONTRACT[:8], "SPY STK on SMART")],
)
def test_a_message_that_was_cut_off_is_read_as_far_as_it_goes(fields, subject):
    request = read("\0".join(("20", "7", *fields))).request

    assert (request.subject, request.feed, request.is_bulky) == (subject, "", False)


def test_a_message_that_ends_before_a_field_has_nothing_in_it():
    # The size of the bars would be the next field.
    assert not read("\0".join(("20", "7", *CONTRACT, "0", ""))).request.is_bulky
