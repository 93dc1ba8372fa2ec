"""A rehearsal as data: a name, a story and the faults that make it up, from TOML."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import attrs

from ibkeel.errors import ConfigurationError
from ibkeel.sim.faults import KINDS, Fault

_KEYS = ("title", "summary", "source", "seed", "faults")


def _whole(_: object, __: object, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not whole")


@attrs.frozen(kw_only=True)
class Scenario:
    """What goes wrong during the life of a simulated Gateway.

    Examples:
        >>> Scenario.named("nightly-restart").faults[0].kind
        'restart'
    """

    name: str
    title: str = ""
    """One line."""
    summary: str = ""
    """What happens, and what a bot has to do about it."""
    source: str = ""
    """Where the course of events is known from."""
    seed: int = attrs.field(default=0, validator=_whole)
    """Of the faults that strike by chance."""
    faults: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, text: str, *, name: str = "scenario") -> Self:
        """A scenario from the text of a TOML file.

        Args:
            text: The file's content.
            name: What to call the scenario.

        Raises:
            ConfigurationError: The text is not TOML, or has a key, kind or value that is not valid.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"scenario {name!r} is not TOML: {error}") from error
        return cls._of(data, name)

    @classmethod
    def _of(cls, table: Mapping[str, Any], name: str) -> Self:
        _refuse_unknown(table, _KEYS, f"scenario {name!r}")
        data = dict(table)
        rows = data.pop("faults", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ConfigurationError(f"scenario {name!r}: faults are tables, each under [[faults]]")
        for key in ("title", "summary", "source"):
            if not isinstance(data.get(key, ""), str):
                raise ConfigurationError(f"scenario {name!r}: {key} is {data[key]!r}; it must be a text")
        faults = [_fault(row, f"scenario {name!r}, fault {number}") for number, row in enumerate(rows, 1)]
        try:
            return cls(name=name, faults=tuple(faults), **data)
        except TypeError as error:
            raise ConfigurationError(
                f"scenario {name!r}: seed is {data['seed']!r}; it must be whole"
            ) from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """A scenario from a TOML file; it is called as the file is.

        Raises:
            ConfigurationError: The file cannot be read, or is not a scenario.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the scenario {path}: {error}") from error
        return cls.parse(text, name=path.stem)

    @classmethod
    def named(cls, name: str) -> Self:
        """A scenario that comes with the package.

        Raises:
            ConfigurationError: There is none of that name.
        """
        if name not in cls.names():
            raise ConfigurationError(f"unknown scenario {name!r}; there are: {', '.join(cls.names())}")
        return cls._of(_shipped()[name], name)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Names of the scenarios that come with the package, in order."""
        return tuple(sorted(_shipped()))


@cache
def _shipped() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((files("ibkeel.sim") / "scenarios.toml").read_text(encoding="utf-8"))


def _refuse_unknown(data: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(data) - set(known))
    if unknown:
        named = isinstance(data[unknown[0]], dict) and "faults" in data[unknown[0]]
        hint = f"; a file holds one scenario, without its name: [[faults]], not [[{unknown[0]}.faults]]"
        raise ConfigurationError(
            f"{where}: unknown key {unknown[0]!r}; valid: {', '.join(known)}{hint if named else ''}"
        )


def _fault(row: Mapping[str, Any], where: str) -> Fault:
    kind = row.get("kind")
    fault = KINDS.get(kind) if isinstance(kind, str) else None
    if fault is None:
        raise ConfigurationError(f"{where}: kind is {kind!r}; valid: {', '.join(KINDS)}")
    keys = tuple(field.name for field in attrs.fields(fault))
    given = {key: value for key, value in row.items() if key != "kind"}
    _refuse_unknown(given, keys, f"{where} ({kind})")
    missing = [
        field.name
        for field in attrs.fields(fault)
        if field.default is attrs.NOTHING and field.name not in given
    ]
    if missing:
        raise ConfigurationError(f"{where} ({kind}): needs the key {missing[0]!r}")
    try:
        return fault(**given)
    except (TypeError, ValueError) as error:
        # attrs puts the sentence first, then the field and the value.
        raise ConfigurationError(f"{where} ({kind}): {error.args[0]}") from error
