"""One circuit breaker for each service of the Gateway."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, NotConnected, RequestFailed, RequestTimeout
from ibkeel.guards import BreakerChanged, CircuitBreaker
from ibkeel.ibkr.codes import Farm
from ibkeel.resilience import BreakerPolicy, BreakerState, Deadlines, Escalation, RequestKind
from ibkeel.telemetry import Observer, ServiceChanged


class Service(StrEnum):
    """What can fail by itself while the rest works."""

    CONNECT = "connect"
    MARKET_DATA = "market data"
    HISTORY = "historical data"
    DEFINITIONS = "definitions"
    ACCOUNT = "account"
    NEW_ORDERS = "new orders"


# Probes and the lists that reconcile orders are asked whatever happened.
_SERVICE_OF: Final = MappingProxyType(
    {
        RequestKind.CONNECT: Service.CONNECT,
        RequestKind.QUOTE: Service.MARKET_DATA,
        RequestKind.HISTORY: Service.HISTORY,
        RequestKind.DEFINITIONS: Service.DEFINITIONS,
        RequestKind.ACCOUNT: Service.ACCOUNT,
    }
)
_SERVED_BY: Final = MappingProxyType(
    {
        Farm.MARKET_DATA: Service.MARKET_DATA,
        Farm.HISTORY: Service.HISTORY,
        Farm.DEFINITIONS: Service.DEFINITIONS,
    }
)
_SLOW_SHARE: Final = 0.8  # of a deadline: what takes longer is about to fail


def is_fault(error: Exception) -> bool:
    """Whether an error is a fault of the link or the Gateway, and not an answer."""
    return bool(getattr(error, "is_fault", isinstance(error, (ConnectionFailure, RequestTimeout))))


def is_fault_of_service(error: Exception) -> bool:
    """The same, of a service: what the end of a session took with it says nothing of the services."""
    return is_fault(error) and not isinstance(error, NotConnected)


def is_answer(error: Exception) -> bool:
    """Whether an error proves that the Gateway answers: it sent a code that is no fault."""
    return isinstance(error, RequestFailed) and error.code is not None and not error.is_fault


class Services:
    """The breakers of one connection.

    Args:
        policies: How each service's breaker behaves; those left out get `BreakerPolicy()` with
            calls counted as slow from 80 % of their deadline on.
        deadlines: Of the requests.
        clock: Stamps events.
        observer: Told of each change.
        jitter: A number in [0, 1) each time that one opens.
        on_escalation: Told when a service failed its probes so often that something else must be
            tried: a new connection, or a person; and with RETRY when it is well again.
    """

    def __init__(
        self,
        policies: Mapping[str, BreakerPolicy],
        deadlines: Deadlines,
        *,
        clock: Clock,
        observer: Observer,
        jitter: Callable[[], float],
        on_escalation: Callable[[Service, Escalation, str], None],
    ) -> None:
        self._clock, self._observer, self._on_escalation = clock, observer, on_escalation
        slow: dict[Service, float] = {
            service: deadlines.of(kind) * _SLOW_SHARE
            for kind, service in _SERVICE_OF.items()
            if service is not Service.CONNECT
        }
        slow[Service.NEW_ORDERS] = deadlines.orders * _SLOW_SHARE
        defaults = {service: BreakerPolicy(slow_after=slow.get(service)) for service in Service}
        # The waits between attempts grow by themselves; the breaker must not outlast them.
        defaults[Service.CONNECT] = BreakerPolicy(open_seconds=5.0, longest_open=60.0)
        self._breakers = {
            service: CircuitBreaker(
                service.value,
                policy=policies.get(service.value, defaults[service]),
                counts=is_fault if service is Service.CONNECT else is_fault_of_service,
                answers=is_answer,
                clock=loop_time,
                jitter=jitter,
                on_change=self._changed,
            )
            for service in Service
        }

    def __iter__(self) -> Iterator[CircuitBreaker]:
        return iter(self._breakers.values())

    def __getitem__(self, service: Service) -> CircuitBreaker:
        return self._breakers[service]

    def of(self, kind: RequestKind) -> CircuitBreaker | None:
        """The breaker that a kind of request is subject to; None for what always passes."""
        service = _SERVICE_OF.get(kind)
        return None if service is None else self._breakers[service]

    def try_again(self) -> None:
        """A session is good again: what failed before may be tried once, at once."""
        for service, breaker in self._breakers.items():
            if service is not Service.CONNECT:
                breaker.probe_next()

    def farm_is_well(self, farm: Farm) -> None:
        """The Gateway says that a data farm serves again.

        What failed without it counts no more, and neither does what was asked then and will fail yet.
        """
        self._breakers[_SERVED_BY[farm]].close()

    def _changed(self, change: BreakerChanged) -> None:
        if change.before is change.after.state:
            return
        self._observer.on_event(
            ServiceChanged(
                at=self._clock.now(),
                service=change.name,
                before=change.before.value,
                after=change.after.state.value,
                cause=change.cause,
            )
        )
        if change.after.state is BreakerState.CLOSED:
            self._on_escalation(Service(change.name), Escalation.RETRY, "")
        escalation = change.after.escalation
        if change.after.state is BreakerState.OPEN and escalation is not Escalation.RETRY and change.cause:
            self._on_escalation(Service(change.name), escalation, change.cause)


def loop_time() -> float:
    """Monotonic seconds, as the running loop counts them."""
    return asyncio.get_running_loop().time()
