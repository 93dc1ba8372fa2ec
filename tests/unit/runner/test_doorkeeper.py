from datetime import date

import pytest

from ibkeel.errors import GatesShut
from ibkeel.model import Option, OrderTicket, Quote, Right
from ibkeel.orders import GateKind, OrderLimits
from ibkeel.runner.doorkeeper import Doorkeeper
from ibkeel.virtual import virtual_clock

CALL = Option("SPY", date(2026, 1, 16), 560, Right.CALL)
TICKET = OrderTicket(contract=CALL, side="BUY", quantity=2, order_type="LMT", limit_price="2.10")


def quote():
    return Quote(contract=CALL, at=virtual_clock().now(), bid=2.0, ask=2.1)


def kinds(keeper):
    return [refusal.kind for refusal in keeper.refusals(TICKET, quote())]


async def test_a_gate_that_is_shut_refuses_with_all_reasons():
    keeper = Doorkeeper(virtual_clock(), limits=OrderLimits(max_quantity=1, max_notional=1))

    with pytest.raises(GatesShut, match=r"quantity: 2; needed: 1 or fewer; notional: 420") as refused:
        keeper.check(TICKET, quote())

    assert [row.kind for row in refused.value.refusals] == [GateKind.QUANTITY, GateKind.NOTIONAL]
    assert refused.value.contract == CALL


async def test_an_order_that_may_leave_is_let_pass():
    keeper = Doorkeeper(virtual_clock())

    keeper.check(TICKET, quote())
    keeper.check_halt(TICKET)

    assert kinds(keeper) == []


async def test_the_same_order_does_not_pass_twice():
    keeper = Doorkeeper(virtual_clock())

    keeper.passed(TICKET)

    assert kinds(keeper) == [GateKind.DUPLICATE]


async def test_messages_and_fills_make_the_efficiency_of_a_day():
    keeper = Doorkeeper(virtual_clock())

    keeper.sent(19)
    within = kinds(keeper)
    keeper.changed()
    beyond = kinds(keeper)
    keeper.filled()
    filled = kinds(keeper)
    keeper.sent(30)
    keeper.begin_session()

    assert (within, beyond, filled) == ([], [GateKind.EFFICIENCY], [])
    assert kinds(keeper) == []


async def test_a_halt_alone_is_told_of_an_order_that_had_passed_the_gates():
    keeper = Doorkeeper(virtual_clock())
    keeper.passed(TICKET)

    keeper.halt.halt("by hand", virtual_clock().now())

    with pytest.raises(GatesShut) as refused:
        keeper.check_halt(TICKET)
    assert [row.kind for row in refused.value.refusals] == [GateKind.HALTED]
