"""The in-memory network behaves as sockets do."""

import asyncio
import errno

import pytest


async def _echo(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_a_stream_comes_back_in_order_and_ends():
    server = await asyncio.start_server(_echo, "localhost", 5000)
    reader, writer = await asyncio.open_connection("127.0.0.1", 5000)

    for number in range(100):
        writer.write(b"%d," % number)
    writer.write_eof()
    received = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert received == b"".join(b"%d," % number for number in range(100))
    assert server.is_serving()


async def test_a_closed_port_refuses():
    with pytest.raises(ConnectionRefusedError) as refused:
        await asyncio.open_connection("127.0.0.1", 4999)

    assert refused.value.errno == errno.ECONNREFUSED


async def test_a_port_is_taken_once_and_free_again_after_close():
    server = await asyncio.start_server(_echo, "127.0.0.1", 5000)
    with pytest.raises(OSError, match="in use"):
        await asyncio.start_server(_echo, "localhost", 5000)

    server.close()
    server.close()
    await server.wait_closed()
    again = await asyncio.start_server(_echo, ["127.0.0.1"], 5000)

    assert not server.is_serving()
    assert server.sockets == ()
    assert again.sockets[0].getsockname() == ("127.0.0.1", 5000)


async def test_port_zero_takes_a_free_one():
    one = await asyncio.start_server(_echo, "127.0.0.1", 0)
    two = await asyncio.start_server(_echo, "127.0.0.1", 0)

    assert one.sockets[0].getsockname()[1] != two.sockets[0].getsockname()[1] > 0


class Recorder(asyncio.Protocol):
    def __init__(self):
        self.events, self.transport = [], None

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def data_received(self, data):
        self.events.append(data)

    def eof_received(self):
        self.events.append("eof")

    def connection_lost(self, exc):
        self.events.append(("lost", type(exc)))


async def _pair():
    loop, server_side = asyncio.get_running_loop(), Recorder()
    await loop.create_server(lambda: server_side, "127.0.0.1", 5000)
    _, client_side = await loop.create_connection(Recorder, "127.0.0.1", 5000)
    await asyncio.sleep(0)
    return client_side, server_side


async def test_each_write_arrives_whole():
    client, server = await _pair()

    client.transport.write(b"one")
    client.transport.write(b"")
    client.transport.write(bytearray(b"two"))
    await asyncio.sleep(0)

    assert server.events == ["made", b"one", b"two"]


async def test_what_was_written_before_a_close_still_arrives():
    client, server = await _pair()

    client.transport.write(b"last words")
    client.transport.close()
    client.transport.close()
    client.transport.write(b"too late")
    await asyncio.sleep(1)

    assert server.events == ["made", b"last words", "eof", ("lost", type(None))]
    assert client.events == ["made", ("lost", type(None))]
    assert client.transport.is_closing()


async def test_an_abort_resets_the_other_end():
    client, server = await _pair()

    client.transport.abort()
    client.transport.abort()
    await asyncio.sleep(1)

    assert server.events == ["made", ("lost", ConnectionResetError)]
    assert client.events == ["made", ("lost", type(None))]


async def test_a_paused_reader_hears_later():
    client, server = await _pair()
    server.transport.pause_reading()

    client.transport.write(b"held")
    await asyncio.sleep(1)
    held = list(server.events)
    paused = server.transport.is_reading()
    server.transport.resume_reading()
    await asyncio.sleep(1)

    assert (held, paused) == (["made"], False)
    assert server.events == ["made", b"held"]


async def test_writing_after_the_end_of_file_is_an_error():
    client, _ = await _pair()

    client.transport.write_eof()

    with pytest.raises(RuntimeError, match="after write_eof"):
        client.transport.write(b"more")


async def test_a_transport_knows_its_addresses_and_its_protocol():
    client, server = await _pair()

    assert client.transport.get_extra_info("peername") == ("127.0.0.1", 5000)
    assert client.transport.get_extra_info("sockname") == server.transport.get_extra_info("peername")
    assert client.transport.get_protocol() is client
    client.transport.set_protocol(server)
    assert client.transport.get_protocol() is server
    assert client.transport.can_write_eof()
    assert client.transport.get_write_buffer_size() == 0
    assert client.transport.get_write_buffer_limits() == (0, 0)
    client.transport.set_write_buffer_limits(1, 0)


async def test_serve_forever_ends_with_the_server():
    server = await asyncio.start_server(_echo, "127.0.0.1", 5000, start_serving=False)
    await server.start_serving()
    forever = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(1)

    server.close()
    await forever

    assert server.get_loop() is asyncio.get_running_loop()
