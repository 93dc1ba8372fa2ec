import asyncio
from datetime import date, timedelta
from decimal import Decimal

import pytest

from ibkeel.errors import GatesShut
from ibkeel.model import Option, OrderReport, OrderState, OrderTicket, Quote, Right, Side
from ibkeel.orders import GateKind, Interlock, OrderLimits, TickLadder
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


async def test_whose_money_it_is_which_prices_there_are_and_what_works_is_looked_at():
    now = virtual_clock().now()
    report = OrderReport(
        order_id=1, perm_id=5, client_id=9, client_order_id="", contract=CALL, side=Side.BUY, quantity=2,
        order_type="LMT", state=OrderState.WORKING, at=now,
    )  # fmt: skip
    quarters = TickLadder(((Decimal(0), Decimal("0.25")),))
    lock = Interlock(mode="PAPER", account="U1234567")
    keeper = Doorkeeper(virtual_clock(), limits=OrderLimits(open_orders=1), interlock=lock, ticks=quarters)

    with pytest.raises(GatesShut) as refused:
        keeper.check(TICKET, quote(), (row for row in [report]))

    found = [row.kind for row in refused.value.refusals]
    assert found == [GateKind.INTERLOCK, GateKind.TICK, GateKind.OPEN_ORDERS]
    assert kinds(keeper) == [GateKind.INTERLOCK, GateKind.TICK]


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
    keeper.sent(19)
    anew = kinds(keeper)
    keeper.sent(1)

    assert (within, beyond, filled) == ([], [GateKind.EFFICIENCY], [])
    assert (anew, kinds(keeper)) == ([], [GateKind.EFFICIENCY])


async def test_a_halt_alone_is_told_of_an_order_that_had_passed_the_gates():
    keeper = Doorkeeper(virtual_clock())
    keeper.passed(TICKET)

    keeper.halt.halt("by hand", virtual_clock().now())

    with pytest.raises(GatesShut) as refused:
        keeper.check_halt(TICKET)
    assert [row.kind for row in refused.value.refusals] == [GateKind.HALTED]


@pytest.mark.parametrize("fills", [1, 2, 3])
async def test_each_fill_lets_as_many_messages_leave(fills):
    keeper = Doorkeeper(virtual_clock(), limits=OrderLimits(efficiency=10))
    for _ in range(fills):
        keeper.filled()

    keeper.sent(10 * fills)
    keeper.sent(7)
    keeper.changed()
    keeper.changed()
    within = kinds(keeper)  # it would be one message more, and may bring a fill
    keeper.sent(1)

    assert (within, kinds(keeper)) == ([], [GateKind.EFFICIENCY])


async def test_other_limits_rule_from_now_on_and_forget_nothing():
    keeper = Doorkeeper(virtual_clock(), limits=OrderLimits(efficiency=None))
    keeper.sent(100)

    keeper.use(OrderLimits(max_quantity=1))

    assert kinds(keeper) == [GateKind.QUANTITY, GateKind.EFFICIENCY]


def shut(look):
    """The gates that are shut at the last look, and what each of them wanted."""
    try:
        look()
    except GatesShut as refused:
        return [(row.kind, row.value, row.limit) for row in refused.refusals]
    return []


async def test_the_last_look_asks_what_time_and_people_may_have_changed_and_nothing_else():
    clock = virtual_clock()
    keeper = Doorkeeper(clock, limits=OrderLimits(max_quote_age=15))
    look = keeper.last_look(TICKET, quote())
    keeper.passed(TICKET)  # as it has by then: it is no double of itself
    keeper.use(OrderLimits(max_quote_age=15, max_quantity=1))
    at_once = shut(look)
    await asyncio.sleep(14.5)
    young = shut(look)
    await asyncio.sleep(1)
    old = shut(look)
    keeper.halt.halt("by hand", clock.now())
    halted = shut(look)

    assert at_once == young == []
    assert [kind for kind, *_ in old] == [GateKind.QUOTE_AGE]
    assert [kind for kind, *_ in halted] == [GateKind.HALTED, GateKind.QUOTE_AGE]


async def test_from_the_end_of_its_sessions_entries_on_none_leaves():
    clock = virtual_clock()
    ends_at = clock.now() + timedelta(seconds=10)
    keeper = Doorkeeper(clock)
    look, unbound = keeper.last_look(TICKET, quote(), ends_at), keeper.last_look(TICKET, quote())
    await asyncio.sleep(9.5)
    before = shut(look)
    await asyncio.sleep(0.5)

    assert before == shut(unbound) == []
    wanted = f"entries of this session before {ends_at.isoformat()}"
    assert shut(look) == [(GateKind.MARKET, clock.now().isoformat(), wanted)]
    assert shut(keeper.last_look(TICKET, quote(), clock.now()))


async def test_after_a_run_has_ended_no_entry_leaves_until_a_session_begins():
    clock = virtual_clock()
    keeper = Doorkeeper(clock)
    look = keeper.last_look(TICKET, quote(), clock.now())

    keeper.close()
    ended = shut(look)
    keeper.begin_session()

    assert ended == [(GateKind.MARKET, clock.now().isoformat(), "entries while the run goes on")]
    assert shut(keeper.last_look(TICKET, quote())) == []
