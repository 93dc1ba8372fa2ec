"""Whoever watches must not stop who trades."""

from typing import Any

from typing_extensions import override

from ibkeel.ibkr.client import loop_of
from ibkeel.telemetry import Event, Observer, is_observed


def unfailing(observer: Observer, ib: Any) -> Observer:
    """The same observer; what it raises is told to the loop's exception handler, and ends nothing.

    Args:
        observer: Somebody's own.
        ib: The library's object, whose loop it is.
    """
    return _Unfailing(observer, ib) if is_observed(observer) else observer


class _Unfailing(Observer):
    def __init__(self, observer: Observer, ib: Any) -> None:
        self._observer, self._ib = observer, ib
        self._told: set[type[Event]] = set()

    @override
    def on_event(self, event: Event) -> None:
        try:
            self._observer.on_event(event)
        except Exception as error:  # noqa: BLE001 - somebody's own may raise anything: after an order left, too
            if type(event) not in self._told:
                self._told.add(type(event))
                words = (
                    f"the observer raised at {type(event).__name__}; this is told once for each kind of event"
                )
                loop_of(self._ib).call_exception_handler({"message": words, "exception": error})
