"""Message layouts as data, and the one engine that reads and writes them.

A layout is a tuple of items in wire order. Gates (`since`, `before`) are server versions; they are
resolved once per message and version, so that parsing and building share one flat plan and can
never disagree about it. A plan, or a row of one, that is nothing but fields is written in one pass.

Of a message that is nothing but fields, what is always the same is written beforehand. Most of what a
Gateway says are ticks, and most of a tick is what the one before it said too. They come several at a
time, and the same ones together again and again: these share a sheet.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache, partial
from operator import itemgetter
from typing import Any, Final

import attrs

from ibkeel.errors import WireError
from ibkeel.sim.codec.kinds import Kind, read, writer

Values = Mapping[str, Any]
_FOREVER = 10_000
_NUL = "\0"

# Values of these types read on the wire as Python shows them; but a float without end.
_AS_SHOWN: Final[Mapping[Kind, type]] = {
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.SIZE: int,
    Kind.TEXT: str,
}
_ENDLESS: Final = "inf"
_BREAK: Final = "\n"  # between the messages of a sheet; no number holds one


@attrs.frozen(kw_only=True, eq=False)
class Gate:
    """The server versions at which an item is on the wire: since <= version < before."""

    since: int = 0
    before: int = _FOREVER

    def admits(self, version: int) -> bool:
        """Whether the item exists at that version."""
        return self.since <= version < self.before


@attrs.frozen(kw_only=True)
class Constant(Gate):
    """A field whose text never matters: written as it is, skipped in reading."""

    text: str


@attrs.frozen(kw_only=True)
class Field(Gate):
    """A named value; `default` is written where it is None, missing or an empty text."""

    name: str
    kind: Kind = Kind.TEXT
    default: str = ""
    _text_of: Callable[[Any], str] = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(lambda self: writer(self.kind), takes_self=True),
    )

    def text(self, value: Any) -> str:
        """How a value of it goes on the wire."""
        return self.default if value is None else self._text_of(value) or self.default


@attrs.frozen(kw_only=True, eq=False)
class Repeat(Gate):
    """A count and that many rows; the value is a sequence of mappings."""

    name: str
    items: tuple["Item", ...]


@attrs.frozen(kw_only=True, eq=False)
class Given(Gate):
    """Items that are present when the text of an earlier field passes a test."""

    name: str
    test: Callable[[str], bool]
    items: tuple["Item", ...]


Item = Constant | Field | Repeat | Given

_Column = tuple[str, Callable[[Any], str], str]
"""Name of a value, what writes it, and the text when there is none; a constant has no name."""


def fields(
    names: str, kind: Kind = Kind.TEXT, *, default: str = "", since: int = 0, before: int = _FOREVER
) -> tuple[Field, ...]:
    """Fields that share kind, default and gate, from names separated by spaces."""
    return tuple(
        Field(name=name, kind=kind, default=default, since=since, before=before) for name in names.split()
    )


numbers = partial(fields, kind=Kind.NUMBER)
integers = partial(fields, kind=Kind.INTEGER)
sizes = partial(fields, kind=Kind.SIZE)
flags = partial(fields, kind=Kind.FLAG)


class Form:
    """A message whose blanks are filled in again and again.

    Args:
        number: Of the message.
        parts: Its fields in order: text that never changes, or the field that is a blank.

    Attributes:
        blanks: What is left to be filled in, in order.
        template: The whole message, with a place for the text of each blank.
    """

    def __init__(self, number: int, parts: Sequence[str | Field]) -> None:
        self._number = number
        self.blanks = tuple(part for part in parts if not isinstance(part, str))
        self._names = tuple(blank.name for blank in self.blanks)
        self._found = _getter(self._names)
        self._shown = tuple(map(_shown, self.blanks))
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
            _is_shown(types[place], blank) for place, blank in zip(places, self._blanks, strict=True)
        )
        self._template = _BREAK.join(form.template for form in forms)

    def payloads(self, row: Sequence[Any]) -> list[bytes]:
        """Number and fields of each message, each ended by a NUL."""
        found = self._found(row)
        text = self._template % (found if self._is_shown else _written(found, self._blanks))
        if _ENDLESS in text:
            text = self._template % _written(found, self._blanks)
        return text.encode().split(_BREAK.encode()) if text else []


def _written(found: Sequence[Any], blanks: Sequence[Field]) -> tuple[str, ...]:
    """The texts of values, one for each blank."""
    return tuple([blank.text(value) for value, blank in zip(found, blanks, strict=True)])


def _getter(keys: Sequence[Hashable]) -> Callable[[Any], tuple[Any, ...]]:
    """What takes the values of those keys or places, all of which must be there."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda values: tuple([values[key] for key in keys])


def _shown(blank: Field) -> type | None:
    is_given = blank.kind is Kind.TEXT and blank.default  # an empty text is none
    return None if is_given else _AS_SHOWN.get(blank.kind)


def _is_shown(number: type, blank: Field) -> bool:
    """Whether numbers of a type read in a blank as Python shows them."""
    return number is _shown(blank) or (number is int and blank.kind is Kind.TEXT)


@attrs.frozen(kw_only=True, eq=False)
class Message:
    """One kind of message: its number, its name here, and its layout after the number."""

    number: int
    name: str
    layout: tuple[Item, ...]

    def parse(self, texts: Sequence[str], version: int) -> dict[str, Any]:
        """Values by name from the fields after the message number.

        Fields beyond the layout are ignored: newer clients append.

        Raises:
            WireError: Fields are missing, or one does not hold what it must.
        """
        values: dict[str, Any] = {}
        _read_items(_plan(self, version).items, iter(texts), values, {}, self.name)
        return values

    def build(self, values: Values, version: int) -> tuple[str, ...]:
        """All fields of the message, its number first."""
        return (str(self.number), *_plan(self, version).texts(values))

    def payload(self, values: Values, version: int) -> bytes:
        """The same as it goes on the wire, each field ended by a NUL.

        Raises:
            WireError: A field holds a NUL.
        """
        form = _form(self, version)
        if form is not None:
            return form.payload(values)
        texts = self.build(values, version)
        text = _NUL.join((*texts, ""))
        if text.count(_NUL) != len(texts):
            raise WireError(f"a field of message {self.number} holds a NUL")
        return text.encode()

    def form(self, version: int, known: Values) -> Form:
        """The message with some of its values written already; it has fields alone.

        Args:
            version: Of the wire.
            known: Values that are always the same, by name.
        """
        form = _blank(self, version, known)
        assert form is not None, f"{self.name} has rows, or items that depend on others"
        return form


def message(number: int, name: str, *items: Item, version: int | None = None) -> Message:
    """A message; one with a version of its own begins with that."""
    head = () if version is None else (Constant(text=str(version)),)
    return Message(number=number, name=name, layout=(*head, *items))


class _Plan:
    def __init__(self, items: tuple[Item, ...]) -> None:
        self.items = items
        self._columns = _columns(items)

    def texts(self, values: Values) -> list[str]:
        if self._columns is None:
            texts: list[str] = []
            _write_items(self.items, values, {}, texts)
            return texts
        known = values.get
        return [
            default if (value := known(name)) is None else text_of(value) or default
            for name, text_of, default in self._columns
        ]


@cache
def _plan(message: Message, version: int) -> _Plan:
    """What of a message exists at a version; messages are few, and each is itself alone."""
    return _Plan(_admitted(message.layout, version))


@cache
def _form(message: Message, version: int) -> Form | None:
    """A message with all its values still to be written."""
    return _blank(message, version, {})


def _blank(message: Message, version: int, known: Values) -> Form | None:
    """A message with some values written; None when it has more than fields."""
    parts: list[str | Field] = []
    for item in _plan(message, version).items:
        if isinstance(item, Constant):
            parts.append(item.text)
        elif not isinstance(item, Field):
            return None
        elif item.name in known:
            parts.append(item.text(known[item.name]))
        else:
            parts.append(item)
    return Form(message.number, parts)


@cache
def _row_plan(repeat: Repeat) -> _Plan:
    return _Plan(repeat.items)


def _admitted(layout: tuple[Item, ...], version: int) -> tuple[Item, ...]:
    """The items of a layout that exist at a version, nested ones included."""
    return tuple(
        attrs.evolve(item, items=_admitted(item.items, version)) if isinstance(item, Repeat | Given) else item
        for item in layout
        if item.admits(version)
    )


def _columns(items: tuple[Item, ...]) -> tuple[_Column, ...] | None:
    """The items as columns; None when not all of them are single values."""
    made: list[_Column] = []
    for item in items:
        if isinstance(item, Field):
            made.append((item.name, writer(item.kind), item.default))
        elif isinstance(item, Constant):
            made.append(("", str, item.text))
        else:
            return None
    return tuple(made)


def _next(texts: Iterator[str], where: str) -> str:
    text = next(texts, None)
    if text is None:
        raise WireError(f"{where}: the message ends early")
    return text


def _read_items(
    plan: tuple[Item, ...],
    texts: Iterator[str],
    values: dict[str, Any],
    seen: dict[str, str],
    where: str,
) -> None:
    for item in plan:
        if isinstance(item, Field):
            text = seen[item.name] = _next(texts, f"{where}.{item.name}")
            values[item.name] = read(item.kind, text)
        elif isinstance(item, Constant):
            _next(texts, where)
        elif isinstance(item, Given):
            if item.test(seen.get(item.name, "")):
                _read_items(item.items, texts, values, seen, where)
        else:
            text = seen[item.name] = _next(texts, f"{where}.{item.name}")
            values[item.name] = [
                _read_row(item.items, texts, f"{where}.{item.name}")
                for _ in range(read(Kind.INTEGER, text) or 0)
            ]


def _read_row(plan: tuple[Item, ...], texts: Iterator[str], where: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    _read_items(plan, texts, row, {}, where)
    return row


def _write_items(plan: tuple[Item, ...], values: Values, seen: dict[str, str], texts: list[str]) -> None:
    for item in plan:
        if isinstance(item, Field):
            text = seen[item.name] = item.text(values.get(item.name))
            texts.append(text)
        elif isinstance(item, Constant):
            texts.append(item.text)
        elif isinstance(item, Given):
            if item.test(seen.get(item.name, "")):
                _write_items(item.items, values, seen, texts)
        else:
            rows = values.get(item.name) or ()
            seen[item.name] = str(len(rows))
            texts.append(str(len(rows)))
            row_plan = _row_plan(item)
            for row in rows:
                texts += row_plan.texts(row)
