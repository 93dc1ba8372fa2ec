import asyncio
import errno
from contextlib import aclosing, suppress
from datetime import time

import attrs
import pytest

from ibkeel.errors import (
    AccountMismatch,
    ClientIdInUse,
    ConfigurationError,
    GatewayMute,
    GatewayUnreachable,
    InvalidInput,
    NotConnected,
    RequestTimeout,
    UnsupportedVersion,
    WrongLoopError,
)
from ibkeel.ibkr import DEFAULT_WINDOWS, Backoff, IBKRBroker, IBKRConfig
from ibkeel.locks import ProcessLock
from ibkeel.model import BarSpec, Grade, OrderState, OrderTicket, Stock
from ibkeel.resilience import Deadlines
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.settings import GatewaySettings, Latency
from ibkeel.sim.wire import encode
from ibkeel.telemetry import NullObserver
from ibkeel.virtual import virtual_clock

ONCE = Backoff(attempts=1)
SLOW = GatewaySettings(latency=Latency(history=3600.0, first_tick=3600.0, orders=3600.0))
SPY = Stock("SPY")


def now():
    return asyncio.get_running_loop().time()


def made(**config):
    return IBKRBroker(
        IBKRConfig(**{"connect_backoff": ONCE, **config}), clock=virtual_clock(), jitter=lambda: 0.0
    )


class Mute(asyncio.Protocol):
    """Accepts, listens and never answers; says `first`, if anything, as soon as somebody calls."""

    def __init__(self, first=b""):
        self.first = first

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        first, self.first = self.first, b""
        self.transport.write(first)


async def drain(events):
    async with aclosing(events):
        async for _ in events:
            pass


@pytest.mark.smoke
async def test_a_session_opens_answers_and_closes(stage):
    async with stage() as on:
        assert on.broker.is_connected
        assert (await on.broker.health()).is_ok
        await on.broker.disconnect()
        await on.broker.disconnect()

        assert not on.broker.is_connected
        told = [type(event).__name__ for event in on.told.events]
        assert [name for name in told if name != "SessionChanged"] == [
            *["GatewayNoticed", "FarmChanged"] * 3,
            "Connected",
            "RequestSent",
            "RequestEnded",
            "HealthTaken",
            "Disconnected",
        ]
        states = [event.after for event in on.told.of("SessionChanged")]
        assert states == ["connecting", "syncing", "ready", "stopped"]
        assert "DU1234567" not in str(on.told.events)


async def test_connecting_twice_changes_nothing(stage):
    async with stage() as on:
        await on.broker.connect()

        assert on.gateway.counters.connections == 1


async def test_a_closed_port_is_unreachable():
    with pytest.raises(GatewayUnreachable, match=r"cannot reach the Gateway at 127\.0\.0\.1:4002"):
        await made().connect()


async def test_a_host_to_which_nothing_gets_through_is_unreachable_and_not_mute(monkeypatch):
    async def never(*_):
        await asyncio.sleep(3600)  # a firewall drops what is sent there

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    broker = made(deadlines=Deadlines(connect=8.0))

    with pytest.raises(GatewayUnreachable, match="nobody took the connection within 8 s"):
        await broker.connect()

    port = next(check for check in (await broker.health()).checks if check.name == "port")
    assert port.grade is Grade.DOWN
    assert now() == pytest.approx(8, abs=0.5)


async def test_a_broker_is_patient_with_a_gateway_that_starts_late(market):
    gateway = SimulatedGateway(market=market, clock=virtual_clock())
    broker = made(connect_backoff=Backoff(first=1, factor=2, cap=10, attempts=5))
    opening = asyncio.create_task(broker.connect())
    await asyncio.sleep(5)

    async with gateway.listening("127.0.0.1", 4002):
        await opening

        assert now() == pytest.approx(7, abs=0.5)
        await broker.disconnect()


async def test_a_connect_after_a_disconnect_is_as_patient_as_the_first_one(market):
    broker = made(connect_backoff=Backoff(first=2, factor=3, cap=10, attempts=5))
    async with SimulatedGateway(market=market, clock=virtual_clock()).listening("127.0.0.1", 4002):
        await broker.connect()
        await broker.disconnect()

    took = []
    for _ in range(3):
        began = now()
        with pytest.raises(GatewayUnreachable):
            await broker.connect()
        took.append(now() - began)

    assert took == pytest.approx([28, 28, 28])  # 2 + 6 + 10 + 10, and nothing is held back


async def test_in_the_hours_of_a_reset_a_connect_has_its_number_of_attempts_too(market):
    window = attrs.evolve(DEFAULT_WINDOWS[0], weekdays=range(7), begins=time(9), ends=time(11))
    broker = made(connect_backoff=Backoff(attempts=2), reset_windows=(window,))

    with pytest.raises(GatewayUnreachable):
        await broker.connect()

    assert (await broker.health()).check("session").evidence.startswith("stopped")
    async with SimulatedGateway(market=market, clock=virtual_clock()).listening("127.0.0.1", 4002):
        await asyncio.sleep(300)
        assert not broker.is_connected  # nobody seeks behind the back of who was refused


@pytest.mark.parametrize("first", [b"", encode(("176", "20260105 09:30:00 US/Eastern"))])
async def test_a_gateway_that_never_answers_is_mute_within_the_deadline(first):
    server = await asyncio.get_running_loop().create_server(lambda: Mute(first), "127.0.0.1", 4002)
    broker = made(deadlines=Deadlines(connect=8.0))

    with pytest.raises(GatewayMute, match="within 8 s"):
        await broker.connect()

    assert now() == pytest.approx(8, abs=0.5)
    assert not broker.is_connected
    server.close()


async def test_half_a_start_up_is_no_session(stage):
    async def opened():
        async with stage(connect_backoff=ONCE, settings=GatewaySettings(latency=Latency(account=3600.0))):
            pytest.fail("the start-up answers never came")

    with pytest.raises(GatewayMute, match="did not finish the start-up"):
        await opened()


async def test_a_gateway_that_is_too_old_is_said_to_be(market):
    server = await asyncio.get_running_loop().create_server(
        lambda: Mute(encode(("100", "20260105 09:30:00 US/Eastern"))), "127.0.0.1", 4002
    )

    with pytest.raises(UnsupportedVersion, match="update the Gateway"):
        await made().connect()

    server.close()


async def test_a_client_id_in_use_is_told_at_once(stage):
    async with stage(client_id=7) as on:
        began = now()
        with pytest.raises(ClientIdInUse, match="client id 7 in use"):
            await made(client_id=7).connect()

        assert now() - began < 1
        assert on.broker.is_connected


async def test_the_same_client_id_is_tried_again_and_never_another(stage):
    async with stage(client_id=7) as on:
        second = made(client_id=7, connect_backoff=Backoff(first=2, attempts=5))
        opening = asyncio.create_task(second.connect())
        await asyncio.sleep(5)
        await on.broker.disconnect()
        await opening

        assert on.gateway.client_ids == (7,)
        await second.disconnect()


@pytest.mark.parametrize(
    ("account", "config"),
    [
        ("U7654321", {"orders": "PAPER", "port": 4003}),
        ("U7654321", {"orders": "DRY_RUN", "port": 4002}),
        ("DU1234567", {"orders": "DRY_RUN", "port": 4001}),
        ("DU1234567", {"orders": "LIVE", "port": 4003, "live_account": "U7654321"}),
        ("U1111111", {"orders": "LIVE", "port": 4003, "live_account": "U7654321"}),
        ("DU1234567", {"orders": "PAPER", "port": 4002, "account": "DU9999999"}),
    ],
)
async def test_an_account_that_does_not_fit_ends_the_session(market, account, config):
    gateway = SimulatedGateway(market=market, clock=virtual_clock(), account=account)

    async with gateway.listening("127.0.0.1", config["port"]):
        broker = made(**config)
        with pytest.raises(AccountMismatch) as refused:
            await broker.connect()
        await asyncio.sleep(1)

        assert not broker.is_connected
        assert gateway.client_ids == ()
        assert account not in str(refused.value)


async def test_a_live_account_that_is_named_is_served(market):
    gateway = SimulatedGateway(market=market, clock=virtual_clock(), account="U7654321")

    async with (
        gateway.listening("127.0.0.1", 4001),
        made(orders="LIVE", port=4001, live_account="U7654321") as broker,
    ):
        assert (await broker.account()).account == "U7654321"


async def test_a_call_from_a_foreign_loop_is_refused_at_once(stage):
    async with stage() as on:
        calls = [
            lambda: on.broker.quote(SPY),
            lambda: on.broker.bars(SPY, BarSpec()),
            on.broker.positions,
            on.broker.connect,
            on.broker.disconnect,
            on.broker.health,
            lambda: anext(on.broker.stream_quotes(SPY)),
            lambda: anext(on.broker.order_events()),
            lambda: on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1)),
        ]

        for call in calls:
            with pytest.raises(WrongLoopError, match="connected on another event loop"):
                await asyncio.to_thread(asyncio.run, call())

        assert on.broker.is_connected
        assert on.board.asked("place_order") == []


async def test_the_end_of_the_session_ends_all_that_waits(stage):
    async with stage(settings=SLOW, reconnect=False) as on:
        placement = await on.broker.with_deadline(1).place(OrderTicket(contract=SPY, side="BUY", quantity=1))
        on.board.kept_back = {"execution_end"}
        waiting = [
            asyncio.ensure_future(call)
            for call in (
                on.broker.quote(SPY),
                on.broker.quotes([SPY, on.option]),
                on.broker.bars(SPY, BarSpec()),
                on.broker.cancel(placement.order_id),
                on.broker.open_orders(),
                on.broker.positions(),
                on.broker.account(),
                on.broker.executions(),
                on.broker.completed_orders(),
                anext(on.broker.stream_quotes(SPY)),
                drain(on.broker.order_events()),
            )
        ]
        await asyncio.sleep(0.02)
        began = now()
        on.board.hang_up()
        _, still = await asyncio.wait(waiting, timeout=5)

        assert not still
        assert now() - began < 1
        assert {type(task.exception()) for task in waiting} == {NotConnected}
        assert not on.broker.is_connected
        assert on.broker.open_lines == {}
        assert len(on.told.of("ConnectionLost")) == 1
        with pytest.raises(NotConnected, match="call connect"):
            await on.broker.quote(SPY)


async def test_those_who_wait_for_a_line_are_told_too(stage):
    async with stage(settings=SLOW, market_data_lines=1) as on:
        waiting = [asyncio.ensure_future(on.broker.quote(SPY)) for _ in range(3)]
        await asyncio.sleep(1)
        on.board.hang_up()
        await asyncio.wait(waiting, timeout=5)

        assert [type(task.exception()) for task in waiting] == [NotConnected] * 3


async def test_an_order_is_unknown_after_a_drop_until_the_venue_says_what_it_is(stage):
    async with stage() as on:
        far = OrderTicket(contract=SPY, side="BUY", quantity=1, order_type="LMT", limit_price="100")
        placement = await on.broker.place(far)
        async with aclosing(on.broker.order_events()) as events:
            news = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0.1)
            on.board.hang_up()
            lost = await news
        await on.broker.connect()
        (found,) = await on.broker.open_orders()

        assert (lost.order_id, lost.state) == (placement.order_id, OrderState.UNKNOWN)
        assert (found.order_id, found.state) == (placement.order_id, OrderState.WORKING)


async def test_a_placement_that_the_drop_overtakes_says_unknown_at_once(stage):
    async with stage(settings=SLOW) as on:
        placing = asyncio.ensure_future(on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1)))
        await asyncio.sleep(1)
        on.board.hang_up()
        async with asyncio.timeout(1):
            placement = await placing

        assert (placement.state, placement.was_sent) == (OrderState.UNKNOWN, True)


async def test_a_new_session_has_new_notices_and_works(stage):
    async with stage() as on:
        on.gateway.broadcast(1100, "Connectivity between IB and Trader Workstation has been lost.")
        await asyncio.sleep(0.1)
        before = await on.broker.health()
        on.board.hang_up()
        await asyncio.sleep(0.1)
        between = await on.broker.health()
        await on.broker.connect()
        after = await on.broker.health()

        assert [health.grade for health in (before, between, after)] == [Grade.DOWN, Grade.DOWN, Grade.OK]
        assert (await on.broker.quote(SPY)).mid is not None


async def test_a_broken_farm_degrades_health(stage):
    async with stage() as on:
        on.gateway.broadcast(2103, "Market data farm connection is broken:usfarm")
        await asyncio.sleep(0.1)

        health = await on.broker.health()

        assert health.grade is Grade.DEGRADED
        degraded = [check.name for check in health.checks if check.grade is Grade.DEGRADED]
        assert degraded == ["session", "farm usfarm"]


async def test_many_may_ask_for_what_carries_no_id_at_once(stage):
    async with stage() as on:
        async with asyncio.timeout(10):
            healths = await asyncio.gather(*[on.broker.health() for _ in range(5)])
            positions = await asyncio.gather(*[on.broker.positions() for _ in range(5)])
            balances = await asyncio.gather(*[on.broker.account() for _ in range(5)])

        assert all(health.is_ok for health in healths)
        assert positions == [()] * 5
        assert len({row.net_liquidation for row in balances}) == 1
        assert (
            len(on.board.asked("cancel_account_summary")) == 2
        )  # of the first, and of those who came meanwhile


@pytest.mark.parametrize("ask", ["positions", "account", "open_orders", "completed_orders"])
async def test_who_asks_for_what_carries_no_id_waits_for_one_lost_answer_and_not_for_those_of_all(stage, ask):
    async with stage(deadlines=Deadlines(account=10.0, orders=10.0)) as on:
        loop = asyncio.get_running_loop()
        on.board.kept_back = {
            "position_end",
            "account_summary_end",
            "open_order_end",
            "completed_orders_end",
        }
        began = loop.time()
        many = [getattr(on.broker, ask)() for _ in range(8)]
        hasty = getattr(on.broker.with_deadline(1.0), ask)()
        outcomes = await asyncio.gather(*many, hasty, return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {RequestTimeout}
        assert loop.time() - began == pytest.approx(10.0 + 10.0 + 1.0, abs=0.5)


async def test_an_answer_that_comes_late_does_not_answer_the_next_question(stage):
    async with stage(deadlines=Deadlines(probe=2.0)) as on:
        on.board.kept_back = {"current_time"}
        sick = await on.broker.health()
        on.board.kept_back = set()
        on.board.say("current_time", seconds=1)
        await asyncio.sleep(0.1)
        well = await on.broker.health()

        assert (sick.grade, well.grade) == (Grade.DOWN, Grade.OK)
        assert "1970" not in str(well)
        assert "00:00:01 UTC" not in str(well)


async def test_an_account_that_the_login_does_not_have_is_refused(stage):
    async with stage() as on:
        for call in (on.broker.positions, on.broker.account, on.broker.pnl):
            with pytest.raises(InvalidInput, match=r"no account DU\*\*\*99; this login has DU\*\*\*67"):
                await call("DU9999999")


async def test_balances_and_profit_come_by_a_round_trip(stage):
    async with stage() as on:
        values, profit = await on.broker.account(), await on.broker.pnl()

        assert (values.net_liquidation, values.currency) == (100_000, "USD")
        assert profit.realized is not None
        assert len(on.board.asked("account_summary")) == 1


@pytest.mark.parametrize(
    ("replies", "call"),
    [
        ({"position_end"}, lambda broker: broker.positions()),
        ({"account_summary_end"}, lambda broker: broker.account()),
        ({"open_order_end"}, lambda broker: broker.open_orders()),
        ({"completed_orders_end"}, lambda broker: broker.completed_orders()),
        ({"execution_end"}, lambda broker: broker.executions()),
        ({"contract_data_end"}, lambda broker: broker.qualify(SPY)),
        ({"option_parameters_end"}, lambda broker: broker.option_chain(SPY)),
        ({"historical_data", "historical_data_end"}, lambda broker: broker.bars(SPY, BarSpec())),
    ],
)
async def test_every_kind_of_request_has_a_deadline(stage, replies, call):
    async with stage() as on:
        on.board.kept_back = replies

        began = now()
        with pytest.raises(RequestTimeout):
            await call(on.broker.with_deadline(3))
        took = now() - began
        on.board.kept_back = set()
        await call(on.broker)

        assert took == pytest.approx(3, abs=0.7)


async def test_a_deadline_that_cannot_be_is_refused(stage):
    async with stage() as on:
        for seconds in (0, -1, 601, float("nan")):
            with pytest.raises((InvalidInput, ConfigurationError)):
                on.broker.with_deadline(seconds)


async def test_leaving_the_context_takes_every_subscription_back(stage):
    async with stage(settings=SLOW) as on:
        waiting = [
            asyncio.ensure_future(on.broker.quote(SPY)),
            asyncio.ensure_future(on.broker.bars(SPY, BarSpec())),
        ]
        await asyncio.sleep(1)
        await on.broker.disconnect()
        with suppress(NotConnected):
            await asyncio.gather(*waiting)
        await asyncio.sleep(1)

        assert len(on.board.asked("cancel_market_data")) == 1
        assert len(on.board.asked("cancel_historical_data")) == 1
        assert on.gateway.counters.open_lines == 0


def test_a_broker_may_be_made_where_no_loop_runs():
    broker = IBKRBroker(observer=NullObserver())

    assert not broker.is_connected


async def test_a_session_subscribes_to_its_balances_once(stage):
    async with stage() as on:
        await asyncio.sleep(1)

        assert len(on.board.asked("account_updates")) == 1
        assert on.board.asked("account_updates_multi") == []


async def test_a_lock_that_cannot_be_given_back_keeps_no_session(stage, monkeypatch):
    def refused(_):
        raise OSError(errno.EROFS, "Read-only file system")

    async with stage() as on:
        with monkeypatch.context() as patch, suppress(OSError):
            patch.setattr(ProcessLock, "release", refused)
            await on.broker.disconnect()

        assert not on.broker.is_connected
