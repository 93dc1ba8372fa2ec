"""The error table: one place that says what the Gateway's codes mean.

One channel carries errors, warnings and notices, and one code can mean several things: a row is
found by its code, by what the id of the message names, and, where the text decides, by a pattern
in it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.ibkr.code_rows import ORDER_ROWS, RECONCILE, REQUEST_ROWS, SYSTEM_ROWS
from ibkeel.ibkr.meaning import About, Effect, Farm, Meaning, Reaction
from ibkeel.orders import ErrorFate

__all__ = ["ERROR_TABLE", "About", "Effect", "ErrorTable", "Farm", "Meaning", "Reaction", "classify"]

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
        case About.SYSTEM:
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


ERROR_TABLE: Final = ErrorTable((*REQUEST_ROWS, *ORDER_ROWS, *SYSTEM_ROWS))
"""What is known of the Gateway's codes, each row with its source."""


def classify(code: int, text: str) -> Meaning:
    """Meaning of a code for the request it names, by the table that comes with the library.

    Examples:
        >>> classify(162, "HMDS query returned no data: SPY").error.__name__
        'NoData'
    """
    return ERROR_TABLE.find(code, text, About.REQUEST)
