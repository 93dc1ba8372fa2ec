"""Validators and converters that the values of the model share."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NoReturn

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput


class Words(StrEnum):
    """Texts that a value may be; any other is refused with those that are valid."""

    @classmethod
    @override
    def _missing_(cls, value: object) -> NoReturn:
        valid = ", ".join(repr(each.value) for each in cls)
        raise InvalidInput(f"{value!r} is not a valid {cls.__name__}; valid: {valid}")


def _refuse(instance: object, attribute: "attrs.Attribute[Any]", value: object, valid: str) -> InvalidInput:
    return InvalidInput(f"{type(instance).__name__}.{attribute.name} is {value!r}; valid: {valid}")


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC; a naive one is refused, for nobody knows what it means.

    Raises:
        InvalidInput: `instant` has no time zone.
    """
    if type(instant) is datetime and instant.tzinfo is UTC:
        return instant  # as most are
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise InvalidInput(f"instant {instant!r} has no time zone; give an aware datetime")
    return instant.astimezone(UTC)


def as_decimal(value: Decimal | float | str) -> Decimal:
    """An exact decimal; a float counts as its shortest decimal text.

    Raises:
        InvalidInput: `value` is not a finite number.
    """
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise InvalidInput(f"{value!r} is not a number; valid: a finite decimal such as '1.25'") from None
    if not number.is_finite():
        raise InvalidInput(f"{value!r} is not finite; valid: a finite decimal such as '1.25'")
    return number


def as_optional_decimal(value: Decimal | float | str | None) -> Decimal | None:
    """`as_decimal`, but None stays None."""
    return None if value is None else as_decimal(value)


def day(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a date, or is an instant."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _refuse(instance, attribute, value, "a date such as date(2025, 5, 23)")


def name(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a short printable word: it would break a wire field or a log line."""
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > 64:  # noqa: PLR2004 - longer than any IB field
        raise _refuse(instance, attribute, value, "a printable text of 1 to 64 characters")


def whole(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise _refuse(instance, attribute, value, "a whole number above 0")


def positive(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Refuse what is not a finite number above zero; None passes."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise _refuse(instance, attribute, value, "a finite number above 0, or None when there is none")


def finite(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Refuse NaN and infinities; None passes."""
    if value is not None and not math.isfinite(value):
        raise _refuse(instance, attribute, value, "a finite number, or None when there is none")


def not_negative(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Refuse what is not a finite number of at least zero; None passes."""
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise _refuse(instance, attribute, value, "a finite number, 0 or more")
