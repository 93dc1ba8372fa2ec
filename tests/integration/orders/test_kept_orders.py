"""Orders that a Gateway keeps while it is cut off from its servers, and has not said that it is."""

import asyncio
from datetime import date

import pytest

from ibkeel.ibkr import IBKRBroker
from ibkeel.journal import Journal
from ibkeel.model import Bracket, Grade, OrderState, OrderTicket, OrderType, Side
from ibkeel.orders import ExitCause
from ibkeel.runner.crew import crew_of
from ibkeel.runner.flatten import flatten
from ibkeel.runner.memory import OwnOrder
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
RESTING = {"side": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 100}


def alarms(on):
    return [event.message for event in on.told.of("AlarmRaised") if event.name.startswith("order ")]


def states(on, name):
    return [event.state for event in on.told.of("OrderChanged") if event.client_order_id == name]


async def cut_off_in_silence(on, seconds, *, holds_reports=True):
    """The Gateway loses its servers, and nobody hears of it."""
    await on.broker.qualify(on.stock)
    on.board.kept_back = {"error"}
    on.gateway.inject(faults.UpstreamLost(duration=seconds, holds_reports=holds_reports))
    await asyncio.sleep(1)


def exit_named(on, name):
    return OrderTicket(contract=on.stock, client_order_id=name, is_closing=True, **RESTING)


@pytest.mark.parametrize("is_closing", [False, True], ids=["a bracket", "an exit"])
@pytest.mark.parametrize("is_reconnected", [False, True], ids=["on one link", "over a new link"])
async def test_what_a_gateway_keeps_without_a_word_is_not_taken_for_gone(stage, is_closing, is_reconnected):
    async with stage() as on:
        await cut_off_in_silence(on, 200)
        ticket = OrderTicket(contract=on.stock, client_order_id="mine", is_closing=is_closing, **RESTING)

        await on.broker.place(ticket if is_closing else Bracket(entry=ticket, stop_loss=90))
        if is_reconnected:
            on.board.hang_up()
        await asyncio.sleep(170)
        before = states(on, "mine")[-1]
        await asyncio.sleep(60)

        assert before in {"sent", "unknown"}
        assert states(on, "mine")[-1] == "working"
        assert len(on.gateway.venue.open_orders()) == (1 if is_closing else 2)
        [alarm] = alarms(on)
        assert "nobody knows what became of BUY 1 SPY LMT" in alarm
        assert "a Gateway that is cut off keeps orders" in alarm


async def test_an_exit_that_waits_for_its_turn_here_is_not_taken_for_gone(stage, one_order_in):
    async with stage(pacing_rules=[one_order_in(120.0)]) as on:
        for name in ("first", "mine"):
            await on.broker.place(exit_named(on, name))
        await asyncio.sleep(130)

        assert states(on, "mine") == ["sent", "acknowledged", "working"]
        assert len(on.gateway.venue.open_orders()) == 2
        assert not [message for message in alarms(on) if "lost on the way" in message]


async def test_lists_from_while_an_exit_waited_for_its_turn_are_no_proof_once_it_left(stage, one_order_in):
    async with stage(pacing_rules=[one_order_in(60.0)]) as on:
        for name in ("first", "mine"):
            await on.broker.place(exit_named(on, name))
        await asyncio.sleep(40)
        await cut_off_in_silence(on, 60)
        await asyncio.sleep(30)
        before = states(on, "mine")[-1]
        await asyncio.sleep(60)

        assert before == "sent"
        assert states(on, "mine")[-1] == "working"


async def test_an_empty_answer_is_no_sign_of_the_servers(stage):
    async with stage() as on:
        await cut_off_in_silence(on, 200)
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        before = 0
        for _ in range(100):
            await asyncio.sleep(1)
            asked = on.board.asked("matching_symbols")
            for values in asked[before:]:
                on.board.say("symbol_samples", request_id=values["request_id"], rows=[])
            before = len(asked)

        assert before > 1
        assert states(on, "mine")[-1] == "sent"


async def test_without_a_sign_of_the_servers_an_order_is_gone_after_five_minutes_and_a_person_hears_why(
    stage,
):
    async with stage() as on:
        await on.broker.qualify(on.stock)
        on.gateway.inject(faults.FarmBroken(service="definitions", duration=None))
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))

        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        await asyncio.sleep(280)
        before = states(on, "mine")[-1]
        await asyncio.sleep(80)

        assert (before, states(on, "mine")[-1]) == ("sent", "cancelled")
        assert "lost on the way" in alarms(on)[-1]
        assert "its servers gave no sign meanwhile" in alarms(on)[-1]


async def test_an_exit_that_the_gateway_still_keeps_when_it_says_that_all_is_well_is_sent_once(crew):
    async with crew() as on:
        await on.enter()
        on.stage.gateway.inject(faults.UpstreamLost(duration=120))
        await asyncio.sleep(1)
        [stop] = [row for row in await on.stage.broker.all_open_orders() if row.order_type == "STP"]
        on.venue.cancel(stop.client_id, stop.order_id, virtual_clock().now())
        exit_ = OrderTicket(contract=stop.contract, side=Side.SELL, quantity=2, is_closing=True)
        await on.desk.leave(lambda name: _named(exit_, name), ExitCause.SIGNAL, DAY, "")
        on.stage.board.say("error", request_id=-1, code=1102, text="restored", advanced_reject="")

        for _ in range(4):
            await asyncio.sleep(20)
            await flatten(on.stage.broker, on.desk, session=DAY, wait=1.0, reason="")
        early = len(on.stage.board.asked("place_order"))
        await asyncio.sleep(60)

        assert early == 3  # the entry, its stop and the exit
        assert on.working() == []
        assert sum(row.quantity for row, _ in on.venue.executions() if row.side == "SLD") == 2


def _named(ticket, name):
    return OrderTicket(
        contract=ticket.contract, side=ticket.side, quantity=ticket.quantity, is_closing=True, client_order_id=name
    )  # fmt: skip


async def cancelled(on, stop):
    return await on.desk.cancel(stop)


async def changed(on, stop):
    ticket = OrderTicket(
        contract=stop.contract, side=stop.side, quantity=2, order_type=OrderType.STP, stop_price=1,
        client_order_id=stop.client_order_id, is_closing=True,
    )  # fmt: skip
    return await on.desk.change(stop, ticket)


async def vanished(on, _):
    on.cancel_stop()  # another one is sent, and kept
    await asyncio.sleep(5)


@pytest.mark.parametrize("deed", [cancelled, changed, vanished])
async def test_after_a_silent_outage_one_stop_works_whatever_of_it_the_gateway_kept(crew, deed):
    async with crew() as on:
        await on.enter()
        [stop] = [row for row in await on.stage.broker.all_open_orders() if row.order_type == "STP"]
        # That a stop has vanished is known only where the Gateway passes reports on.
        await cut_off_in_silence(on.stage, 200, holds_reports=deed is not vanished)

        doing = asyncio.create_task(deed(on, stop))
        await asyncio.sleep(8)
        on.stage.board.hang_up()
        await asyncio.gather(doing, return_exceptions=True)
        await asyncio.sleep(240)

        assert on.working() == [("STP", "SELL", 2)]
        assert [row.side for row, _ in on.venue.executions()] == ["BOT"]


async def test_a_new_process_settles_no_order_that_a_gateway_keeps_without_a_word(stage):
    async with stage() as on:
        await cut_off_in_silence(on, 200)
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        await on.broker.disconnect()
        async with IBKRBroker(on.broker.config, clock=virtual_clock()) as later:
            with Journal.in_memory() as journal:
                crew = crew_of(
                    later, journal, run="t", symbols=("SPY",), clock=virtual_clock(), observer=on.told
                )
                lost = OwnOrder(
                    contract=on.stock, is_entry=True, state=OrderState.UNKNOWN, placed_at=virtual_clock().now(),
                    is_restored=True,
                )  # fmt: skip
                crew.desk.restore({"mine": lost})

                upstream = (await later.health()).check("upstream")
                for _ in range(3):
                    await crew.watch.catch_up()
                    await asyncio.sleep(20)
                early = crew.desk.state_of("mine")
                await asyncio.sleep(120)
                await crew.watch.catch_up()

                assert upstream.grade is Grade.DOWN
                assert (early, crew.desk.state_of("mine")) == (OrderState.UNKNOWN, OrderState.WORKING)
