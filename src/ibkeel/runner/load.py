"""A bot's configuration from a TOML file and the environment, all problems reported at once."""

import gc
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from ibkeel.errors import ConfigurationError
from ibkeel.runner.config import PROFILES, BotConfig
from ibkeel.runner.settings import (
    ACCOUNTS,
    Clash,
    ConfigurationProblem,
    checked,
    clashes,
    lines_of,
    refuse,
    strategy_clashes,
)

if TYPE_CHECKING:
    from typed_settings.loaders import Loader
    from typed_settings.types import LoadedSettings, OptionList

ENVIRONMENT_PREFIX: Final = "IBKEEL_"
"""What a variable that sets a key begins with."""
_DELIMITER: Final = "__"
_DEFAULT: Final = "default"
_HIDDEN: Final = "***"
_PROFILE: Final = "runner.profile"


B = TypeVar("B", bound=BotConfig)


def load_config(path: Path | None, environ: Mapping[str, str]) -> BotConfig:
    """Read a bot's configuration; see `load_config_as`."""
    return load_config_as(BotConfig, path, environ)


def load_config_as(kind: type[B], path: Path | None, environ: Mapping[str, str]) -> B:
    """Read a bot's configuration; a variable of the environment wins over the file.

    `IBKEEL_RUNNER__INTERVAL=600` sets `interval` in the section `[runner]`; a list is written
    with commas. Variables without two underscores after the prefix belong to others, but for
    `IBKEEL_RUNNER_INTERVAL` and its like: there one was forgotten.

    Args:
        kind: The configuration, or one with more sections.
        path: A TOML file; None reads the environment alone.
        environ: Usually `os.environ`.

    Returns:
        Every value checked. The strategy's own settings are checked by whoever makes it.

    Raises:
        ConfigurationError: The file cannot be read, or a key or a value is not valid, or two do not
            fit together: the message names every one of them with its origin and what is valid.
    """
    reading = _Reading(path, environ)
    config = reading.config(kind)
    refuse(reading.problems(clashes(config)))
    return config


def check_config(
    path: Path | None, environ: Mapping[str, str], kind: type[BotConfig] = BotConfig
) -> tuple[ConfigurationProblem, ...]:
    """Everything that is wrong with a configuration, the strategy's own settings included.

    Args:
        path: A TOML file; None reads the environment alone.
        environ: Usually `os.environ`.
        kind: The configuration, or one with more sections.

    Raises:
        ConfigurationError: The file cannot be read, or the extra `[bot]` is missing.
    """
    reading = _Reading(path, environ)
    config = reading.config(kind)
    return reading.problems((*clashes(config), *strategy_clashes(config)))


class _Reading:
    """One reading of the sources: what they say, and what is wrong with it."""

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
        self._problems: list[ConfigurationProblem] = []
        self._origins: dict[str, str] = {}
        self._layers: list[Loader] = []
        self._said: dict[str, Any] = {}
        self._environ = environ
        if path is not None:
            self._read_file(path)
        self._add(_environment_values(environ), _variable)
        self._add_profile()

    def config(self, kind: type[B]) -> B:
        """The configuration, with the default for each value that has a problem."""
        try:
            import typed_settings
            from typed_settings.converters import get_default_cattrs_converter
        except ImportError:
            raise ConfigurationError(
                "reading a configuration needs typed-settings; install 'ibkeel[bot]'"
            ) from None
        converter = get_default_cattrs_converter()
        converter.register_structure_hook(Decimal, lambda value, _: value)  # it is one: it was checked
        with _without_collections():
            config = typed_settings.load_settings(kind, self._layers, converter=converter)
        self._problems.extend(_one_underscore_short(self._environ, config))
        return config

    def problems(self, found: Iterator[Clash] | tuple[Clash, ...]) -> tuple[ConfigurationProblem, ...]:
        """Problems with single values, then what does not fit together among the good ones."""
        bad = {problem.key for problem in self._problems}
        together = [
            ConfigurationProblem.of(clash.key, clash.value, clash.valid, self._origin(clash))
            for clash in found
            if bad.isdisjoint((clash.key, *clash.others))
        ]
        return (*self._problems, *together)

    def _origin(self, clash: Clash) -> str:
        """Where the key was set; else where one was that it is held against."""
        named = (self._origins[key] for key in (clash.key, *clash.others) if key in self._origins)
        return next(named, _DEFAULT)

    def _read_file(self, path: Path) -> None:
        text = _text(path)
        try:
            values = dict(_flat(tomllib.loads(text)))
        except (ValueError, RecursionError) as error:  # of numbers and brackets without end too
            quotes = "; text needs quotes" if "Invalid value" in str(error) else ""
            problem = ConfigurationProblem(key="", valid=f"is not TOML: {error}{quotes}", origin=str(path))
            self._problems.append(problem)
            return
        origin = _FileOrigin(path, text)
        self._origins |= {key: origin(key) for key in origin.lines}
        self._add(values, origin)

    def _add(self, values: Mapping[str, Any], origin: Callable[[str], str]) -> None:
        self._origins |= {key: origin(key) for key in values}
        self._said |= values
        self._layers.append(_Layer(values, origin, self._problems))

    def _add_profile(self) -> None:
        """Below all others, what the profile says that they name."""
        name = self._said.get(_PROFILE)
        if not isinstance(name, str) or name not in PROFILES:
            return  # there is none, or it is a problem of its own
        given = {key: value for key, value in PROFILES[name].items() if key not in self._said}
        self._origins |= dict.fromkeys(given, f"profile {name}")
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
        self._layers.insert(0, _Layer(plain, self._origins.__getitem__, self._problems))


@contextmanager
def _without_collections() -> Iterator[None]:
    """No garbage is collected within the block.

    typed-settings parses the source of each class; in CPython 3.11 a finaliser that a collection runs
    meanwhile can end that with a SystemError, and a bot that runs reads its file again.

    Source: CPython issue 106905, "AST constructor recursion depth mismatch".
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, content in data.items():
        if isinstance(content, dict) and content:
            yield from ((f"{section}.{key}", value) for key, value in content.items())
        else:
            yield section, content


def _environment_values(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower().replace(_DELIMITER, ".", 1): text
        for name, text in sorted(environ.items())
        if name.startswith(ENVIRONMENT_PREFIX) and _DELIMITER in name.removeprefix(ENVIRONMENT_PREFIX)
    }


def _one_underscore_short(environ: Mapping[str, str], config: BotConfig) -> Iterator[ConfigurationProblem]:
    """Variables that would be taken for somebody else's, while a limit or a mode does not hold."""
    for section in attrs.fields(type(config)):
        for key in attrs.fields(type(getattr(config, section.name))):
            name = f"{ENVIRONMENT_PREFIX}{section.name}_{key.name}".upper()
            if name in environ:
                meant = _variable(f"{section.name}.{key.name}")
                valid = f"sets nothing: two underscores follow the section; did you mean {meant}?"
                yield ConfigurationProblem(key="", valid=valid, origin=name)


class _FileOrigin:
    """Says on which line of a file a key stands."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self.lines = path, lines_of(text)

    def __call__(self, key: str) -> str:
        """Such as `bot.toml:12`."""
        below = (line for one, line in self.lines.items() if one.startswith(f"{key}."))
        line = self.lines.get(key) or next(below, None)
        return str(self._path) if line is None else f"{self._path}:{line}"


def _variable(key: str) -> str:
    return f"{ENVIRONMENT_PREFIX}{key.upper().replace('.', _DELIMITER, 1)}"


class _Layer:
    """One source of settings: passes on what is valid and notes what is not."""

    def __init__(
        self,
        values: Mapping[str, Any],
        origin: Callable[[str], str],
        problems: list[ConfigurationProblem],
    ) -> None:
        self._values, self._origin, self._problems = values, origin, problems

    def __call__(self, settings_cls: type, options: "OptionList") -> "LoadedSettings":  # noqa: ARG002 - the protocol of a loader
        from typed_settings.dict_utils import set_path
        from typed_settings.types import LoadedSettings, LoaderMeta

        known = {option.path: option for option in options}
        settings: dict[str, Any] = {}
        for path, value in self._values.items():
            if path not in known:
                self._note_stranger(path, value, known)
            else:
                attribute: attrs.Attribute[Any] = getattr(
                    attrs.fields(known[path].parent_cls), known[path].name
                )
                try:
                    set_path(settings, path, checked(attribute, value))
                except (ValueError, TypeError) as error:
                    # What a representation does not show, an error does not either.
                    self._note(path, value, str(error), is_secret=not attribute.repr)
        return LoadedSettings(settings, LoaderMeta(self))

    def _note_stranger(self, path: str, value: object, known: Mapping[str, Any]) -> None:
        """Say what is wrong with what has no field; once with all the keys below a section that there is not."""
        section, below, name = path.partition(".")
        names, origin = _neighbours(path, known), self._origin(path)
        hidden = "://" in repr(value)  # a secret may stand under a misspelt key
        valid = f"valid: {', '.join(names)}"
        if _is_section(path, known):
            if value != {}:
                self._note(
                    path, value, f"is a section; write [{path}] and below it keys; {valid}", is_secret=hidden
                )
            return
        form = f"{section}.{{}}"
        if not _is_section(section, known):
            path, name, form, value = section, section, "[{}]", {} if below else value
        near = get_close_matches(name, names, n=1)
        meant = f"did you mean {form.format(*near)}? {valid}" if near else valid
        if not _is_table(value):
            self._note(path, value, f"unknown key; {meant}", is_secret=hidden)
            return
        said = f"unknown section [{path}]; {meant}"
        if said not in (problem.valid for problem in self._problems):
            self._problems.append(ConfigurationProblem(key="", valid=said, origin=origin))

    def _note(self, path: str, value: object, why: str, *, is_secret: bool = False) -> None:
        if is_secret and path not in ACCOUNTS:
            why, value = why.replace(repr(value), _HIDDEN), _HIDDEN
        self._problems.append(ConfigurationProblem.of(path, value, why, self._origin(path)))


def _is_table(value: object) -> bool:
    return isinstance(value[0] if isinstance(value, list) and value else value, dict)


def _is_section(path: str, known: Mapping[str, Any]) -> bool:
    return any(option.startswith(f"{path}.") for option in known)


def _neighbours(path: str, known: Mapping[str, Any]) -> list[str]:
    """The keys of the same section, or the sections when there is no such section."""
    section = path.partition(".")[0]
    keys = sorted(option.removeprefix(f"{section}.") for option in known if option.startswith(f"{section}."))
    return keys or sorted({option.partition(".")[0] for option in known})
