"""How single values look on the wire, and messages that are nothing but fields.

Reading is tolerant, writing is what the Gateway does.

Most of what a Gateway says are ticks, and most of a tick is what the one before it said too. They come
several at a time, and the same ones together again and again: these share a sheet.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum, auto
from operator import itemgetter
from typing import Any, Final

from ibkeel.errors import WireError

UNSET_DOUBLE: Final = "1.7976931348623157E308"  # as the Gateway writes it
UNSET_INTEGER: Final = "2147483647"

# Unset forms by client: empty (ib_insync, ib_async), Integer.MAX and Double.MAX (official), and
# the largest Decimal of the official client from 10.10 on.
_UNSET: Final = frozenset(
    {
        "",
        UNSET_INTEGER,
        "9223372036854775807",
        "170141183460469231731687303715884105727",
        "1.7976931348623157e+308",
        UNSET_DOUBLE,
    }
)
_INFINITE: Final = frozenset({"Infinite", "Infinity", "inf"})
_TRUE: Final = frozenset({"1", "true", "True"})


class Kind(Enum):
    """The type of a field."""

    TEXT = auto()
    ESCAPED = auto()  # clients decode unicode escapes in it
    INTEGER = auto()
    NUMBER = auto()
    SIZE = auto()  # a number; integral ones carry no ".0", which breaks ibapi 9.81
    FLAG = auto()


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


def read(kind: Kind, text: str) -> Any:
    """A value from its wire text; None when a number is unset.

    Raises:
        WireError: A number field holds something else, or NaN.
    """
    try:
        return _READERS[kind](text)
    except ValueError as error:
        raise WireError(f"{text!r} is not a valid {kind.name.lower()}") from error


def write(kind: Kind, value: Any) -> str:
    """The wire text of a value; None is empty."""
    return "" if value is None else _WRITERS[kind](value)


def writer(kind: Kind) -> Callable[[Any], str]:
    """What writes the values of a kind, other than None."""
    return _WRITERS[kind]


def _read_integer(text: str) -> int | None:
    if text in _UNSET:
        return None
    return int(text) if text.lstrip("+-").isdigit() else int(_read_finite(text))


def _read_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _read_number(text: str) -> float | None:
    if text in _UNSET:
        return None
    return math.inf if text in _INFINITE else _read_finite(text)


def _read_escaped(text: str) -> str:
    return text.encode("latin-1", "backslashreplace").decode("unicode-escape")


def _write_escaped(text: str) -> str:
    return str(text).encode("unicode-escape").decode("ascii")


def _write_integer(number: float) -> str:
    return str(number) if type(number) is int else str(int(number))


def _write_number(number: float) -> str:
    text = repr(float(number))
    return "Infinity" if text[-1] == "f" else text  # inf, of either sign


def _write_size(number: float) -> str:
    if type(number) is int:  # as nearly all are
        return str(number)
    return str(int(number)) if float(number).is_integer() else repr(float(number))


_READERS: Final[dict[Kind, Callable[[str], Any]]] = {
    Kind.TEXT: str,
    Kind.ESCAPED: _read_escaped,
    Kind.INTEGER: _read_integer,
    Kind.NUMBER: _read_number,
    Kind.SIZE: _read_number,
    Kind.FLAG: _TRUE.__contains__,
}


_WRITERS: Final[dict[Kind, Callable[[Any], str]]] = {
    Kind.TEXT: str,
    Kind.ESCAPED: _write_escaped,
    Kind.INTEGER: _write_integer,
    Kind.NUMBER: _write_number,
    Kind.SIZE: _write_size,
    Kind.FLAG: lambda value: "1" if value else "0",
}


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
