"""Validators for the fields of rules and settings: what is not valid is refused with what is."""

import math
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput

Validator: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def valid(
    words: str,
    holds: Callable[[Any], object],
    error: type[InvalidInput] = InvalidInput,
    *,
    names_class: bool = True,
) -> Validator:
    """Refuse what does not hold, and what cannot be asked, such as a text where a number is compared.

    Args:
        words: What is valid.
        holds: Says whether a value is.
        error: What is raised.
        names_class: Whether the message names the class beside its field.
    """

    def check(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        try:
            is_valid = bool(holds(value))
        except (TypeError, ValueError, AttributeError, ArithmeticError):
            is_valid = False
        if not is_valid:
            owner = f"{type(instance).__name__}." if names_class else ""
            raise error(f"{owner}{attribute.name} is {value!r}; valid: {words}")

    return check


def number(words: str, holds: Callable[[Any], bool], *more: Any, **options: Any) -> Validator:
    """As `valid`, of real numbers, seen as floats; True and False are none.

    A `Decimal`, or another kind that does not mix with floats, becomes one, unless the field has a converter.
    """
    check = valid(words, lambda value: is_number(value) and holds(float(value)), *more, **options)

    def plain(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        check(instance, attribute, value)
        if not isinstance(value, int | float) and attribute.converter is None:
            object.__setattr__(instance, attribute.name, float(value))

    return plain


def whole(words: str, holds: Callable[[Any], bool], *more: Any, **options: Any) -> Validator:
    """As `valid`, of whole numbers; True and False are none."""
    return valid(words, lambda value: is_whole(value) and holds(value), *more, **options)


def optional(check: Validator) -> Validator:
    """The same check, of what is not None."""
    return lambda instance, attribute, value: None if value is None else check(instance, attribute, value)


def texts(values: Iterable[str]) -> tuple[str, ...]:
    """Several texts; a single one, and what is no series, is one of them, for a validator to judge."""
    return tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else (values,)


def series(values: Iterable[Any]) -> tuple[Any, ...]:
    """The same as a tuple; InvalidInput for what is no series of values."""
    try:
        return tuple(values)
    except TypeError:
        raise InvalidInput(f"{values!r} is no series; valid: a tuple or a list") from None


class Fixed(Mapping[Any, Any]):
    """Cannot be changed and, unlike a `MappingProxyType`, goes to another process."""

    def __init__(self, rows: Mapping[Any, Any]) -> None:
        self._rows = dict(rows)

    @override
    def __getitem__(self, key: Any) -> Any:
        return self._rows[key]

    @override
    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    @override
    def __len__(self) -> int:
        return len(self._rows)

    @override
    def __repr__(self) -> str:
        return repr(self._rows)


def mapping(values: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The same, as nobody can change it; InvalidInput for what is no mapping."""
    try:
        return Fixed(values)
    except (TypeError, ValueError):
        raise InvalidInput(f"{values!r} is no mapping; valid: a dict") from None


def expect(value: object, *kinds: type) -> None:
    """Refuse an argument of another kind, with InvalidInput."""
    if not isinstance(value, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidInput(f"{value!r} is no {names}; give one of those")


def whole_number(name: str, value: object, *, least: int = 0) -> int:
    """A whole number of any kind, such as numpy's, as an int; not below `least`.

    Raises:
        InvalidInput: It is none.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least:
        return int(value)
    raise InvalidInput(f"{name} is {value!r}; valid: a whole number, {least} or more, as an int")


def check_wait(within: Any) -> None:
    """Refuse what is no time to wait: seconds above 0, or None for as long as it takes."""
    if within is not None and not (is_number(within) and within > 0):
        raise InvalidInput(f"within is {within!r}; valid: seconds, above 0, or None")


def ask(may_leave: Callable[[], None] | None) -> None:
    """Ask, right before an order would leave, whether it may.

    Raises:
        InvalidInput: The function answers, and does not raise: whatever it meant would be ignored.
    """
    answer = None if may_leave is None else may_leave()
    if answer is not None:
        if isinstance(answer, Coroutine):
            answer.close()
        raise InvalidInput(
            f"may_leave returned {answer!r}, so nothing was sent; valid: a plain function, not async, which "
            "raises to hold the order back, and else returns None"
        )


def is_number(value: object) -> bool:
    """Whether it is a real number, finite or not."""
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Whether it is a whole number of any kind, such as numpy's."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_zone(name: str) -> bool:
    """Whether it is the name of a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def between(least: float, most: float, *more: Any, **options: Any) -> Validator:
    """A number within a closed range."""
    return number(f"{least:g} to {most:g}", lambda value: least <= value <= most, *more, **options)


seconds: Final = number("seconds, finite and above 0", lambda value: 0 < value < math.inf)
optional_seconds: Final = optional(
    number("seconds, finite and above 0, or None", lambda value: 0 < value < math.inf)
)
truth: Final = valid("True or False", lambda value: value is True or value is False)
count: Final = whole("a whole number from 1", lambda value: value >= 1)
above_zero: Final = number("a finite number above 0", lambda value: 0 < value < math.inf)
from_zero: Final = number("a finite number from 0", lambda value: 0 <= value < math.inf)


def flag(default: bool) -> Any:
    """A field that is True or False, and not a text, for `"False"` would count as true."""
    return attrs.field(default=default, validator=truth)
