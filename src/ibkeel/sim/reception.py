"""Who is connected to the Gateway: takes connections and messages, counts their rate, and ends them."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from typing_extensions import override

from ibkeel.sim.client import Client, LateSink, Sink
from ibkeel.sim.counters import SlidingWindow
from ibkeel.sim.director import Director, Scenario
from ibkeel.sim.door import Door, GatewayProtocol, ListeningPort, OverheardDoor
from ibkeel.sim.effects import Stage
from ibkeel.sim.fault import WHAT_IF
from ibkeel.sim.faults import CloseAtOnce, Delayed, Fault, HalfOpen, IdInUse, Mute, RejectsOverRate
from ibkeel.sim.services import HANDLERS
from ibkeel.sim.services.system import refuse
from ibkeel.sim.services.system import start as start_session
from ibkeel.sim.session import (
    Event,
    Malformed,
    Negotiated,
    Refused,
    Request,
    Session,
    Started,
    State,
    Unknown,
)
from ibkeel.sim.wire import clock_text, zoned
from ibkeel.sim.world import World

_BREACHES: Final = 3  # so many messages above the rate end the session
_TOO_FAST: Final = "Max rate of messages per second has been exceeded"
_logger: Final = logging.getLogger("ibkeel.sim")
_ID_IN_USE: Final = "Unable to connect as the client id is already in use. Retry with a unique client id."


class Reception(Door, Stage):
    """Connections, from the first byte to the last, and what faults do to them.

    What was received is followed by `settle`, which sends what was said, and waits for what comes.
    """

    def __init__(self, world: World, scenario: Scenario | None, settle: Callable[[], None]) -> None:
        self._world, self._settle = world, settle
        self._director = Director(self, scenario)
        self._door = OverheardDoor(self, world.now)
        most, patience = world.settings.output_limit, world.settings.output_patience
        self._port = ListeningPort(lambda: GatewayProtocol(self._door, most, patience))
        self._connections: list[Client] = []  # in order of connecting
        self._noted: set[str] = set()

    @property
    @override
    def world(self) -> World:
        return self._world

    @property
    def director(self) -> Director:
        """Brings faults about."""
        return self._director

    @property
    @override
    def port(self) -> ListeningPort:
        return self._port

    @property
    def door(self) -> OverheardDoor:
        """Where bytes come in and go out; one can listen there."""
        return self._door

    @property
    @override
    def connections(self) -> tuple[Client, ...]:
        return tuple(self._connections)

    @override
    def tell(self, code: int, text: str) -> None:
        for client in list(self._world.clients.values()):
            client.error(-1, code, text, at=self._world.now())

    @override
    def hang_up(self, client: Client, *, abruptly: bool = False) -> None:
        """End a connection; what was said before arrives, unless it ends abruptly."""
        if not abruptly:
            self._flush(client)
        client.close(abruptly=abruptly)
        self._forget(client)

    @override
    def attach(self, sink: Sink) -> Client:
        self._world.counters.connections += 1
        settings = self._world.settings
        late = LateSink(sink, self._world.agenda, self._world.now, lambda: self._delay(client))
        client = Client(
            late,
            Session(settings.highest_version),
            SlidingWindow(settings.messages_per_second, 1.0),
            self._world.counters.errors_sent,
        )
        self._connections.append(client)
        client.is_deaf = self._world.disorder.first(Mute) is not None
        if self._world.disorder.first(CloseAtOnce) is not None:
            client.close()
        return client

    @override
    def receive(self, client: Client, data: bytes) -> None:
        if client.is_deaf:
            return
        if self._is_frozen(client):
            client.unread += data
            return
        self._take(client, data)
        self._settle()

    @override
    def catch_up(self, client: Client) -> None:
        """Act on what a client sent while nobody read, its end included."""
        if self._is_frozen(client):
            return
        data = bytes(client.unread)
        client.unread.clear()
        self._take(client, data)
        self._part(client)

    @override
    def detach(self, client: Client) -> None:
        """Forget a connection that has ended, as soon as that is read; idempotent; the shell calls it."""
        client.has_hung_up = True
        self._part(client)

    def _part(self, client: Client) -> None:
        """Forget a client that has hung up, once all that it sent is read."""
        waits = client.is_open and (client.waiting or self._is_frozen(client))
        if client.has_hung_up and not waits:
            self._forget(client)

    def _forget(self, client: Client) -> None:
        client.is_open = False
        client.session.close()
        if client in self._connections:
            self._connections.remove(client)
        self._world.release(client)

    @override
    def overflow(self, client: Client) -> None:
        """End a connection whose client does not read; the shell calls it."""
        if client.is_open:
            self._world.counters.violated("output_limit", client.client_id)
            most = self._world.settings.output_limit
            _logger.warning("connection closed: %s leaves more than %s bytes unread", client.title, most)
            self.hang_up(client, abruptly=True)

    def flush(self) -> None:
        """Send what was said."""
        for client in self.connections:
            self._flush(client)

    def _take(self, client: Client, data: bytes) -> None:
        for event in client.session.receive(data):
            if not client.is_open:
                break
            self._act(client, event)

    def _act(self, client: Client, event: Event) -> None:
        world = self._world
        match event:
            case Negotiated():
                at = zoned(world.shown(world.now()), world.settings.timezone, event.version)
                client.raw(client.session.handshake(at))
            case Refused():
                self._refuse(client, event)
            case Started() | Request() | Unknown() | Malformed():
                name = "start_api" if isinstance(event, Started) else getattr(event, "name", None)
                admission = _admit(world, client, name)
                if admission is _Admission.SERVED:
                    self._answer(client, event)
                elif admission is _Admission.ENDS_SESSION:
                    self.hang_up(client)
                elif admission is _Admission.DELAYED:
                    self._answer_late(client, event)

    def _answer_late(self, client: Client, event: Started | Request | Unknown | Malformed) -> None:
        """Act on a message when the Gateway gets to reading it."""

        def read(_now: datetime) -> None:
            client.waiting -= 1
            if client.is_open:
                self._answer(client, event)
                self._part(client)

        self._world.agenda.add(datetime.fromtimestamp(client.paced_until, UTC), read)

    def _answer(self, client: Client, event: Started | Request | Unknown | Malformed) -> None:
        match event:
            case Started():
                self._greet(client, event)
            case Request():
                self._serve(client, event)
            case Unknown():
                self._note_unknown(client, event)
            case Malformed():
                self._complain(client, event)

    def _serve(self, client: Client, request: Request) -> None:
        values, world = request.values, self._world
        request_id = values.get("request_id", values.get("order_id", -1))
        is_preview = request.name == "place_order" and values["what_if"]
        kind = WHAT_IF if is_preview else request.name
        treatment = self._director.on_request(client, kind, request_id, world.now())
        if treatment.is_unacknowledged:
            world.unacknowledged.add((client.client_id, request_id))
        with world.treating(treatment), world.supervised(client, request_id):
            if client.session.state is not State.STARTED:
                return
            if treatment.error is not None:
                refuse(world, client, request_id, treatment.error)
            else:
                HANDLERS[request.name](world, client, values)

    def _greet(self, client: Client, event: Started) -> None:
        """Start a session, unless a fault has something against it."""
        world = self._world
        treatment = self._director.on_request(client, "start_api", -1, world.now())
        if treatment.is_unanswered:
            client.is_deaf = True
        elif treatment.error is not None:
            client.error(-1, *treatment.error, at=world.now())
        elif treatment.delay:
            with world.treating(treatment):
                world.answer(client, -1, 0.0, lambda _: self._start(client, event))
        elif client.is_open:
            self._start(client, event)

    def _start(self, client: Client, event: Started) -> None:
        held = self._world.disorder.first(IdInUse, event.client_id) is not None
        if held or event.client_id in self._world.clients:
            self._world.counters.refused += 1
            client.error(-1, 326, _ID_IN_USE, at=self._world.now())
            self._flush(client)
            client.close()
            return
        most = self._world.settings.limits.clients
        if most is not None and len(self._world.clients) >= most:
            self._world.counters.refused += 1
            self._world.counters.violated("clients", event.client_id)
            client.close()
            return
        self._world.clients[event.client_id] = client
        start_session(self._world, client)

    def _refuse(self, client: Client, event: Refused) -> None:
        self._world.counters.refused += 1
        _logger.warning("connection refused: %s", event.reason)
        if event.reply:
            client.raw(event.reply)
        self._flush(client)
        client.close()

    def _note_unknown(self, client: Client, event: Unknown) -> None:
        self._world.counters.unknown[event.number] += 1
        if event.number not in self._noted:
            self._noted.add(event.number)
            _logger.warning("message not served, from %s: number %r", client.title, event.number)

    def _complain(self, client: Client, event: Malformed) -> None:
        self._world.counters.malformed += 1
        if not client.is_garbled:  # one line of the log says enough
            client.is_garbled = True
            _logger.warning("request malformed, from %s: %s", client.title, event.reason)
        if client.session.state is State.STARTED:  # nothing is said before
            text = f"Error reading request:{event.reason}"
            client.error(event.request_id, 320, text, at=self._world.now())

    def _flush(self, client: Client) -> None:
        if not client.has_news or self._is_frozen(client):
            return
        world = self._world
        faults: Sequence[Fault] = ()
        if client.session.state is State.STARTED:
            faults = world.disorder.every(Fault, client.client_id)
        client.flush(lambda: clock_text(world.now(), world.settings.timezone), faults)

    def _delay(self, client: Client) -> float:
        delayed = self._world.disorder.every(Delayed, client.client_id)
        return max([fault.delay for fault in delayed], default=0.0)

    def _is_frozen(self, client: Client) -> bool:
        return self._world.disorder.first(HalfOpen, client.client_id) is not None


class _Admission(Enum):
    """What becomes of a message before anybody looks at it."""

    SERVED = auto()
    REFUSED = auto()
    ENDS_SESSION = auto()
    DELAYED = auto()


def _admit(world: World, client: Client, name: str | None) -> _Admission:
    """Count a message, whose name is None when nobody knows it, and decide whether it comes too fast."""
    counters, settings = world.counters, world.settings
    counters.messages += 1
    if name is not None:
        counters.requests[name] += 1
    now = world.now().timestamp()
    is_within = client.rate.record(now)
    if is_within and not client.waiting:
        return _Admission.SERVED
    if not is_within:
        counters.violated("message_rate", client.client_id)
    if settings.paces_over_rate and settings.messages_per_second is not None:
        client.waiting += 1
        client.paced_until = max(client.paced_until, now) + 1.0 / settings.messages_per_second
        return _Admission.DELAYED
    by_fault = world.disorder.first(RejectsOverRate, client.client_id) is not None
    if not (settings.rejects_over_rate or by_fault):
        return _Admission.SERVED
    client.breaches += 1
    counted = f"max={settings.messages_per_second} rec={client.rate.events} ({client.breaches})"
    client.error(-1, 100, f"{_TOO_FAST}:{counted}", at=world.now())
    return _Admission.ENDS_SESSION if client.breaches >= _BREACHES else _Admission.REFUSED
