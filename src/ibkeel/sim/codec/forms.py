"""Messages that are nothing but fields: what is always the same is written beforehand.

Most of what a Gateway says are ticks, and most of a tick is what the one before it said too. They come
several at a time, and the same ones together again and again: these share a sheet.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from ibkeel.errors import WireError
from ibkeel.sim.codec.kinds import Kind, writer

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
_BREAK: Final = "\n"  # between the messages of a sheet; no number holds one


class Form:
    """A message whose blanks are filled in again and again.

    Args:
        number: Of the message.
        parts: Its fields in order: text that never changes, or a blank.

    Attributes:
        blanks: What is left to be filled in, in order.
        template: The whole message, with a place for the text of each blank.
    """

    def __init__(self, number: int, parts: Sequence[str | Blank]) -> None:
        self._number = number
        self.blanks = tuple(part for part in parts if not isinstance(part, str))
        self._names = tuple(name for name, _, _ in self.blanks)
        self._found = _getter(self._names)
        self._shown = tuple(_shown(kind, default) for _, kind, default in self.blanks)
        written = [part.replace("%", "%%") if isinstance(part, str) else "%s" for part in parts]
        self.template = _NUL.join((str(number), *written, ""))
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
        is_shown = (*map(type, found),) == self._shown
        text = self.template % (found if is_shown else _written(found, self.blanks))
        if _ENDLESS in text:
            text = self.template % _written(found, self.blanks)
        if self._nuls is not None and text.count(_NUL) != self._nuls:
            raise WireError(f"a field of message {self._number} holds a NUL")
        return text.encode()


class Sheet:
    """Messages that come together, filled in at once from one row of numbers.

    Args:
        forms: The messages, in order.
        places: For each of their blanks in turn, where in the row its value is.
        types: Of the numbers in the row; the same for every row.
    """

    def __init__(self, forms: Sequence[Form], places: Sequence[int], types: Sequence[type]) -> None:
        self._found = _getter(places)
        self._blanks = tuple(blank for form in forms for blank in form.blanks)
        self._is_shown = all(
            _is_shown(types[place], kind, default)
            for place, (_, kind, default) in zip(places, self._blanks, strict=True)
        )
        self._template = _BREAK.join(form.template for form in forms)

    def payloads(self, row: Sequence[Any]) -> list[bytes]:
        """Number and fields of each message, each ended by a NUL."""
        found = self._found(row)
        text = self._template % (found if self._is_shown else _written(found, self._blanks))
        if _ENDLESS in text:
            text = self._template % _written(found, self._blanks)
        return text.encode().split(_BREAK.encode()) if text else []


def _written(found: Sequence[Any], blanks: Sequence[Blank]) -> tuple[str, ...]:
    """The texts of values, one for each blank."""
    return tuple(
        [
            default if value is None else writer(kind)(value) or default
            for value, (_, kind, default) in zip(found, blanks, strict=True)
        ]
    )


def _getter(keys: Sequence[Hashable]) -> Callable[[Any], tuple[Any, ...]]:
    """What takes the values of those keys or places, all of which must be there."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda values: tuple([values[key] for key in keys])


def _shown(kind: Kind, default: str) -> type | None:
    is_given = kind is Kind.TEXT and default  # an empty text is none
    return None if is_given else _AS_SHOWN.get(kind)


def _is_shown(number: type, kind: Kind, default: str) -> bool:
    """Whether numbers of a type read in a blank as Python shows them."""
    return number is _shown(kind, default) or (number is int and kind is Kind.TEXT)
