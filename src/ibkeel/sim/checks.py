"""What a setting of the simulator may be. Its checks are its own, as all that it has."""

from collections.abc import Callable
from numbers import Real
from typing import Any, Final

import attrs

from ibkeel.errors import InvalidInput

_MOST: Final = 10 * 365 * 24 * 60 * 60
_LEAST: Final = 0.001  # seconds of an interval: what is shorter comes faster than anybody could work


def valid(words: str, holds: Callable[[Any], object]) -> Any:
    """A validator: what holds; what cannot be asked, such as a text that is compared with a number, does not."""

    def check(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        try:
            is_valid = bool(holds(value))
        except (TypeError, ValueError, OverflowError):
            is_valid = False
        if not is_valid:
            raise InvalidInput(f"{type(instance).__name__}.{attribute.name} is {value!r}; valid: {words}")

    return check


def number(words: str, holds: Callable[[float], bool]) -> Any:
    """A validator: a real number that holds; True and False are none."""
    return valid(
        words, lambda value: isinstance(value, Real) and not isinstance(value, bool) and holds(float(value))
    )


def optional(check: Any) -> Any:
    """The same validator, of what is not None."""
    return lambda instance, attribute, value: None if value is None else check(instance, attribute, value)


flag: Final = valid("true or false", lambda value: isinstance(value, bool))
not_negative: Final = number("0 or more", lambda value: value >= 0)
above_zero: Final = number("above 0", lambda value: value > 0)


def as_several(values: Any) -> tuple[Any, ...]:
    """Several values; what is no list or tuple is one of them, for a validator to judge."""
    return tuple(values) if isinstance(values, list | tuple | set | frozenset) else (values,)


def as_number(value: Any) -> float:
    """A real number as float; TOML writes 60 as well as 60.0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{value!r} is not a number; valid: such as 60 or 0.5")
    if not abs(value) <= _MOST:  # nan neither
        raise InvalidInput(f"{value!r} is out of reach; the most is {_MOST:,}, ten years in seconds")
    return float(value)


def as_seconds(value: Any) -> float | None:
    """A number of seconds, or None."""
    return None if value is None else as_number(value)


def one_of(names: tuple[str, ...]) -> Any:
    """A validator: the value, or each of a tuple, is one of the names."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        unknown = [each for each in (value if isinstance(value, tuple) else (value,)) if each not in names]
        if unknown:
            raise InvalidInput(f"{attribute.name} is {unknown[0]!r}; valid: {', '.join(names)}")

    return check


def whole(least: int = -(2**31), most: int = 2**31 - 1, *, among: tuple[int, ...] | None = None) -> Any:
    """A validator: a whole number between two, both included, or one of those that are given."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if is_whole and (least <= value <= most if among is None else value in among):
            return
        valid = f"from {least} to {most}" if among is None else "of " + ", ".join(map(str, among))
        raise InvalidInput(f"{attribute.name!r} must be a whole number {valid}, not {value!r}")

    return check


def a_text(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """A validator: a text that can be a field of a message."""
    if not isinstance(value, str) or "\0" in value:
        raise InvalidInput(f"{attribute.name!r} must be a text without NUL, not {value!r}")


def positive(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """A validator: seconds above zero."""
    if value is None or value <= 0:
        raise InvalidInput(f"{attribute.name} is {value}; it must be a positive number of seconds")


def interval(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    """A validator: seconds from one time to the next, a thousandth or more."""
    if value < _LEAST:
        raise InvalidInput(f"{attribute.name} is {value}; it must be at least {_LEAST} seconds")
