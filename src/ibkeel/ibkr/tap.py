"""Hears every message of the Gateway before the client library acts on it.

The library's own bookkeeping guesses (it declares live orders cancelled, it ends failed requests
with an empty list, it never forgets a snapshot), so ours is fed from the wire. A tap replaces
methods on one wrapper object only; the library's classes are not touched.
"""

from collections.abc import Callable
from typing import Any

Hearer = Callable[..., bool | None]


class Tap:
    """Calls hearers before the library's own handler; a hearer that returns True keeps the message.

    Args:
        wrapper: The `wrapper` of an `IB` object.
    """

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper
        self._hearers: dict[str, list[Hearer]] = {}

    def hear(self, message: str, hearer: Hearer) -> None:
        """Tell `hearer` of every message of that name, with the arguments that the decoder gives.

        Args:
            message: Name of a wrapper method, such as `orderStatus`.
            hearer: Called with the same arguments; True means that the library must not see it.
        """
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
