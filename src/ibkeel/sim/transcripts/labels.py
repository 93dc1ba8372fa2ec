"""What each field of a message is called: for people to read, for comparing, and for hiding what is private."""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from ibkeel.sim.codec import REPLIES, REQUESTS, Kind, Message
from ibkeel.sim.codec.layout import Constant, Field, Given, Item, Repeat

CLIENT: Final = "client"
GATEWAY: Final = "gateway"
_LONGEST_NUMBER: Final = 5  # digits of the number of a message
_LONGEST_COUNT: Final = 7  # of the number of rows
_REPLIES: Final = {message.number: message for message in REPLIES.values()}


@attrs.frozen(kw_only=True)
class Label:
    """One field of one message.

    Args:
        name: Its name; `bars.open` in rows that repeat, `bars` where their number is said, empty for a
            field that never says anything.
        text: As it is on the wire.
        kind: Its type; None: text that is always the same, or a field beyond the layout.
        row: Number of the row, from 0; None: outside rows.
        is_beyond: Whether the layout of this version has no such field.
    """

    name: str
    text: str
    kind: Kind | None = None
    row: int | None = None
    is_beyond: bool = False


@attrs.frozen(kw_only=True)
class Reading:
    """The fields of one message.

    Args:
        labels: In the order of the wire, all that are there.
        lacks: Name of the first field that is missing; empty: none is.
    """

    labels: tuple[Label, ...]
    lacks: str = ""


class _EndsEarly(Exception):
    """The message has no more fields; the argument is the name of the one that is missing."""


def message_of(sender: str, number: str) -> Message | None:
    """The layout of a message by who sends it and the text of its number; None: not in our tables."""
    known = whole_number(number, _LONGEST_NUMBER)
    return None if known is None else (REQUESTS if sender == CLIENT else _REPLIES).get(known)


def whole_number(text: str, longest: int) -> int | None:
    """A number of at most so many digits, below zero too; None for any other text, since int() has a limit."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= longest else None


def reading(message: Message, texts: Sequence[str], version: int) -> Reading:
    """The fields of a message, as far as they go."""
    labels: list[Label] = []
    rest, lacks = iter(texts), ""
    try:
        _Walk(version, rest, labels).read(message.layout, {}, "", None)
    except _EndsEarly as missing:
        lacks = str(missing)
    labels.extend(Label(name="", text=text, is_beyond=True) for text in rest)
    return Reading(labels=tuple(labels), lacks=lacks)


class _Walk:
    """One walk over a layout and the texts beside it; what was read before a gap stays read."""

    def __init__(self, version: int, texts: Iterator[str], found: list[Label]) -> None:
        self._version, self._texts, self._found = version, texts, found

    def read(self, items: Sequence[Item], seen: dict[str, str], within: str, row: int | None) -> None:
        """Read items into the list of the walk; raises _EndsEarly where the texts end before them."""
        for item in items:
            if not item.admits(self._version):
                continue
            match item:
                case Given():
                    if _holds(item, seen):
                        self.read(item.items, seen, within, row)
                case Constant():
                    self._take("", None, within, row)
                case Field():
                    seen[item.name] = self._take(item.name, item.kind, within, row)
                case Repeat():
                    seen[item.name] = self._take(item.name, Kind.INTEGER, within, row)
                    self._rows(item, seen[item.name], within)

    def _rows(self, item: Repeat, count: str, within: str) -> None:
        for row in range(whole_number(count, _LONGEST_COUNT) or 0):
            self.read(item.items, {}, f"{within}{item.name}.", row)

    def _take(self, name: str, kind: Kind | None, within: str, row: int | None) -> str:
        text = next(self._texts, None)
        if text is None:
            raise _EndsEarly(f"{within}{name}" if name else "a field")
        self._found.append(Label(name=f"{within}{name}" if name else "", text=text, kind=kind, row=row))
        return text


def _holds(item: Given, seen: dict[str, str]) -> bool:
    try:
        return item.test(seen.get(item.name, ""))
    except ValueError:  # a number that is none
        return False
