"""What a kind of message looks like, its values left out: which fields, and what sort of text is in each."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from ibkeel.sim.codec import UNSET_DOUBLE, UNSET_INTEGER, Kind
from ibkeel.sim.transcripts.labels import Label, message_of, reading
from ibkeel.sim.transcripts.values import Entry

__all__ = ["Shape", "shapes"]

_UNSET: Final = frozenset({UNSET_DOUBLE, UNSET_INTEGER, "1.7976931348623157e+308", "9223372036854775807"})
_INTEGER: Final = re.compile(r"[+-]?\d+")
_DECIMAL: Final = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+|Infinity")
_DATED: Final = re.compile(r"\d{8}([ -].*)?", re.DOTALL)
_DIGIT: Final = re.compile(r"\d")


@attrs.define(kw_only=True)
class Shape:
    """All messages of one kind that were seen.

    Args:
        name: Of the kind.
        messages: How many there were.
        sorts: For each field, the sorts of text that were in it.
        beyond: How many fields came after the last that the version has: each number that was seen.
        lacks: Fields at which messages ended early.
    """

    name: str
    messages: int = 0
    sorts: dict[str, set[str]] = attrs.field(factory=dict)
    beyond: set[int] = attrs.field(factory=set)
    lacks: set[str] = attrs.field(factory=set)


def shapes(entries: Iterable[Entry]) -> dict[str, Shape]:
    """The shape of each kind of message, by its name; messages that the tables do not have are left out."""
    made: dict[str, Shape] = {}
    for entry in entries:
        message = message_of(entry.sender, entry.texts[0])
        if message is None:
            continue
        shape = made.setdefault(message.name, Shape(name=message.name))
        read = reading(message, entry.texts[1:], entry.version)
        shape.messages += 1
        shape.beyond.add(sum(label.is_beyond for label in read.labels))
        shape.lacks |= {read.lacks} - {""}
        for name, label in _named(read.labels):
            shape.sorts.setdefault(name, set()).add(_sort(label))
    return made


def _named(labels: Iterable[Label]) -> Iterator[tuple[str, Label]]:
    """Fields with their names; those without one are numbered, as long as no rows came before them."""
    for number, label in enumerate(labels, start=1):
        if label.name:
            yield label.name, label
        elif label.row is None and not label.is_beyond:
            yield f"field {number}", label


def _sort(label: Label) -> str:
    """The sort of a text: for numbers how they are written, for instants their form, else whether there is one."""
    text = label.text
    if not text:
        return "empty"
    if label.kind is None:
        return f"always {text!r}"
    if label.kind in {Kind.TEXT, Kind.ESCAPED}:
        return f"like {_DIGIT.sub('9', text)!r}" if _DATED.fullmatch(text) else "text"
    return _sort_of_number(label.kind, text)


def _sort_of_number(kind: Kind, text: str) -> str:
    if text in _UNSET:
        return "unset"
    is_integer = _INTEGER.fullmatch(text) is not None
    if not is_integer and _DECIMAL.fullmatch(text) is None:
        return "text"
    if kind is Kind.NUMBER:
        return "number"
    return "integer" if is_integer else "decimal"
