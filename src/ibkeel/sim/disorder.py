"""What is wrong with the Gateway at this moment; the services ask before they answer."""

from enum import Enum, auto
from typing import Final, TypeVar

import attrs

from ibkeel.sim.faults import (
    CompetingSession,
    FarmBroken,
    Fault,
    HalfOpen,
    NotEntitled,
    SilentStreams,
    UpstreamLost,
)

_DELAYED: Final = 10167


class Service(Enum):
    """What answers need beyond the Gateway itself."""

    MARKET_DATA = auto()
    HISTORY = auto()
    DEFINITIONS = auto()
    ORDERS = auto()


_F = TypeVar("_F", bound=Fault)


@attrs.frozen(kw_only=True)
class Treatment:
    """What becomes of one request."""

    delay: float = 0.0
    is_unanswered: bool = False
    error: tuple[int, str] | None = None
    is_unacknowledged: bool = False


PLAIN: Final = Treatment()


class Disorder:
    """The faults that last, in the order in which they began."""

    def __init__(self) -> None:
        self.lasting: list[Fault] = []

    def begin(self, fault: Fault) -> None:
        """Note that a fault has begun."""
        self.lasting.append(fault)

    def end(self, fault: Fault) -> None:
        """Note that a fault is over."""
        position = next(at for at, each in enumerate(self.lasting) if each is fault)
        del self.lasting[position]

    def first(self, kind: type[_F], client_id: int | None = None) -> _F | None:
        """The first fault of that kind that lasts and, given a client, concerns it; None: there is none."""
        return next(iter(self.every(kind, client_id)), None) if self.lasting else None

    def every(self, kind: type[_F], client_id: int | None = None) -> list[_F]:
        """All such faults, in the order in which they began."""
        if not self.lasting:  # as nearly always
            return []
        return [
            fault
            for fault in self.lasting
            if isinstance(fault, kind) and (client_id is None or fault.concerns(client_id))
        ]

    def blocks(self, service: Service) -> bool:
        """Whether requests of a service cannot be answered now."""
        return any(_blocks(fault, service) for fault in self.lasting)

    def silences(self, service: Service, client_id: int) -> bool:
        """Whether a client's streams of a service stand still now."""
        return bool(self.lasting) and any(_silences(each, service, client_id) for each in self.lasting)

    @property
    def holding(self) -> list[UpstreamLost]:
        """The outages for whose end what the venue reports waits."""
        return [fault for fault in self.every(UpstreamLost) if fault.holds_reports]

    def is_delayed(self, client_id: int) -> bool:
        """Whether a client is served only delayed market data."""
        return any(fault.code == _DELAYED for fault in self.every(NotEntitled, client_id))


def _blocks(fault: Fault, service: Service) -> bool:
    if isinstance(fault, FarmBroken):
        return Service[fault.service.upper()] is service
    return isinstance(fault, UpstreamLost)


def _silences(fault: Fault, service: Service, client_id: int) -> bool:
    if _blocks(fault, service):
        return True
    if isinstance(fault, CompetingSession):
        return service is Service.MARKET_DATA
    return isinstance(fault, SilentStreams | HalfOpen) and fault.concerns(client_id)
