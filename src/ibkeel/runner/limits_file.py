"""The configuration file of a bot that runs: what may change under it, and what may not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

import attrs
from typing_extensions import override

from ibkeel.errors import ConfigurationError
from ibkeel.orders import OrderLimits
from ibkeel.runner.config import BotConfig, RiskConfig
from ibkeel.runner.load import check_config, load_config_as

__all__ = ["ConfigurationFile", "LimitsSource", "Reread", "differences", "limits_at_the_door"]

_TAKEN_OVER: Final = ("risk", "limits")


@attrs.frozen(kw_only=True)
class Reread:
    """What a file says now.

    Args:
        risk: How much may be risked.
        limits: What every entry must keep to.
        needs_restart: Dotted keys that differ from what the bot was started with and are not taken over.
    """

    risk: RiskConfig
    limits: OrderLimits
    needs_restart: tuple[str, ...] = ()


class LimitsSource(Protocol):
    """Where limits are read again."""

    def mark(self) -> object:
        """Compares unequal to an earlier one when there may be something new."""
        ...

    def read(self) -> Reread:
        """What holds from now on.

        Raises:
            ConfigurationError: It is not valid, as a whole; names every problem.
        """
        ...


class ConfigurationFile(LimitsSource):
    """A TOML file and the environment beside it.

    Args:
        path: The file.
        environ: Usually `os.environ`.
        started: What the bot was started with.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], started: BotConfig) -> None:
        self._path, self._environ, self._started = path, dict(environ), started

    @override
    def mark(self) -> object:
        """Time, size and number of the file; None while there is none."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    @override
    def read(self) -> Reread:
        """The whole file, checked as `ibkeel config check` does."""
        kind = type(self._started)
        problems = check_config(self._path, self._environ, kind)
        if problems:
            raise ConfigurationError("; ".join(map(str, problems)))
        found = load_config_as(kind, self._path, self._environ)
        return Reread(risk=found.risk, limits=found.limits, needs_restart=tuple(self._fixed(found)))

    def _fixed(self, found: BotConfig) -> Iterator[str]:
        for section in attrs.fields(type(found)):
            if section.name in _TAKEN_OVER:
                continue
            before, now = getattr(self._started, section.name), getattr(found, section.name)
            # Names alone: what stands behind some of these is a secret.
            yield from (f"{section.name}.{key}" for key, _, _ in _changed(before, now))


def limits_at_the_door(limits: OrderLimits | None, risk: RiskConfig) -> OrderLimits:
    """The limits of orders, with the stricter of the two ages of quotes.

    Args:
        limits: None for the usual figures.
        risk: Says how old a quote may be, too.
    """
    usual = limits or OrderLimits(max_quote_age=risk.max_quote_age)
    ages = [age for age in (usual.max_quote_age, risk.max_quote_age) if age is not None]
    return attrs.evolve(usual, max_quote_age=min(ages))


def differences(section: str, before: attrs.AttrsInstance, now: attrs.AttrsInstance) -> tuple[str, ...]:
    """What differs between two values of one section, such as `risk.max_contracts: 10 -> 5`."""
    return tuple(
        f"{section}.{key}: {_shown(old)} -> {_shown(new)}" for key, old, new in _changed(before, now)
    )


def _changed(before: attrs.AttrsInstance, now: attrs.AttrsInstance) -> Iterator[tuple[str, object, object]]:
    for field in attrs.fields(type(before)):
        old, new = getattr(before, field.name), getattr(now, field.name)
        if old != new:
            yield field.name, old, new


def _shown(value: object) -> str:
    return "off" if value is None else str(value)
