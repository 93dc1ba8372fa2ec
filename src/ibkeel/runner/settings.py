"""One value of a configuration, from what TOML or the environment says to what its field takes."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import UnionType
from typing import Any, Final, get_args, get_origin

import attrs

from ibkeel.errors import ConfigurationError

OFF: Final = "off"
"""What a file says for None, which TOML does not have."""

_WORDS: Final = {
    Decimal: "a number",
    bool: "true or false",
    dict: "a table",
    float: "a number",
    int: "a whole number",
    str: "a text",
    tuple: "a list of texts",
}
_TRUTHS: Final = {"true": True, "false": False}


def checked(attribute: "attrs.Attribute[Any]", value: object) -> Any:
    """The value in its field's type, once the field's validator has let it pass.

    Args:
        attribute: The field.
        value: As TOML has it; text where the environment says it.

    Raises:
        ValueError: It does not fit, and why.
        TypeError: The same.
    """
    kind, is_optional = _kind_of(attribute.type)
    if is_optional and value == OFF:
        return None
    try:
        converted = _converted(kind, value)
    except ConfigurationError as error:
        words = f'{error}, nor "{OFF}"' if is_optional else str(error)
        raise ConfigurationError(words) from None
    if attribute.validator is not None:
        attribute.validator(None, attribute, converted)
    return converted


def _kind_of(annotation: Any) -> tuple[Any, bool]:
    """The type proper, and whether None is one of its values."""
    if get_origin(annotation) is not UnionType:
        return annotation, False
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0], True


def _converted(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Mapping:
        if not isinstance(value, dict):
            raise _unfit(dict, value)
        return value
    if get_origin(kind) is tuple:
        return _texts(value)
    if kind is bool:
        return _truth(value)
    if kind in _WORDS:
        return _scalar(kind, value)
    try:
        return kind(value)
    except ValueError:
        valid = ", ".join(getattr(member, "value", "") for member in kind)
        raise ConfigurationError(f"valid: {valid}") from None


def _unfit(kind: type, value: object) -> ConfigurationError:
    return ConfigurationError(f"{value!r} is not {_WORDS[kind]}")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise _unfit(tuple, value)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    raise _unfit(bool, value)


def _scalar(kind: type[Any], value: Any) -> Any:
    """Numbers may come as text from the environment; TOML's own types are not bent."""
    fits = isinstance(value, kind) or (kind in {float, Decimal} and isinstance(value, int | float))
    text = value if isinstance(value, str) and kind is not str else str(value)
    if (fits or isinstance(value, str)) and not isinstance(value, bool):
        try:
            number = value if kind is str else kind(text)
        except (ValueError, InvalidOperation):
            raise _unfit(kind, value) from None
        if not (isinstance(number, Decimal) and not number.is_finite()):
            return number
    raise _unfit(kind, value)
