"""Whatever goes wrong, in whatever order: the simulator itself does not, and healing heals."""

import asyncio
from datetime import date

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from ibkeel.sim import SimulatedGateway, faults
from ibkeel.sim.codec import REQUESTS
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.wire import GREETING, encode, frame
from ibkeel.testing.strategies import fault_schedules
from ibkeel.virtual import run_virtual, virtual_clock

HOST, PORT, VERSION = "127.0.0.1", 4002, 176
MARKET = SeededMarket(7, date(2026, 1, 5), symbols=("SPY",))
REQUEST = {message.name: message for message in REQUESTS.values()}
SPY = {"symbol": "SPY", "sec_type": "STK", "exchange": "SMART", "currency": "USD"}
ASKED = {
    "market_data": SPY,
    "historical_data": {
        **SPY,
        "duration": "1800 S",
        "bar_size": "1 min",
        "what": "TRADES",
        "keep_up_to_date": True,
    },
    "contract_details": SPY,
    "place_order": {**SPY, "action": "BUY", "quantity": 1, "order_type": "MKT", "transmit": True},
    "cancel_market_data": {},
    "cancel_historical_data": {},
    "current_time": {},
    "open_orders": {},
}


class Sink(asyncio.Protocol):
    """Keeps every byte."""

    def __init__(self):
        self.heard = bytearray()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard += data


async def client(client_id, port):
    loop = asyncio.get_running_loop()
    try:
        _, sink = await loop.create_connection(Sink, HOST, port)
    except ConnectionRefusedError:
        return None
    sink.transport.write(GREETING + frame(b"v100..176"))
    sink.transport.write(encode(REQUEST["start_api"].build({"client_id": client_id}, VERSION)))
    return sink


async def played(scenario, asked):
    gateway = SimulatedGateway(market=MARKET, clock=virtual_clock(), scenario=scenario)
    heard = []
    async with gateway.listening(HOST, PORT):
        for number, name in enumerate(asked, 1):
            sink = await client(1 + number % 2, gateway.reception.port.number)
            for offset in (0, 1):
                if sink is not None:
                    ids = {"request_id": number + offset, "order_id": number + offset}
                    sink.transport.write(encode(REQUEST[name].build({**ASKED[name], **ids}, VERSION)))
            heard.append(sink)
            await asyncio.sleep(3)
        gateway.heal()
        await asyncio.sleep(1)
        survivor = await client(99, gateway.reception.port.number)
        await asyncio.sleep(0.1)
        seen = gateway.faults_seen
        lines = sum(len(each.subscriptions) for each in gateway.reception.connections)
        assert gateway.counters.open_lines == lines
    assert gateway.counters.failures == 0
    assert all(each.ended_at is not None for each in seen)
    assert b"9\x001\x001\x00" in survivor.heard  # nextValidId
    return seen, [bytes(sink.heard) if sink else None for sink in heard]


@settings(max_examples=60)
@given(
    scenario=fault_schedules(within=12),
    asked=st.lists(st.sampled_from(sorted(ASKED)), min_size=1, max_size=8),
)
def test_the_simulator_survives_its_faults_and_repeats_them_exactly(scenario, asked):
    first, again = run_virtual(played(scenario, asked)), run_virtual(played(scenario, asked))

    assert first == again


@pytest.mark.parametrize("kind", faults.KINDS.values(), ids=tuple(faults.KINDS))
def test_every_kind_can_be_drawn(kind):
    @settings(max_examples=3, database=None)
    @given(fault_schedules(kind, max_size=1))
    def check(scenario):
        [fault] = scenario.faults
        assert type(fault) is kind
        assert fault.after <= 60

    check()


def test_a_crash_just_after_the_second_order_can_be_drawn():
    def is_meant(scenario):
        return any(
            fault.kind == "crash" and fault.when_request == "place_order" and fault.skip == 1 and fault.wait
            for fault in scenario.faults
        )

    drawn = fault_schedules(faults.Crash, max_size=1)
    meant = find(drawn, is_meant, settings=settings(max_examples=1_000, database=None))

    assert len(meant.faults) == 1
