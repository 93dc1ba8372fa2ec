"""The simulated Gateway hears anything at all: it stays whole, and other clients notice nothing.

What must hold for every input: no exception, no handler that failed, the healthy client's answers, and
the same events whether the bytes come whole or one by one.
"""

import logging
from datetime import UTC, datetime, timedelta

from ibkeel.sim import GatewaySettings, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.session import Refused, Session
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame

__all__ = ["hears"]

VERSIONS = (157, 163, 166, 169, 170, 176, 178, 183, 187, 189, 192, 195, 196, 198, 199, 200)
BETWEEN = b"\xfe"  # never in UTF-8: it parts the messages of an input
MARKET = SeededMarket(7, symbols=("SPY",))
SETTINGS = GatewaySettings(messages_per_second=100_000)
OPENING = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0].opens_at
WAITS = (0.0, 0.4, 12.0)  # seconds: answers, then ends of snapshots and first updates


class SteppedClock:
    """Shows what it is told to."""

    def __init__(self):
        self.shown = OPENING + timedelta(minutes=10)

    def monotonic(self):
        return (self.shown - datetime(2020, 1, 1, tzinfo=UTC)).total_seconds()

    def now(self):
        return self.shown


class Wire:
    """Keeps what is written to it."""

    def __init__(self):
        self.written = bytearray()
        self.is_closed = False

    def write(self, data):
        assert not self.is_closed, "written to after its end"
        self.written += data

    def close(self):
        self.is_closed = True

    abort = close


class Complaints(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.records = []

    def emit(self, record):
        self.records.append(record)


def stream_of(data):
    """What a client sends: the input as it is, or the messages in it, framed, after a good greeting."""
    if not data or data[0] < 64:
        return data[1:]
    version = VERSIONS[data[0] % len(VERSIONS)]
    head = GREETING + frame(f"v157..{version}".encode()) + encode(("71", "2", "1", ""))
    return head + b"".join(frame(piece) for piece in data[1:].split(BETWEEN))


def hears(data):
    """Let the Gateway hear one input; raises AssertionError where it does not stand it."""
    stream = stream_of(data)
    _same_in_pieces(stream)
    clock, complaints = SteppedClock(), Complaints()
    gateway = SimulatedGateway(market=MARKET, clock=clock, settings=SETTINGS)
    logger = logging.getLogger("ibkeel.sim")
    logger.addHandler(complaints)
    logger.propagate = False
    try:
        _hear(gateway, clock, stream)
    finally:
        logger.removeHandler(complaints)
    failed = [record for record in complaints.records if record.exc_info]
    assert not failed, (failed[0].getMessage(), failed[0].exc_info)
    assert gateway.counters.failures == 0
    assert sum("refused" in record.getMessage() for record in complaints.records) <= 1


def _same_in_pieces(stream):
    whole, pieces = Session(), Session()
    at_once = whole.receive(stream)
    singly = [event for at in range(len(stream)) for event in pieces.receive(stream[at : at + 1])]
    assert [_told(event) for event in at_once] == [_told(event) for event in singly]


def _told(event):
    """An event; of a refusal only that it came, for its reason quotes what was there to see."""
    return "refused" if isinstance(event, Refused) else repr(event)


def _hear(gateway, clock, stream):
    wild, healthy = Wire(), Wire()
    well = gateway.reception.attach(healthy)
    gateway.reception.receive(
        well, GREETING + frame(b"v157..176") + encode(("71", "2", "9", "")) + encode(("49", "1"))
    )
    client = gateway.reception.attach(wild)
    gateway.reception.receive(client, stream)
    for number, seconds in enumerate(WAITS, start=1):
        clock.shown += timedelta(seconds=seconds)
        gateway.reception.receive(well, encode(("49", "1")))
        clock.shown += timedelta(seconds=0.01)
        gateway.reception.receive(well, encode(("14", "1", "5")))
        times = [message for message in FrameReader().receive(bytes(healthy.written)) if message[0] == "49"]
        assert len(times) == number + 1, f"the healthy client has {len(times)} answers, not {number + 1}"
    FrameReader().receive(bytes(wild.written))
    gateway.reception.detach(client)
    assert gateway.counters.open_lines == 0
    assert gateway.counters.open_histories == 0
