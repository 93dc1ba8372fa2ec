"""Validators for the figures of a rule."""

import math

import attrs

from ibkeel.errors import InvalidInput


def _refuse(instance: object, name: str, value: object, valid: str) -> InvalidInput:
    return InvalidInput(f"{type(instance).__name__}.{name} is {value!r}; valid: {valid}")


def seconds(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    """A finite duration above 0."""
    if not 0 < value < math.inf:
        raise _refuse(instance, attribute.name, value, "seconds, finite and above 0")


def optional_seconds(
    instance: object, attribute: "attrs.Attribute[float | None]", value: float | None
) -> None:
    """A finite duration above 0, or None."""
    if value is not None and not 0 < value < math.inf:
        raise _refuse(instance, attribute.name, value, "seconds, finite and above 0, or None")


def count(instance: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    """A whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refuse(instance, attribute.name, value, "a whole number from 1")


def fraction(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    """A finite number from 0."""
    if not 0 <= value < math.inf:
        raise _refuse(instance, attribute.name, value, "a finite number from 0")
