"""In-memory connections: what one side writes, the other receives, in order and unsplit."""

import asyncio
from collections import deque
from contextvars import Context, copy_context
from typing import Any

from typing_extensions import override


class MemoryTransport(asyncio.Transport):
    """One end of a connection between two protocols on the same loop.

    Each `write` reaches the peer's `data_received` in one call, on the next turn of the loop.
    Closing one end delivers what was written, then the end of file, then closes the other.

    Args:
        loop: The loop that both ends live on.
        protocol: Receives what the peer writes.
        sockname: This end's address.
        peername: The other end's address.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        *,
        sockname: tuple[str, int],
        peername: tuple[str, int],
    ) -> None:
        super().__init__({"sockname": sockname, "peername": peername})
        self._loop = loop
        self._protocol = protocol
        self._peer: MemoryTransport | None = None
        self._inbox: deque[bytes | None] = deque()
        self._reading = True
        self._closing = False
        self._eof_sent = False
        self._context: Context | None = None  # in which this end is told what happens; None: the other's

    def _pair_with(self, peer: "MemoryTransport", context: Context | None = None) -> None:
        self._peer, self._context = peer, context

    @override
    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    @override
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    @override
    def is_closing(self) -> bool:
        return self._closing

    @override
    def is_reading(self) -> bool:
        return self._reading and not self._closing

    @override
    def pause_reading(self) -> None:
        self._reading = False

    @override
    def resume_reading(self) -> None:
        self._reading = True
        self._loop.call_soon(self._drain, context=self._context)

    @override
    def write(self, data: Any) -> None:
        if self._eof_sent and not self._closing:
            raise RuntimeError("write() after write_eof()")
        if data and not self._closing:
            self._send(bytes(data))

    @override
    def can_write_eof(self) -> bool:
        return True

    @override
    def write_eof(self) -> None:
        if not self._eof_sent and not self._closing:
            self._eof_sent = True
            self._send(None)

    @override
    def get_write_buffer_size(self) -> int:
        return 0

    @override
    def get_write_buffer_limits(self) -> tuple[int, int]:
        return (0, 0)

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing to limit: the peer's inbox takes all."""

    @override
    def close(self) -> None:
        if not self._closing:
            self.write_eof()
            self._end(None)

    @override
    def abort(self) -> None:
        if not self._closing:
            self._end(None)
            if self._peer is not None and not self._peer.is_closing():
                self._peer._end(ConnectionResetError("connection reset by peer"))  # noqa: SLF001 - the other end

    def _end(self, error: Exception | None) -> None:
        self._closing = True
        self._inbox.clear()
        self._loop.call_soon(self._protocol.connection_lost, error, context=self._context)

    def _send(self, data: bytes | None) -> None:
        peer = self._peer
        if peer is not None and not peer.is_closing():
            peer._inbox.append(data)  # noqa: SLF001 - the other end
            self._loop.call_soon(peer._drain, context=peer._context)  # noqa: SLF001 - the other end

    def _drain(self) -> None:
        protocol = self._protocol
        assert isinstance(protocol, asyncio.Protocol)
        while self._inbox and self._reading and not self._closing:
            data = self._inbox.popleft()
            if data is not None:
                protocol.data_received(data)
            elif not protocol.eof_received():
                self.close()


def connect_pair(
    loop: asyncio.AbstractEventLoop,
    client: asyncio.BaseProtocol,
    server: asyncio.BaseProtocol,
    *,
    client_address: tuple[str, int],
    server_address: tuple[str, int],
    server_context: Context,
) -> MemoryTransport:
    """Join two protocols; the server's is told on the next turn of the loop.

    Args:
        loop: The loop that both live on.
        client: Told at once.
        server: Told in its own context, as by a real socket.
        client_address: The client's end.
        server_address: The server's end.
        server_context: What was current when the server began to listen; the client's end has the caller's.

    Returns:
        The client's end.
    """
    near = MemoryTransport(loop, client, sockname=client_address, peername=server_address)
    far = MemoryTransport(loop, server, sockname=server_address, peername=client_address)
    near._pair_with(far, copy_context())  # noqa: SLF001 - made here
    far._pair_with(near, server_context)  # noqa: SLF001 - made here
    loop.call_soon(server.connection_made, far, context=server_context)
    client.connection_made(near)
    return near
