"""Gives the fields of what the client library decoded the types of their defaults, as the library does, sooner.

It looks up the fields of a class for each object anew, and an order has some 130. A list of orders comes
with every reconcile; here what is to be done to a class is worked out once.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

_Column = tuple[str, Any, Callable[[Any], Any]]
"""Name of a field, its default, and what makes a value of the wire's text."""


def give_types(decoded: Any) -> None:
    """Turn the texts of numbers and flags into numbers and flags; an empty one becomes the default.

    Args:
        decoded: A dataclass of the client library.

    Raises:
        ValueError: A text is none of its type.
    """
    values = vars(decoded)
    kind: type = type(decoded)
    for name, default, made_of in _columns(kind):
        value = values[name]
        if value is not default:
            values[name] = made_of(value) if value else default


@cache
def _columns(kind: type) -> tuple[_Column, ...]:
    made: dict[type, Callable[[Any], Any]] = {int: int, float: float, bool: _flag}
    return tuple(
        (field.name, field.default, made[type(field.default)])
        for field in fields(kind)
        if type(field.default) in made
    )


def _flag(text: Any) -> bool:
    return bool(int(text))
