"""A recorder between a client and a real Gateway: bytes pass as they are, copies go to a listener."""

import asyncio
import errno
import logging
import re
import socket
from typing import Final

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.sim.door import Listener, ListeningPort
from ibkeel.sim.transcripts.values import CLIENT, GATEWAY
from ibkeel.sim.wire import GREETING, frame

_logger: Final = logging.getLogger("ibkeel.sim")
_HIGHEST: Final = 200  # above it messages are not text, so that nothing in them could be hidden
_HELLO: Final = re.compile(
    rb"API\0(?P<length>.{4})v(?P<lowest>\d{1,9})\.\.(?P<highest>\d{1,9})(?P<rest>.*)", re.DOTALL
)
_LONGEST_HELLO: Final = 200
_HEADER: Final = 4


def not_listening(host: str, port: int, error: OSError) -> ConfigurationError:
    """Why an address cannot be bound, and which of its two parts to change."""
    # Of another machine's address asyncio of Python 3.13 gives no number.
    is_host = isinstance(error, socket.gaierror) or error.errno in {errno.EADDRNOTAVAIL, None}
    remedy = "choose another --host, such as 127.0.0.1" if is_host else "choose another --port"
    return ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror or error}; {remedy}")


class RecordingProxy:
    """Listens for clients and connects each to the same Gateway.

    A client is held to versions up to 200 in its first message; everything else passes unchanged. When
    one side closes, what it said still reaches the other, which is then closed too.

    Args:
        host: Of the Gateway.
        port: Of the Gateway.
        listener: Hears both sides; it must not keep them waiting.
        clock: Wall time.
    """

    def __init__(self, host: str, port: int, listener: Listener, clock: Clock) -> None:
        self._host, self._port = host, port
        self._listener, self._clock = listener, clock
        self._here = ListeningPort(self._accept)
        self._bridges: dict[int, _Bridge] = {}
        self.connections = 0

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that is bound.

        Raises:
            ConfigurationError: The address cannot be bound.
        """
        try:
            return await self._here.open(host, port)
        except OSError as error:
            raise not_listening(host, port, error) from error

    async def stop(self) -> None:
        """Close everything; idempotent."""
        self._here.shut()
        for bridge in tuple(self._bridges.values()):
            bridge.close()

    def _accept(self) -> asyncio.Protocol:
        self.connections += 1
        bridge = self._bridges[self.connections] = _Bridge(self, self.connections)
        return bridge.client

    async def connect(self, side: asyncio.Protocol) -> None:
        """Reach the Gateway.

        Raises:
            OSError: Nobody listens there.
        """
        await asyncio.get_running_loop().create_connection(lambda: side, self._host, self._port)

    def opened(self, number: int) -> None:
        """A client has come."""
        self._listener.opened(number, self._clock.now())

    def heard(self, number: int, sender: str, data: bytes) -> None:
        """Bytes have passed."""
        self._listener.heard(number, sender, data, self._clock.now())

    def closed(self, number: int) -> None:
        """Both sides have gone."""
        if self._bridges.pop(number, None) is not None:
            self._listener.closed(number, self._clock.now())


class _Bridge:
    """One client and its connection to the Gateway."""

    def __init__(self, office: RecordingProxy, number: int) -> None:
        self._office, self._number = office, number
        self.client, self.gateway = _Side(self, CLIENT), _Side(self, GATEWAY)
        self._connecting: asyncio.Task[None] | None = None
        self._head: bytearray | None = bytearray()  # of the client, until its first message is whole

    def opened(self, side: "_Side") -> None:
        if side is self.client:
            self._office.opened(self._number)
            side.pause()
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        else:
            self.client.resume()

    def passed(self, side: "_Side", data: bytes) -> None:
        """Bytes of one side: to the other first, then a copy to whoever listens."""
        if side is self.client and self._head is not None:
            self._head += data
            data = self._first_words()
        if data:
            self._other(side).write(data)
            self._office.heard(self._number, side.name, data)

    def lost(self, side: "_Side") -> None:
        """A side has closed: the other gets what was said, then its end."""
        if self._connecting is not None and side is self.client:
            self._connecting.cancel()
        self._other(side).close()
        if not (self.client.is_open or self.gateway.is_open):
            self._office.closed(self._number)

    def hold(self, side: "_Side", *, is_full: bool) -> None:
        """A side cannot take more, or can again: the other reads no further until then."""
        other = self._other(side)
        if is_full:
            other.pause()
        else:
            other.resume()

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        self.client.close()
        self.gateway.close()

    async def _connect(self) -> None:
        try:
            await self._office.connect(self.gateway)
        except OSError as error:
            _logger.warning("Gateway not reached: %s", error)
            self.client.close()

    def _first_words(self) -> bytes:
        """The client's first message when it is whole, with no version above 200; before, nothing."""
        head = bytes(self._head or b"")
        end = len(GREETING) + _HEADER
        is_hello = len(head) >= end and head.startswith(GREETING)
        if is_hello:
            end += int.from_bytes(head[len(GREETING) : end])
        if GREETING.startswith(head[: len(GREETING)]) and end <= _LONGEST_HELLO and len(head) < end:
            return b""
        self._head = None
        return _capped(head[:end]) + head[end:] if is_hello else head

    def _other(self, side: "_Side") -> "_Side":
        return self.gateway if side is self.client else self.client


def _capped(hello: bytes) -> bytes:
    """A greeting that asks for no version above 200; any other is left as it is."""
    match = _HELLO.fullmatch(hello)
    if match is None or int(match["highest"]) <= _HIGHEST or int(match["lowest"]) > _HIGHEST:
        return hello
    return GREETING + frame(b"v%b..%d%b" % (match["lowest"], _HIGHEST, match["rest"]))


class _Side(asyncio.Protocol):
    def __init__(self, bridge: _Bridge, name: str) -> None:
        self.name, self._bridge = name, bridge
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._bridge.opened(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._bridge.passed(self, data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._bridge.lost(self)

    @override
    def pause_writing(self) -> None:
        self._bridge.hold(self, is_full=True)

    @override
    def resume_writing(self) -> None:
        self._bridge.hold(self, is_full=False)

    def write(self, data: bytes) -> None:
        """Send bytes, unless it has closed."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close after what was written."""
        if self._transport is not None:
            self._transport.close()

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
