"""The port of the Gateway: it can be shut and opened again while the Gateway lives."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

_logger: Final = logging.getLogger("ibkeel.sim")


class ListeningPort:
    """Where connections come in.

    Args:
        factory: Makes the protocol of a new connection.
    """

    def __init__(self, factory: Callable[[], asyncio.Protocol]) -> None:
        self._factory = factory
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None
        self._closures = 0  # faults that keep it shut
        self._opening: asyncio.Task[None] | None = None

    @property
    def is_in_use(self) -> bool:
        """Whether it was opened and not closed for good."""
        return self._address is not None

    @property
    def number(self) -> int:
        """The port that is bound, or will be again; 0 before it was opened."""
        return 0 if self._address is None else self._address[1]

    async def open(self, host: str, port: int) -> int:
        """Listen; the port that is bound.

        Raises:
            OSError: The address cannot be bound.
        """
        loop = asyncio.get_running_loop()
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
        if self._closures == 0 and self._address is not None:
            self._opening = asyncio.get_running_loop().create_task(self._listen_again(*self._address))

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
