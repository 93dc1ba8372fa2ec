"""The error table: what a row of it says of a code of the Gateway, and how the row of a message is found.

One channel carries errors, warnings and notices, and one code can mean several things: a row is
found by its code, by what the id of the message names, and, where the text decides, by a pattern
in it.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.errors import GatewayRejected, InvalidInput, RequestFailed
from ibkeel.orders import ErrorFate

RECONCILE: Final = "read open_orders() and executions() before acting on it"
"""Remedy when nobody knows what became of an order."""


class About(Enum):
    """What the id of an `error` message names: the same code means another thing for each."""

    REQUEST = "a request"
    ORDER = "an order"
    CHANGE = "an order that we have just asked to change"
    SYSTEM = "nothing: the id is -1"


class Effect(Enum):
    """What a message does to the request it names."""

    ENDS = "ends it"
    NONE = "leaves it running"
    DELAYED = "its data are delayed from now on"


class Reaction(Enum):
    """What the session does about a message, beside what becomes of the request or the order."""

    NONE = "nothing"
    UPSTREAM_LOST = "sends no new order; requests wait; the socket stays open"
    RESTORED_DATA_LOST = "asks for every subscription again and reconciles the orders"
    RESTORED_DATA_KEPT = "makes sure that every stream ticks again"
    FARM_BROKEN = "trusts no data of that farm"
    FARM_CONNECTING = "waits for that farm"
    FARM_OK = "trusts that farm again; streams that stay silent are asked for again"
    FARM_IDLE = "nothing: the farm answers when it is asked"
    RECONNECT = "opens a new session"
    WAIT_FOR_CLIENT_ID = "waits, and tries the same client id again"
    GIVE_UP = "stops: only a person can help"
    RESUBSCRIBE = "cancels the stream, then asks for it again"
    WAIT_COMPETING = "waits minutes, and says once that another session takes the data"
    SLOW_DOWN = "sends nothing for a second but what closes a position, and cancels"
    HOLD_HISTORY = "sends no historical request until the ten minutes' allowance is there again"
    FREE_LINES = "leaves it to the caller, who is told to close one, to choose which"
    RECONCILE = "takes the order's fate for unknown until the venue's own lists tell it"


class Farm(Enum):
    """Kinds of data farm; the name of the one farm stands in the text, after the colon."""

    MARKET_DATA = "market data"
    HISTORY = "historical data"
    DEFINITIONS = "security definitions"


_OF_AN_ORDER: Final = frozenset({About.ORDER, About.CHANGE})
_OF_A_CHANGE: Final = frozenset({ErrorFate.NOTICE, ErrorFate.CANCEL_REFUSED, ErrorFate.UNCERTAIN})


def _number(_: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{attribute.name} is {value!r}; valid: a whole number, as the Gateway sends it")


def _lower(_: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    if value != value.lower():
        raise InvalidInput(
            f"{attribute.name} is {value!r}; valid: lower-case text, such as {value.lower()!r}"
        )


def _takes_a_code(row: "Meaning", _: "attrs.Attribute[Any]", value: type[RequestFailed]) -> None:
    try:
        made = value("", code=row.code)
    except TypeError as error:
        raise InvalidInput(f"error is {value!r}; valid: a RequestFailed made of (message, code=)") from error
    if not isinstance(made, RequestFailed):
        raise InvalidInput(f"error is {value!r}; valid: RequestFailed or a type under it")


@attrs.frozen(kw_only=True)
class Meaning:
    """A code, a pattern in its text and what its id names; and what follows from it.

    Args:
        code: The Gateway's number.
        about: What the id of the message names.
        pattern: Lower-case text that must occur in the message; empty matches all.
        effect: What becomes of the request; unless said otherwise, a message about one ends it.
        fate: What it says about the order. REJECTED counts for an order that the venue has not
            accepted yet; one that works is never declared dead by it.
        error: Typed error of the request, when it ends.
        reaction: What the session does beside.
        farm: Which kind of data farm the message speaks of.
        counts: Whether it is a failure of the service, for its circuit breaker. A plain no to what
            was asked is none: it shows that the service answers.
        remedy: What a person can do.
        from_client: Whether client libraries make it up; a Gateway never sends it.
        source: Where the meaning is written down.

    Raises:
        InvalidInput: A value is not valid, or effect, fate and farm do not fit what the id names.
    """

    code: int = attrs.field(validator=_number)
    about: About = attrs.field(validator=attrs.validators.instance_of(About))
    pattern: str = attrs.field(default="", validator=_lower)
    effect: Effect = attrs.field()
    fate: ErrorFate = ErrorFate.UNCERTAIN
    error: type[RequestFailed] = attrs.field(default=GatewayRejected, validator=_takes_a_code)
    reaction: Reaction = attrs.field()
    farm: Farm | None = None
    counts: bool = False
    remedy: str = ""
    from_client: bool = False
    source: str = "set by the user"

    @effect.default
    def _of_what_it_names(self) -> Effect:
        return Effect.ENDS if self.about is About.REQUEST else Effect.NONE

    @reaction.default
    def _of_the_fate(self) -> Reaction:
        unknown = self.fate in {ErrorFate.CANCEL_REFUSED, ErrorFate.UNCERTAIN}
        return Reaction.RECONCILE if self.about in _OF_AN_ORDER and unknown else Reaction.NONE

    def __attrs_post_init__(self) -> None:
        if self.about is not About.REQUEST and self.effect is not Effect.NONE:
            raise InvalidInput(f"{self}: effect is {self.effect}; valid for {self.about}: {Effect.NONE}")
        if self.about not in _OF_AN_ORDER and self.fate is not ErrorFate.UNCERTAIN:
            raise InvalidInput(f"{self}: fate is {self.fate!r}; only a message about an order has one")
        if self.about is About.CHANGE and self.fate not in _OF_A_CHANGE:
            raise InvalidInput(
                f"{self}: fate is {self.fate!r}; a change that is refused ends no order, so valid: "
                + ", ".join(sorted(_OF_A_CHANGE))
            )
        if self.farm is not None and self.about is not About.SYSTEM:
            raise InvalidInput(f"{self}: farm is {self.farm}; only a message with id -1 speaks of one")

    @override
    def __str__(self) -> str:
        return f"code {self.code}" + (f" with {self.pattern!r}" if self.pattern else "")

    def words(self, text: str) -> str:
        """The message with its code and the remedy, as errors and reports give it."""
        return f"{self.code}, {text!r}" + (f"; {self.remedy}" if self.remedy else "")


_NOTICES: Final = range(2100, 2200)


def _unlisted(code: int, about: About) -> Meaning:
    """A notice says nothing; a request that waits for ever is worse than one that ends."""
    source = "not listed"
    match about:
        case About.REQUEST:
            effect = Effect.NONE if code in _NOTICES else Effect.ENDS
            return Meaning(code=code, about=about, effect=effect, source=source)
        case About.ORDER | About.CHANGE:
            if code in _NOTICES:
                return Meaning(code=code, about=about, fate=ErrorFate.NOTICE, source=source)
            return Meaning(code=code, about=about, remedy=RECONCILE, source=source)
    return Meaning(code=code, about=about, source=source)


def _by_key(table: "ErrorTable") -> Mapping[tuple[About, int], tuple[Meaning, ...]]:
    found: dict[tuple[About, int], list[Meaning]] = {}
    for row in table.rows:
        found.setdefault((row.about, row.code), []).append(row)
    return {key: tuple(rows) for key, rows in found.items()}


def _meanings(rows: Iterable[Meaning]) -> tuple[Meaning, ...]:
    checked = tuple(rows)
    for row in checked:
        if not isinstance(row, Meaning):
            raise InvalidInput(f"rows hold {row!r}; valid: values of Meaning")
    return checked


def _refuse_idle(rows: tuple[Meaning, ...]) -> None:
    for number, row in enumerate(rows):
        for before in rows[:number]:
            if (before.code, before.about) == (row.code, row.about) and before.pattern in row.pattern:
                raise InvalidInput(
                    f"the row for {row} would never be found: the one for {before} comes before it and fits all of its "
                    "texts; put the longer pattern first"
                )


@attrs.frozen
class ErrorTable:
    """Meanings in order: the first that fits counts.

    Args:
        rows: The meanings; of one code, those with a pattern before the one without.

    Raises:
        InvalidInput: A row is not a Meaning.

    Examples:
        >>> from ibkeel.ibkr import ERROR_TABLE
        >>> row = Meaning(code=10089, about=About.REQUEST, effect=Effect.DELAYED)
        >>> ERROR_TABLE.with_rows(row).find(10089, "...", About.REQUEST).effect.name
        'DELAYED'
    """

    rows: tuple[Meaning, ...] = attrs.field(converter=_meanings, repr=lambda rows: f"<{len(rows)} meanings>")
    _index: Mapping[tuple[About, int], tuple[Meaning, ...]] = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_by_key, takes_self=True)
    )

    def find(self, code: int, text: str, about: About) -> Meaning:
        """The meaning of a message.

        A code that is not listed is a notice from 2100 to 2199; any other ends the request that it
        names, and leaves the fate of an order open. What answers a change is looked for among the
        rows about changes first; a row about a new order that says REJECTED then only means that
        nobody knows, for the order was there before the change.

        Args:
            code: The Gateway's number.
            text: The message.
            about: What its id names.
        """
        found = self._first(code, text, about)
        if found is None and about is About.CHANGE:
            found = self._first(code, text, About.ORDER)
            if found is not None and found.fate is ErrorFate.REJECTED:
                return attrs.evolve(found, about=about, fate=ErrorFate.UNCERTAIN, reaction=Reaction.RECONCILE)
        return _unlisted(code, about) if found is None else found

    def _first(self, code: int, text: str, about: About) -> Meaning | None:
        lowered = text.lower()
        rows = self._index.get((about, code), ())
        return next((row for row in rows if row.pattern in lowered), None)

    def with_rows(self, *rows: Meaning) -> "ErrorTable":
        """A table in which these rows come before the others.

        Raises:
            InvalidInput: A row is not a Meaning, or one of them hides another.
        """
        _refuse_idle(_meanings(rows))
        return ErrorTable((*rows, *self.rows))
