"""The network of a virtual loop: servers and connections that never leave the process.

What one side of a connection writes, the other receives, in order and unsplit.
"""

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from itertools import count
from typing import Any, Final

from typing_extensions import override

_LOOPBACK: Final = frozenset({"", "localhost", "127.0.0.1", "0.0.0.0", "::", "::1"})  # noqa: S104 - names, not a bind
_FIRST_FREE_PORT: Final = 49152
Factory = Callable[[], asyncio.BaseProtocol]


class MemoryTransport(asyncio.Transport):
    """One end of a connection between two protocols on the same loop.

    Each `write` reaches the peer's `data_received` in one call, on the next turn of the loop.
    Closing one end delivers what was written, then the end of file, then closes the other.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        *,
        sockname: tuple[str, int],
        peername: tuple[str, int],
        context: Context,
    ) -> None:
        super().__init__({"sockname": sockname, "peername": peername})
        self._loop = loop
        self._protocol = protocol
        self._peer: MemoryTransport | None = None
        self._inbox: deque[bytes | None] = deque()
        self._reading = True
        self._closing = False
        self._eof_sent = False
        self._context = context  # in which this end is told what happens

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
                self._peer._end(ConnectionResetError("connection reset by peer"))

    def _end(self, error: Exception | None) -> None:
        self._closing = True
        self._inbox.clear()
        self._loop.call_soon(self._protocol.connection_lost, error, context=self._context)

    def _send(self, data: bytes | None) -> None:
        peer = self._peer
        if peer is not None and not peer.is_closing():
            peer._inbox.append(data)
            self._loop.call_soon(peer._drain, context=peer._context)

    def _drain(self) -> None:
        protocol = self._protocol
        assert isinstance(protocol, asyncio.Protocol)
        while self._inbox and self._reading and not self._closing:
            data = self._inbox.popleft()
            if data is not None:
                protocol.data_received(data)
            elif not protocol.eof_received():
                self.close()


def _canonical(host: str | None) -> str:
    return "127.0.0.1" if host is None or host in _LOOPBACK else host


class MemoryServer(asyncio.AbstractServer):
    """A listening address on a `MemoryNetwork`."""

    def __init__(self, network: "MemoryNetwork", address: tuple[str, int], factory: Factory) -> None:
        self._loop = asyncio.get_running_loop()
        self._network = network
        self.address = address
        self.factory = factory
        self.context = copy_context()
        self._closed = asyncio.Event()

    @property
    def sockets(self) -> "tuple[MemorySocket, ...]":
        """One stand-in that knows its address, as `asyncio.Server.sockets` do."""
        return () if self._closed.is_set() else (MemorySocket(self.address),)

    @override
    def close(self) -> None:
        if not self._closed.is_set():
            self._network.forget(self)
            self._closed.set()

    @override
    def is_serving(self) -> bool:
        return not self._closed.is_set()

    @override
    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @override
    async def start_serving(self) -> None:
        """A memory server serves from the start."""

    @override
    async def serve_forever(self) -> None:
        try:
            await self._closed.wait()
        finally:
            self.close()

    @override
    async def wait_closed(self) -> None:
        await self._closed.wait()


class MemorySocket:
    """Says where a `MemoryServer` listens."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    def getsockname(self) -> tuple[str, int]:
        """Host and port."""
        return self._address


class MemoryNetwork:
    """Who listens where; nothing outside can be reached."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, int], MemoryServer] = {}
        self._ports = count(_FIRST_FREE_PORT)
        self._aliases: dict[int, tuple[str, int]] = {}

    def alias(self, ports: Iterable[int], *, port: int) -> None:
        """Let more ports, of every host, at which nobody else listens, lead to one of this machine's."""
        self._aliases.update(dict.fromkeys(ports, (_canonical(None), port)))

    def listen(self, factory: Factory, host: str | None, port: int | None) -> MemoryServer:
        """Open an address, if nobody listens there; port 0 or None takes a free one."""
        address = (_canonical(host), port or next(self._ports))
        if address in self._servers:
            raise OSError(errno.EADDRINUSE, f"address already in use: {address}")
        server = self._servers[address] = MemoryServer(self, address, factory)
        return server

    def forget(self, server: MemoryServer) -> None:
        """Stop listening; open connections stay."""
        self._servers.pop(server.address, None)

    def connect(
        self, loop: asyncio.AbstractEventLoop, client: asyncio.BaseProtocol, host: Any, port: Any
    ) -> MemoryTransport:
        """Join a client to whoever listens, or raise ConnectionRefusedError; the client's end.

        The server's protocol is told on the next turn of the loop. As with a real socket, it has the context
        that was current when it began to listen, and the client's that of its caller.
        """
        address = (_canonical(host), int(port or 0))
        server = self._servers.get(address) or self._servers.get(self._aliases.get(address[1], address))
        if server is None:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"nobody listens on {address} of the virtual network"
            )
        here, protocol = ("127.0.0.1", next(self._ports)), server.factory()
        near = MemoryTransport(loop, client, sockname=here, peername=address, context=copy_context())
        far = MemoryTransport(loop, protocol, sockname=address, peername=here, context=server.context)
        near._peer, far._peer = far, near
        loop.call_soon(protocol.connection_made, far, context=server.context)
        client.connection_made(near)
        return near
