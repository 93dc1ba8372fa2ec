"""A proxy passes every byte, writes down what it may, and survives either side."""

import asyncio
import errno
from contextlib import asynccontextmanager

import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.transcripts import (
    Form,
    Header,
    Recorder,
    RecordingProxy,
    Redactor,
    Scribe,
    Transcript,
    TranscriptFile,
    compared,
)
from ibkeel.sim.transcripts.proxy import not_listening
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame
from ibkeel.virtual import run_virtual, virtual_clock

GATEWAY, PROXY = 4002, 4903


class Talker(asyncio.Protocol):
    """One end of a conversation."""

    def __init__(self):
        self.heard, self.is_lost, self.transport = bytearray(), False, None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard += data

    def connection_lost(self, error):
        self.is_lost = True


@asynccontextmanager
async def between():
    """A server, a proxy and a client; the server's ends as they come."""
    loop, clock, ends, entries = asyncio.get_running_loop(), virtual_clock(), [], []

    def accept():
        ends.append(Talker())
        return ends[-1]

    server = await loop.create_server(accept, "127.0.0.1", GATEWAY)
    listener = Recorder(clock.now(), entries.append)
    proxy = RecordingProxy("127.0.0.1", GATEWAY, listener, clock)
    await proxy.start("127.0.0.1", PROXY)
    _, client = await loop.create_connection(Talker, "127.0.0.1", PROXY)
    await asyncio.sleep(0.1)
    yield client, ends, entries
    await proxy.stop()
    server.close()
    await asyncio.sleep(0.1)


def test_a_recorded_session_is_whole_and_nothing_private_reaches_the_disk(
    talk, start, market, recorded, tmp_path
):
    path = tmp_path / "t.jsonl"

    async def main():
        clock = virtual_clock()
        gateway = SimulatedGateway(market=market, clock=clock, account="DU7654321", seed=7)
        scribe = Scribe(TranscriptFile(path, Header(began_at=clock.now())), clock.now(), Redactor())
        proxy = RecordingProxy("127.0.0.1", GATEWAY, scribe, clock)
        async with gateway.listening("127.0.0.1", GATEWAY):
            await proxy.start("127.0.0.1", PROXY)
            seen = await talk(PROXY)
            await proxy.stop()
        return seen, scribe.stop(clock.now())

    seen, entries = run_virtual(main(), start=start)

    assert seen == recorded[1]
    text = path.read_text()
    assert "DU7654321" not in text
    assert "my-ref" not in text
    loaded = Transcript.load(path)
    assert len(loaded.entries) == entries
    assert compared(loaded, recorded[0]).differences == ()


async def test_every_byte_passes_both_ways_whatever_it_is():
    async with between() as (client, ends, entries):
        client.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        ends[0].transport.write(b"\xff" * 70_000)
        await asyncio.sleep(1)

        assert bytes(ends[0].heard) == b"GET / HTTP/1.1\r\n\r\n"
        assert bytes(client.heard) == b"\xff" * 70_000
        assert [entry.form for entry in entries] == [Form.OPENED, Form.BYTES, Form.BYTES]


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        (b"v100..226", b"v100..200"),
        (b"v157..176 +PACEAPI", b"v157..176 +PACEAPI"),
        (b"v100..226 +X", b"v100..200 +X"),
        (b"v213..226", b"v213..226"),
        (b"nonsense", b"nonsense"),
    ],
)
async def test_a_client_is_held_to_versions_that_are_text(asked, passed):
    async with between() as (client, ends, _):
        for byte in GREETING + frame(asked) + encode(("71", "2", "1", "")):
            client.transport.write(bytes([byte]))
        await asyncio.sleep(1)

        assert bytes(ends[0].heard) == GREETING + frame(passed) + encode(("71", "2", "1", ""))


@pytest.mark.parametrize("leaver", ["client", "gateway"])
async def test_when_one_side_closes_the_other_hears_the_last_words_and_is_closed(leaver):
    async with between() as (client, ends, entries):
        one, other = (client, ends[0]) if leaver == "client" else (ends[0], client)
        one.transport.write(GREETING + frame(b"v157..176") if leaver == "client" else encode(("176", "now")))
        one.transport.close()
        await asyncio.sleep(1)

        assert other.heard
        assert other.is_lost
        assert entries[-1].form is Form.CLOSED
        assert FrameReader().pending == 0


async def test_a_client_is_closed_when_nobody_listens_behind():
    entries, clock = [], virtual_clock()
    proxy = RecordingProxy("127.0.0.1", GATEWAY, Recorder(clock.now(), entries.append), clock)
    await proxy.start("127.0.0.1", PROXY)

    _, client = await asyncio.get_running_loop().create_connection(Talker, "127.0.0.1", PROXY)
    await asyncio.sleep(1)

    assert client.is_lost
    assert [entry.form for entry in entries] == [Form.OPENED, Form.CLOSED]
    await proxy.stop()


async def test_a_port_that_is_taken_is_refused_in_a_sentence():
    clock = virtual_clock()
    proxies = [RecordingProxy("127.0.0.1", 1, Recorder(clock.now(), print), clock) for _ in range(2)]
    await proxies[0].start("127.0.0.1", PROXY)

    with pytest.raises(ConfigurationError, match="--port"):
        await proxies[1].start("127.0.0.1", PROXY)

    await proxies[0].stop()


@pytest.mark.parametrize(
    "error",
    [
        OSError("could not bind on any address out of [('192.0.2.1', 4902)]"),  # asyncio of Python 3.13
        OSError(errno.EADDRNOTAVAIL, "could not bind on any address out of [('192.0.2.1', 4902)]"),
    ],
)
def test_an_address_of_another_machine_is_told_from_a_port_that_is_taken(error):
    told = str(not_listening("192.0.2.1", 4902, error))

    assert told.startswith("cannot listen on 192.0.2.1:4902: could not bind on any address")
    assert told.endswith("choose another --host, such as 127.0.0.1")
