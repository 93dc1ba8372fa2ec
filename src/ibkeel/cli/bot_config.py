"""A bot's whole file; `ibkeel config init` and `check`: one to begin with, and what is wrong with one."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs
import click
import tomli_w

from ibkeel.cli.app import ExitCode
from ibkeel.cli.screen import AS_JSON
from ibkeel.errors import ConfigurationError
from ibkeel.model import to_data
from ibkeel.monitor import AlertsConfig, TelemetryConfig
from ibkeel.monitor.monitor import unmet
from ibkeel.runner import (
    ENVIRONMENT_PREFIX,
    PROFILES,
    BotConfig,
    ConfigurationProblem,
    RunnerConfig,
    check_config,
    load_config_as,
)
from ibkeel.strategy import Confirmed, Strategy, default_registry

_HEADER: Final = """\
# A bot, with every setting at {begins}. Start it with `ibkeel run {name}`.
# In DRY_RUN nothing is sent; what would have been is in the journal.

"""


@attrs.frozen(kw_only=True)
class MonitoredBot(BotConfig):
    """A bot and those who watch it; each field is a section of its file."""

    telemetry: TelemetryConfig = attrs.field(factory=TelemetryConfig)
    alerts: AlertsConfig = attrs.field(factory=AlertsConfig)


def bot_of(path: Path | None) -> MonitoredBot:
    """What a file and the environment say of a bot; the defaults without a file."""
    return MonitoredBot() if path is None else load_config_as(MonitoredBot, path, os.environ)


def tickers(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Tickers with commas, or ConfigurationError when a file may not say them; None where nothing was typed."""
    if text is None:
        return None
    return RunnerConfig(symbols=[part.strip().upper() for part in text.split(",") if part.strip()]).symbols


@click.group()
def config() -> None:
    """Configuration files."""


@config.command("init")
@click.argument("path", type=click.Path(path_type=Path), default=Path("bot.toml"))
@click.option(
    "--strategy",
    help="Name of a registered strategy, or names joined by `+`. [default: the profile's, else scalp]",
)
@click.option("--profile", type=click.Choice(list(PROFILES)), help="Which settings to begin with.")
def init(path: Path, strategy: str | None, profile: str | None) -> None:
    """Write a file with every setting, those of the strategy included; an existing one is kept."""
    if str(path) == "-":
        raise ConfigurationError(
            "cannot write to '-': a configuration is a file; valid: a path such as bot.toml"
        )
    begins = "its default" if profile is None else f"the value of the profile {profile}"
    text = _HEADER.format(name=path.name, begins=begins) + template(strategy, profile)
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists; choose another path") from None
    except OSError as error:
        with suppress(OSError):  # a full disk leaves a part of it
            path.unlink()
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"wrote {path}")


@config.command("check")
@click.argument("path", type=click.Path(path_type=Path), default=Path("bot.toml"))
@AS_JSON
def check(path: Path, *, as_json: bool) -> int:
    """Say everything that is wrong with a file and with the variables of the environment beside it.

    Ends with 0 when nothing is, with 2 when something is. Nothing is connected.
    """
    problems = check_config(path, os.environ, MonitoredBot) or _unmet(path)
    if as_json:
        rows = [attrs.asdict(problem) for problem in problems]
        click.echo(json.dumps({"path": str(path), "is_valid": not rows, "problems": rows}, indent=2))
    elif problems:
        for problem in problems:
            click.echo(str(problem))
        click.echo(f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}", err=True)
    else:
        click.echo(f"{path}: nothing is wrong with it")
    return ExitCode.USAGE if problems else ExitCode.SUCCESS


def _unmet(path: Path) -> tuple[ConfigurationProblem, ...]:
    """What a bot of a valid file would need to be watched, and cannot have here."""
    bot = bot_of(path)
    return tuple(
        ConfigurationProblem(key="", valid=said, origin=str(path))
        for said in unmet(bot.telemetry, bot.alerts)
    )


def template(strategy: str | None = None, profile: str | None = None) -> str:
    """A bot's configuration as TOML, with every setting.

    Args:
        strategy: A registered name, or names joined by `+`; None for the profile's, else the default.
        profile: Whose values to begin with; None for the defaults.
    """
    named = {} if profile is None else {f"{ENVIRONMENT_PREFIX}RUNNER__PROFILE": profile}
    bot = load_config_as(MonitoredBot, None, named)
    data, chosen = to_data(bot), bot.strategy.name if strategy is None else strategy
    data["strategy"] = {"name": chosen, "params": _settings(default_registry().create(chosen))}
    return "\n".join(_section(name, keys) for name, keys in data.items())


def _section(name: str, keys: Mapping[str, Any]) -> str:
    """A section as TOML, which has no null: a comment names the keys that are not set."""
    unset = [key for key, value in keys.items() if value in (None, {})]
    comment = f"# not set: {', '.join(unset)}\n" if unset else ""
    return tomli_w.dumps({name: _given({key: keys[key] for key in keys if key not in unset})}) + comment


def _settings(strategy: Strategy) -> dict[str, Any]:
    """The settings of a strategy; of a composition, those of each part under its name."""
    if isinstance(strategy, Confirmed):
        return {part.name: _settings(part) for part in (strategy.decides, *strategy.confirms)}
    kind: type[Any] = type(strategy)
    if not attrs.has(kind):
        return {}
    own = {field.name: getattr(strategy, field.name) for field in attrs.fields(kind) if field.init}
    return {name: _plain(value) for name, value in own.items()}


def _plain(value: object) -> Any:
    """Plain data of a setting; a mapping may be of a kind that no converter knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(row) for key, row in value.items()}
    return to_data(value)


def _given(data: Any) -> Any:
    """The same without what is not set."""
    if isinstance(data, Mapping):
        return {key: _given(value) for key, value in data.items() if value is not None}
    return data
