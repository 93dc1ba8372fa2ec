"""Messages that are nothing but fields: what is always the same is written beforehand.

Most of what a Gateway says are ticks, and most of a tick is what the one before it said too.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from ibkeel.errors import WireError
from ibkeel.sim.codec.kinds import Kind, writer

__all__ = ["Blank", "Form"]

Blank = tuple[str, Kind, str]
"""Name of a value, its kind, and the text when there is none."""

_NUL: Final = "\0"
# Values of these types read on the wire as Python shows them; but a float without end.
_AS_SHOWN: Final[Mapping[Kind, type]] = {
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.SIZE: int,
    Kind.TEXT: str,
}
_ENDLESS: Final = "inf"


class Form:
    """A message whose blanks are filled in again and again.

    Args:
        number: Of the message.
        parts: Its fields in order: text that never changes, or a blank.
    """

    def __init__(self, number: int, parts: Sequence[str | Blank]) -> None:
        self._number = number
        blanks = [part for part in parts if not isinstance(part, str)]
        self._names = tuple(name for name, _, _ in blanks)
        self._found = _getter(self._names)
        self._shown = tuple(_shown(kind, default) for _, kind, default in blanks)
        self._writers = tuple((writer(kind), default) for _, kind, default in blanks)
        written = [part.replace("%", "%%") if isinstance(part, str) else "%s" for part in parts]
        self._template = _NUL.join((str(number), *written, ""))
        self._nuls = len(parts) + 1 if str in self._shown or None in self._shown else None

    def payload(self, values: Mapping[str, Any]) -> bytes:
        """Number and fields, each ended by a NUL.

        Raises:
            WireError: A text holds a NUL.
        """
        try:
            found = self._found(values)
        except KeyError:
            found = tuple(map(values.get, self._names))
        text = self._template % (found if (*map(type, found),) == self._shown else self._written(found))
        if _ENDLESS in text:
            text = self._template % self._written(found)
        if self._nuls is not None and text.count(_NUL) != self._nuls:
            raise WireError(f"a field of message {self._number} holds a NUL")
        return text.encode()

    def _written(self, found: Sequence[Any]) -> tuple[str, ...]:
        return tuple(
            [
                default if value is None else text_of(value) or default
                for value, (text_of, default) in zip(found, self._writers, strict=True)
            ]
        )


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """What takes the values of those names, all of which must be there."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple([values[name] for name in names])


def _shown(kind: Kind, default: str) -> type | None:
    is_given = kind is Kind.TEXT and default  # an empty text is none
    return None if is_given else _AS_SHOWN.get(kind)
