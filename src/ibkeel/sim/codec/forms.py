"""Messages that are nothing but fields: what is always the same is written beforehand.

Most of what a Gateway says are ticks, and most of a tick is what the one before it said too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ibkeel.errors import WireError
from ibkeel.sim.codec.kinds import Kind, writer

__all__ = ["Blank", "Form"]

Blank = tuple[str, Kind, str]
"""Name of a value, its kind, and the text when there is none."""

_NUL: Final = "\0"


class Form:
    """A message whose blanks are filled in again and again.

    Args:
        number: Of the message.
        parts: Its fields in order: text that never changes, or a blank.
    """

    def __init__(self, number: int, parts: Sequence[str | Blank]) -> None:
        self._number = number
        blanks = [part for part in parts if not isinstance(part, str)]
        self._columns = [(name, writer(kind), default) for name, kind, default in blanks]
        written = [part.replace("%", "%%") if isinstance(part, str) else "%s" for part in parts]
        self._template = _NUL.join((str(number), *written, ""))
        can_hold_nul = any(kind is Kind.TEXT for _, kind, _ in blanks)
        self._nuls = len(parts) + 1 if can_hold_nul else None

    def payload(self, values: Mapping[str, Any]) -> bytes:
        """Number and fields, each ended by a NUL.

        Raises:
            WireError: A text holds a NUL.
        """
        known = values.get
        text = self._template % tuple(
            [
                default if (value := known(name)) is None else text_of(value) or default
                for name, text_of, default in self._columns
            ]
        )
        if self._nuls is not None and text.count(_NUL) != self._nuls:
            raise WireError(f"a field of message {self._number} holds a NUL")
        return text.encode()
