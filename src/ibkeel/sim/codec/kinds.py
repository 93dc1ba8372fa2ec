"""How single values look on the wire: reading is tolerant, writing is what the Gateway does."""

import math
from collections.abc import Callable
from enum import Enum, auto
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
INFINITE: Final = frozenset({"Infinite", "Infinity", "inf"})
_LARGEST: Final = 2**63 - 1  # of a whole number: the Gateway keeps no larger ones
_SHOWN: Final = 40  # characters of a text that is refused
_TRUE: Final = frozenset({"1", "true", "True"})


class Kind(Enum):
    """The type of a field."""

    TEXT = auto()
    ESCAPED = auto()  # clients decode unicode escapes in it
    INTEGER = auto()
    NUMBER = auto()
    SIZE = auto()  # a number; integral ones carry no ".0", which breaks ibapi 9.81
    FLAG = auto()


def read(kind: Kind, text: str) -> Any:
    """A value from its wire text; None when a number is unset."""
    try:
        return _READERS[kind](text)
    except ValueError as error:
        raise WireError(f"{text[:_SHOWN]!r} is not a valid {kind.name.lower()}") from error


def writer(kind: Kind) -> Callable[[Any], str]:
    """What writes the values of a kind, other than None."""
    return _WRITERS[kind]


def _read_integer(text: str) -> int | None:
    if text in _UNSET:
        return None
    number = int(text) if text.lstrip("+-").isdigit() else int(_read_finite(text))
    if abs(number) > _LARGEST:
        raise ValueError(text)
    return number


def _read_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _read_number(text: str) -> float | None:
    if text in _UNSET:
        return None
    return math.inf if text in INFINITE else _read_finite(text)


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
