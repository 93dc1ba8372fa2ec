"""What a Gateway looks like at an instant: clients, lines, orders, faults and what was said last."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from ibkeel.sim.client import HISTORY, Client
from ibkeel.sim.fault import FaultSeen
from ibkeel.sim.gateway import SimulatedGateway
from ibkeel.sim.transcripts import Entry, Form, Recorder
from ibkeel.sim.values import SimOrder
from ibkeel.sim.world import World

__all__ = ["ClientView", "GatewayView", "MessageLog", "MessageSeen", "OrderView", "view_of"]

_TOLD: Final = (
    "request_id",
    "order_id",
    "symbol",
    "expiry",
    "strike",
    "right",
    "status",
    "code",
    "text",
    "action",
)
_UNSAID: Final = frozenset({"0.0", "?"})  # strike and right of what has none
_TICKS: Final = ("tick_", "option_computation", "historical_update", "real_time_bar", "market_depth")


@attrs.frozen(kw_only=True)
class ClientView:
    """One session."""

    client_id: int
    version: int
    lines: int
    """Market data lines that it holds."""
    histories: int
    """Historical requests that wait for an answer."""
    streams: int
    """Other requests that go on until they are cancelled."""
    violations: int
    """Rules that it broke, all together."""


@attrs.frozen(kw_only=True)
class OrderView:
    """One live order."""

    client_id: int
    order_id: int
    contract: str
    what: str
    """Side, quantity, type and price."""
    status: str
    filled: float


@attrs.frozen(kw_only=True)
class MessageSeen:
    """One message, in a few words."""

    at: datetime
    client_id: int | None
    sender: str
    name: str
    detail: str
    times: int = 1
    """How often it was said in a row."""


@attrs.frozen(kw_only=True)
class GatewayView:
    """A Gateway at an instant; nothing in it changes afterwards."""

    at: datetime
    clients: tuple[ClientView, ...]
    connections: int
    """Connections since it was made."""
    lines: int
    line_limit: int | None
    histories: int
    messages: int
    """Messages of all clients since it was made."""
    violations: Mapping[str, int]
    """Broken rules by name."""
    orders: tuple[OrderView, ...]
    faults: tuple[FaultSeen, ...]
    """What went wrong on purpose, newest first."""
    said: tuple[MessageSeen, ...]
    """The last messages, newest first, prices left out."""


class MessageLog:
    """Keeps the last `length` messages of a Gateway, both ways; ticks are left out, there are too many.

    Connections that are open already are not heard.
    """

    def __init__(self, gateway: SimulatedGateway, length: int = 100) -> None:
        self._seen: deque[MessageSeen] = deque(maxlen=length)
        self._began_at = gateway.reception.world.now()
        self.stop = gateway.listen_in(Recorder(self._began_at, self._note))

    @property
    def seen(self) -> tuple[MessageSeen, ...]:
        """Newest first."""
        return tuple(reversed(self._seen))

    def _note(self, entry: Entry) -> None:
        if entry.name.startswith(_TICKS):
            return
        seen = MessageSeen(
            at=self._began_at + timedelta(seconds=entry.at),
            client_id=entry.client_id,
            sender=entry.sender,
            name=_name(entry),
            detail=_detail(entry),
        )
        last = self._seen[-1] if self._seen else None
        if last is not None and attrs.evolve(last, at=seen.at, times=1) == seen:
            seen = attrs.evolve(seen, times=self._seen.pop().times + 1)
        self._seen.append(seen)


def view_of(gateway: SimulatedGateway, log: MessageLog | None = None) -> GatewayView:
    """What the Gateway looks like now; without a log no messages are told."""
    world, counters = gateway.reception.world, gateway.counters
    return GatewayView(
        at=world.now(),
        clients=tuple(_client(world, client) for client in world.clients.values()),
        connections=counters.connections,
        lines=counters.open_lines,
        line_limit=gateway.settings.market_data_lines,
        histories=counters.open_histories,
        messages=counters.messages,
        violations=dict(sorted(counters.violations.items())),
        orders=tuple(_order(order) for order in gateway.venue.open_orders()),
        faults=gateway.faults_seen[::-1],
        said=() if log is None else log.seen,
    )


def _client(world: World, client: Client) -> ClientView:
    held = [each.holds_line for each in client.subscriptions.values()]
    held += [each.holds_line for each in client.streams.values()]
    histories = sum(kind == HISTORY for kind, _ in client.streams)
    return ClientView(
        client_id=client.client_id,
        version=client.session.version,
        lines=sum(held),
        histories=histories,
        streams=len(client.streams) - histories,
        violations=sum(world.counters.violations_by_client.get(client.client_id, {}).values()),
    )


def _order(order: SimOrder) -> OrderView:
    price = order.stop_price if order.order_type == "STP" else order.limit_price
    words = [order.action, f"{order.quantity:g}", order.order_type, f"{price:g}" if price else ""]
    contract = order.contract
    return OrderView(
        client_id=order.client_id,
        order_id=order.order_id,
        contract=contract.local_symbol or contract.symbol,
        what=" ".join(word for word in words if word),
        status=order.status,
        filled=order.filled,
    )


def _name(entry: Entry) -> str:
    if entry.form is not Form.MESSAGE:
        return str(entry.form.value)
    return entry.name or f"message {entry.texts[0]:.10}"


def _detail(entry: Entry) -> str:
    if entry.form is Form.BYTES:
        return f"{len(entry.payload)} bytes that are no message"
    if entry.form is not Form.MESSAGE:
        return " ".join(entry.texts).strip()
    fields = entry.fields
    said = (fields.get(name) for name in _TOLD)
    return " ".join(text for text in said if isinstance(text, str) and text not in _UNSAID)
