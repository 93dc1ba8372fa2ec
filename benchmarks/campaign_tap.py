"""What left a client on the wire, read by the simulator's own codec: no code of ours is asked."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import attrs

from ibkeel.clock import Clock
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.client import Client
from ibkeel.sim.codec import REQUESTS
from ibkeel.sim.wire import GREETING, FrameReader, split

__all__ = ["Message", "Tap"]

_NUMBERS: Final = {
    number: row for number, row in REQUESTS.items() if row.name in {"place_order", "cancel_order"}
}
_STARTS: Final = tuple(f"{number}\0".encode() for number in _NUMBERS)


@attrs.frozen(kw_only=True)
class Message:
    """An order or a cancel, as it left.

    Args:
        at: When it reached the Gateway.
        name: `place_order` or `cancel_order`.
        values: Its fields.
        is_change: Whether its number was used before on this wire for the same name of ours.
        client_id: Whose it is.
    """

    at: datetime
    name: str
    values: dict[str, Any]
    is_change: bool = False
    client_id: int | None = None

    @property
    def order_id(self) -> int:
        """The number of the order."""
        return int(self.values["order_id"])

    @property
    def order_ref(self) -> str:
        """Our name of the order; empty for a cancel."""
        return str(self.values.get("order_ref") or "")

    @property
    def is_entry(self) -> bool:
        """Whether it opens a position: the trader only buys to open."""
        return self.name == "place_order" and self.values["action"] == "BUY" and not self.values["what_if"]


class Tap:
    """Reads along what clients send to a Gateway, before the Gateway does.

    Args:
        gateway: Whose clients.
        clock: Stamps the messages.
    """

    def __init__(self, gateway: SimulatedGateway, clock: Clock) -> None:
        self.messages: list[Message] = []
        self.hear: Callable[[Message], None] = lambda _: None
        """Called with each message before the Gateway acts on it."""
        self._clock = clock
        self._readers: dict[int, FrameReader] = {}
        self._used: set[tuple[int, str]] = set()
        reception = gateway.reception
        self._receive = reception.receive
        reception.receive = self._received  # type: ignore[method-assign]

    def _received(self, client: Client, data: bytes) -> None:
        reader = self._readers.get(id(client))
        if reader is None:
            reader = self._readers[id(client)] = FrameReader()
            self._clients = [*getattr(self, "_clients", []), client]  # alive, so that no id comes twice
        for payload in reader.payloads(data.removeprefix(GREETING)):
            if payload.startswith(_STARTS) and client.session.version:
                number, *texts = split(payload)
                row = _NUMBERS[int(number)]
                self._note(client, row.name, row.parse(texts, client.session.version))
        self._receive(client, data)

    def _note(self, client: Client, name: str, values: dict[str, Any]) -> None:
        key = (values["order_id"], str(values.get("order_ref") or ""))
        is_change = name == "place_order" and key in self._used
        if name == "place_order":
            self._used.add(key)
        message = Message(
            at=self._clock.now(), name=name, values=values, is_change=is_change, client_id=client.client_id
        )
        self.messages.append(message)
        self.hear(message)
