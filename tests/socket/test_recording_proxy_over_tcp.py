"""Through a proxy a client is held back by a Gateway that does not read, and the other way round, and no byte is lost."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from ibkeel.sim.transcripts import RecordingProxy
from ibkeel.system import SystemClock

PIECE, MOST = b"x" * 65_536, 64 * 1024 * 1024
PATIENCE = 20


class Heard:
    """Counts what passes."""

    def __init__(self):
        self.bytes = 0

    def opened(self, connection, at): ...

    def heard(self, connection, sender, data, at):
        self.bytes += len(data)

    def closed(self, connection, at): ...


@asynccontextmanager
async def between():
    """Streams of a client and of the server behind the proxy, and who listens in."""
    arrived = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda *ends: arrived.set_result(ends), "127.0.0.1", 0)
    heard = Heard()
    proxy = RecordingProxy("127.0.0.1", server.sockets[0].getsockname()[1], heard, SystemClock())
    client = await asyncio.open_connection("127.0.0.1", await proxy.start("127.0.0.1", 0))
    client[1].write(b"hello")
    behind = await arrived
    await behind[0].readexactly(5)
    try:
        yield client, behind, heard
    finally:
        client[1].close()
        behind[1].close()
        await proxy.stop()
        server.close()


@pytest.mark.parametrize("speaker", ["client", "gateway"])
def test_who_is_not_read_is_held_back_and_heard_whole_afterwards(speaker):
    async def main():
        async with between() as (client, behind, heard), asyncio.timeout(PATIENCE):
            speaks, reads = (client, behind) if speaker == "client" else (behind, client)
            said = 0
            try:
                while said < MOST:
                    speaks[1].write(PIECE)
                    said += len(PIECE)
                    async with asyncio.timeout(0.1):
                        await speaks[1].drain()
            except TimeoutError:
                pass
            held_back_at = said
            await reads[0].readexactly(said)
            await speaks[1].drain()
            return held_back_at, heard.bytes

    held_back_at, passed = asyncio.run(main())

    assert held_back_at < MOST
    assert passed == held_back_at + len(b"hello")
