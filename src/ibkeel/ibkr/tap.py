"""Hears every message of the Gateway before the client library acts on it, and types its fields sooner.

The library's own bookkeeping guesses (it declares live orders cancelled, it ends failed requests
with an empty list, it never forgets a snapshot), so ours is fed from the wire. A tap replaces
methods on one wrapper object only; the library's classes are not touched.

The library looks up the fields of a class for each object anew, and an order has some 130. A list of
orders comes with every reconcile; here what is to be done to a class is worked out once.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

_Column = tuple[str, Any, Callable[[Any], Any]]
"""Name of a field, its default, and what makes a value of the wire's text."""

Hearer = Callable[..., bool | None]


def give_types(decoded: Any) -> None:
    """Turn the texts of numbers and flags into numbers and flags; an empty one becomes the default."""
    values = vars(decoded)
    kind: type = type(decoded)
    for name, default, made_of in _columns(kind):
        value = values[name]
        if value is not default:
            values[name] = made_of(value) if value else default


class Tap:
    """Calls hearers before the library's own handler; a hearer that returns True keeps the message."""

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper
        self._hearers: dict[str, list[Hearer]] = {}

    def hear(self, message: str, hearer: Hearer) -> None:
        """Tell `hearer` of every message of a wrapper method, such as `orderStatus`, with the decoder's arguments."""
        if message not in self._hearers:
            self._hearers[message] = []
            self._install(message)
        self._hearers[message].append(hearer)

    def _install(self, message: str) -> None:
        original = getattr(self._wrapper, message)
        hearers = self._hearers[message]

        def handler(*args: Any, **kwargs: Any) -> Any:
            kept = False
            for hearer in hearers:
                kept = bool(hearer(*args, **kwargs)) or kept
            return None if kept else original(*args, **kwargs)

        setattr(self._wrapper, message, handler)

    def remove(self) -> None:
        """Give the library its own methods back."""
        for message in self._hearers:
            vars(self._wrapper).pop(message, None)
        self._hearers.clear()


@cache
def _columns(kind: type) -> tuple[_Column, ...]:
    made: dict[type, Callable[[Any], Any]] = {int: int, float: float, bool: _flag}
    return tuple(
        (field.name, field.default, made[type(field.default)])
        for field in fields(kind)
        if type(field.default) in made
    )


def _flag(text: Any) -> bool:
    return bool(int(text))
