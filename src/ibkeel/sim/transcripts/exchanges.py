"""Which answer belongs to which request, and a real transcript beside a simulated one.

An answer is told by its id where it has one, else by what asks for such answers; two transcripts are compared in
shape, never in prices.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final

import attrs

from ibkeel.sim.codec import UNSET_DOUBLE, UNSET_INTEGER, Kind
from ibkeel.sim.transcripts.values import (
    CLIENT,
    GATEWAY,
    Entry,
    Form,
    Label,
    Transcript,
    message_of,
    reading,
    whole_number,
)

_LONGEST_ID: Final = 10  # digits
_ORDER_LISTS: Final = ("open_orders", "all_open_orders", "auto_open_orders")
_OF_ORDERS: Final = ("open_order", "order_status")
# Answers without an id of a request, and what asks for them; the latest one that was asked gets them.
_ASKED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "account_download_end": ("account_updates",),
    "account_time": ("account_updates",),
    "account_value": ("account_updates",),
    "completed_order": ("completed_orders",),
    "completed_orders_end": ("completed_orders",),
    "current_time": ("current_time",),
    "current_time_millis": ("current_time_millis",),
    "depth_exchanges": ("depth_exchanges",),
    "family_codes": ("family_codes",),
    "managed_accounts": ("managed_accounts", "start_api"),
    "market_rule": ("market_rule",),
    "news_providers": ("news_providers",),
    "next_valid_id": ("next_id", "start_api"),
    "open_order_end": _ORDER_LISTS,
    "portfolio": ("account_updates",),
    "position": ("positions",),
    "position_end": ("positions",),
    "scanner_parameters": ("scanner_parameters",),
}
_SESSION: Final = "start_api"
_UNSET: Final = frozenset({UNSET_DOUBLE, UNSET_INTEGER, "1.7976931348623157e+308", "9223372036854775807"})
_INTEGER: Final = re.compile(r"[+-]?\d+")
_DECIMAL: Final = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+|Infinity")
_DATED: Final = re.compile(r"\d{8}([ -].*)?", re.DOTALL)
_DIGIT: Final = re.compile(r"\d")
_TOLD_APART: Final = {
    "error": "code",
    "option_computation": "type",
    "order_status": "status",
    "tick_by_tick": "kind",
    "tick_generic": "type",
    "tick_price": "type",
    "tick_size": "type",
    "tick_string": "type",
}
_IN_ANY_ORDER: Final = frozenset({"error", "market_data_type", "tick_parameters"})
# What these requests list is the state of the account; how it is listed is compared, not what is there.
_LISTS: Final = frozenset(
    {*_ORDER_LISTS, "account_updates", "completed_orders", "executions", "positions", "positions_multi"}
)
_UNKNOWN_CONTRACT: Final = "error 200"


@attrs.define(kw_only=True, eq=False)
class Exchange:
    """One message of a client, and what the Gateway said to it.

    Args:
        request: The message; a connection's first exchange is the one that starts the session, and gets
            whatever nobody asked for.
        answers: In the order in which they came.
    """

    request: Entry
    answers: list[Entry] = attrs.field(factory=list)

    @property
    def label(self) -> str:
        """The request in a few words, such as `market_data 4 SPY STK`."""
        fields = self.request.fields
        words = [self.request.name or f"message {self.request.texts[0]}"]
        words += [
            str(fields[key]) for key in ("request_id", "order_id", "symbol", "sec_type") if fields.get(key)
        ]
        return " ".join(words)


def number_of(entry: Entry) -> int | None:
    """The id of a request or an order that a message carries; None: it carries none."""
    fields = entry.fields
    texts = [fields.get("request_id"), fields.get("order_id")]
    numbers = [whole_number(text, _LONGEST_ID) for text in texts if isinstance(text, str)]
    return next((number for number in numbers if number is not None and number >= 0), None)


def exchanges(entries: Iterable[Entry]) -> tuple[Exchange, ...]:
    """The exchanges of one connection, in the order of the requests; empty when no session began."""
    pairing = _Pairing()
    for entry in entries:
        if entry.form is Form.MESSAGE:
            pairing.take(entry)
    return tuple(pairing.made)


class _Pairing:
    """What was asked so far on one connection."""

    def __init__(self) -> None:
        self.made: list[Exchange] = []
        self._latest: dict[str, Exchange] = {}  # by the name of the request
        self._numbered: dict[int, Exchange] = {}  # by id, what cancels left out
        self._cancels: dict[int, Exchange] = {}
        self._executions: dict[str, Exchange] = {}  # by the id of the execution
        self._listing: Exchange | None = None  # a list of orders that has not ended

    def take(self, entry: Entry) -> None:
        """Note a request, or add an answer to the one that it belongs to."""
        if entry.sender == CLIENT:
            self._ask(entry)
        elif entry.sender == GATEWAY and self.made:
            self._owner(entry).answers.append(entry)

    def _ask(self, entry: Entry) -> None:
        exchange = Exchange(request=entry)
        self.made.append(exchange)
        self._latest[entry.name] = exchange
        number = number_of(entry)
        if entry.name in _ORDER_LISTS:
            self._listing = exchange
        if number is None:
            return
        is_cancel = entry.name.startswith("cancel_")
        if is_cancel:
            self._cancels[number] = exchange
        if not is_cancel or entry.name == "cancel_order":
            self._numbered[number] = exchange

    def _owner(self, entry: Entry) -> Exchange:
        session = self._latest.get(_SESSION, self.made[0])
        if entry.name == "open_order_end":
            listing, self._listing = self._listing, None
            return listing or session
        if entry.name in _OF_ORDERS and self._listing is not None:
            return self._listing
        if entry.name in _ASKED_BY:
            asked = [self._latest[name] for name in _ASKED_BY[entry.name] if name in self._latest]
            return max(asked, key=lambda each: each.request.at, default=session)
        return self._by_number(entry) or session

    def _by_number(self, entry: Entry) -> Exchange | None:
        number, fields = number_of(entry), entry.fields
        if entry.name == "commission_report":
            return self._executions.get(str(fields.get("exec_id")))
        if number is None:
            return None
        owner = self._numbered.get(number)
        if entry.name == "error":
            owner = self._cancels.get(number, owner)
        if entry.name == "execution" and owner is not None:
            self._executions[str(fields.get("exec_id"))] = owner
        return owner


@attrs.define(kw_only=True)
class Shape:
    """All messages of one kind that were seen, and the sorts of text in each of their fields.

    `beyond` has how many fields came after the last that the version has, `lacks` those at which messages ended early.
    """

    name: str
    sorts: dict[str, set[str]] = attrs.field(factory=dict)
    beyond: set[int] = attrs.field(factory=set)
    lacks: set[str] = attrs.field(factory=set)


@attrs.frozen(kw_only=True)
class Difference:
    """One thing that is not alike.

    Args:
        kind: `absent` or `extra` (from the simulator's side) for messages; `order` of messages; `fields`
            for a field that only one side has; `type` for the text in a field; `unserved` for a request that
            the simulator does not know.
        where: The request, or the kind of message.
        what: The message, or the field.
        recorded: What the transcript has.
        simulated: What the simulator has.
    """

    kind: str
    where: str
    what: str
    recorded: str = ""
    simulated: str = ""


@attrs.frozen(kw_only=True)
class Comparison:
    """What was found.

    Args:
        requests: How many requests were compared.
        messages: How many answers of the transcript were compared.
        differences: Each once, messages first.
        left_out: Requests that could not be compared, each with the reason.
    """

    requests: int
    messages: int
    differences: tuple[Difference, ...]
    left_out: tuple[str, ...] = ()


def compared(recorded: Transcript, simulated: Transcript) -> Comparison:
    """Hold two transcripts of the same requests against each other.

    Args:
        recorded: How it should be.
        simulated: How the simulator has it; the client's side is that of the other.
    """
    pairs, left_out = _pairs(recorded, simulated)
    found = [difference for ours, theirs in pairs for difference in _messages(ours, theirs)]
    expected = [entry for ours, _ in pairs for entry in ours.answers]
    actual = [entry for _, theirs in pairs for entry in theirs.answers]
    found += _fields(shapes(expected), shapes(actual))
    return Comparison(
        requests=len(pairs),
        messages=len(expected),
        differences=tuple(dict.fromkeys(found)),
        left_out=tuple(left_out),
    )


def _pairs(recorded: Transcript, simulated: Transcript) -> tuple[list[tuple[Exchange, Exchange]], list[str]]:
    """The exchanges of both sides, request by request, and those that cannot be compared."""
    pairs: list[tuple[Exchange, Exchange]] = []
    left_out: list[str] = []
    for number, other in zip_longest(recorded.connections, simulated.connections):
        ours = exchanges(recorded.of(number)) if number is not None else ()
        theirs = exchanges(simulated.of(other)) if other is not None else ()
        for one, two in zip_longest(ours, theirs):
            if one is None:
                continue
            if two is None:
                left_out.append(f"{one.label}: the simulated session had ended")
            elif _UNKNOWN_CONTRACT in _kinds(two.answers) and _UNKNOWN_CONTRACT not in _kinds(one.answers):
                left_out.append(f"{one.label}: the simulated market does not list it")
            else:
                pairs.append((one, two))
    return pairs, left_out


def _messages(one: Exchange, two: Exchange) -> Iterator[Difference]:
    """Answers that only one side has, or has in another order."""
    where = one.label
    if not one.request.name:
        yield Difference(kind="unserved", where=where, what="request", recorded=f"{len(one.answers)} answers")
        return
    expected, actual = _kinds(one.answers), _kinds(two.answers)
    lists = one.request.name in _LISTS
    for kind in expected:
        if kind not in actual and not (lists and _is_row(kind)):
            yield Difference(kind="absent", where=where, what=kind, recorded=_times(one, kind))
    for kind in actual:
        if kind not in expected and not (lists and _is_row(kind)):
            yield Difference(kind="extra", where=where, what=kind, simulated=_times(two, kind))
    ours, theirs = _order(one.answers), _order(two.answers)
    both = [[name for name in names if name in ours and name in theirs] for names in (ours, theirs)]
    if both[0] != both[1]:
        recorded, simulated = (", ".join(names) for names in both)
        yield Difference(kind="order", where=where, what="answers", recorded=recorded, simulated=simulated)


def _is_row(kind: str) -> bool:
    """Whether such a message is one of a list, not its end and no error."""
    return not kind.endswith("_end") and not kind.startswith(("error", "account_time"))


def _kind(entry: Entry) -> str:
    """What tells answers apart: name, and code, status or type where one name means several things."""
    if not entry.name:
        return f"message {entry.texts[0]}"
    apart = _TOLD_APART.get(entry.name)
    return f"{entry.name} {entry.fields.get(apart, '')}" if apart else entry.name


def _kinds(answers: Iterable[Entry]) -> list[str]:
    return list(dict.fromkeys(map(_kind, answers)))


def _times(exchange: Exchange, kind: str) -> str:
    number = sum(_kind(entry) == kind for entry in exchange.answers)
    return "once" if number == 1 else f"{number} times"


def _order(answers: Iterable[Entry]) -> list[str]:
    """Names by first appearance; what comes as the market has it is left out."""
    names = dict.fromkeys(entry.name for entry in answers)
    return [name for name in names if name and not name.startswith("tick_") and name not in _IN_ANY_ORDER]


def _fields(recorded: dict[str, Shape], simulated: dict[str, Shape]) -> Iterator[Difference]:
    """Fields that differ, in kinds of messages that both sides have."""
    for name in sorted(recorded.keys() & simulated.keys()):
        yield from _lengths(recorded[name], simulated[name])
        yield from _sorts(recorded[name], simulated[name])


def _lengths(one: Shape, two: Shape) -> Iterator[Difference]:
    if not one.beyond & two.beyond:
        yield _unlike("fields", one.name, "after the last", one.beyond, two.beyond)
    for lacking in sorted(one.lacks - two.lacks):
        yield Difference(kind="fields", where=one.name, what=lacking, recorded="missing", simulated="there")


def _sorts(one: Shape, two: Shape) -> Iterator[Difference]:
    for field in dict.fromkeys((*one.sorts, *two.sorts)):
        ours, theirs = one.sorts.get(field, set()), two.sorts.get(field, set())
        if ours and theirs:
            if not ours & theirs:
                yield _unlike("type", one.name, field, ours, theirs)
        elif "." not in field and field not in one.lacks | two.lacks:
            yield _unlike("fields", one.name, field, ours, theirs)


def _unlike(kind: str, where: str, field: str, ours: set[Any], theirs: set[Any]) -> Difference:
    return Difference(kind=kind, where=where, what=field, recorded=_either(ours), simulated=_either(theirs))


def _either(found: set[Any]) -> str:
    return " or ".join(map(str, sorted(found))) or "not there"


def shapes(entries: Iterable[Entry]) -> dict[str, Shape]:
    """The shape of each kind of message, by its name; messages that the tables do not have are left out."""
    made: dict[str, Shape] = {}
    for entry in entries:
        message = message_of(entry.sender, entry.texts[0])
        if message is None:
            continue
        shape = made.setdefault(message.name, Shape(name=message.name))
        read = reading(message, entry.texts[1:], entry.version)
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
