"""A bot's configuration from a TOML file and the environment, all problems reported at once."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from ibkeel.errors import ConfigurationError
from ibkeel.runner.config import BotConfig
from ibkeel.runner.origins import lines_of

if TYPE_CHECKING:
    from typed_settings.loaders import Loader
    from typed_settings.types import LoadedSettings, OptionInfo, OptionList

__all__ = ["ENVIRONMENT_PREFIX", "load_config"]

ENVIRONMENT_PREFIX: Final = "IBKEEL_"
_DELIMITER: Final = "__"


def load_config(path: Path | None, environ: Mapping[str, str]) -> BotConfig:
    """Read a bot's configuration; a variable of the environment wins over the file.

    `IBKEEL_RUNNER__INTERVAL=600` sets `interval` in the section `[runner]`; a list is written
    with commas. Variables without two underscores after the prefix belong to others.

    Args:
        path: A TOML file; None reads the environment alone.
        environ: Usually `os.environ`.

    Returns:
        Every value checked.

    Raises:
        ConfigurationError: The file cannot be read, or a key or a value is not valid: the message
            names every one of them with its origin and what is valid.
    """
    try:
        import typed_settings  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "reading a configuration needs typed-settings; install 'ibkeel[bot]'"
        ) from None
    problems: list[str] = []
    layers: list[Loader] = []
    if path is not None:
        text = _text(path)
        layers.append(_Layer(_file_values(path, text), _FileOrigin(path, text), problems))
    layers.append(_Layer(_environment_values(environ), _variable, problems))
    config = typed_settings.load_settings(BotConfig, layers)
    if problems:
        raise ConfigurationError("; ".join(problems))
    return config


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error


def _file_values(path: Path, text: str) -> dict[str, Any]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    return dict(_flat(data))


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, content in data.items():
        if isinstance(content, dict):
            yield from ((f"{section}.{key}", value) for key, value in content.items())
        else:
            yield section, content


def _environment_values(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower().replace(_DELIMITER, ".", 1): text
        for name, text in sorted(environ.items())
        if name.startswith(ENVIRONMENT_PREFIX) and _DELIMITER in name.removeprefix(ENVIRONMENT_PREFIX)
    }


class _FileOrigin:
    """Says on which line of a file a key stands."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text

    def __call__(self, key: str) -> str:
        """Such as `bot.toml:12`."""
        line = lines_of(self._text).get(key)
        return str(self._path) if line is None else f"{self._path}:{line}"


def _variable(key: str) -> str:
    """The variable of the environment that sets a key."""
    return f"{ENVIRONMENT_PREFIX}{key.upper().replace('.', _DELIMITER, 1)}"


class _Layer:
    """One source of settings: passes on what is valid and notes what is not."""

    def __init__(self, values: Mapping[str, Any], origin: Callable[[str], str], problems: list[str]) -> None:
        self._values, self._origin, self._problems = values, origin, problems

    def __call__(self, settings_cls: type, options: "OptionList") -> "LoadedSettings":  # noqa: ARG002 - the protocol of a loader
        """The valid values, as typed-settings wants them."""
        from typed_settings.dict_utils import set_path  # noqa: PLC0415 - an extra
        from typed_settings.types import LoadedSettings, LoaderMeta  # noqa: PLC0415 - an extra

        known = {option.path: option for option in options}
        settings: dict[str, Any] = {}
        for path, value in self._values.items():
            if path not in known:
                self._note(path, value, f"unknown key; valid: {', '.join(_neighbours(path, known))}")
                continue
            try:
                set_path(settings, path, _checked(known[path], value))
            except (ValueError, TypeError) as error:
                self._note(path, value, str(error))
        return LoadedSettings(settings, LoaderMeta(self))

    def _note(self, path: str, value: object, why: str) -> None:
        self._problems.append(f"{path} = {value!r} ({self._origin(path)}): {why}")


def _neighbours(path: str, known: Mapping[str, Any]) -> list[str]:
    """The keys of the same section, or the sections when there is no such section."""
    section = path.partition(".")[0]
    keys = sorted(option.removeprefix(f"{section}.") for option in known if option.startswith(f"{section}."))
    return keys or sorted({option.partition(".")[0] for option in known})


_WORDS: Final = {
    dict: "a table",
    float: "a number",
    int: "a whole number",
    str: "a text",
    tuple: "a list of texts",
}


def _checked(option: "OptionInfo", value: Any) -> Any:
    """The value in the option's type, once its validator has let it pass."""
    converted = _converted(option, value)
    attribute: attrs.Attribute[Any] = getattr(attrs.fields(option.parent_cls), option.name)
    if attribute.validator is not None:
        attribute.validator(None, attribute, converted)
    return converted


def _converted(option: "OptionInfo", value: Any) -> Any:
    cls: Any = option.cls
    text = str(cls)
    if "Mapping" in text:
        if not isinstance(value, dict):
            raise ConfigurationError(f"{value!r} is not {_WORDS[dict]}")
        return value
    if "tuple" in text:
        return _texts(value)
    for kind in (int, float, str):
        if cls is kind or cls == kind | None:
            return _scalar(kind, value)
    try:
        return cls(value)
    except ValueError:
        valid = ", ".join(getattr(member, "value", "") for member in cls)
        raise ConfigurationError(f"valid: {valid}") from None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ConfigurationError(f"{value!r} is not {_WORDS[tuple]}")


def _scalar(kind: type[Any], value: Any) -> Any:
    """Numbers may come as text from the environment; TOML's own types are not bent."""
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if fits and not isinstance(value, bool):
        return kind(value)
    if isinstance(value, str) and kind is not str:
        try:
            return kind(value)
        except ValueError:
            pass
    raise ConfigurationError(f"{value!r} is not {_WORDS[kind]}")
