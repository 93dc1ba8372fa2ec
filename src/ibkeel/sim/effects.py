"""What each kind of fault does when it begins, and what undoes it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, Protocol

from ibkeel.sim.client import Client
from ibkeel.sim.door import ListeningPort
from ibkeel.sim.faults import (
    Bust,
    CompetingSession,
    ConnectionLost,
    Crash,
    FarmBroken,
    Fault,
    Garbage,
    HalfOpen,
    Notice,
    PortClosed,
    PortReset,
    Restart,
    Truncated,
    UpstreamLost,
)
from ibkeel.sim.services.quotes import COMPETING
from ibkeel.sim.services.system import FARMS
from ibkeel.sim.world import World

LOST: Final = "Connectivity between IBKR and Trader Workstation has been lost."
RESTORED: Final = {
    1101: "Connectivity between IBKR and Trader Workstation has been restored- data lost.",
    1102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
}
_NO_LIVE_UPDATES: Final = "Failed to request live updates (disconnected)."
_BUST: Final = "Bust event occurred, current subscription is deactivated."
_KNOWN: Final = ("completed_orders", "executions", "positions")
_KNOWN_OF_ACCOUNTS: Final = ("portfolio", "account_values")
_MOVED: Final = "TWS socket port has been reset and this connection is being dropped."


class Stage(Protocol):
    """What faults act on: the Gateway."""

    @property
    def world(self) -> World:
        """The state behind all sessions."""
        ...

    @property
    def port(self) -> ListeningPort:
        """Where connections come in."""
        ...

    @property
    def connections(self) -> Sequence[Client]:
        """Every connection, in order of connecting."""
        ...

    def tell(self, code: int, text: str) -> None:
        """Put a notice into the outbox of every started client."""
        ...

    def hang_up(self, client: Client, *, abruptly: bool = False) -> None:
        """End a connection."""
        ...

    def catch_up(self, client: Client) -> None:
        """Act on what a client sent while nobody read."""
        ...


Undo = Callable[[datetime], None]
Effect = Callable[[Stage, Any, datetime], Undo | None]


def _restart(stage: Stage, fault: Restart | Crash, _now: datetime) -> Undo:
    for client in tuple(stage.connections):
        client.is_forgotten = True
        stage.hang_up(client, abruptly=isinstance(fault, Crash))
    stage.world.unacknowledged.clear()
    if isinstance(fault, Crash):
        stage.world.lose_orders()
    if fault.rolls_back_ids:
        stage.world.roll_back_ids()
    if fault.ids_begin_at is not None:
        stage.world.begin_ids_at(fault.ids_begin_at)
    return _close_port(stage, fault, _now)


def _cut(stage: Stage, fault: ConnectionLost, _now: datetime) -> None:
    for client in tuple(stage.connections):
        if fault.concerns(client.client_id):
            stage.hang_up(client, abruptly=True)


def _close_port(stage: Stage, _fault: Fault, _now: datetime) -> Undo:
    stage.port.shut()
    return lambda _: stage.port.reopen()


def _reset_port(stage: Stage, fault: PortReset, _now: datetime) -> None:
    port = fault.port or stage.port.number
    stage.tell(1300, f"{_MOVED} Please reconnect on the new port -{port}")
    for client in tuple(stage.connections):
        stage.hang_up(client)
    if port != stage.port.number:
        stage.port.move(port)


def _lose_upstream(stage: Stage, fault: UpstreamLost, now: datetime) -> Undo:
    world = stage.world
    stage.tell(1100, LOST)
    _remember(world, fault, now)
    again = None

    def repeat(then: datetime) -> None:
        nonlocal again
        stage.tell(1100, LOST)
        again = world.agenda.add(then + timedelta(seconds=fault.says_again_every), repeat)

    if fault.says_again_every:
        again = world.agenda.add(now + timedelta(seconds=fault.says_again_every), repeat)

    def undo(then: datetime) -> None:
        if again is not None:
            again.cancel()
        if world.disorder.first(UpstreamLost) is not None:
            return  # another outage goes on: nothing is restored before its end
        if fault.restores_as == 1101:  # the code of data lost
            for client in stage.connections:
                world.forget_streams(client)
        stage.tell(fault.restores_as, RESTORED[fault.restores_as])
        world.deliver_waiting(then)

    return undo


def _remember(world: World, fault: UpstreamLost, now: datetime) -> None:
    """Keep in mind what is known, unless it is out of sight already."""
    if world.disorder.holding != [fault]:
        return
    opened = world.venue.open_orders()
    memory: Any = SimpleNamespace(
        open_orders=lambda owner: [order for order in opened if owner in {None, order.client_id}]
    )
    for name in _KNOWN:
        rows = tuple(getattr(world.venue, name)())
        setattr(memory, name, lambda rows=rows: rows)
    for name in _KNOWN_OF_ACCOUNTS:
        each = {account: tuple(getattr(world.venue, name)(now, account)) for account in world.accounts}
        setattr(memory, name, lambda _, account, each=each: each[account])
    world.memory = memory


def _break_farm(stage: Stage, fault: FarmBroken, now: datetime) -> Undo:
    farm = FARMS[fault.service]
    name = fault.farm or farm.usual
    stage.tell(farm.broken_code, f"{farm.title} farm connection is broken:{name}")
    if not fault.revives and fault.service == "market_data":
        _end_quotes(stage, None, now)
    if not fault.revives and fault.service == "history":
        _end_updates(stage, (10182, _NO_LIVE_UPDATES), now)
    return lambda _: stage.tell(farm.ok_code, f"{farm.title} farm connection is OK:{name}")


def _end_quotes(stage: Stage, error: tuple[int, str] | None, now: datetime) -> None:
    """Stop market data for good; each request may get an error. Cancels are still understood."""
    for client in stage.connections:
        for request in client.market_requests():
            request.stop()
            if error is not None:
                client.error(request.request_id, *error, at=now)


def _end_updates(stage: Stage, error: tuple[int, str], now: datetime) -> None:
    """Send no more updates of histories; the requests stay until they are cancelled."""
    for client in stage.connections:
        for stream in client.followed():
            client.error(stream.request_id, *error, at=now)
            stream.stop()


def _compete(stage: Stage, fault: CompetingSession, now: datetime) -> None:
    for client in stage.connections:
        for request in client.market_requests():
            client.error(request.request_id, 10197, COMPETING, at=now)
            if not fault.revives:
                request.stop()


def _bust(stage: Stage, _fault: Bust, now: datetime) -> None:
    follows = any(client.followed() for client in stage.connections)
    (_end_updates if follows else _end_quotes)(stage, (10225, _BUST), now)


def _half_open(stage: Stage, _fault: HalfOpen, _now: datetime) -> Undo:
    def undo(_: datetime) -> None:
        for client in tuple(stage.connections):
            stage.catch_up(client)

    return undo


def _notice(stage: Stage, fault: Notice, _now: datetime) -> None:
    stage.tell(fault.code, fault.text)


def _spoil(stage: Stage, fault: Truncated | Garbage, _now: datetime) -> None:
    for client in stage.connections:
        if fault.concerns(client.client_id):
            client.spoiled_by.append(fault)


EFFECTS: Final[Mapping[type[Fault], Effect]] = {
    Restart: _restart,
    Crash: _restart,
    ConnectionLost: _cut,
    PortClosed: _close_port,
    PortReset: _reset_port,
    UpstreamLost: _lose_upstream,
    FarmBroken: _break_farm,
    CompetingSession: _compete,
    Bust: _bust,
    HalfOpen: _half_open,
    Notice: _notice,
    Truncated: _spoil,
    Garbage: _spoil,
}
"""What happens beyond the fault being in force; the other kinds need no more than that."""
