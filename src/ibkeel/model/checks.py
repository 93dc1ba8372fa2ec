"""Validators and converters that the values of the model share."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from numbers import Real
from typing import Any, Final, NoReturn, SupportsFloat, TypeVar
from zoneinfo import ZoneInfo

import attrs
import numpy as np
from typing_extensions import override

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.validators import is_number, is_whole

NEW_YORK: Final = ZoneInfo("America/New_York")

_Flag = TypeVar("_Flag", bool, bool | None)
# A name, as wide as services and containers write theirs; or an address of IPv6.
_HOST: Final = re.compile(r"[\w.-]{1,253}|(?=.*:.*:)[\dA-Fa-f:.]+(%[\w.-]+)?")
_SHOWN: Final = 2
_ACCOUNT: Final = re.compile(r"[A-Z]+\d{4,}[A-Z]*")
_ALIAS: Final = re.compile(r"(?!.*\d{4})\w([\w .-]{0,22}[\w.-])?")


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
    """The same instant in UTC; a naive one is refused, for nobody knows what it means."""
    if type(instant) is datetime and instant.tzinfo is UTC:
        return instant  # as most are
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise InvalidInput(f"instant {instant!r} has no time zone; give an aware datetime")
    return instant.astimezone(UTC)


def as_optional_utc(instant: datetime | None) -> datetime | None:
    """`as_utc`, but None stays None."""
    return None if instant is None else as_utc(instant)


def as_decimal(value: Decimal | float | str) -> Decimal:
    """An exact decimal; a float counts as its shortest decimal text."""
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


def as_number(value: SupportsFloat) -> float:
    """A number of any kind, such as numpy's, as a float; what is none stays, for a validator to refuse."""
    if type(value) is not float and isinstance(value, Real | Decimal | np.bool_):
        try:
            return float(value)
        except (OverflowError, ValueError):
            pass  # too great, or a signalling NaN
    return value  # type: ignore[return-value]  # a validator's business


def as_optional_number(value: SupportsFloat | None) -> float | None:
    """`as_number`, but None stays None."""
    return None if value is None else as_number(value)


def as_optional_count(value: SupportsFloat | None) -> int | None:
    """A whole number of any kind as an int; None and what is none stay, for a validator to refuse."""
    if value is None or isinstance(value, int | np.bool_):
        return value  # type: ignore[return-value]  # a validator's business
    plain = as_number(value)
    return int(plain) if type(plain) is float and plain.is_integer() else value  # type: ignore[return-value]


def as_whole(value: int) -> int:
    """A whole number of any kind, such as numpy's, as an int; what is none stays, for a validator to refuse."""
    return int(value) if type(value) is not int and is_whole(value) else value


def as_flag(value: _Flag) -> _Flag:
    """A truth value of numpy's as Python's; anything else stays, for a validator to refuse."""
    return bool(value) if isinstance(value, np.bool_) else value


def as_text(value: str) -> str:
    """A text of a kind of its own, such as numpy's, as a plain one; what is none stays, for a validator to refuse."""
    return str.__str__(value) if type(value) is not str and isinstance(value, str) else value


def day(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a date, or is an instant."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _refuse(instance, attribute, value, "a date such as date(2025, 5, 23)")


def name(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a short printable word: it would break a wire field or a log line."""
    # No field of the wire is longer.
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > 64:
        raise _refuse(instance, attribute, value, "a printable text of 1 to 64 characters")


def host(_: object, attribute: Any, value: object) -> None:
    """Refuse what cannot be the name or the address of a machine, with a ConfigurationError."""
    try:
        is_host = isinstance(value, str) and _HOST.fullmatch(value) is not None and bool(value.encode("idna"))
    except UnicodeError:  # a part between two dots is empty or too long
        is_host = False
    if not is_host:
        raise ConfigurationError(
            f"{attribute.name} is {value!r}; valid: a host name or address, such as 127.0.0.1"
        )


def mask_account(account: str, aliases: Mapping[str, str] | None = None) -> str:
    """An account id fit to be shown: its alias, else its first and last two characters.

    Args:
        account: The whole id.
        aliases: Other names, by whole ids.

    Examples:
        >>> mask_account("DU1234567")
        'DU***67'
    """
    if aliases and account in aliases:
        return aliases[account]
    return f"{account[:_SHOWN]}***{account[-_SHOWN:]}" if len(account) > 2 * _SHOWN else "***"


def account_aliases(_: object, attribute: Any, value: Mapping[str, Any]) -> None:
    """Refuse what are no other names of accounts, with a ConfigurationError that shows no id."""
    for account, alias in value.items():
        if not (isinstance(alias, str) and _ACCOUNT.fullmatch(str(account)) and _ALIAS.fullmatch(alias)):
            given = re.sub(r"\w*\d{4}\w*", "***", repr(alias))
            raise ConfigurationError(
                f"{attribute.name} calls {mask_account(str(account))} {given}; valid: account ids, each with 1 to 24 "
                "letters, digits, spaces, '.', '-', '_', no four digits in a row"
            )
    if len({alias.casefold() for alias in value.values()}) < len(value):
        raise ConfigurationError(f"{attribute.name} calls two accounts the same; valid: a name for each")


def field_text(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what would end a field on the wire, and shift all that follow; empty and None pass."""
    if value is not None and not (isinstance(value, str) and value.isprintable()):
        raise _refuse(instance, attribute, value, "a printable text, without line ends and NUL")


def text(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not text, or holds what UTF-8 does not, as half of a surrogate pair."""
    if isinstance(value, str):
        if value.isascii():
            return
        try:
            value.encode()
        except UnicodeEncodeError:
            pass
        else:
            return
    raise _refuse(instance, attribute, value, "text that UTF-8 can hold")


def flag(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is neither true nor false; None passes."""
    if value is not None and not isinstance(value, bool):
        raise _refuse(instance, attribute, value, "True, False, or None to leave it open")


def number(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what `as_number` could make no number of; None passes."""
    if value is not None and type(value) is not float:
        raise _refuse(instance, attribute, value, "a finite number, or None when there is none")


def count(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what `as_optional_count` could make no whole number of; None passes."""
    if value is not None and type(value) is not int:
        raise _refuse(instance, attribute, value, "a whole number, or None when there is none")


def whole(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise _refuse(instance, attribute, value, "a whole number above 0, as an int")


def _is_finite(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)  # as most are
    try:
        return is_number(value) and math.isfinite(value)
    except (OverflowError, ValueError):
        return False  # too great, or a signalling NaN


def positive(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Refuse what is not a finite number above zero; None passes."""
    if value is not None and not (_is_finite(value) and value > 0):
        raise _refuse(instance, attribute, value, "a finite number above 0, or None when there is none")


def finite(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Refuse NaN, infinities and what is no number; None passes."""
    if value is not None and not _is_finite(value):
        raise _refuse(instance, attribute, value, "a finite number, or None when there is none")


def not_negative(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Refuse what is not a finite number of at least zero; None passes."""
    if value is not None and not (_is_finite(value) and value >= 0):
        raise _refuse(instance, attribute, value, "a finite number, 0 or more")
