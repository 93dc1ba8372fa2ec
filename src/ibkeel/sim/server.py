"""The asyncio shell: bytes between a transport and the Gateway, nothing else.

The same shell runs over TCP and over the in-memory transport of a virtual loop.
"""

import asyncio
from typing import Protocol, cast

from typing_extensions import override

from ibkeel.sim.client import Client, Sink

__all__ = ["Door", "GatewayProtocol"]


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


class GatewayProtocol(asyncio.Protocol):
    """One connection.

    Args:
        door: The Gateway.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._client: Client | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = self._door.attach(cast("asyncio.Transport", transport))

    @override
    def data_received(self, data: bytes) -> None:
        if self._client is not None:
            self._door.receive(self._client, data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._client is not None:
            self._door.detach(self._client)
