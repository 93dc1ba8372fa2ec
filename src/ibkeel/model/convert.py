"""Model values to and from plain data, JSON and TOML; unknown keys are refused."""

import json
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeVar, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn
from cattrs.strategies import configure_tagged_union
from cattrs.v import format_exception

from ibkeel.errors import InvalidInput
from ibkeel.model.bars import Bar, Bars, BarSpec
from ibkeel.model.checks import as_utc
from ibkeel.model.contracts import Contract, Index, Stock

T = TypeVar("T")


def _instant(value: Any, _: type[datetime]) -> datetime:
    return as_utc(value if isinstance(value, datetime) else datetime.fromisoformat(value))


def _day(value: Any, _: type[date]) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return date.fromisoformat(value)


def _bars_data(converter: cattrs.Converter, bars: Bars) -> dict[str, Any]:
    return {
        "contract": converter.unstructure(bars.contract, Contract),
        "spec": converter.unstructure(bars.spec),
        "timezone": bars.timezone,
        "rows": [[row.at.isoformat(), *row[1:]] for row in bars],
    }


def _bars(converter: cattrs.Converter, data: Mapping[str, Any], _: type[Bars]) -> Bars:
    valid = {"contract", "spec", "timezone", "rows"}
    if set(data) != valid:
        raise InvalidInput(f"Bars has keys {sorted(data)}; valid: {sorted(valid)}")
    rows = (Bar(datetime.fromisoformat(at), *map(float, values)) for at, *values in data["rows"])
    return Bars.from_rows(
        rows,
        contract=converter.structure(data["contract"], Contract),  # type: ignore[arg-type]  # a union is a form, not a type
        spec=converter.structure(data["spec"], BarSpec),
        timezone=data["timezone"],
    )


def make_converter() -> cattrs.Converter:
    """A converter that knows the model, refuses unknown keys and writes plain data.

    Decimals travel as text, instants as ISO 8601 in UTC, dates as ISO dates; a contract carries
    its kind under the key `type`.
    """
    converter = cattrs.Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, lambda value, _: Decimal(str(value)))
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, _instant)
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_structure_hook(date, _day)
    for kind in get_args(Contract):
        converter.register_structure_hook(
            kind, make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)
        )
        converter.register_unstructure_hook(kind, make_dict_unstructure_fn(kind, converter))
    for union in (Contract, Stock | Index):
        configure_tagged_union(
            union, converter, tag_name="type", tag_generator=lambda kind: kind.__name__.lower()
        )
    converter.register_unstructure_hook(Bars, partial(_bars_data, converter))
    converter.register_structure_hook(Bars, partial(_bars, converter))
    return converter


_CONVERTER: Final = make_converter()


def to_data(value: object, kind: Any = None) -> Any:
    """Plain data (dicts, lists, text, numbers) of a model value.

    Args:
        value: Any value of the model.
        kind: Its declared type, needed only for a bare `Contract`.
    """
    if kind is None and isinstance(value, get_args(Contract)):
        kind = Contract
    return _CONVERTER.unstructure(value, kind)


def from_data(data: Any, kind: type[T]) -> T:
    """A model value from plain data.

    Raises:
        InvalidInput: A key is unknown or missing, or a value is not valid; the message names
            each of them.
    """
    name = getattr(kind, "__name__", str(kind))
    if (kind == Contract or attrs.has(kind)) and not isinstance(data, Mapping):
        raise InvalidInput(f"not a valid {name}: {type(data).__name__} is no table")
    try:
        return _CONVERTER.structure(data, kind)
    except InvalidInput:
        raise
    except (
        cattrs.BaseValidationError,
        cattrs.StructureHandlerNotFoundError,
        ValueError,
        TypeError,
        KeyError,
    ) as error:
        raise InvalidInput(f"not a valid {name}: {'; '.join(problems(error))}") from error


def _words(error: BaseException, kind: type | None) -> str:
    """What our own validators say is better than the converter's `invalid value`."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError) and attrs.has(error.cl):
        valid = ", ".join(sorted(each.name for each in attrs.fields(error.cl)))
        return f"unknown {', '.join(sorted(error.extra_fields))}; valid: {valid or 'nothing'}"
    # Without a type it is of a class as a whole: one of its validators refused a value.
    own = isinstance(error, InvalidInput) or (isinstance(error, ValueError) and kind is None)
    return str(error) if own else format_exception(error, kind)


def problems(error: BaseException) -> list[str]:
    """What was wrong with data that are no value, a sentence each."""
    if isinstance(error, cattrs.BaseValidationError):
        path = error.cl.__name__ if isinstance(error.cl, type) else "$"
        words = cattrs.transform_error(error, path, format_exception=_words)
        return [each.removesuffix(f" @ {path}") for each in words]
    return [str(error)]


def to_json(value: object) -> str:
    """A model value as one line of JSON; keys in the order of the fields."""
    return json.dumps(to_data(value), allow_nan=False, separators=(",", ":"))


def from_json(text: str, kind: type[T]) -> T:
    """A model value from JSON.

    Raises:
        InvalidInput: The text is not JSON, or not a valid value.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"not JSON: {error}") from error
    return from_data(data, kind)


def _without_none(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_none(value) for key, value in data.items() if value is not None}
    return [_without_none(item) for item in data] if isinstance(data, list) else data


def to_toml(value: object) -> str:
    """A model value as TOML; absent values are left out. Needs the extra `[bot]`."""
    import tomli_w  # noqa: PLC0415 - an extra

    return tomli_w.dumps(_without_none(to_data(value)))


def from_toml(text: str, kind: type[T]) -> T:
    """A model value from TOML.

    Raises:
        InvalidInput: The text is not TOML, or not a valid value.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"not TOML: {error}") from error
    return from_data(data, kind)
