"""Model values to and from plain data, JSON and TOML; unknown keys are refused."""

import json
import tomllib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn
from cattrs.strategies import configure_tagged_union
from cattrs.v import format_exception

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.model.bars import Bar, Bars, BarSpec
from ibkeel.model.checks import as_utc
from ibkeel.model.contracts import Contract, Index, Stock
from ibkeel.validators import expect, series

T = TypeVar("T")


class _Misfit(InvalidInput):
    """Does not say where: `_placed` does."""


def _instant(value: Any) -> datetime:
    return as_utc(value if isinstance(value, datetime) else datetime.fromisoformat(value))


def _day(value: Any) -> date:
    return value if type(value) is date else date.fromisoformat(value)


def _whole(value: Any) -> int:
    number = int(value)
    if not isinstance(value, str) and number != value:
        raise TypeError
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_SCALARS: Final[tuple[tuple[type, Callable[[Any], Any], str], ...]] = (
    (bool, bool, "true or false"),
    (date, _day, "a date such as 2026-01-16"),
    (datetime, _instant, "an instant such as 2026-01-16T14:30:00+00:00"),
    (Decimal, lambda value: Decimal(str(value)), "a number"),
    (float, float, "a number"),
    (int, _whole, "a whole number"),
    (str, _text, "a text"),
)


def _named(scalar: type, make: Callable[[Any], Any], words: str) -> Callable[[Any, type], Any]:
    """Also makes one of a subclass, such as an enum."""

    def structure(value: Any, kind: type) -> Any:
        try:
            if isinstance(value, bool) is (scalar is bool):
                return make(value) if kind is scalar else kind(value)
        except InvalidInput:
            raise
        except (ArithmeticError, TypeError, ValueError):
            pass  # told as what is of the wrong kind
        valid = ", ".join(map(str, kind)) if issubclass(kind, Enum) else words
        raise _Misfit(f"{value!r:.99}; valid: {valid}")

    return structure


def _table(fill: Callable[[Any, Any], T], kind: Any, words: str) -> Callable[[Any, object], T]:
    def structure(data: Any, _: object) -> T:
        if not isinstance(data, Mapping):
            raise _Misfit(f"{data!r:.99}; valid: a table {words}")
        return fill(data, kind)

    return structure


def _tagged(union: Any, converter: cattrs.Converter) -> None:
    valid = tuple(kind.__name__.lower() for kind in get_args(union))
    configure_tagged_union(
        union, converter, tag_name="type", tag_generator=lambda kind: kind.__name__.lower()
    )
    fill = converter.get_structure_hook(union)

    def structure(data: Any, _: object) -> Any:
        if data.get("type") not in valid:
            raise InvalidInput(f"type is {data.get('type')!r:.99}; valid: {', '.join(valid)}")
        return fill(data, union)

    converter.register_structure_hook(union, _table(structure, union, f"with a type, {', '.join(valid)}"))


def _bars_data(converter: cattrs.Converter, bars: Bars) -> dict[str, Any]:
    return {
        "contract": converter.unstructure(bars.contract, Contract),
        "spec": converter.unstructure(bars.spec),
        "timezone": bars.timezone,
        "rows": [[row.at.isoformat(), *row[1:]] for row in bars],
    }


def _bars(converter: cattrs.Converter, data: Any, _: type[Bars]) -> Bars:
    valid = {"contract", "spec", "timezone", "rows"}
    if set(data) != valid:
        raise InvalidInput(f"Bars has keys {sorted(data)}; valid: {sorted(valid)}")
    row = _named(Bar, _row, f"a row of {', '.join(Bar._fields)}")
    return Bars.from_rows(
        [row(each, Bar) for each in series(data["rows"])],
        contract=converter.structure(data["contract"], Contract),  # type: ignore[arg-type]  # a union is a form, not a type
        spec=converter.structure(data["spec"], BarSpec),
        timezone=converter.structure(data["timezone"], str),
    )


def _row(data: Any) -> Bar:
    at, *figures = data
    return Bar(_instant(at), *map(float, figures))


def make_converter() -> cattrs.Converter:
    """A converter that knows the model, refuses unknown keys and writes plain data.

    Decimals travel as text, instants as ISO 8601 in UTC, dates as ISO dates; a contract carries
    its kind under the key `type`.
    """
    converter = cattrs.Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    converter.register_unstructure_hook(Decimal, str)
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_structure_hook_factory(
        attrs.has,
        lambda kind: _table(converter.gen_structure_attrs_fromdict(kind), kind, f"of {kind.__name__}"),
    )
    for scalar, make, words in _SCALARS:
        converter.register_structure_hook(scalar, _named(scalar, make, words))
    for kind in get_args(Contract):
        converter.register_unstructure_hook(kind, make_dict_unstructure_fn(kind, converter))
    for union in (Contract, Stock | Index):
        _tagged(union, converter)
    converter.register_unstructure_hook(Bars, partial(_bars_data, converter))
    converter.register_structure_hook(Bars, _table(partial(_bars, converter), Bars, "of Bars"))
    return converter


_IS: Final = " is "
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
    name = "Contract" if kind == Contract else getattr(kind, "__name__", str(kind))
    try:
        return _CONVERTER.structure(data, kind)
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
    if isinstance(error, _Misfit):
        return f"{_IS}{error}"
    # Without a type it is of a class as a whole: one of its validators refused a value.
    own = isinstance(error, InvalidInput) or (isinstance(error, ValueError) and kind is None)
    return str(error) if own else format_exception(error, kind)


def _placed(words: str) -> str:
    said, _, place = words.rpartition(" @ ")
    return f"{place}{said}" if said.startswith(_IS) else words


def problems(error: BaseException) -> list[str]:
    """What was wrong with data that are no value, a sentence each."""
    if isinstance(error, cattrs.BaseValidationError):
        path = error.cl.__name__ if isinstance(error.cl, type) else "$"
        words = cattrs.transform_error(error, path, format_exception=_words)
        return [_placed(each).removesuffix(f" @ {path}") for each in words]
    return [str(error)]


def to_json(value: object) -> str:
    """A model value as one line of JSON; keys in the order of the fields."""
    return json.dumps(to_data(value), allow_nan=False, separators=(",", ":"))


def from_json(text: str, kind: type[T]) -> T:
    """A model value from JSON.

    Raises:
        InvalidInput: The text is not JSON, or not a valid value.
    """
    return from_data(_loaded(text, json.loads, "JSON"), kind)


def _loaded(text: str, load: Callable[[str], Any], what: str) -> Any:
    expect(text, str)
    try:
        return load(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"not {what}: {error}") from error


def _without_none(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_none(value) for key, value in data.items() if value is not None}
    return [_without_none(item) for item in data] if isinstance(data, list) else data


def to_toml(value: object) -> str:
    """A model value as TOML; absent values are left out.

    Raises:
        ConfigurationError: The extra `[bot]` is not installed.
    """
    try:
        import tomli_w
    except ImportError:
        raise ConfigurationError("to_toml needs tomli-w; install 'ibkeel[bot]'") from None

    return tomli_w.dumps(_without_none(to_data(value)))


def from_toml(text: str, kind: type[T]) -> T:
    """A model value from TOML.

    Raises:
        InvalidInput: The text is not TOML, or not a valid value.
    """
    return from_data(_loaded(text, tomllib.loads, "TOML"), kind)
