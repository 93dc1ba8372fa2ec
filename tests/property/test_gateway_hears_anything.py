"""Garbage at the Gateway ends in a closed connection or an error message; nobody else notices."""

import logging
from contextlib import contextmanager
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ibkeel.sim import SimulatedGateway
from ibkeel.sim.codec import REQUESTS
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.session import Refused, Session
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame

MARKET = SeededMarket(7)
START = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0].opens_at + timedelta(hours=1)
STARTED = encode(("71", "2", "1", ""))
USUAL = {
    "request_id": 4,
    "order_id": 5,
    "symbol": "SPY",
    "sec_type": "STK",
    "exchange": "SMART",
    "kind": "Last",
}

numbers = st.sampled_from(sorted(REQUESTS)).map(str)
words = st.sampled_from(
    [
        "",
        "0",
        "1",
        "-1",
        "4",
        "99999999999999999999",
        "9" * 5000,
        "Infinite",
        "1e308",
        "nan",
        "inf",
        "x",
        "SPY",
        "STK",
        "OPT",
        "BAG",
        "C",
        "20260105",
        "20260105 10:00:00 US/Eastern",
        "1 D",
        "5 mins",
        "TRADES",
        "SCHEDULE",
        "BUY",
        "LMT",
        "é",
        "²",
    ]
)


@st.composite
def nearly_requests(draw):
    """A request as it should be, but for a few of its fields."""
    message = REQUESTS[int(draw(numbers))]
    version = draw(st.sampled_from([157, 176, 178, 200]))
    values = {
        name: value for name, value in USUAL.items() if name != "kind" or message.name == "tick_by_tick"
    }
    texts = list(message.build(values, version))
    for _ in range(draw(st.integers(0, 3))):
        texts[draw(st.integers(1, len(texts) - 1)) if len(texts) > 1 else 0] = draw(words)
    return ("\0".join(texts[: draw(st.integers(1, len(texts)))]) + "\0").encode()


payloads = st.one_of(
    nearly_requests(), st.lists(words, max_size=30).map(lambda texts: "\0".join(texts).encode())
)
framed = st.tuples(st.sampled_from([157, 176, 200]), st.lists(payloads, max_size=6)).map(
    lambda said: GREETING + frame(f"v157..{said[0]}".encode()) + STARTED + b"".join(map(frame, said[1]))
)
streams = st.one_of(framed, st.binary(max_size=60), st.binary(max_size=60).map(lambda rest: GREETING + rest))


class SteppedClock:
    """Shows what it is told to."""

    shown = START

    def monotonic(self):
        return self.shown.timestamp()

    def now(self):
        return self.shown


class Wire:
    """Keeps what is written to it."""

    def __init__(self):
        self.written, self.is_closed = bytearray(), False

    def write(self, data):
        assert not self.is_closed
        self.written += data

    def close(self):
        self.is_closed = True

    abort = close


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.kept = []

    def emit(self, record):
        self.kept.append(record)


@contextmanager
def logged():
    records, logger = Records(), logging.getLogger("ibkeel.sim")
    logger.addHandler(records)
    try:
        yield records.kept
    finally:
        logger.removeHandler(records)


def told(events):
    """Events as text; a refusal quotes what was there to see, so that it counts only that it came."""
    return ["refused" if isinstance(event, Refused) else repr(event) for event in events]


@settings(max_examples=150)
@given(streams)
@example(b"A\x00 23\xff\xff")
@example(GREETING + frame(b"v157..176") + STARTED + b"\xff\xff\xff\xff")
def test_bytes_whole_or_one_by_one_are_the_same(stream):
    whole, pieces = Session(), Session()

    at_once = whole.receive(stream)
    singly = [event for byte in stream for event in pieces.receive(bytes([byte]))]

    assert told(at_once) == told(singly)
    assert whole.state == pieces.state


@settings(max_examples=300)
@given(streams)
def test_anything_at_all_leaves_the_gateway_whole_and_other_clients_served(stream):
    clock, healthy, wild = SteppedClock(), Wire(), Wire()
    gateway = SimulatedGateway(market=MARKET, clock=clock)
    desk = gateway.reception
    with logged() as records:
        well = desk.attach(healthy)
        desk.receive(well, GREETING + frame(b"v157..176") + encode(("71", "2", "9", "")))
        client = desk.attach(wild)
        desk.receive(client, stream)
        for seconds in (0.0, 1.0, 12.0):
            clock.shown += timedelta(seconds=seconds)
            desk.receive(well, encode(("49", "1")))
            clock.shown += timedelta(seconds=0.1)
            desk.receive(well, encode(("14", "1", "5")))

    answers = [message[0] for message in FrameReader().receive(bytes(healthy.written))].count("49")
    assert answers == 3
    assert gateway.counters.failures == 0
    assert [record.getMessage() for record in records if record.exc_info] == []
    for sort in ("connection refused", "request malformed"):
        assert sum(record.getMessage().startswith(sort) for record in records) <= 1
    FrameReader().receive(bytes(wild.written))
    desk.detach(client)
    assert (gateway.counters.open_lines, gateway.counters.open_histories) == (0, 0)


@pytest.mark.parametrize(
    "stream", [b"GET / HTTP/1.1\r\n\r\n", GREETING + b"\xff\xff\xff\xff", GREETING + frame(b"no")]
)
def test_what_is_no_protocol_ends_in_a_closed_connection_and_one_line_of_the_log(stream):
    gateway, wire = SimulatedGateway(market=MARKET, clock=SteppedClock()), Wire()

    with logged() as records:
        gateway.reception.receive(gateway.reception.attach(wire), stream)

    assert wire.is_closed
    [record] = records
    assert record.getMessage().startswith("connection refused: ")
