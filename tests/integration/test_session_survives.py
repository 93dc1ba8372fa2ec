"""What a Gateway's bad days do to the adapter: what is told, what is refused, and what comes back."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import attrs
import pytest

from ibkeel.errors import (
    ClientIdInUse,
    CompetingSession,
    GatewayMute,
    NotConnected,
    QuoteUnavailable,
    RequestTimeout,
)
from ibkeel.ibkr import Backoff, Deadlines, IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Grade, OrderState, OrderTicket, Stock
from ibkeel.resilience import BreakerPolicy
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

SPY, QQQ = Stock("SPY"), Stock("QQQ")
MINUTES = BarSpec(duration="3600 S", size="1 min")


def now():
    return asyncio.get_running_loop().time()


def states(on):
    return [event.after for event in on.told.of("SessionChanged")]


def resting(**changes):
    ticket = OrderTicket(contract=SPY, side="BUY", quantity=1, order_type="LMT", limit_price="1")
    return attrs.evolve(ticket, **changes)


async def until(condition, within=600.0):
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.5)


async def lost_and_found(on):
    """Wait for the end of the session that is, and for the next one."""
    before = len(states(on))
    await until(lambda: "reconnecting" in states(on)[before:])
    await until(lambda: states(on)[-1] == "ready", within=2000)


async def keep_reading(broker, contract, quotes):
    async with aclosing(broker.stream_quotes(contract)) as stream:
        async for quote in stream:
            quotes.append((now(), quote))


async def test_a_restart_is_survived_under_the_same_client_id(stage):
    async with stage() as on:
        quotes = []
        reading = asyncio.create_task(keep_reading(on.broker, SPY, quotes))
        await on.broker.place(resting())
        on.gateway.inject(faults.Restart(duration=60.0))
        await asyncio.sleep(5)
        with pytest.raises(NotConnected, match="reconnecting"):
            await on.broker.quote(QQQ)

        await until(lambda: states(on)[-1] == "ready")
        back_at = now()
        await asyncio.sleep(5)

        assert on.gateway.client_ids == (1,)
        assert quotes[-1][0] > back_at
        assert (await on.broker.quote(QQQ)).bid is not None
        [order] = await on.broker.open_orders()
        assert order.state is OrderState.WORKING
        reading.cancel()


async def test_a_restart_is_tried_again_with_growing_waits(stage):
    async with stage() as on:
        on.gateway.inject(faults.Restart(duration=300.0))
        began = now()
        await lost_and_found(on)

        assert 300 <= now() - began <= 380
        assert on.gateway.counters.connections < 5


async def test_1100_refuses_requests_at_once_and_lets_cancels_pass(stage):
    async with stage() as on:
        placed = await on.broker.place(resting())
        on.gateway.inject(faults.UpstreamLost(duration=120.0, restores_as=1102, holds_reports=False))
        await asyncio.sleep(1)
        began = now()
        with pytest.raises(NotConnected, match="upstream lost"):
            await on.broker.quote(SPY)
        with pytest.raises(NotConnected, match="no new position"):
            await on.broker.place(resting())
        assert now() == began

        with pytest.raises(RequestTimeout, match="cancel of order"):
            await on.broker.cancel(placed.order_id)
        assert len(on.board.asked("cancel_order")) == 1
        await until(lambda: states(on)[-1] == "ready")

        assert (await on.broker.cancel(placed.order_id)).state is OrderState.CANCELLED
        assert (await on.broker.quote(SPY)).bid is not None


async def test_an_exit_passes_while_the_servers_are_out_of_reach(stage):
    async with stage() as on:
        spy = (await on.broker.qualify(SPY)).contract
        on.gateway.inject(faults.UpstreamLost(duration=120.0, restores_as=1102))
        await asyncio.sleep(1)

        exiting = resting(contract=spy, side="SELL", is_closing=True)
        placing = asyncio.create_task(on.broker.place(exiting))
        await asyncio.sleep(1)

        assert len(on.board.asked("place_order")) == 1
        await placing


@pytest.mark.parametrize("code", [1101, 1102])
async def test_streams_tick_again_after_an_outage_of_the_servers(stage, code):
    async with stage() as on:
        quotes = []
        reading = asyncio.create_task(keep_reading(on.broker, SPY, quotes))
        await asyncio.sleep(5)
        on.gateway.inject(faults.UpstreamLost(duration=60.0, restores_as=code))
        await asyncio.sleep(50)
        before = len(quotes)
        await asyncio.sleep(60)

        assert len(quotes) > before
        assert [event.subject for event in on.told.of("StreamRestored")] == ["SPY"]
        assert len(on.broker.open_lines) == 1
        reading.cancel()


async def test_a_farm_blip_that_kills_feeds_silently_is_noticed(stage):
    async with stage() as on:
        quotes = []
        reading = asyncio.create_task(keep_reading(on.broker, SPY, quotes))
        await asyncio.sleep(5)
        on.gateway.inject(faults.FarmBroken(duration=3.0, revives=False))
        await asyncio.sleep(1)
        with pytest.raises(NotConnected, match="farm"):
            await on.broker.place(resting())
        await asyncio.sleep(60)
        recent = [at for at, _ in quotes if at > now() - 10]

        assert recent
        assert states(on)[-1] == "ready"
        reading.cancel()


async def test_a_half_open_socket_is_found_and_replaced(stage):
    async with stage(heartbeat=30.0) as on:
        on.gateway.inject(faults.HalfOpen(duration=120.0))
        began = now()
        await until(lambda: "reconnecting" in states(on))
        noticed = now() - began
        await until(lambda: states(on)[-1] == "ready")

        assert noticed < 60
        assert (await on.broker.quote(SPY)).bid is not None


async def test_quotes_that_a_stream_serves_again_leave_no_service_ill(stage):
    first = BreakerPolicy(failures=1, open_seconds=5.0)
    async with stage(breakers={"market data": first}) as on:
        reading = asyncio.create_task(keep_reading(on.broker, SPY, []))
        await asyncio.sleep(10)
        on.gateway.inject(faults.HalfOpen(duration=60.0))
        await asyncio.sleep(3)  # the stream's own quote is no longer fresh
        with pytest.raises(QuoteUnavailable):
            await on.broker.quote(SPY)
        assert not (await on.broker.health()).is_ok
        await asyncio.sleep(120)
        assert (await on.broker.quote(SPY)).bid is not None
        health = await on.broker.health()

        assert (health.grade, health.check("service market data")) == (Grade.OK, None)
        reading.cancel()


async def test_a_request_without_an_answer_hurries_the_probe(stage):
    async with stage(deadlines=Deadlines(history=5.0), heartbeat=600.0) as on:
        on.gateway.inject(faults.HalfOpen(duration=120.0))
        with pytest.raises(RequestTimeout):
            await on.broker.bars(SPY, MINUTES)
        began = now()
        await until(lambda: "reconnecting" in states(on))

        assert now() - began < 30


async def test_a_client_id_in_use_is_told_at_once_and_waited_for(stage):
    async with stage() as on:
        on.gateway.inject(faults.IdInUse(client_id=5, duration=50.0))
        broker = IBKRBroker(
            IBKRConfig(port=4902, client_id=5, connect_backoff=Backoff(attempts=1)),
            clock=virtual_clock(),
            jitter=lambda: 0.0,
        )
        began = now()
        with pytest.raises(ClientIdInUse, match="in use"):
            await broker.connect()
        assert now() - began < 1

        patient = IBKRBroker(
            IBKRConfig(port=4902, client_id=5, connect_backoff=Backoff(attempts=5)),
            clock=virtual_clock(),
            jitter=lambda: 0.0,
        )
        await patient.connect()

        assert 50 <= now() - began <= 65
        assert on.gateway.client_ids == (1, 5)
        await patient.disconnect()


async def test_a_port_that_closes_at_once_is_noticed_at_once(stage):
    async with stage() as on:
        on.gateway.inject(faults.CloseAtOnce(duration=60.0))
        broker = IBKRBroker(
            IBKRConfig(port=4902, client_id=5, connect_backoff=Backoff(attempts=1)), clock=virtual_clock()
        )
        began = now()
        with pytest.raises(GatewayMute, match="closed it during the start-up"):
            await broker.connect()

        assert now() - began < 1


async def test_a_mute_port_is_told_from_a_closed_one(stage):
    async with stage() as on:
        on.gateway.inject(faults.Mute(duration=600.0))
        broker = IBKRBroker(
            IBKRConfig(port=4902, client_id=5, connect_backoff=Backoff(attempts=1)), clock=virtual_clock()
        )
        with pytest.raises(GatewayMute):
            await broker.connect()
        health = await broker.health()

        assert health.check("port").grade is Grade.OK
        assert health.check("handshake").grade is Grade.DOWN
        assert "dialog" in health.check("handshake").remedy


async def test_a_competing_session_is_waited_for_and_told_once(stage):
    async with stage(competing_session_wait=60.0) as on:
        quotes = []
        reading = asyncio.create_task(keep_reading(on.broker, SPY, quotes))
        await asyncio.sleep(5)
        on.gateway.inject(faults.CompetingSession(duration=90.0))
        await asyncio.sleep(1)
        with pytest.raises(CompetingSession):
            await on.broker.quote(QQQ)
        assert (await on.broker.health()).check("data path").remedy.startswith("end the other session")
        await asyncio.sleep(180)

        assert quotes[-1][0] > now() - 10
        reading.cancel()


async def test_a_reset_window_is_waited_out_without_an_alarm(stage):
    async with stage() as on:
        clock = on.broker._link.clock
        night = clock.now().replace(hour=4, minute=45) + timedelta(days=1)  # 23:45 in New York
        await asyncio.sleep((night - clock.now()).total_seconds())
        on.gateway.inject(faults.Restart(duration=900.0))
        await lost_and_found(on)

        assert "maintenance" in states(on)
        assert on.told.of("AlarmRaised") == []


async def test_outside_of_a_window_a_lost_session_raises_one_alarm(stage):
    async with stage() as on:
        on.gateway.inject(faults.Restart(duration=900.0))
        await lost_and_found(on)

        assert len(on.told.of("AlarmRaised")) == 1


async def test_a_service_that_keeps_failing_is_left_alone_and_leads_to_a_new_connection(stage):
    async with stage(deadlines=Deadlines(history=5.0)) as on:
        on.gateway.inject(faults.Unanswered(when_request="historical_data", duration=200.0))
        outcomes = []
        for _ in range(90):
            try:
                await on.broker.bars(SPY, MINUTES)
                outcomes.append("bars")
            except Exception as error:  # noqa: BLE001 - the types are the point
                outcomes.append(type(error).__name__)
            await asyncio.sleep(7)

        assert outcomes[:4] == ["RequestTimeout"] * 3 + ["CircuitOpen"]
        assert "reconnecting" in states(on)
        assert outcomes[-1] == "bars"
        assert outcomes.count("RequestTimeout") < 12
