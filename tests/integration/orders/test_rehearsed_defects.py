"""What the order campaign found, each as small as it can be told."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import GatesShut, NotConnected, OrderRefused, PacingExceeded, RequestTimeout
from ibkeel.ibkr import IBKRBroker
from ibkeel.journal import Journal, OrderSettled, OrderUpdate
from ibkeel.model import Bracket, Direction, OrderState, OrderTicket, Signal, Stock
from ibkeel.orders import build_bracket
from ibkeel.runner import Session
from ibkeel.runner.crew import crew_of
from ibkeel.runner.memory import remember
from ibkeel.sim import GatewaySettings, faults
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
SIGNAL = Signal(direction=Direction.UP, confidence=0.5)
RESTING = {"side": "BUY", "quantity": 1, "order_type": "LMT"}


def crew_on(on, journal):
    """Everybody, and nobody at work: no event is heard, as while the stream of events is interrupted."""
    return crew_of(on.broker, journal, run="t", symbols=("SPY",), clock=virtual_clock(), observer=on.told)


def another_broker(on, **config):
    return IBKRBroker(
        attrs.evolve(on.broker.config, **config),
        clock=virtual_clock(),
        observer=on.told,
        jitter=lambda: 0.0,
    )


async def waiting_entry(on, crew):
    """An entry far below the market."""
    quote = await on.broker.quote(on.option)
    low = attrs.evolve(quote, bid=quote.bid - 0.2, ask=quote.bid - 0.1)
    placed = await crew.desk.enter("SPY", build_bracket(quote=low, quantity=1), SIGNAL, DAY, "", quote=quote)
    return next(row for row in await on.broker.open_orders() if row.order_id == placed.order_id)


async def test_the_journal_learns_from_a_list_what_the_answer_to_a_cancel_said_already(stage):
    async with stage() as on:
        with Journal.in_memory() as journal:
            crew = crew_on(on, journal)
            entry = await waiting_entry(on, crew)
            crew.desk.saw(await crew.desk.cancel(entry))

            await crew.watch.catch_up()
            await crew.watch.catch_up()

            told = [row.record.report for row in journal.events(OrderUpdate)]
            ends = [row.state for row in told if row.client_order_id == entry.client_order_id]
            assert ends == [OrderState.CANCELLED]


async def test_an_entry_is_not_moved_after_a_halt(stage):
    async with stage() as on:
        with Journal.in_memory() as journal:
            crew = crew_on(on, journal)
            entry = await waiting_entry(on, crew)
            higher = OrderTicket(contract=entry.contract, limit_price=entry.limit_price + 1, **RESTING)
            crew.doorkeeper.halt.halt("enough", virtual_clock().now())

            with pytest.raises(GatesShut, match="halted"):
                await crew.desk.change(entry, higher)

            [row] = [row for row in on.gateway.venue.open_orders() if row.action == "BUY"]
            assert row.limit_price == float(entry.limit_price)


async def test_an_entry_does_not_leave_when_the_halt_comes_while_its_contract_is_looked_up(stage):
    async with stage() as on:
        with Journal.in_memory() as journal:
            crew = crew_on(on, journal)
            quote = await on.broker.quote(on.option)
            unknown = attrs.evolve(quote, contract=Stock("QQQ"))
            on.gateway.inject(faults.Slow(when_request="contract_details", delay=2.0, times=1))
            entering = asyncio.ensure_future(
                crew.desk.enter(
                    "SPY", build_bracket(quote=unknown, quantity=1), SIGNAL, DAY, "", quote=unknown
                )
            )
            await asyncio.sleep(1.0)

            crew.halting.now("enough", virtual_clock().now())

            with pytest.raises(GatesShut, match="halted: enough"):
                await entering
            assert not crew.desk.unknown_orders
            assert on.gateway.venue.open_orders() == []
            # Whoever reads the intent after a restart looks for none of the family.
            settled = [row.record for row in journal.events(OrderSettled)]
            assert {row.reason.partition(":")[0] for row in settled} == {"it never left"}
            now = virtual_clock().now()
            today = Session(day=DAY, opens_at=now - timedelta(hours=1), closes_at=now + timedelta(hours=4))
            known = remember(journal, today).orders
            assert [order.state for order in known.values()] == [OrderState.CANCELLED] * len(settled)
            assert len(settled) == len(known) > 1


@pytest.mark.parametrize("is_bracket", [False, True])
async def test_an_entry_does_not_leave_when_the_halt_comes_while_it_waits_for_its_turn(
    stage, is_bracket, one_order_in
):
    async with stage(pacing_rules=[one_order_in(10.0)]) as on:
        halts = []

        def may_leave():
            if halts:
                raise OrderRefused("halted")

        entry = OrderTicket(contract=on.stock, limit_price=100, **RESTING)
        await on.broker.place(entry)
        order = Bracket(entry=entry, stop_loss=90) if is_bracket else entry
        waiting = [asyncio.ensure_future(on.broker.place(order, may_leave=may_leave)) for _ in range(2)]
        await asyncio.sleep(5)

        halts.append("enough")

        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(error) for error in told] == ["halted", "halted"]
        assert len(on.board.asked("place_order")) == len(on.gateway.venue.open_orders()) == 1


async def test_an_entry_whose_turn_does_not_come_was_not_sent(stage, one_order_in):
    async with stage(pacing_rules=[one_order_in(100.0)], pacing_patience=20.0) as on:
        entry = OrderTicket(contract=on.stock, limit_price=100, **RESTING)
        await on.broker.place(entry)

        with pytest.raises(PacingExceeded, match="waited 20 s for its turn: slow") as refused:
            await on.broker.place(entry)

        await asyncio.sleep(200)
        assert refused.value.is_unsent
        assert len(on.board.asked("place_order")) == 1


async def test_an_entry_that_waits_for_its_turn_when_the_link_is_lost_was_not_sent(stage, one_order_in):
    async with stage(pacing_rules=[one_order_in(30.0)]) as on:
        entry = OrderTicket(contract=on.stock, limit_price=100, **RESTING)
        await on.broker.place(entry)
        waiting = asyncio.ensure_future(on.broker.place(entry))
        await asyncio.sleep(5)

        on.board.hang_up()

        with pytest.raises(NotConnected):
            await waiting
        await asyncio.sleep(60)
        assert len(on.board.asked("place_order")) == 1


async def test_an_order_whose_change_is_refused_as_a_new_order_would_be_works_on(stage):
    async with stage() as on:
        first = OrderTicket(contract=on.stock, limit_price=100, **RESTING)
        placed = await on.broker.place(first)
        on.gateway.inject(faults.AnsweredWith(when_request="place_order", times=1, code=201, text="no"))

        told = await on.broker.modify(placed.order_id, attrs.evolve(first, limit_price=101))
        [listed] = await on.broker.open_orders()

        assert told.state is OrderState.UNKNOWN
        assert (listed.state, listed.limit_price) == (OrderState.WORKING, 100)


@pytest.mark.parametrize(("is_change", "ends"), [(False, True), (True, False)])
async def test_an_order_that_is_rejected_late_ends_the_entries_as_one_at_once(stage, is_change, ends):
    async with stage() as on:
        with Journal.in_memory() as journal:
            crew = crew_on(on, journal)
            hearing = asyncio.create_task(crew.watch.run())
            entry = await waiting_entry(on, crew)
            if is_change:
                higher = OrderTicket(
                    contract=entry.contract, limit_price=entry.limit_price + Decimal("0.01"), **RESTING
                )
                await crew.desk.change(entry, higher)
            await asyncio.sleep(30)
            text = "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED"
            on.board.say("error", request_id=entry.order_id, code=201, text=text)
            await asyncio.sleep(5)
            hearing.cancel()

            assert crew.desk.funds_rejected is ends


async def test_positions_are_asked_for_though_they_failed_time_and_again_for_an_exit_needs_them(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="positions", times=4))
        broker = on.broker.with_deadline(5.0)
        for _ in range(4):
            with pytest.raises(RequestTimeout):
                await broker.positions()

        assert await broker.positions() == ()


async def lost_and_being_cancelled(on, journal):
    """An entry that the venue never had, and whose process ends in the instant in which it is cancelled."""
    crew = crew_on(on, journal)
    hearing = asyncio.create_task(crew.watch.run())
    on.gateway.inject(faults.Unanswered(when_request="place_order"))
    entry = await waiting_entry(on, crew)
    cancelling = asyncio.create_task(crew.desk.cancel(entry))
    await asyncio.sleep(0.01)
    for task in (hearing, cancelling):
        task.cancel()
    await asyncio.gather(hearing, cancelling, return_exceptions=True)
    await on.broker.disconnect()
    on.gateway.heal()
    return entry.client_order_id


async def test_a_lost_order_whose_process_ended_while_it_was_cancelled_is_settled_by_the_next_run(stage):
    async with stage() as on:
        with Journal.in_memory() as journal:
            name = await lost_and_being_cancelled(on, journal)
            last_word = journal.last(OrderUpdate).record.report
            now = virtual_clock().now()
            today = Session(day=DAY, opens_at=now - timedelta(hours=1), closes_at=now + timedelta(hours=4))

            async with another_broker(on) as broker:
                crew = crew_on(attrs.evolve(on, broker=broker), journal)
                crew.desk.restore(remember(journal, today).orders)
                crew.watch.restore((), is_behind=True)
                for _ in range(2):
                    await crew.watch.reconcile(await broker.open_orders())
                    await asyncio.sleep(60)

            settled = [row.record.client_order_id for row in journal.events(OrderSettled)]
            assert (last_word.client_order_id, last_word.state) == (name, OrderState.CANCELLING)
            assert name in settled
            assert crew.desk.unknown_orders == 0


@pytest.mark.parametrize(
    ("timezone", "offset", "unknown"),
    [("Japan", timedelta(hours=9), 1), ("US/Eastern", timedelta(hours=-5), 0), ("GB", timedelta(), 0)],
)
async def test_what_filled_before_midnight_at_the_gateway_is_not_told_as_gone_after_a_restart(
    stage, timezone, offset, unknown
):
    """In Tokyo the day ends while New York trades: what filled before is on no list any more."""
    async with stage(settings=GatewaySettings(timezone=timezone)) as on:
        midnight = datetime(2026, 1, 5, 15, tzinfo=UTC)
        await asyncio.sleep((midnight - virtual_clock().now()).total_seconds() - 60)
        with Journal.in_memory() as journal:
            await waiting_entry(on, crew_on(on, journal))
            await on.broker.disconnect()
            await asyncio.sleep(120)
            now = virtual_clock().now()
            today = Session(day=DAY, opens_at=now - timedelta(hours=1), closes_at=now + timedelta(hours=5))

            async with another_broker(on) as broker:
                crew = crew_on(attrs.evolve(on, broker=broker), journal)
                crew.desk.restore(remember(journal, today).orders)
                for _ in range(3):
                    await crew.watch.catch_up()
                    await asyncio.sleep(20)

                assert (await broker.health()).utc_offset == offset
                [held] = await broker.positions()
                assert crew.desk.may_own(held)  # so that it is protected
                assert list(journal.events(OrderSettled)) == []
                assert crew.desk.unknown_orders == unknown


async def test_an_entry_that_was_lost_over_a_night_shuts_nothing_once_the_bot_was_started_again(stage):
    async with stage() as on:
        with Journal.in_memory() as journal:
            crew = crew_on(on, journal)
            hearing = asyncio.create_task(crew.watch.run())
            entry = await waiting_entry(on, crew)
            await on.broker.disconnect()
            await asyncio.sleep(1)
            hearing.cancel()
            await asyncio.sleep(timedelta(days=1).total_seconds())
            now = virtual_clock().now()
            today = Session(
                day=DAY + timedelta(days=1),
                opens_at=now - timedelta(minutes=5),
                closes_at=now + timedelta(hours=6),
            )

            async with another_broker(on) as broker:
                crew = crew_on(attrs.evolve(on, broker=broker), journal)
                crew.desk.restore(remember(journal, today).orders)
                await crew.watch.catch_up()

                assert await broker.all_open_orders() == ()
                assert crew.desk.unknown_orders == 0
                [held] = await broker.positions()  # it had filled while nobody listened
                assert held.contract.con_id == entry.contract.con_id
                assert crew.desk.may_own(held)


@pytest.mark.parametrize("begins", ["before", "after"])
async def test_an_entry_that_was_lost_over_a_night_shuts_nothing_in_the_bot_that_runs_on(stage, begins):
    async with stage() as on:
        with Journal.in_memory() as journal:
            crew = crew_on(on, journal)
            hearing = asyncio.create_task(crew.watch.run())
            entry = await waiting_entry(on, crew)
            await on.broker.disconnect()
            await asyncio.sleep(timedelta(days=1).total_seconds())
            if begins == "before":
                crew.desk.begin_session()
            await on.broker.connect()
            await asyncio.sleep(100)
            if begins == "after":
                crew.desk.begin_session()

            assert crew.desk.unknown_orders == 0
            assert await on.broker.all_open_orders() == ()
            [held] = await on.broker.positions()
            assert held.contract.con_id == entry.contract.con_id
            assert crew.desk.may_own(held)
            hearing.cancel()


async def test_a_session_that_began_without_the_servers_is_sought_as_patiently_as_any(stage):
    async with stage() as on:
        on.gateway.inject(faults.UpstreamLost(duration=30.0))
        async with another_broker(on, client_id=2) as broker:
            on.gateway.inject(faults.Restart(duration=60.0))
            await asyncio.sleep(300)

            assert "stopped" not in [event.after for event in on.told.of("SessionChanged")]
            assert (await broker.quote(on.stock)).is_live
