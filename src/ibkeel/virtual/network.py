"""The network of a virtual loop: servers and connections that never leave the process."""

import asyncio
import errno
from collections.abc import Callable, Iterable
from contextvars import copy_context
from itertools import count
from typing import Any, Final

from typing_extensions import override

from ibkeel.virtual.transport import MemoryTransport, connect_pair

_LOOPBACK: Final = frozenset({"", "localhost", "127.0.0.1", "0.0.0.0", "::", "::1"})  # noqa: S104 - names, not a bind
_FIRST_FREE_PORT: Final = 49152

Factory = Callable[[], asyncio.BaseProtocol]


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
        """Let more ports, of every host, lead to one of this machine's.

        Args:
            ports: Those at which nobody else listens.
            port: Where they lead.
        """
        self._aliases.update(dict.fromkeys(ports, (_canonical(None), port)))

    def listen(self, factory: Factory, host: str | None, port: int | None) -> MemoryServer:
        """Open an address; port 0 or None takes a free one.

        Raises:
            OSError: Somebody listens there already.
        """
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
        """Join a client to whoever listens.

        Raises:
            ConnectionRefusedError: Nobody does.
        """
        address = (_canonical(host), int(port or 0))
        server = self._servers.get(address) or self._servers.get(self._aliases.get(address[1], address))
        if server is None:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"nobody listens on {address} of the virtual network"
            )
        here = ("127.0.0.1", next(self._ports))
        return connect_pair(
            loop,
            client,
            server.factory(),
            client_address=here,
            server_address=address,
            server_context=server.context,
        )
