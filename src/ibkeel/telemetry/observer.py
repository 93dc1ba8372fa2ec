"""Who is told what happened.

Names are in the past tense; durations are seconds, instants aware UTC. A record carries text that
is fit to be shown: an error by its type and message, a contract by its name, an account masked.
"""

from collections.abc import Iterable
from typing import Protocol

from typing_extensions import override

from ibkeel.telemetry.request_events import RequestEvent
from ibkeel.telemetry.run_events import AlarmEvent, RunEvent
from ibkeel.telemetry.session_events import SessionEvent
from ibkeel.telemetry.trading_events import TradingEvent

Event = SessionEvent | RequestEvent | RunEvent | AlarmEvent | TradingEvent
"""Anything that an observer is told."""


class Observer(Protocol):
    """Told of every event, in the order in which they happened, on the loop's own thread.

    It must return at once. It is told, it does not decide: what it raises a broker tells to the loop's
    exception handler, once for each kind of event, and goes on.
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
        """Tell each observer."""
        for observer in self._observers:
            observer.on_event(event)


def is_observed(observer: Observer) -> bool:
    """Whether anybody takes notice; if not, what happens often need not even be made into an event.

    Args:
        observer: Of which it is asked once, when it is handed over.
    """
    if isinstance(observer, Observers):
        return not observer.is_empty
    return type(observer) is not NullObserver
