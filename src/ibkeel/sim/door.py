"""The door of the Gateway: its port, which can be shut for a while, and room for those who listen.

They hear the bytes, and change nothing. Behind the door is the asyncio shell, over TCP and over the in-memory
transport of a virtual loop alike.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol, cast

from typing_extensions import override

from ibkeel.sim.client import Client, Sink

_logger: Final = logging.getLogger("ibkeel.sim")
_CLIENT: Final = "client"
_GATEWAY: Final = "gateway"


class ListeningPort:
    """Where connections come in."""

    def __init__(self, factory: Callable[[], asyncio.Protocol]) -> None:
        self._factory = factory
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None
        self._closures = 0  # faults that keep it shut
        self._opening: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_in_use(self) -> bool:
        """Whether it was opened and not closed for good."""
        return self._address is not None

    @property
    def number(self) -> int:
        """The port that is bound, or will be again; 0 before it was opened."""
        return 0 if self._address is None else self._address[1]

    async def open(self, host: str, port: int) -> int:
        """Listen; the port that is bound."""
        self._loop = loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._factory, host, port)
        bound: int = self._server.sockets[0].getsockname()[1] if self._server.sockets else port
        self._address = host, bound
        return bound

    def shut(self) -> None:
        """Refuse new connections until `reopen` was called as often."""
        self._closures += 1
        self._stop_opening()
        if self._server is not None:
            self._server.close()
            self._server = None

    def reopen(self) -> None:
        """Take back one `shut`; after the last, listen again on the next turn of the loop."""
        self._closures -= 1
        if self._closures == 0 and self._address is not None and self._loop is not None:
            self._opening = self._loop.create_task(self._listen_again(*self._address))

    def move(self, port: int) -> None:
        """Listen on another port from the next turn of the loop on."""
        assert self._address is not None
        self.shut()
        self._address = self._address[0], port
        self.reopen()

    async def close(self) -> None:
        """Stop listening for good."""
        server, self._server = self._server, None
        self._address, self._closures = None, 0
        self._stop_opening()
        if server is not None:
            server.close()
            await server.wait_closed()

    def _stop_opening(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    async def _listen_again(self, host: str, port: int) -> None:
        try:
            await self.open(host, port)
        except OSError:
            _logger.exception("port %d not opened again", port)


class Door(Protocol):
    """What the shell calls."""

    def attach(self, sink: Sink) -> Client:
        """Take a new connection."""
        ...

    def receive(self, client: Client, data: bytes) -> None:
        """Act on bytes from a client."""
        ...

    def detach(self, client: Client) -> None:
        """Forget a connection that has ended."""
        ...

    def overflow(self, client: Client) -> None:
        """A client leaves more unread than the Gateway keeps, and goes on doing so."""
        ...


class GatewayProtocol(asyncio.Protocol):
    """One connection.

    At most so many bytes may wait for the client to read them; once there are more, fewer have to be left in
    `patience` seconds.
    """

    def __init__(self, door: Door, most: int | None, patience: float) -> None:
        self._door, self._most, self._patience = door, most, patience
        self._client: Client | None = None
        self._transport: asyncio.Transport | None = None
        self._look: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = made = cast("asyncio.Transport", transport)
        if self._most is not None:
            made.set_write_buffer_limits(high=self._most)
        self._client = self._door.attach(made)

    @override
    def data_received(self, data: bytes) -> None:
        if self._client is not None:
            self._door.receive(self._client, data)

    @override
    def pause_writing(self) -> None:
        if self._transport is not None and self._most is not None:
            loop, left = asyncio.get_running_loop(), self._transport.get_write_buffer_size()
            self._look = loop.call_later(self._patience, self._check, left)

    @override
    def resume_writing(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _check(self, before: int) -> None:
        """A burst takes a while to read; a client that does not read leaves as much as before, or more."""
        if self._client is not None and self._transport is not None:
            if self._transport.get_write_buffer_size() < before:
                self.pause_writing()
            else:
                self._door.overflow(self._client)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.resume_writing()
        if self._client is not None:
            self._door.detach(self._client)


class Listener(Protocol):
    """Hears every byte of the connections that begin while it listens."""

    def opened(self, connection: int, at: datetime) -> None:
        """A connection begins; connections are numbered from 1."""
        ...

    def heard(self, connection: int, sender: str, data: bytes, at: datetime) -> None:
        """The `client` or the `gateway` has sent bytes."""
        ...

    def closed(self, connection: int, at: datetime) -> None:
        """A connection has ended."""
        ...


class OverheardDoor(Door):
    """Passes everything on to another door."""

    def __init__(self, door: Door, now: Callable[[], datetime]) -> None:
        self._door, self._now = door, now
        self._listeners: list[Listener] = []
        self._numbers: dict[Client, int] = {}  # of connections that somebody listens to
        self._connections = 0

    def add(self, listener: Listener) -> Callable[[], None]:
        """Let somebody listen to the connections that begin from now on; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @override
    def attach(self, sink: Sink) -> Client:
        self._connections += 1
        if not self._listeners:
            return self._door.attach(sink)
        number = self._connections
        for listener in self._listeners:
            listener.opened(number, self._now())
        client = self._door.attach(_OverheardSink(sink, lambda data: self._tell(number, _GATEWAY, data)))
        self._numbers[client] = number
        return client

    @override
    def receive(self, client: Client, data: bytes) -> None:
        number = self._numbers.get(client)
        if number is not None:
            self._tell(number, _CLIENT, data)
        self._door.receive(client, data)

    @override
    def detach(self, client: Client) -> None:
        self._door.detach(client)
        number = self._numbers.pop(client, None)
        if number is not None:
            for listener in self._listeners:
                listener.closed(number, self._now())

    @override
    def overflow(self, client: Client) -> None:
        self._door.overflow(client)

    def _tell(self, connection: int, sender: str, data: bytes) -> None:
        for listener in self._listeners:
            listener.heard(connection, sender, data, self._now())


class _OverheardSink(Sink):
    """Bytes on their way to a client, told before they leave."""

    def __init__(self, sink: Sink, tell: Callable[[bytes], None]) -> None:
        self._sink, self._tell = sink, tell

    @override
    def write(self, data: bytes) -> None:
        self._tell(data)
        self._sink.write(data)

    @override
    def close(self) -> None:
        self._sink.close()

    @override
    def abort(self) -> None:
        self._sink.abort()
