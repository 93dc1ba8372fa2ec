"""Connections that a Gateway does not want, and messages that it cannot read, without a network."""

import asyncio

import pytest

from ibkeel.sim import GatewaySettings, SimulatedGateway
from ibkeel.sim.door import GatewayProtocol
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame
from ibkeel.virtual import run_virtual, virtual_clock

START = encode(("71", "2", "9", ""))
HELLO = GREETING + frame(b"v157..176")


@pytest.fixture
def heard(small_market, small_exchange, wire):
    """What a client hears that sends these pieces, whether it was closed, and what was counted."""

    def run(*pieces):
        async def main():
            gateway = SimulatedGateway(market=small_market, venue=small_exchange, clock=virtual_clock())
            client = gateway.reception.attach(wire)
            for piece in pieces:
                gateway.reception.receive(client, piece)
            return gateway.counters

        counters = run_virtual(main())
        return FrameReader().receive(b"".join(wire.written)), wire.is_closed, counters

    return run


def test_bytes_that_are_no_protocol_end_the_connection(heard, caplog):
    messages, is_closed, counters = heard(b"GET / HTTP/1.1\r\n")

    assert (messages, is_closed, counters.refused) == ([], True, 1)
    assert r"connection refused: a client begins with b'API\x00', not b'GET '" in caplog.messages


class FullTransport(asyncio.Transport):
    """A connection whose client has yet to read so many bytes."""

    def __init__(self):
        super().__init__()
        self.unread, self.is_reset = 2000, False

    def set_write_buffer_limits(self, high=None, low=None):
        self.limit = high

    def get_write_buffer_size(self):
        return self.unread

    def abort(self):
        self.is_reset = True


@pytest.mark.parametrize(("read_a_second", "is_reset"), [(0, True), (100, False)])
def test_a_client_is_dropped_that_leaves_too_much_unread_but_not_one_that_is_reading(
    small_market, small_exchange, read_a_second, is_reset
):
    async def main():
        settings = GatewaySettings(output_limit=1000, output_patience=5.0)
        gateway = SimulatedGateway(
            market=small_market, venue=small_exchange, clock=virtual_clock(), settings=settings
        )
        transport, protocol = FullTransport(), GatewayProtocol(gateway.reception.door, 1000, 5.0)
        protocol.connection_made(transport)
        protocol.pause_writing()
        for _ in range(19):
            await asyncio.sleep(1)
            transport.unread -= read_a_second
        protocol.resume_writing()
        await asyncio.sleep(60)
        return transport, gateway.counters.violations, gateway.reception.connections

    transport, violations, connections = run_virtual(main())

    assert (transport.limit, transport.is_reset) == (1000, is_reset)
    assert violations == ({"output_limit": 1} if is_reset else {})
    assert len(connections) == (not is_reset)


def test_a_client_that_is_too_old_is_told_and_dropped(heard):
    messages, is_closed, counters = heard(GREETING + frame(b"v100..120"))

    assert [message[:4] for message in messages] == [("4", "2", "-1", "503")]
    assert (is_closed, counters.refused) == (True, 1)


def test_nothing_is_read_after_the_end(heard):
    _, is_closed, counters = heard(GREETING + frame(b"v100..120") + START, START)

    assert (is_closed, counters.messages) == (True, 0)


def test_a_message_that_cannot_be_read_gets_error_320_with_its_id(heard):
    messages, is_closed, counters = heard(
        HELLO, START, encode(("25", "1", "x")), encode(("25", "1", "17", ""))
    )
    texts = [message for message in messages if message[0] == "4" and message[3] == "320"]

    assert [message[2] for message in texts] == ["-1"]
    assert (is_closed, counters.malformed) == (False, 1)


def test_a_client_that_has_not_begun_hears_nothing_but_the_handshake(heard):
    messages, is_closed, counters = heard(HELLO, encode(("1", "11")), encode(("71", "2", "x", "")))

    assert len(messages) == 1
    assert (is_closed, counters.malformed) == (False, 2)


def test_the_log_says_who_sent_what_cannot_be_read(heard, caplog):
    heard(HELLO, START, encode(("25", "1", "x\nFORGED")))

    assert r"request malformed, from client 9: 'x\nFORGED' is not a valid integer" in caplog.messages


def test_a_message_with_fields_that_lack_names_its_request(heard):
    messages, _, counters = heard(HELLO, START, encode(("78", "31", "SPY")))

    assert [message[2] for message in messages if message[0] == "4" and message[3] == "320"] == ["31"]
    assert counters.malformed == 1


@pytest.mark.parametrize(
    "asked",
    [("1", "11", "", *[""] * 20), ("25", "1", ""), ("4", "1", "", "", "", "0")],
    ids=lambda each: each[0],
)
def test_a_request_without_an_id_is_not_served(heard, asked):
    messages, _, counters = heard(HELLO, START, encode(asked))

    assert [message[2] for message in messages if message[0] == "4" and message[3] == "320"] == ["-1"]
    assert (counters.malformed, counters.open_lines) == (1, 0)


def test_a_session_begins_once_and_gives_its_id_back(small_market, wire):
    async def main():
        gateway = SimulatedGateway(market=small_market, clock=virtual_clock())
        client = gateway.reception.attach(wire)
        gateway.reception.receive(client, HELLO + START + encode(("71", "2", "10", "")))
        during = gateway.client_ids
        gateway.broadcast(1100, "lost")
        gateway.drop(9)
        return during, gateway.client_ids, gateway.counters.malformed

    assert run_virtual(main()) == ((9,), (), 1)
    codes = [m[3] for m in FrameReader().receive(b"".join(wire.written)) if m[0] == "4"]
    assert [code for code in codes if code in {"320", "1100"}] == ["320", "1100"]


def test_a_request_before_the_session_has_started_is_counted_and_not_served(heard):
    messages, _, counters = heard(HELLO, encode(("49", "1")))

    assert [message[0] for message in messages] == ["176"]
    assert counters.requests == {"current_time": 1}
