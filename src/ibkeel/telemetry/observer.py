"""Who is told what happened.

Names are in the past tense; durations are seconds, instants aware UTC. A record carries text that
is fit to be shown: an error by its type and message, a contract by its name, an account masked.
"""

from asyncio import AbstractEventLoop, CancelledError
from collections.abc import Callable, Iterable
from typing import Protocol

from typing_extensions import override

from ibkeel.telemetry.gateway_events import RequestEvent, SessionEvent
from ibkeel.telemetry.run_events import AlarmEvent, RunEvent
from ibkeel.telemetry.trading_events import TradingEvent

Event = SessionEvent | RequestEvent | RunEvent | AlarmEvent | TradingEvent
"""Anything that an observer is told."""


class Observer(Protocol):
    """Told of every event, in the order in which they happened, on the loop's own thread.

    It must return at once. It is told, it does not decide: what it raises a broker and a runner tell to the
    loop's exception handler, once for each kind of event, and go on.
    """

    def on_event(self, event: Event) -> None:
        """Take notice of one event."""
        ...


class NullObserver(Observer):
    """Takes no notice: what is used when nobody was named."""

    @override
    def on_event(self, event: Event) -> None:
        """Forget the event."""


class Observers(Observer):
    """Tells several observers, in the order given."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observer for observer in observers if is_observed(observer))

    @property
    def is_empty(self) -> bool:
        """Whether none of them takes notice."""
        return not self._observers

    @override
    def on_event(self, event: Event) -> None:
        """Tell each observer; what some raise is raised when all were told.

        Raises:
            BaseExceptionGroup: Of what they raised.
        """
        errors = []
        for observer in self._observers:
            try:
                observer.on_event(event)
            except (Exception, CancelledError) as error:  # noqa: BLE001 - the one after it may be who tells people
                errors.append(error)
        if errors:
            raise BaseExceptionGroup(f"observers raised at {type(event).__name__}", errors)


def unfailing(observer: Observer, loop: Callable[[], AbstractEventLoop]) -> Observer:
    """The same observer; what it raises is told to the loop's exception handler, and ends nothing.

    Args:
        observer: Somebody's own.
        loop: Whose handler it is.
    """
    return _Unfailing(observer, loop) if is_observed(observer) else observer


class _Unfailing(Observer):
    def __init__(self, observer: Observer, loop: Callable[[], AbstractEventLoop]) -> None:
        self._observer, self._loop = observer, loop
        self._told: set[type[Event]] = set()

    @override
    def on_event(self, event: Event) -> None:
        try:
            self._observer.on_event(event)
        # Somebody's own may raise anything, after an order left, too; a cancel of it is not that of who asked.
        except (Exception, CancelledError, BaseExceptionGroup) as error:  # noqa: BLE001
            if type(event) not in self._told:
                self._told.add(type(event))
                words = (
                    f"the observer raised at {type(event).__name__}; this is told once for each kind of event"
                )
                self._loop().call_exception_handler({"message": words, "exception": error})


def is_observed(observer: Observer) -> bool:
    """Whether anybody takes notice; if not, what happens often need not even be made into an event.

    Args:
        observer: Of which it is asked once, when it is handed over.
    """
    if isinstance(observer, Observers):
        return not observer.is_empty
    return type(observer) is not NullObserver
