import asyncio
import math
import weakref
from contextlib import aclosing, suppress
from datetime import date, timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import NotConnected
from ibkeel.ibkr.client import library
from ibkeel.ibkr.listed_orders import OrderList
from ibkeel.ibkr.order_book import OrderBook
from ibkeel.ibkr.translate import to_ib_contract, to_ib_order
from ibkeel.model import (
    ClientOrderId,
    ConId,
    Option,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    PermId,
    Right,
)
from ibkeel.telemetry import AlarmRaised
from ibkeel.virtual import DEFAULT_START

OURS, OTHERS = 7, 8
ONE = OrderId(1)
CALL = Option("SPY", date(2026, 1, 16), 500, Right.CALL)
TICKET = OrderTicket(contract=CALL, side="BUY", quantity=4, order_type="LMT", limit_price=2)


class Still:
    """A clock that stands still until it is set."""

    at = DEFAULT_START

    def monotonic(self):
        return 0.0

    def now(self):
        return self.at


class Wire:
    """An order book, and the Gateway's messages to it."""

    def __init__(self):
        self.alarms, self.clock = [], Still()
        self.book = OrderBook(self.clock, self, OURS)

    def on_event(self, event):
        if isinstance(event, AlarmRaised):
            self.alarms.append(event.message)

    def send(self, order_id=ONE, parent=None, ticket=TICKET):
        self.book.sent(order_id, ticket, ClientOrderId(f"order-{order_id}"), parent=parent)

    def status(self, text, filled=0.0, *, client_id=OURS, order_id=ONE, held="", perm_id=99, parent=0):
        average = 2.0 if filled else 0.0
        self.book.on_status(
            order_id, text, filled, 4 - filled, average, perm_id, parent, 0.0, client_id, held, 0.0
        )

    def lists_lack_it(self, *at):
        """All three lists of the venue are read at each second, and name nothing; the servers gave a sign before."""
        self.book.roll.servers_answered(self.book.roll.begin())
        for second in at:
            for which in OrderList:
                self.book.list_read(which, self.book.roll.begin(), second)

    def echo(self, text, *, client_id=OURS, order_id=ONE, **changes):
        order = to_ib_order(TICKET, order_id=order_id, account="DU1", client_order_id="theirs")
        order.clientId, order.permId = client_id, 99
        for name, value in changes.items():
            setattr(order, name, value)
        self.book.on_open_order(order_id, to_ib_contract(CALL), order, library.OrderState(status=text))

    def fill(self, exec_id, shares, *, client_id=OURS, order_id=ONE, price=2.0):
        execution = library.Execution(
            execId=exec_id, orderId=order_id, clientId=client_id, acctNumber="DU1", side="BOT", shares=shares,
            price=price, time="20260105-14:30:00",
        )  # fmt: skip
        self.book.on_execution(-1, to_ib_contract(CALL), execution)

    def commission(self, exec_id, amount=0.65, realized=1.7976931348623157e308):
        self.book.on_commission(
            library.CommissionReport(execId=exec_id, commission=amount, realizedPNL=realized)
        )

    @property
    def state(self):
        return self.book.report(ONE).state

    @property
    def filled(self):
        return self.book.report(ONE).filled


@pytest.fixture
def wire():
    made = Wire()
    made.send()
    return made


def test_an_order_is_sent_until_the_venue_says_more(wire):
    assert wire.state is OrderState.SENT
    assert not wire.book.has_answer(ONE)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("PendingSubmit", OrderState.SENT),
        ("PreSubmitted", OrderState.ACKNOWLEDGED),
        ("Submitted", OrderState.WORKING),
        ("PendingCancel", OrderState.CANCELLING),
        ("Cancelled", OrderState.CANCELLED),
        ("ApiCancelled", OrderState.CANCELLED),
        ("Inactive", OrderState.UNKNOWN),
        ("Levitating", OrderState.UNKNOWN),
    ],
)
def test_a_status_says_what_it_says(wire, text, state):
    wire.status(text)

    assert wire.state is state
    assert wire.book.has_answer(ONE)


def test_a_late_status_of_an_earlier_stage_changes_nothing(wire):
    wire.status("Submitted")

    wire.status("PreSubmitted")
    wire.echo("PendingSubmit")

    assert wire.state is OrderState.WORKING


def test_a_lasting_number_is_not_taken_back_by_a_message_without_one(wire):
    wire.echo("Submitted")
    wire.echo("Submitted", permId=0)
    wire.status("Submitted", perm_id=0)

    assert wire.book.report(ONE).perm_id == 99


def test_a_status_tells_its_number_its_entry_when_and_why_it_waits_and_the_next_takes_none_back(wire):
    wire.clock.at += timedelta(minutes=1)

    wire.status("PreSubmitted", parent=9, held="locate")
    wire.status("PreSubmitted", perm_id=0)

    report = wire.book.report(ONE)
    assert (report.perm_id, report.parent_id, report.reason) == (99, 9, "locate")
    assert report.at == wire.clock.at


def test_a_fill_before_its_status_counts(wire):
    wire.fill("e1", 4.0)

    assert (wire.state, wire.filled) == (OrderState.FILLED, 4.0)


def test_a_fill_that_comes_twice_counts_once(wire):
    wire.fill("e1", 1.0)
    wire.fill("e1", 1.0)
    wire.status("Submitted", 1.0)

    assert (wire.state, wire.filled) == (OrderState.PARTIALLY_FILLED, 1.0)
    assert [fill.exec_id for fill in wire.book.fills()] == ["e1"]


def test_a_late_status_takes_no_fill_back(wire):
    wire.fill("e1", 3.0)

    wire.status("Submitted", 0.0)

    assert wire.filled == 3.0
    assert wire.book.report(ONE).remaining == 1.0


def test_a_cancel_that_lost_against_a_fill_leaves_the_order_filled(wire):
    wire.book.cancelling(ONE)
    wire.fill("e1", 4.0)

    wire.book.on_error(ONE, 10148, "OrderId 1 that needs to be cancelled cannot be cancelled, state: Filled.")

    assert wire.state is OrderState.FILLED


def test_a_person_is_told_what_cannot_be_true_together(wire):
    wire.status("Cancelled")

    wire.fill("e1", 4.0)

    [told] = wire.alarms
    assert told.startswith(
        "the venue contradicts itself about BUY 4 SPY 2026-01-16 500 C LMT: 4 filled, but the order is cancelled. "
    )


@pytest.mark.parametrize("code", [104, 399, 404, 2109, 10311, 10349])
def test_an_informational_code_leaves_the_order_working(wire, code):
    wire.status("Submitted")

    wire.book.on_error(ONE, code, "for your information")

    assert wire.state is OrderState.WORKING


def test_a_code_for_which_there_is_nothing_to_do_is_told_in_the_venues_words_alone(wire):
    wire.book.on_error(ONE, 2158, "Sec-def data farm connection is OK")

    assert wire.book.report(ONE).reason == "error 2158: Sec-def data farm connection is OK"


@pytest.mark.parametrize("code", [135, 10147, 10999, 77777])
def test_a_code_that_says_nothing_sure_leaves_the_order_unknown(wire, code):
    wire.status("Submitted")

    wire.book.on_error(ONE, code, "who knows")

    assert wire.state is OrderState.UNKNOWN
    assert wire.book.report(ONE).reason.startswith(f"error {code}: who knows; read open_orders()")


def test_a_child_is_refused_with_its_entry_only_where_the_venue_names_the_entry(wire):
    for child in (2, 3, 4):
        wire.send(OrderId(child), parent=ONE)
    wire.status("Submitted", order_id=4)
    wire.book.on_error(ONE, 110, "The price does not conform")

    wire.book.on_error(OrderId(2), 135, "Can't find order with id =1")
    wire.book.on_error(OrderId(3), 135, "Can't find order with id =3")
    wire.book.on_error(OrderId(4), 135, "Can't find order with id =1")

    states = [wire.book.report(OrderId(child)).state for child in (2, 3, 4)]
    assert states == [OrderState.REJECTED, OrderState.UNKNOWN, OrderState.UNKNOWN]
    assert wire.book.report(OrderId(2)).reason.endswith("its entry was refused")


def test_a_child_whose_entry_may_work_is_unknown_though_the_venue_does_not_find_the_entry(wire):
    wire.send(OrderId(2), parent=ONE)
    wire.status("Submitted")

    wire.book.on_error(OrderId(2), 135, "Can't find order with id =1")

    assert wire.book.report(OrderId(2)).state is OrderState.UNKNOWN


def test_a_refused_order_says_why(wire):
    wire.book.on_error(ONE, 201, "Order rejected - reason:no")

    assert wire.state is OrderState.REJECTED
    assert wire.book.report(ONE).reason.startswith("error 201: Order rejected - reason:no; ")
    assert wire.book.report(ONE).code == 201


@pytest.mark.parametrize("code", [399, 202, 10147])
def test_a_code_that_does_not_reject_an_order_is_not_given_as_why(wire, code):
    wire.status("Submitted")

    wire.book.on_error(ONE, code, "whatever")

    assert wire.book.report(ONE).code is None


def test_what_is_said_of_a_rejected_order_afterwards_is_not_why(wire):
    wire.status("Submitted")
    wire.book.on_error(ONE, 201, "Order rejected - reason:no")

    wire.book.on_error(ONE, 10147, "OrderId 1 that needs to be cancelled is not found")
    wire.status("Inactive")

    assert (wire.state, wire.book.report(ONE).code) == (OrderState.REJECTED, 201)


def test_a_rejected_order_among_the_ended_ones_is_no_contradiction(wire):
    wire.echo("PreSubmitted")
    wire.book.on_error(ONE, 201, "Order rejected - reason:no")

    wire.book.on_completed(attrs.evolve(wire.book.report(ONE), state=OrderState.CANCELLED))

    assert (wire.state, wire.alarms) == (OrderState.REJECTED, [])


def test_an_order_that_was_changed_once_may_work_on_whatever_was_rejected(wire):
    wire.book.modifying(ONE, 4)
    wire.echo("Submitted")

    wire.book.on_error(ONE, 201, "Order rejected - reason:no")

    assert wire.state is OrderState.UNKNOWN


def test_an_order_is_told_as_it_was_asked_for_before_the_venue_says_a_word():
    wire = Wire()
    ticket = OrderTicket(
        contract=CALL, side="SELL", quantity=3, order_type="STP LMT", limit_price=2, stop_price=3, tif="GTC",
        oca_group="exits",
    )  # fmt: skip

    wire.book.sent(ONE, ticket, ClientOrderId("mine"), con_id=ConId(77), parent=OrderId(9))

    assert wire.book.report(ONE) == OrderReport(
        order_id=ONE, perm_id=PermId(0), client_id=OURS, client_order_id=ClientOrderId("mine"),
        contract=attrs.evolve(CALL, con_id=77), side="SELL", quantity=3, remaining=3, order_type="STP LMT",
        limit_price=Decimal(2), stop_price=Decimal(3), tif="GTC", parent_id=OrderId(9), oca_group="exits",
        state=OrderState.SENT, at=DEFAULT_START,
    )  # fmt: skip


@pytest.mark.parametrize(("asked", "told", "is_known"), [(5, None, 5), (5, 77, 77), (None, 77, 77)])
def test_an_order_tells_the_number_of_the_contract_that_was_found_for_it(asked, told, is_known):
    wire = Wire()
    ticket = attrs.evolve(TICKET, contract=attrs.evolve(CALL, con_id=asked))

    wire.book.sent(ONE, ticket, ClientOrderId("mine"), con_id=told)

    assert wire.book.report(ONE).contract.con_id == is_known


def test_why_a_change_was_refused_is_not_said_of_the_next(wire):
    wire.status("Submitted")
    wire.book.modifying(ONE, 4)
    wire.book.on_error(ONE, 110, "The price does not conform")
    refused = wire.book.refusal(ONE)[1], wire.book.report(ONE).reason

    wire.book.modifying(ONE, 4)

    assert all("does not conform" in why for why in refused)
    assert (wire.book.refusal(ONE), wire.book.report(ONE).reason) == (None, "")


def test_a_refused_change_leaves_the_order_working(wire):
    wire.status("Submitted")

    wire.book.modifying(ONE, 4)
    waits = wire.book.has_answer(ONE)
    wire.book.on_error(ONE, 110, "The price does not conform")

    assert not waits
    assert wire.book.has_answer(ONE)
    assert wire.state is OrderState.WORKING


def test_an_order_whose_change_to_more_was_refused_is_filled_by_what_was_first_asked(wire):
    wire.status("Submitted")
    wire.book.modifying(ONE, 6)
    wire.book.on_error(ONE, 110, "The price does not conform")

    wire.fill("e1", 4.0)

    assert (wire.state, wire.book.report(ONE).quantity) == (OrderState.FILLED, 4.0)


def test_an_error_that_refuses_an_order_is_no_refusal_of_a_change(wire):
    wire.book.on_error(ONE, 110, "The price does not conform")

    assert wire.book.refusal(ONE) is None


def test_a_fill_may_come_before_the_echo_of_the_change_that_left_less_to_fill(wire):
    wire.book.modifying(ONE, 3)

    wire.fill("e1", 3.0)
    wire.status("Filled", 3.0)
    wire.echo("Filled", totalQuantity=3.0)

    report = wire.book.report(ONE)
    assert (wire.state, report.quantity, report.filled, report.remaining) == (OrderState.FILLED, 3, 3, 0)


def test_a_change_that_nobody_told_of_is_known_by_what_filled(wire):
    wire.status("Submitted")
    wire.book.modifying(ONE, 3)
    wire.book.link_lost(NotConnected("gone"))

    wire.fill("e1", 3.0)
    before = wire.state
    wire.book.on_completed(attrs.evolve(wire.book.report(ONE), state=OrderState.FILLED))

    assert (before, wire.state) == (OrderState.UNKNOWN, OrderState.FILLED)


def test_the_list_of_ended_orders_tells_the_size_of_one_that_its_group_cut(wire):
    wire.echo("Submitted")
    wire.book.link_lost(NotConnected("gone"))

    ended = attrs.evolve(wire.book.report(ONE), quantity=1.0, filled=1.0, state=OrderState.FILLED)
    wire.book.on_completed(ended)

    assert (wire.state, wire.book.report(ONE).quantity, wire.alarms) == (OrderState.FILLED, 1.0, [])


def test_the_list_of_ended_orders_tells_why_but_not_of_one_that_ended_before_ours_was_sent(wire):
    wire.book.link_lost(NotConnected("gone"))
    ended = attrs.evolve(wire.book.report(ONE), state=OrderState.CANCELLED, reason="Cancelled by Trader")

    wire.book.on_completed(ended, DEFAULT_START - timedelta(hours=1))
    before = wire.state
    wire.book.on_completed(ended, DEFAULT_START)

    assert before is OrderState.UNKNOWN
    assert (wire.state, wire.book.report(ONE).reason) == (OrderState.CANCELLED, "Cancelled by Trader")


def test_an_order_that_is_said_to_have_filled_with_nothing_filled_is_unknown(wire):
    wire.status("Filled", 0.0)
    wire.book.on_completed(attrs.evolve(wire.book.report(ONE), state=OrderState.FILLED))

    assert wire.state is OrderState.UNKNOWN


def test_what_fills_of_an_order_that_may_be_larger_by_now_need_not_be_all_of_it(wire):
    wire.book.modifying(ONE, 6)

    wire.fill("e1", 4.0)
    first = wire.state
    wire.echo("Submitted", totalQuantity=6.0)
    wire.fill("e2", 2.0)

    assert first is OrderState.PARTIALLY_FILLED
    assert (wire.state, wire.filled, wire.alarms) == (OrderState.FILLED, 6.0, [])


def test_all_that_a_larger_order_filled_is_no_contradiction_before_the_echo_of_the_change(wire):
    wire.book.modifying(ONE, 6)

    wire.fill("e1", 6.0)

    assert (wire.state, wire.book.report(ONE).quantity, wire.alarms) == (OrderState.FILLED, 6.0, [])


@pytest.mark.parametrize("refused_first", [True, False])
def test_an_order_that_filled_before_its_change_is_as_large_as_it_was(wire, refused_first):
    wire.book.modifying(ONE, 6)

    if refused_first:
        wire.book.on_error(ONE, 104, "Cannot modify a filled order.")
    wire.fill("e1", 4.0)
    wire.status("Filled", 4.0)

    assert (wire.state, wire.book.report(ONE).quantity) == (OrderState.FILLED, 4.0)


def test_a_cancel_waits_for_an_answer_of_its_own(wire):
    wire.status("Inactive")

    wire.book.cancelling(ONE)

    assert not wire.book.has_answer(ONE)


def test_an_echo_tells_the_orders_present_prices(wire):
    wire.echo("Submitted", lmtPrice=1.95, totalQuantity=3.0)

    report = wire.book.report(ONE)
    assert (str(report.limit_price), report.quantity, report.remaining, report.perm_id) == (
        "1.95",
        3.0,
        3.0,
        99,
    )


@pytest.mark.parametrize(
    ("kind", "limit", "stop"), [("STP", None, "1.5"), ("STP LMT", "1.4", "1.5"), ("MKT", None, None)]
)
def test_an_echo_tells_the_prices_that_its_kind_of_order_has(wire, kind, limit, stop):
    wire.echo("PreSubmitted", orderType=kind, lmtPrice=1.4, auxPrice=1.5, tif="GTC")

    report = wire.book.report(ONE)
    told = tuple(price and str(price) for price in (report.limit_price, report.stop_price))
    assert (report.order_type, told, report.tif) == (kind, (limit, stop), "GTC")


def test_an_order_of_ours_from_an_earlier_session_is_adopted(wire):
    wire.echo("Submitted", order_id=OrderId(5), parentId=1, ocaGroup="g")

    report = wire.book.report(OrderId(5))
    assert (report.state, report.client_order_id, report.parent_id, report.oca_group) == (
        OrderState.WORKING, "theirs", 1, "g",
    )  # fmt: skip
    assert (wire.book.highest_id(), Wire().book.highest_id()) == (5, 0)


def test_orders_of_others_are_not_ours(wire):
    wire.echo("Submitted", order_id=OrderId(5), client_id=OTHERS)
    wire.echo("Submitted", order_id=OrderId(6), whatIf=True)
    wire.echo("Submitted", order_id=OrderId(0))  # made by hand: it may bear any client's id
    wire.status("Cancelled", client_id=OTHERS)
    wire.status("Submitted", order_id=OrderId(77))
    wire.fill("e9", 4.0, client_id=OTHERS)
    wire.book.on_error(OrderId(55), 201, "rejected")

    assert [report.order_id for report in wire.book.reports()] == [1]
    assert wire.state is OrderState.SENT
    assert wire.book.fills() == ()


def test_the_end_of_the_link_makes_living_orders_unknown_and_spares_the_dead(wire):
    wire.send(OrderId(2))
    wire.status("Cancelled", order_id=OrderId(2))

    wire.book.link_lost(NotConnected("gone"))

    assert wire.state is OrderState.UNKNOWN
    assert wire.book.report(OrderId(2)).state is OrderState.CANCELLED


def test_after_the_link_is_back_the_venue_says_what_became_of_an_order(wire):
    wire.book.link_lost(NotConnected("gone"))
    assert wire.book.report(ONE).reason == "the connection ended"

    wire.echo("Submitted")

    assert (wire.state, wire.book.report(ONE).reason) == (OrderState.WORKING, "")


def test_a_fill_of_an_order_that_nobody_remembers_is_kept(wire):
    wire.fill("e7", 1.0, order_id=OrderId(70))

    assert [fill.exec_id for fill in wire.book.fills()] == ["e7"]
    assert wire.book.report(OrderId(70)) is None


def test_an_option_that_ended_is_a_fill_at_nothing(wire):
    wire.fill("0001.01", 4, order_id=OrderId(0), price=0.0)

    [fill] = wire.book.fills()
    assert (fill.contract, fill.quantity, fill.price) == (CALL, 4.0, 0.0)


def test_why_a_change_was_refused_is_kept_whatever_is_said_afterwards(wire):
    wire.status("Submitted")
    before = wire.book.refusal(ONE)

    wire.book.modifying(ONE, 4)
    wire.book.on_error(ONE, 110, "The price does not conform")
    wire.book.on_error(ONE, 399, "held")

    code, words = wire.book.refusal(ONE)
    assert before is None
    assert (code, words[:10]) == (110, "error 110:")


def test_a_commission_completes_its_fill_once(wire):
    wire.fill("e1", 4.0)

    wire.commission("e1", 0.65)
    wire.commission("e1", 9.99)
    wire.commission("nobody's", 9.99)

    (fill,) = wire.book.fills()
    assert (fill.commission, fill.realized_pnl) == (0.65, None)


def test_a_fill_that_closes_tells_what_it_earned(wire):
    wire.fill("e1", 4.0)

    wire.commission("e1", 0.65, -12.5)

    [fill] = wire.book.fills()
    assert (fill.commission, fill.realized_pnl) == (0.65, -12.5)


@pytest.mark.parametrize("unset", [1.7976931348623157e308, math.nan])
def test_a_commission_that_says_that_there_is_no_figure_is_none(wire, unset):
    wire.fill("0001.01", 4.0)

    wire.commission("0001.01", unset)
    [without] = wire.book.fills()
    wire.commission("0001.01", 0.65)

    [fill] = wire.book.fills()
    assert (without.commission, fill.commission) == (None, 0.65)


def test_a_commission_that_comes_before_its_fill_completes_it(wire):
    wire.commission("0001.01", 0.65)
    wire.fill("0001.01", 4)
    [first] = wire.book.fills()
    wire.commission("0001.02", 0.5)
    wire.fill("0001.02", 4)  # a correction

    [corrected] = wire.book.fills()
    assert (first.commission, corrected.commission) == (0.65, 0.5)


def test_fills_that_are_fewer_than_a_status_counted_give_no_average(wire):
    wire.status("Submitted", filled=3.0)
    wire.fill("e1", 1)

    assert wire.book.report(ONE).average_fill_price == 2.0


@pytest.mark.parametrize(
    ("which", "is_whole", "told"),
    [
        (OrderList.OPEN, True, OrderState.UNKNOWN),
        (OrderList.OPEN, False, OrderState.WORKING),
        (OrderList.COMPLETED, True, OrderState.WORKING),
        (OrderList.FILLED, True, OrderState.WORKING),
    ],
)
def test_what_works_is_of_unknown_fate_where_the_whole_list_of_open_orders_lacks_it(which, is_whole, told):
    wire = Wire()
    texts = ("Cancelled", "Submitted", "Submitted", "Inactive", "Submitted")
    for order_id, text in enumerate(texts, 1):
        wire.send(OrderId(order_id))
        wire.status(text, order_id=order_id)

    turn = wire.book.roll.begin()
    wire.echo("Submitted", order_id=OrderId(2))
    wire.echo("Submitted", order_id=OrderId(5))
    lacks = wire.book.list_read(which, turn, 100.0, is_whole=is_whole)

    states = [row.state for row in wire.book.reports()]
    assert states == [OrderState.CANCELLED, OrderState.WORKING, told, OrderState.UNKNOWN, OrderState.WORKING]
    assert lacks is (told is OrderState.UNKNOWN)


@pytest.mark.parametrize(
    ("hears", "is_trace"),
    [
        (lambda _: None, False),
        (lambda wire: wire.book.on_error(ONE, 135, "Can't find order with id =1"), False),
        (lambda wire: wire.book.on_error(ONE, 10147, "OrderId 1 that needs to be cancelled is not found."), False),
        (lambda wire: wire.book.on_error(ONE, 399, "held"), True),
        (lambda wire: wire.status("PendingSubmit"), True),
        (lambda wire: wire.echo(""), True),
        (lambda wire: wire.echo("PendingSubmit", orderType=None), True),  # which cannot be read
        (lambda wire: wire.fill("e1", None), True),
    ],
    ids=["nothing", "135", "10147", "notice", "status", "row in part", "unreadable row", "unreadable fill"],
)  # fmt: skip
def test_an_order_counts_as_gone_when_lists_lack_it_long_enough_and_nothing_else_is_a_trace(
    wire, hears, is_trace
):
    wire.lists_lack_it(0.0)

    with suppress(Exception):
        hears(wire)
    wire.lists_lack_it(40.0)

    assert wire.book.is_inferred(ONE) is not is_trace
    assert wire.state is (OrderState.SENT if is_trace else OrderState.CANCELLED)


def test_an_order_that_waits_here_for_its_turn_is_not_gone_but_one_whose_change_waits_may_be(wire):
    wire.send(OrderId(2))
    wire.status("Submitted", order_id=2)
    wire.book.modifying(OrderId(2), 4)
    wire.book.is_held_back = {1, 2}.__contains__

    wire.lists_lack_it(0.0, 40.0)

    assert [row.state for row in wire.book.reports()] == [OrderState.SENT, OrderState.CANCELLED]


def test_what_may_have_filled_on_a_day_that_is_over_is_unknown_but_for_what_closes(wire):
    closing = OrderTicket(contract=CALL, side="SELL", quantity=4, is_closing=True)
    wire.send(OrderId(2), ticket=closing)
    wire.clock.at += timedelta(days=1)

    wire.lists_lack_it(0.0, 40.0)

    assert [row.state for row in wire.book.reports()] == [OrderState.UNKNOWN, OrderState.CANCELLED]
    assert [wire.book.is_inferred(order_id) for order_id in (1, 2)] == [True, True]


@pytest.mark.parametrize(
    ("before", "after"),
    [("new", OrderState.UNKNOWN), ("known", OrderState.WORKING), ("taken for gone", OrderState.UNKNOWN)],
)
def test_a_row_that_was_read_in_part_says_no_more_than_that_an_order_is_there(before, after):
    wire = Wire()
    if before != "new":
        wire.send()
        wire.status("Submitted")
    if before == "taken for gone":
        wire.lists_lack_it(0.0, 40.0)

    wire.echo("")

    assert (wire.state, wire.book.is_inferred(ONE)) == (after, False)


async def test_a_stream_of_events_tells_each_change_once_and_ends_in_an_error():
    wire = Wire()
    told = []

    async def listen():
        async with aclosing(wire.book.events()) as events:
            async for event in events:
                told.append(event)  # noqa: PERF401 - what came before the error counts

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    wire.send()
    for _ in range(2):
        wire.status("Submitted")
        wire.fill("e1", 4.0)
    wire.commission("e1")
    wire.book.link_lost(NotConnected("gone"))

    with pytest.raises(NotConnected, match=r"the stream of order events ended: gone"):
        await task
    states = [event.state for event in told if isinstance(event, OrderReport)]
    assert states == [OrderState.SENT, OrderState.WORKING, OrderState.FILLED]
    assert [event.commission for event in told if not isinstance(event, OrderReport)] == [None, 0.65]


async def test_who_waits_for_a_condition_is_woken_when_it_holds():
    wire = Wire()
    wire.send()
    task = asyncio.create_task(wire.book.until(lambda: wire.state.is_final, 60))
    await asyncio.sleep(1)

    wire.status("Submitted")
    await asyncio.sleep(1)
    waited = not task.done()
    wire.status("Cancelled")

    async with asyncio.timeout(1):
        await task
    assert waited


async def test_who_waits_when_the_link_ends_is_told_at_once():
    wire = Wire()
    wire.send()
    task = asyncio.create_task(wire.book.until(lambda: wire.state.is_final, 60))
    await asyncio.sleep(1)

    wire.book.link_lost(NotConnected("gone"))

    words = r"gone; what became of the order is unknown: connect, then read open_orders\(\) and executions\(\) before"
    with pytest.raises(NotConnected, match=words):
        async with asyncio.timeout(1):
            await task


EVIDENCE = st.one_of(
    st.tuples(st.just("status"), st.sampled_from(["PreSubmitted", "Submitted", "PendingCancel"])),
    st.tuples(st.just("echo"), st.sampled_from(["PreSubmitted", "Submitted"])),
    st.tuples(st.just("fill"), st.sampled_from(["e1", "e2", "e3", "e4"])),
)


@given(st.permutations([("fill", f"e{n}") for n in range(1, 5)]), st.lists(EVIDENCE), st.randoms())
def test_four_fills_of_one_fill_the_order_in_whatever_order_they_come(fills, noise, random):
    wire = Wire()
    wire.send()
    evidence = [*fills, *noise]
    random.shuffle(evidence)

    for kind, value in evidence:
        if kind == "fill":
            wire.fill(value, 1.0)
        else:
            getattr(wire, kind)(value)

    assert (wire.state, wire.filled) == (OrderState.FILLED, 4.0)
    assert len(wire.book.fills()) == 4


async def test_a_stream_of_events_tells_a_change_of_price_and_a_part_that_filled():
    wire = Wire()
    wire.send()
    wire.echo("Submitted")
    told = []

    async def listen():
        async with aclosing(wire.book.events()) as events:
            async for event in events:
                told.append((event.state, str(event.limit_price), event.filled))  # noqa: PERF401 - until it is cancelled

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    wire.echo("Submitted", lmtPrice=1.95)
    wire.status("Submitted", 1.0)
    wire.status("Submitted", 2.0)
    await asyncio.sleep(0)
    task.cancel()

    assert told == [
        (OrderState.WORKING, "1.95", 0.0),
        (OrderState.PARTIALLY_FILLED, "1.95", 1.0),
        (OrderState.PARTIALLY_FILLED, "1.95", 2.0),
    ]


async def test_what_happens_before_events_are_read_is_kept_for_them():
    wire = Wire()
    async with aclosing(wire.book.events()) as events:
        wire.send()

        assert (await anext(events)).state is OrderState.SENT


async def test_nothing_is_kept_for_events_that_nobody_reads_any_more():
    wire = Wire()
    wire.book.events()
    begun = wire.book.events()
    wire.send(OrderId(2))
    await anext(begun)
    await begun.aclose()
    del begun

    wire.send()
    before = weakref.ref(wire.book.report(ONE))
    wire.status("Submitted")

    assert before() is None


def test_a_report_has_the_average_price_of_the_fills_that_are_known(wire):
    wire.send()
    wire.fill("0001.01", 1)

    assert wire.book.report(ONE).average_fill_price == 2.0


@pytest.mark.parametrize("before", [0.0, 1.0])
async def test_an_order_is_told_to_have_filled_once_it_is_known_at_what_price(before):
    wire = Wire()
    async with aclosing(wire.book.events()) as events:
        wire.send()
        wire.status("Submitted", before)  # at 2.00
        wire.echo("Filled")
        first = wire.state
        wire.book.on_status(ONE, "Filled", 4.0, 0.0, 2.5, 99, 0, 2.5, OURS, "", 0.0)
        told = await anext(events)
        while not told.state.is_final:
            told = await anext(events)

    assert first is OrderState.FILLED
    assert (told.filled, told.average_fill_price) == (4.0, 2.5)


async def test_a_fill_of_which_only_the_order_tells_is_told_when_the_session_ends():
    wire = Wire()
    async with aclosing(wire.book.events()) as events:
        wire.send()
        wire.echo("Filled")
        wire.book.link_lost(NotConnected("gone"))

        assert [(await anext(events)).state for _ in range(2)] == [OrderState.SENT, OrderState.FILLED]
