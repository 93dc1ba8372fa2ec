"""Whatever goes wrong, in whatever order: the simulator itself does not, and healing heals."""

import asyncio
from datetime import date

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.sim import Scenario, SimulatedGateway, faults
from ibkeel.sim.codec import REQUESTS
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.wire import GREETING, encode, frame
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
OWN = {
    faults.AnsweredWith: {"code": st.just(321), "text": st.just("no")},
    faults.Notice: {"code": st.just(2110), "text": st.just("broken")},
    faults.Slow: {"delay": st.integers(0, 20)},
    faults.Delayed: {"delay": st.sampled_from([0.01, 3])},
    faults.ClockSkew: {"seconds": st.integers(-100, 100)},
    faults.UpstreamLost: {
        "restores_as": st.sampled_from([1101, 1102]),
        "says_again_every": st.integers(0, 3),
    },
    faults.FarmBroken: {
        "service": st.sampled_from(["market_data", "history", "definitions"]),
        "revives": st.booleans(),
    },
    faults.Restart: {"rolls_back_ids": st.booleans()},
    faults.CompetingSession: {"revives": st.booleans()},
    faults.NotEntitled: {"code": st.sampled_from([354, 10089, 10090, 10167])},
    faults.PortReset: {"port": st.sampled_from([None, 4003])},
    faults.Garbage: {"framed": st.booleans()},
}


def a_fault(kind):
    drawn = {
        "after": st.integers(0, 12),
        "times": st.integers(1, 3),
        "chance": st.sampled_from([0.5, 1.0]),
        "client_id": st.sampled_from([None, 1]),
        **OWN.get(kind, {}),
    }
    if not kind.is_momentary:
        drawn["duration"] = st.integers(1, 20)
    if not kind.strikes_requests:
        drawn["every"] = st.sampled_from([None, 7.0])
    return st.builds(kind, **drawn)


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
    planned=st.lists(st.sampled_from(list(faults.KINDS.values())).flatmap(a_fault), min_size=1, max_size=4),
    asked=st.lists(st.sampled_from(sorted(ASKED)), min_size=1, max_size=8),
    seed=st.integers(0, 3),
)
def test_the_simulator_survives_its_faults_and_repeats_them_exactly(planned, asked, seed):
    scenario = Scenario(name="drawn", faults=tuple(planned), seed=seed)

    first, again = run_virtual(played(scenario, asked)), run_virtual(played(scenario, asked))

    assert first == again


def test_every_kind_can_be_drawn():
    assert set(OWN) <= set(faults.KINDS.values())
    for kind in faults.KINDS.values():
        required = {each.name for each in attrs.fields(kind) if each.default is attrs.NOTHING}
        assert required <= set(OWN.get(kind, {}))
