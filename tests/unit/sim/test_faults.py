"""Each kind of fault, as a client sees it that speaks the protocol itself, on virtual time."""

import asyncio
import math
from contextlib import asynccontextmanager
from datetime import time, timedelta

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.ibkr.client import library as ii
from ibkeel.sim import GatewaySettings, Scenario, SimulatedGateway, faults
from ibkeel.sim.codec import REPLIES, REQUESTS
from ibkeel.sim.effects import EFFECTS
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame
from ibkeel.virtual import run_virtual, virtual_clock

HOST, PORT, VERSION = "127.0.0.1", 4002, 176
SPY = {"symbol": "SPY", "sec_type": "STK", "exchange": "SMART", "currency": "USD"}
BARS = {**SPY, "duration": "1 D", "bar_size": "30 mins", "use_rth": True, "what": "TRADES", "date_format": 1}
ORDER = {**SPY, "action": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 100.0, "transmit": True}
OTHER_DATA = {
    "real_time_bars": {**SPY, "bar_size": 5, "what": "TRADES", "use_rth": True},
    "tick_by_tick": {**SPY, "kind": "BidAsk", "count": 0},
    "market_depth": {**SPY, "rows": 1},
}
REQUEST = {message.name: message for message in REQUESTS.values()}
REPLY = {str(message.number): message for message in REPLIES.values()}


def now():
    return asyncio.get_running_loop().time()


class RawClient(asyncio.Protocol):
    """Says what it is told to, and keeps what it hears."""

    def __init__(self):
        self.reader, self.heard, self.raw, self.ended_at = FrameReader(), [], bytearray(), None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.raw += data
        for texts in self.reader.receive(data):
            message = REPLY.get(texts[0])
            self.heard.append((now(), message.name if message else texts[0], texts))

    def connection_lost(self, error):
        self.ended_at, self.error = now(), error

    def ask(self, name, **values):
        self.transport.write(encode(REQUEST[name].build(values, VERSION)))

    def of(self, name):
        """Messages of one kind: when, and their values."""
        return [
            (at, REPLIES[name].parse(texts[1:], VERSION)) for at, kind, texts in self.heard if kind == name
        ]

    def errors(self):
        """Request id and code of every error but the notices of the start."""
        rows = [(values["request_id"], values["code"]) for _, values in self.of("error")]
        return [row for row in rows if row[1] not in {2104, 2106, 2158}]

    def names(self):
        return [name for _, name, _ in self.heard]


async def connected(client_id=5):
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(RawClient, HOST, PORT)
    client.transport.write(GREETING + frame(b"v100..176"))
    client.ask("start_api", client_id=client_id)
    await asyncio.sleep(0.01)
    return client


@pytest.fixture
def listening(small_market, small_exchange):
    """A Gateway that listens, ten minutes before which nothing happened."""

    @asynccontextmanager
    async def opened(*planned, seed=0, venue=small_exchange, **settings):
        gateway = SimulatedGateway(
            market=small_market,
            venue=venue,
            clock=virtual_clock(),
            settings=GatewaySettings(**settings),
            scenario=Scenario(name="test", faults=planned, seed=seed) if planned else None,
        )
        async with gateway.listening(HOST, PORT):
            yield gateway
        assert gateway.counters.failures == 0

    return opened


# The connection


@pytest.mark.parametrize("kind", [faults.Restart, faults.Crash])
async def test_a_restart_ends_sessions_and_listens_again_later(listening, kind):
    async with listening() as gateway:
        client = await connected()
        client.ask("market_data", request_id=1, **SPY)
        client.ask("place_order", order_id=9, **ORDER)
        await asyncio.sleep(2)

        gateway.inject(kind(duration=30.0))
        await asyncio.sleep(1)
        with pytest.raises(ConnectionRefusedError):
            await connected()
        await asyncio.sleep(30)
        again = await connected()
        again.ask("open_orders")
        await asyncio.sleep(5)

        assert client.ended_at == pytest.approx(2.01, abs=0.01)
        assert isinstance(client.error, ConnectionResetError) == (kind is faults.Crash)
        assert [values["order_id"] for _, values in again.of("order_status")] == [9]
        assert "tick_price" not in again.names()
        assert gateway.counters.open_lines == 0
        [seen] = gateway.faults_seen
        assert (seen.kind, (seen.ended_at - seen.at).total_seconds()) == (
            kind.kind,
            pytest.approx(30, abs=0.01),
        )


@pytest.mark.parametrize(("rolls_back", "issued"), [(False, 10), (True, 8)])
async def test_a_restart_may_issue_again_the_ids_of_orders_that_were_lost(listening, rolls_back, issued):
    lost = faults.Unanswered(when_request="place_order", skip=1, times=2)
    async with listening(lost) as gateway:
        client = await connected()
        for order_id in (7, 8, 9):
            client.ask("place_order", order_id=order_id, **ORDER)
        await asyncio.sleep(1)

        gateway.inject(faults.Restart(duration=1.0, rolls_back_ids=rolls_back))
        await asyncio.sleep(2)
        again = await connected()

        assert [values["order_id"] for _, values in again.of("next_valid_id")] == [issued]


async def test_ids_that_were_set_back_begin_below_those_of_live_orders(listening):
    async with listening() as gateway:
        client = await connected()
        client.ask("place_order", order_id=7, **ORDER)
        await asyncio.sleep(1)

        gateway.inject(faults.Restart(duration=1.0, ids_begin_at=3))
        await asyncio.sleep(2)
        again = await connected()
        again.ask("place_order", order_id=8, **ORDER)
        await asyncio.sleep(1)
        again.ask("next_id", count=1)
        await asyncio.sleep(1)

        assert [values["order_id"] for _, values in again.of("next_valid_id")] == [3, 9]


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [(faults.ConnectionLost(when_request="place_order"), False), (faults.ConnectionLost(after=1.02), True)],
)
async def test_a_gateway_passes_on_what_it_has_read_when_the_connection_is_lost(listening, fault, arrives):
    async with listening(fault) as gateway:
        client = await connected()
        await asyncio.sleep(1.0 - now() % 1)
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(1)

        assert [row.order_id for row in gateway.venue.open_orders()] == [1] * arrives
        assert "open_order" not in client.names()
        assert client.ended_at is not None
        assert (await connected(6)).of("next_valid_id")


async def test_a_gateway_that_crashes_loses_what_it_has_read(listening):
    crash = faults.Crash(when_request="place_order", wait=0.02, duration=5.0)
    async with listening(crash) as gateway:
        client = await connected()
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(10)

        assert gateway.venue.open_orders() == []


async def test_a_closed_port_refuses_new_connections_and_keeps_the_old(listening):
    async with listening(faults.PortClosed(after=1.0, duration=5.0)):
        client = await connected()
        await asyncio.sleep(2)
        with pytest.raises(ConnectionRefusedError):
            await connected(6)
        client.ask("current_time")
        await asyncio.sleep(5)

        assert "current_time" in client.names()
        assert "next_valid_id" in (await connected(6)).names()


async def test_two_closures_that_overlap_open_the_port_at_the_end_of_the_second(listening):
    first, second = faults.PortClosed(duration=5.0), faults.PortClosed(after=3.0, duration=5.0)
    async with listening(first, second):
        await asyncio.sleep(6)
        with pytest.raises(ConnectionRefusedError):
            await connected()
        await asyncio.sleep(3)

        assert "next_valid_id" in (await connected()).names()


async def test_a_reset_port_is_told_before_everyone_is_dropped(listening):
    async with listening() as gateway:
        client = await connected()

        gateway.inject(faults.PortReset(port=4010))
        await asyncio.sleep(1)

        assert client.errors() == [(-1, 1300)]
        assert client.ended_at is not None
        with pytest.raises(ConnectionRefusedError):
            await connected()
        await asyncio.get_running_loop().create_connection(RawClient, HOST, 4010)


async def test_a_port_that_is_reset_to_itself_stays_where_it_is(listening):
    async with listening(faults.PortReset(after=1.0)):
        client = await connected()
        await asyncio.sleep(2)

        assert client.of("error")[-1][1]["text"].endswith(f"-{PORT}")
        assert client.ended_at is not None
        assert "next_valid_id" in (await connected()).names()


async def test_a_crash_can_come_when_a_client_starts(listening):
    async with listening(faults.Crash(when_request="start_api", skip=1, duration=5.0)) as gateway:
        first, second = await connected(1), await connected(2)

        assert "next_valid_id" in first.names()
        assert "next_valid_id" not in second.names()
        assert first.ended_at == second.ended_at is not None
        assert gateway.client_ids == ()


async def test_a_mute_port_accepts_and_never_answers(listening):
    async with listening() as gateway:
        before = await connected()
        gateway.inject(faults.Mute(duration=10.0))

        during = await connected(6)
        before.ask("current_time")
        await asyncio.sleep(20)

        assert (during.heard, during.ended_at) == ([], None)
        assert "current_time" in before.names()
        assert "next_valid_id" in (await connected(7)).names()


async def test_a_port_that_closes_at_once_says_nothing_first(listening):
    async with listening(faults.CloseAtOnce(duration=10.0)):
        client = await connected()

        assert (client.heard, client.ended_at) == ([], pytest.approx(0.0, abs=0.02))


@pytest.mark.parametrize(("held", "refused"), [(5, True), (6, False), (None, True)])
async def test_a_ghost_holds_a_client_id_until_it_is_forgotten(listening, held, refused):
    async with listening(faults.IdInUse(client_id=held, duration=45.0)):
        client = await connected(5)
        await asyncio.sleep(45)

        assert client.errors() == ([(-1, 326)] if refused else [])
        assert (client.ended_at is not None) == refused
        if refused:
            assert "next_valid_id" in (await connected(5)).names()


async def test_a_half_open_connection_answers_all_at_its_end(listening):
    async with listening() as gateway:
        client = await connected()
        client.ask("market_data", request_id=1, **SPY)
        await asyncio.sleep(3)
        heard = len(client.heard)

        gateway.inject(faults.HalfOpen(duration=60.0))
        client.ask("current_time")
        await asyncio.sleep(59)
        assert (len(client.heard), client.ended_at) == (heard, None)
        await asyncio.sleep(3)

        assert "current_time" in client.names()
        assert client.heard[-1][1].startswith("tick_")


async def test_what_a_client_said_before_it_hung_up_on_a_sleeping_gateway_is_read_on_waking(
    listening, small_exchange
):
    async with listening(faults.HalfOpen(after=1.0, duration=60.0)) as gateway:
        client = await connected()
        await asyncio.sleep(2)

        client.ask("place_order", order_id=1, **ORDER)
        client.transport.close()
        await asyncio.sleep(10)
        assert (gateway.client_ids, list(small_exchange.orders)) == ((5,), [])
        again = await connected()
        await asyncio.sleep(60)

        assert list(small_exchange.orders) == [(5, 1)]
        assert gateway.client_ids == (5,)
        assert "next_valid_id" in again.names()
        assert len(gateway.reception.connections) == 1


async def test_a_gateway_sleeps_until_the_last_of_two_sleeps_is_over(listening):
    async with listening(faults.HalfOpen(duration=10.0), faults.HalfOpen(after=5.0, duration=20.0)):
        client = await connected()
        await asyncio.sleep(12)
        assert client.heard == []

        await asyncio.sleep(15)

        assert "next_valid_id" in client.names()


async def test_a_gateway_that_stops_while_it_sleeps_keeps_no_connection(listening):
    async with listening(faults.HalfOpen(after=1.0)) as gateway:
        client = await connected()
        await asyncio.sleep(2)
        client.transport.close()
        await asyncio.sleep(1)

    assert gateway.reception.connections == ()
    assert gateway.client_ids == ()


# Upstream and farms


@pytest.mark.parametrize(("code", "revives"), [(1101, False), (1102, True)])
async def test_upstream_lost_is_silence_and_its_end_keeps_or_loses_streams(listening, code, revives):
    async with listening() as gateway:
        client = await connected()
        client.ask("market_data", request_id=1, **SPY)
        client.ask("historical_data", request_id=2, keep_up_to_date=True, **BARS)
        await asyncio.sleep(10)

        gateway.inject(faults.UpstreamLost(duration=60.0, restores_as=code))
        began, heard = now(), len(client.heard)
        client.ask("contract_details", request_id=3, **SPY)
        client.ask("historical_data", request_id=4, **BARS)
        client.ask("current_time")
        await asyncio.sleep(59)
        assert client.names()[heard:] == ["error", "current_time"]
        await asyncio.sleep(20)

        assert client.errors() == [(-1, 1100), (-1, code)]
        later = [name for at, name, _ in client.heard if at > began + 61]
        assert ("tick_price" in later, "historical_update" in later) == (revives, revives)
        assert {name for _, name, _ in client.heard[heard:]}.isdisjoint({"contract_data", "historical_data"})
        assert gateway.counters.open_lines == int(revives)


async def test_orders_sent_while_the_upstream_is_lost_are_placed_when_it_is_back(listening, small_exchange):
    async with listening() as gateway:
        client = await connected()
        gateway.inject(faults.UpstreamLost(duration=60.0))
        client.ask("place_order", order_id=1, **ORDER)
        client.ask("place_order", order_id=2, **ORDER)
        client.ask("cancel_order", order_id=1)
        await asyncio.sleep(59)
        assert (small_exchange.orders, client.of("order_status")) == ({}, [])

        await asyncio.sleep(2)

        told = [(values["order_id"], values["status"]) for _, values in client.of("order_status")]
        assert told == [(1, "Submitted"), (2, "Submitted"), (1, "Cancelled")]


@pytest.mark.parametrize(("kind", "placed"), [(faults.Restart, [1]), (faults.Crash, [])])
async def test_orders_that_wait_for_the_upstream_outlive_a_restart_and_no_crash(
    listening, small_exchange, kind, placed
):
    async with listening(faults.UpstreamLost(duration=60.0), kind(after=10.0, duration=5.0)):
        client = await connected()
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(61)

        assert [number for _, number in small_exchange.orders] == placed


@pytest.mark.parametrize(("holds", "told_at"), [(True, 80.0), (False, 30.0)])
async def test_reports_wait_for_the_upstream_or_pass(listening, small_exchange, holds, told_at):
    due = virtual_clock().now() + timedelta(seconds=30)
    small_exchange.next_event = lambda after: due if after < due else None
    async with listening(faults.UpstreamLost(after=20.0, duration=60.0, holds_reports=holds)):
        client = await connected()
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(10)
        small_exchange.orders[5, 1].order_type = "MKT"  # so that it fills at the next look
        await asyncio.sleep(90)

        [(at, _)] = client.of("execution")

        assert at == pytest.approx(told_at, abs=0.01)


@pytest.mark.parametrize(("holds", "told"), [(True, [0, 0, 1]), (False, [0, 1, 1])])
async def test_who_asks_in_an_outage_hears_what_was_known_before(listening, small_exchange, holds, told):
    due = virtual_clock().now() + timedelta(seconds=30)
    small_exchange.next_event = lambda after: due if after < due else None
    async with listening(
        faults.UpstreamLost(after=20.0, duration=60.0, holds_reports=holds),
        faults.UpstreamLost(after=40.0, duration=10.0, holds_reports=holds),
    ):
        client = await connected()
        client.ask("place_order", order_id=1, **ORDER)
        client.ask("pnl", request_id=9)
        asked = []
        for number, pause in enumerate((10, 50, 40)):
            await asyncio.sleep(pause)
            small_exchange.orders.get((5, 1), lambda: None).order_type = "MKT"  # it fills at the next look
            client.ask("executions", request_id=20 + number)
            client.ask("positions")
            client.ask("cancel_positions")
            client.ask("open_orders")
            asked.append(now())
            await asyncio.sleep(1)

        fills = [values["request_id"] for _, values in client.of("execution") if values["request_id"] > 0]
        held = [sum(since < at < since + 0.9 for at, _ in client.of("position")) for since in asked]
        lists = [kind for _, kind, _ in client.heard if kind in {"open_order", "open_order_end"}]
        gains = [values["unrealized"] for at, values in client.of("pnl") if 60 < at < 79]

        assert [fills.count(20 + number) for number in range(3)] == told
        assert held == told
        assert lists.count("open_order_end") == 3
        assert set(gains) == {0.0 if holds else 1.0}


async def test_two_outages_that_overlap_are_over_with_the_second(listening, small_exchange):
    async with listening() as gateway:
        client = await connected()
        gateway.inject(faults.UpstreamLost(duration=60.0))
        gateway.inject(faults.UpstreamLost(after=1.0, duration=99.0, restores_as=1101))
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(90)
        told, placed = client.errors(), dict(small_exchange.orders)
        await asyncio.sleep(20)

        assert (told, placed) == ([(-1, 1100), (-1, 1100)], {})
        assert client.errors()[2:] == [(-1, 1101)]
        assert [number for _, number in small_exchange.orders] == [1]


async def test_1100_may_come_again_and_again(listening):
    async with listening(faults.UpstreamLost(after=1.0, duration=10.0, says_again_every=4.0)):
        client = await connected()
        await asyncio.sleep(20)

        assert client.errors() == [(-1, 1100), (-1, 1100), (-1, 1100), (-1, 1102)]


@pytest.mark.parametrize(
    ("service", "broken", "well", "name"),
    [
        ("market_data", 2103, 2104, "Market data farm connection is broken:usfarm"),
        ("history", 2105, 2106, "HMDS data farm connection is broken:ushmds"),
        ("definitions", 2157, 2158, "Sec-def data farm connection is broken:secdefnj"),
    ],
)
async def test_a_broken_farm_takes_its_own_service_away_and_no_other(listening, service, broken, well, name):
    answers = {"market_data": "tick_price", "history": "historical_data", "definitions": "contract_data"}
    async with listening() as gateway:
        client = await connected()
        gateway.inject(faults.FarmBroken(service=service, duration=30.0))
        newcomer = await connected(6)
        client.ask("market_data", request_id=1, **SPY)
        client.ask("historical_data", request_id=2, **BARS)
        client.ask("contract_details", request_id=3, **SPY)
        await asyncio.sleep(31)

        notices = [(values["code"], values["text"]) for _, values in client.of("error")][3:]
        assert notices[0] == (broken, name)
        assert notices[1][0] == well
        assert {kind for kind, reply in answers.items() if reply in client.names()} == set(answers) - {
            service
        }
        assert (broken, name) in [(values["code"], values["text"]) for _, values in newcomer.of("error")]


@pytest.mark.parametrize("revives", [True, False])
async def test_streams_of_a_broken_farm_go_on_or_stay_dead(listening, revives):
    async with listening() as gateway:
        client = await connected()
        client.ask("market_data", request_id=1, **SPY)
        await asyncio.sleep(2)

        gateway.inject(faults.FarmBroken(duration=3.0, revives=revives))
        began = now()
        await asyncio.sleep(10)
        moved = [at for at, name, _ in client.heard if name == "tick_price" and at > began]
        client.ask("cancel_market_data", request_id=1)
        client.ask("market_data", request_id=2, **SPY)
        await asyncio.sleep(2)

        assert bool(moved) == revives
        assert all(at > began + 2.9 for at in moved)
        assert [values["request_id"] for _, values in client.of("tick_price")][-1] == 2
        assert 300 not in dict(client.errors()).values()


async def test_bars_that_a_broken_farm_ends_are_told_so(listening):
    async with listening() as gateway:
        client = await connected()
        client.ask("historical_data", request_id=2, keep_up_to_date=True, **BARS)
        await asyncio.sleep(10)

        gateway.inject(faults.FarmBroken(service="history", duration=3.0, revives=False))
        updates = len(client.of("historical_update"))
        await asyncio.sleep(30)

        assert client.errors() == [(-1, 2105), (2, 10182)]
        assert len(client.of("historical_update")) == updates > 0


async def test_silent_streams_stand_still_while_requests_are_answered(listening):
    async with listening() as gateway:
        client = await connected()
        client.ask("market_data", request_id=1, **SPY)
        await asyncio.sleep(2)

        gateway.inject(faults.SilentStreams(duration=60.0))
        heard = len(client.heard)
        client.ask("historical_data", request_id=2, **BARS)
        client.ask("market_data", request_id=3, snapshot=True, **SPY)
        await asyncio.sleep(59)
        silent = client.names()[heard:]
        await asyncio.sleep(3)

        assert silent == ["tick_parameters", "historical_data", "tick_snapshot_end"]
        assert "tick_price" in client.names()[heard + len(silent) :]


# Requests


async def test_a_request_without_an_answer_still_holds_what_it_took(listening):
    planned = [
        faults.Unanswered(when_request=name, times=1)
        for name in ("market_data", "historical_data", "contract_details")
    ]
    async with listening(*planned) as gateway:
        client = await connected()
        heard = len(client.heard)
        client.ask("market_data", request_id=1, **SPY)
        client.ask("historical_data", request_id=2, **BARS)
        client.ask("contract_details", request_id=3, symbol="NONE")
        await asyncio.sleep(60)
        assert len(client.heard) == heard
        assert (gateway.counters.open_lines, gateway.counters.open_histories) == (1, 1)

        client.ask("cancel_market_data", request_id=1)
        client.ask("cancel_historical_data", request_id=2)
        client.ask("contract_details", request_id=4, **SPY)
        await asyncio.sleep(1)

        assert client.errors() == [(2, 162)]
        assert "contract_data" in client.names()
        assert (gateway.counters.open_lines, gateway.counters.open_histories) == (0, 0)
        assert [seen.detail for seen in gateway.faults_seen] == [
            "market_data 1",
            "historical_data 2",
            "contract_details 3",
        ]


async def test_a_session_whose_start_is_not_answered_hears_nothing_more(listening):
    async with listening(faults.Unanswered(when_request="start_api", times=1)) as gateway:
        client = await connected()
        client.ask("current_time")
        await asyncio.sleep(5)

        assert len(client.heard) == 1  # the greeting
        assert gateway.client_ids == ()


async def test_an_error_instead_of_an_answer_carries_the_id_of_what_was_asked(listening):
    async with listening(
        faults.AnsweredWith(when_request="historical_data", code=162, text="pacing violation"),
        faults.AnsweredWith(when_request="place_order", code=201, text="Order rejected - reason:none"),
        faults.AnsweredWith(when_request="current_time", code=321, text="no"),
    ) as gateway:
        client = await connected()
        client.ask("historical_data", request_id=2, **BARS)
        client.ask("place_order", order_id=17, **ORDER)
        client.ask("current_time")
        await asyncio.sleep(1)

        assert client.errors() == [(2, 162), (17, 201), (-1, 321)]
        assert gateway.venue.open_orders() == []
        assert gateway.counters.faults == {"answered_with": 3}


async def test_a_slow_answer_comes_by_so_much_later(listening):
    async with listening(faults.Slow(when_request="historical_data", delay=30.0, times=1)):
        client = await connected()
        client.ask("historical_data", request_id=1, **BARS)
        client.ask("historical_data", request_id=2, **BARS)
        await asyncio.sleep(60)

        arrived = {values["request_id"]: at for at, values in client.of("historical_data")}

        assert arrived == {1: pytest.approx(30.26, abs=0.01), 2: pytest.approx(0.26, abs=0.01)}


async def test_a_slow_start_and_a_refused_one(listening):
    async with listening(
        faults.Slow(when_request="start_api", delay=3.0, times=1),
        faults.AnsweredWith(when_request="start_api", skip=1, code=321, text="no"),
    ):
        slow, refused = await connected(1), await connected(2)
        await asyncio.sleep(5)

        assert slow.of("next_valid_id")[0][0] == pytest.approx(3.0, abs=0.02)
        assert refused.errors() == [(-1, 321)]


async def test_an_order_whose_acknowledgement_is_lost_works_all_the_same(listening):
    async with listening(faults.LostAcknowledgement(times=1)):
        client = await connected()
        client.ask("place_order", order_id=1, **{**ORDER, "order_type": "MKT"})
        client.ask("place_order", order_id=2, **ORDER)
        await asyncio.sleep(1)

        assert {values["order_id"] for _, values in client.of("order_status")} == {2}
        assert [values["order_id"] for _, values in client.of("execution")] == [1]


@pytest.mark.parametrize("by", ["heal", "restart"])
async def test_what_becomes_of_an_unacknowledged_order_is_told_once_the_fault_is_over(listening, by):
    async with listening() as gateway:
        gateway.inject(faults.LostAcknowledgement(times=1))
        client = await connected()
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(1)
        if by == "heal":
            gateway.heal()
        else:
            gateway.inject(faults.Restart(duration=1.0))
            await asyncio.sleep(2)
            client = await connected()

        client.ask("cancel_order", order_id=1)
        await asyncio.sleep(1)

        assert [values["status"] for _, values in client.of("order_status")] == ["Cancelled"]


@pytest.mark.parametrize(
    "first", [{"order_type": "MKT"}, {"quantity": 0.0}, {}], ids=["filled", "refused", "cancelled"]
)
async def test_the_number_of_an_unacknowledged_order_that_ended_is_like_any_other(listening, first):
    async with listening(venue=None) as gateway:
        gateway.inject(faults.LostAcknowledgement(times=1))
        client = await connected()
        client.ask("place_order", order_id=1, **{**ORDER, **first})
        await asyncio.sleep(1)
        client.ask("cancel_order", order_id=1)
        await asyncio.sleep(1)

        assert client.of("order_status") == []
        assert gateway.reception.world.unacknowledged == set()


async def test_a_fault_of_orders_spares_what_ifs(listening):
    async with listening(faults.AnsweredWith(when_request="place_order", code=201, text="no", times=1)):
        client = await connected()
        client.ask("place_order", order_id=1, what_if=True, **ORDER)
        client.ask("place_order", order_id=2, **ORDER)
        await asyncio.sleep(1)

        assert [values["order_id"] for _, values in client.of("open_order")] == [1]
        assert [values["request_id"] for _, values in client.of("error") if values["code"] == 201] == [2]


async def test_what_ifs_are_an_occasion_of_their_own(listening):
    async with listening(faults.Unanswered(when_request="what_if_order")):
        client = await connected()
        client.ask("place_order", order_id=1, what_if=True, **ORDER)
        client.ask("place_order", order_id=2, **ORDER)
        await asyncio.sleep(1)

        assert {values["order_id"] for _, values in client.of("open_order")} == {2}


async def test_a_crash_can_come_just_after_the_venue_has_the_order(listening, small_exchange):
    async with listening(faults.Crash(when_request="place_order", wait=0.06, duration=5.0)):
        client = await connected()
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(1)

        assert list(small_exchange.orders) == [(5, 1)]
        assert client.ended_at == pytest.approx(0.07, abs=0.01)


async def test_a_crash_can_come_before_the_venue_has_the_order(listening, small_exchange):
    async with listening(faults.Crash(when_request="place_order", duration=5.0)):
        client = await connected()
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(1)

        assert small_exchange.orders == {}
        assert client.ended_at is not None


# Notices and entitlement


async def test_a_notice_reaches_every_client(listening):
    async with listening() as gateway:
        clients = [await connected(1), await connected(2)]

        gateway.inject(faults.Notice(code=2110, text="Connectivity is broken"))
        await asyncio.sleep(1)

        assert [client.errors() for client in clients] == [[(-1, 2110)], [(-1, 2110)]]
        [seen] = gateway.faults_seen
        assert seen.ended_at == seen.at


@pytest.mark.parametrize("revives", [True, False])
async def test_a_competing_session_takes_the_market_data(listening, revives):
    async with listening() as gateway:
        client = await connected()
        client.ask("market_data", request_id=1, **SPY)
        await asyncio.sleep(2)

        gateway.inject(faults.CompetingSession(duration=60.0, revives=revives))
        client.ask("market_data", request_id=2, **SPY)
        for number, (kind, more) in enumerate(OTHER_DATA.items(), 4):
            client.ask(kind, request_id=number, **more)
        began = now()
        await asyncio.sleep(70)
        client.ask("market_data", request_id=3, **SPY)
        await asyncio.sleep(1)

        assert sorted(client.errors()) == [(number, 10197) for number in (1, 2, 4, 5, 6)]
        moved = {values["request_id"] for at, values in client.of("tick_price") if at > began}
        assert moved == ({1, 3} if revives else {3})


@pytest.mark.parametrize(
    ("code", "kind", "ticks"), [(354, 1, False), (10168, 3, False), (10090, 1, True), (10167, 3, True)]
)
async def test_a_missing_entitlement_ends_a_request_or_remarks_on_it(listening, code, kind, ticks):
    async with listening(faults.NotEntitled(code=code)):
        await asyncio.sleep(3600)
        client = await connected()
        client.ask("market_data_type", type=kind)
        client.ask("market_data", request_id=1, **SPY)
        await asyncio.sleep(2)

        assert client.errors() == [(1, code)]
        assert ("tick_price" in client.names()) == ticks


@pytest.mark.parametrize("code", [354, 10089, 10090])
async def test_who_lacks_a_subscription_lacks_it_for_bars_ticks_and_depth_too(listening, code):
    async with listening(faults.NotEntitled(code=code)):
        client = await connected()
        for number, (kind, more) in enumerate(OTHER_DATA.items()):
            client.ask(kind, request_id=number, **more)
        await asyncio.sleep(10)

        expected = [] if code == 10090 else [(0, 420), (1, 10189), (2, 354)]

        assert client.errors() == expected
        told = {"real_time_bar", "tick_by_tick", "market_depth"} & set(client.names())
        assert len(told) == (0 if expected else 3)


async def test_delayed_data_for_one_client_begins_anew_and_leaves_the_others_live(listening):
    async with listening() as gateway:
        await asyncio.sleep(3600)
        clients = [await connected(number) for number in (1, 2)]
        for client in clients:
            client.ask("market_data", request_id=1, **SPY)
        await asyncio.sleep(30)
        began = now()

        gateway.inject(faults.NotEntitled(code=10167, client_id=1))
        await asyncio.sleep(25)

        ticks = [
            {v["type"] for name in ("tick_price", "tick_size") for at, v in client.of(name) if at > began}
            for client in clients
        ]
        assert ticks[0] >= {66, 67, 68, 72, 73, 74, 75, 76}  # 74, the volume, did not move
        assert max(ticks[1]) < 66
        assert [client.of("market_data_type")[-1][1]["type"] for client in clients] == [3, 1]


async def test_a_bust_ends_bars_and_without_bars_quotes(listening):
    async with listening() as gateway:
        client = await connected()
        client.ask("market_data", request_id=1, **SPY)
        client.ask("historical_data", request_id=2, keep_up_to_date=True, **BARS)
        await asyncio.sleep(10)

        gateway.inject(faults.Bust())
        await asyncio.sleep(1)
        client.ask("cancel_historical_data", request_id=2)
        await asyncio.sleep(1)
        gateway.inject(faults.Bust())
        await asyncio.sleep(1)
        heard = len(client.heard)
        await asyncio.sleep(10)

        assert client.errors() == [(2, 10225), (2, 162), (1, 10225)]
        assert len(client.heard) == heard


@pytest.mark.parametrize("by", ["setting", "fault"])
async def test_messages_above_the_rate_are_refused_and_the_third_ends_the_session(listening, by):
    planned = [faults.RejectsOverRate()] if by == "fault" else []
    async with listening(*planned, rejects_over_rate=by == "setting", messages_per_second=10) as gateway:
        client = await connected()
        for _ in range(11):  # and the one that started the session
            client.ask("current_time")
        await asyncio.sleep(2)
        answered = client.names().count("current_time")
        assert (answered, client.errors(), client.ended_at) == (9, [(-1, 100), (-1, 100)], None)

        for _ in range(11):
            client.ask("current_time")
        await asyncio.sleep(2)

        assert client.errors() == [(-1, 100)] * 3
        assert client.of("error")[-1][1]["text"].endswith(":max=10 rec=11 (3)")
        assert client.ended_at is not None
        assert gateway.counters.pacing_violations == 3


async def test_a_clock_that_is_off_shows_it_in_greeting_and_server_time(listening):
    async with listening(faults.ClockSkew(seconds=-90.0)):
        client = await connected()
        client.ask("current_time")
        await asyncio.sleep(1)

        assert client.heard[0][2][1] == "20260105 09:28:30 US/Eastern"
        assert client.of("current_time")[0][1]["seconds"] == 1767623400 - 90


# Messages on their way


async def test_messages_can_come_twice(listening):
    async with listening(faults.Duplicated(messages=("order_status",), after=0.005)):
        client = await connected()
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(1)

        assert client.names()[-3:] == ["open_order", "order_status", "order_status"]


async def test_messages_of_one_instant_can_come_in_the_opposite_order(listening):
    async with listening(faults.Reordered(client_id=5, after=0.02)):
        client, other = await connected(5), await connected(6)
        client.ask("place_order", order_id=1, **ORDER)
        other.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(1)

        assert client.names()[-2:] == ["order_status", "open_order"]
        assert other.names()[-2:] == ["open_order", "order_status"]


async def test_only_the_messages_that_are_named_change_places(listening):
    names = ("order_status", "current_time")
    async with listening(faults.Reordered(messages=names, after=0.02)):
        client = await connected()
        client.ask("open_orders")
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(1)

        assert client.names()[-3:] == ["open_order", "order_status", "open_order_end"]


async def test_messages_can_arrive_late_and_keep_their_order(listening):
    async with listening(faults.Delayed(delay=3.0, after=1.0, duration=2.0)):
        client, [*_] = await connected(), []
        await asyncio.sleep(2)
        client.ask("place_order", order_id=1, **ORDER)
        await asyncio.sleep(1.5)  # the fault is over, and what was said is still under way
        client.ask("current_time")
        before = client.names()
        await asyncio.sleep(4)

        assert "open_order" not in before
        assert client.names()[-3:] == ["open_order", "order_status", "current_time"]
        [(arrived, _)] = client.of("open_order")
        assert arrived == pytest.approx(client.of("current_time")[0][0], abs=0.01)


async def test_a_connection_that_is_reset_loses_what_was_under_way(listening):
    async with listening(faults.Delayed(delay=3.0)) as gateway:
        client = await connected()
        await asyncio.sleep(4)
        client.ask("current_time")
        await asyncio.sleep(1)

        gateway.inject(faults.ConnectionLost())
        await asyncio.sleep(5)

        assert "current_time" not in client.names()
        assert client.ended_at is not None


async def test_a_message_can_be_cut_in_half_where_the_connection_ends(listening):
    async with listening() as gateway:
        client = await connected()

        gateway.inject(faults.Truncated())
        client.ask("current_time")
        await asyncio.sleep(1)

        assert "current_time" not in client.names()
        assert client.reader.pending > 0
        assert client.ended_at is not None
        assert gateway.client_ids == ()


async def test_only_the_client_concerned_gets_a_cut_message(listening):
    async with listening() as gateway:
        spared, cut = await connected(5), await connected(6)

        gateway.inject(faults.Truncated(client_id=6))
        spared.ask("current_time")
        cut.ask("current_time")
        await asyncio.sleep(1)

        assert ("current_time" in spared.names(), spared.ended_at) == (True, None)
        assert ("current_time" in cut.names(), cut.ended_at is None) == (False, False)


async def test_garbage_in_a_frame_can_be_skipped_and_without_one_it_cannot(listening):
    async with listening() as gateway:
        client = await connected()
        gateway.inject(faults.Garbage())
        client.ask("current_time")
        await asyncio.sleep(1)
        assert client.names()[-2:] == ["current_time", "99999"]

        gateway.inject(faults.Garbage(framed=False))
        client.ask("current_time")
        await asyncio.sleep(1)

        assert client.raw.endswith(b"\xff" * 12)


# When


async def test_a_fault_strikes_at_a_time_of_day_and_again_the_next_day(listening):
    async with listening(faults.Notice(code=1, text="x", at=time(9, 45), times=2)) as gateway:
        await asyncio.sleep(3 * 86_400)

        assert [f"{seen.at:%d %H:%M}" for seen in gateway.faults_seen] == ["05 14:45", "06 14:45"]


async def test_a_time_of_day_that_has_passed_is_tomorrows(listening):
    async with listening(faults.Notice(code=1, text="x", at=time(9, 15))) as gateway:
        await asyncio.sleep(86_400)

        assert [f"{seen.at:%d %H:%M}" for seen in gateway.faults_seen] == ["06 14:15"]


async def test_a_fault_comes_again_every_so_many_seconds_but_not_while_it_lasts(listening):
    silent = faults.SilentStreams(after=10.0, every=10.0, times=4, duration=15.0)
    async with listening(silent) as gateway:
        await asyncio.sleep(100)

        assert [seen.at.second for seen in gateway.faults_seen] == [10, 30]


async def test_skip_and_times_choose_among_requests(listening):
    async with listening(faults.Unanswered(when_request="current_time", skip=1, times=2)):
        client = await connected()
        answered = []
        for _ in range(5):
            before = len(client.heard)
            client.ask("current_time")
            await asyncio.sleep(1)
            answered.append(len(client.heard) > before)

        assert answered == [True, False, False, True, True]


async def test_a_window_bounds_the_requests_that_a_fault_treats(listening):
    async with listening(faults.Unanswered(when_request="current_time", after=1.5, duration=2.0)):
        client = await connected()
        for _ in range(5):
            client.ask("current_time")
            await asyncio.sleep(1)

        assert [round(at) for at, _ in client.of("current_time")] == [0, 1, 4]


def test_chance_is_drawn_from_the_seed_alone(listening):
    async def pattern(seed):
        async with listening(faults.Unanswered(when_request="current_time", chance=0.5), seed=seed):
            client = await connected()
            for _ in range(40):
                client.ask("current_time")
                await asyncio.sleep(1)
            return [round(at) for at, _ in client.of("current_time")]

    first, again, other = (run_virtual(pattern(seed)) for seed in (1, 1, 2))

    assert first == again != other
    assert 10 < len(first) < 30


async def test_healing_ends_what_lasts_and_forgets_what_is_to_come(listening):
    planned = faults.PortClosed(), faults.UpstreamLost(), faults.Notice(code=1, text="x", after=50.0)
    async with listening(*planned) as gateway:
        await asyncio.sleep(10)

        gateway.heal()
        await asyncio.sleep(1)
        client = await connected()
        client.ask("contract_details", request_id=1, **SPY)
        await asyncio.sleep(100)

        assert "contract_data" in client.names()
        assert client.errors() == []
        assert [seen.kind for seen in gateway.faults_seen] == ["port_closed", "upstream_lost"]
        assert all(
            (seen.ended_at - seen.at).total_seconds() == pytest.approx(10) for seen in gateway.faults_seen
        )


async def test_stopping_ends_what_lasts_and_starting_again_plans_what_is_left(small_market, small_exchange):
    planned = (
        faults.PortClosed(duration=1000.0),
        faults.Notice(code=1, text="missed", after=15.0),
        faults.Notice(code=2, text="kept", after=30.0),
        faults.Notice(code=3, text="was twice", after=1.0, every=1.0, times=2),
        faults.Unanswered(when_request="current_time", duration=5.0),
    )
    gateway = SimulatedGateway(
        market=small_market,
        venue=small_exchange,
        clock=virtual_clock(),
        scenario=Scenario(name="test", faults=planned),
    )
    async with gateway.listening(HOST, PORT):
        await asyncio.sleep(10)
    await asyncio.sleep(10)

    async with gateway.listening(HOST, PORT):
        client = await connected()
        client.ask("current_time")
        await asyncio.sleep(20)

    assert client.errors() == [(-1, 2)]
    assert "current_time" in client.names()


async def test_a_gateway_that_does_not_listen_takes_no_fault(small_market, small_exchange):
    gateway = SimulatedGateway(market=small_market, venue=small_exchange, clock=virtual_clock())

    with pytest.raises(RuntimeError, match="start it first"):
        gateway.inject(faults.Mute())


async def test_a_port_that_somebody_took_meanwhile_stays_closed(listening, caplog):
    async with listening(faults.PortClosed(duration=5.0)):
        await asyncio.sleep(1)
        await asyncio.get_running_loop().create_server(RawClient, HOST, PORT)
        await asyncio.sleep(10)

        assert f"port {PORT} not opened again" in caplog.messages


class LaggingClock:
    """A virtual clock that may leap, as a machine does which was busy."""

    def __init__(self):
        self._clock, self.ahead = virtual_clock(), timedelta()

    def monotonic(self):
        return self._clock.monotonic() + self.ahead.total_seconds()

    def now(self):
        return self._clock.now() + self.ahead


def test_occasions_that_a_busy_machine_is_late_for_all_come(small_market, small_exchange):
    async def main():
        clock = LaggingClock()
        gateway = SimulatedGateway(market=small_market, venue=small_exchange, clock=clock)
        async with gateway.listening(HOST, PORT):
            gateway.inject(faults.Notice(code=2110, text="broken", every=0.001))
            clock.ahead = timedelta(seconds=10)
            await asyncio.sleep(0.1)
            return gateway.counters

    counters = run_virtual(main())

    assert 10_000 <= counters.faults["notice"] <= 10_200
    assert counters.failures == 0


@pytest.mark.parametrize("kind", [faults.Truncated, faults.Garbage])
async def test_what_was_to_spoil_the_next_message_is_healed_too(listening, kind):
    async with listening() as gateway:
        client = await connected()
        await asyncio.sleep(1)
        gateway.inject(kind())
        gateway.heal()
        await asyncio.sleep(300)

        client.ask("current_time")
        await asyncio.sleep(1)

        assert client.names()[-1] == "current_time"
        assert client.ended_at is None


# Values


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: faults.Mute(after=1.0, at=time(9, 30)), "exclude each other"),
        (lambda: faults.Mute(every=0.0), "every is 0.0; it must be at least 0.001 seconds"),
        (lambda: faults.Mute(every=1e-7), "it must be at least 0.001 seconds"),
        (lambda: faults.UpstreamLost(says_again_every=1e-8), "says_again_every"),
        (lambda: faults.UpstreamLost(says_again_every=-1), "says_again_every"),
        (lambda: faults.Mute(every=5.0, at=time(9, 30)), "counts from `after`"),
        (lambda: faults.Unanswered(every=5.0), "counts from `after`"),
        (lambda: faults.Mute(when_request="gossip"), "valid: account_summary"),
        (lambda: faults.Mute(duration=True), "not a number"),
        (lambda: faults.Mute(duration=math.nan), "out of reach"),
        (lambda: faults.Mute(after=math.inf), "out of reach"),
        (lambda: faults.ClockSkew(seconds=-1e15), "out of reach"),
        (lambda: faults.Mute(wait=10**400), "out of reach"),
        (lambda: faults.Mute(at="noon"), "not a time of day"),
        (lambda: faults.Mute(at=time.fromisoformat("09:30+02:00")), "has a time zone"),
        (lambda: faults.Restart(duration=0), "positive number of seconds"),
        (lambda: faults.Notice(code=1, text="x", duration=3.0), "happens in an instant"),
        (lambda: faults.FarmBroken(service="gossip"), "valid: market_data, history"),
        (lambda: faults.Duplicated(messages=["gossip"]), "valid: account_download_end"),
        (lambda: faults.LostAcknowledgement(when_request="positions"), "valid: place_order"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_every_kind_has_a_class_and_every_effect_a_kind():
    assert set(EFFECTS) <= set(faults.KINDS.values())
    assert sorted(kind.__name__ for kind in faults.KINDS.values()) == sorted(
        set(faults.__all__) - {"KINDS", "Fault", "FaultSeen"}
    )
    assert all("Source:" in kind.__doc__ for kind in faults.KINDS.values())


# An unmodified client library


def test_an_unmodified_client_lives_through_a_restart_and_a_loss_of_data(small_market, small_exchange):
    async def main():
        asyncio.set_event_loop(asyncio.get_running_loop())
        gateway = SimulatedGateway(market=small_market, venue=small_exchange, clock=virtual_clock())
        ib, codes = ii.IB(), []
        ib.errorEvent += lambda _id, code, *_: codes.append(code)
        stock = ii.Stock("SPY", "SMART", "USD")
        try:
            async with gateway.listening(HOST, PORT):
                await ib.connectAsync(HOST, PORT, clientId=5)
                await ib.qualifyContractsAsync(stock)
                order = ib.placeOrder(stock, ii.LimitOrder("BUY", 1, 100.0)).order
                gateway.inject(faults.Restart(after=5.0, duration=30.0))
                await asyncio.sleep(10)
                was_connected = ib.isConnected()
                await asyncio.sleep(30)
                await ib.connectAsync(HOST, PORT, clientId=5)
                ticker = ib.reqMktData(stock)
                gateway.inject(faults.UpstreamLost(after=5.0, duration=10.0, restores_as=1101))
                await asyncio.sleep(30)
                stale = (asyncio.get_running_loop().time(), ticker.time)
                open_ids = [trade.order.orderId for trade in ib.openTrades()]
                ib.disconnect()
        finally:
            asyncio.set_event_loop(None)
        return was_connected, open_ids == [order.orderId], codes[-2:], stale, gateway.counters.failures

    was_connected, has_order, codes, (ended, last), failures = run_virtual(main())

    assert (was_connected, has_order, codes, failures) == (False, True, [1100, 1101], 0)
    assert ended - (last.timestamp() - 1767623400) > 20
