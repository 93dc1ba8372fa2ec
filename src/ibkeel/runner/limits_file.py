"""The configuration file of a bot that runs: what may change under it, and what may not."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.journal import LimitsTaken
from ibkeel.orders import OrderLimits
from ibkeel.runner.config import BotConfig, RiskConfig
from ibkeel.runner.load import check_config, load_config_as
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Failures
from ibkeel.telemetry import AlarmEnded, AlarmRaised, LimitsChanged, Observer, redact

_SETTLES: Final = 1.0  # seconds; what still changes then is only half written
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
        """The whole file, checked as `ibkeel config check` does.

        Raises:
            ConfigurationError: It is not valid, as a whole; names every problem.
        """
        kind = type(self._started)
        problems = check_config(self._path, self._environ, kind)
        if problems:
            raise ConfigurationError("; ".join(map(str, problems)))
        found = load_config_as(kind, self._path, self._environ)
        if found != self._started and self._is_empty():
            # What a full disk leaves of a file is valid, and would lift every limit.
            raise ConfigurationError(f"{self._path} is empty; for the defaults write [risk]")
        return Reread(risk=found.risk, limits=found.limits, needs_restart=tuple(self._fixed(found)))

    def _is_empty(self) -> bool:
        try:
            return not self._path.stat().st_size
        except OSError:
            return True  # it went while it was read

    def _fixed(self, found: BotConfig) -> Iterator[str]:
        for section in attrs.fields(type(found)):
            if section.name in _TAKEN_OVER:
                continue
            before, now = getattr(self._started, section.name), getattr(found, section.name)
            # Names alone: what stands behind some of these is a secret.
            yield from (f"{section.name}.{key}" for key, _, _ in _changed(before, now))


def limits_at_the_door(limits: OrderLimits | None, risk: RiskConfig) -> OrderLimits:
    """The limits of orders, by default the usual figures, with the stricter of the two ages of quotes."""
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


class Retuning:
    """Looks whether there are new limits, and gives them to those who keep them.

    What is not valid changes nothing: it is an alarm, once, and the limits that held go on to hold.
    """

    def __init__(
        self,
        source: LimitsSource | None,
        use: Callable[[RiskConfig, OrderLimits], None],
        recorder: Recorder,
        failures: Failures,
        clock: Clock,
        observer: Observer,
        *,
        risk: RiskConfig,
        limits: OrderLimits,
    ) -> None:
        self._source, self._use, self._recorder, self._failures = source, use, recorder, failures
        self._clock, self._observer = clock, observer
        self._risk, self._limits = risk, limits
        self._needs_restart: tuple[str, ...] = ()
        self._is_refused = False
        self._mark: object = self  # equal to no source's: the first look always reads

    async def look(self) -> None:
        """Take over what is new, if anything is."""
        if self._source is None or (mark := self._source.mark()) == self._mark:
            return
        if self._mark is not self:
            await asyncio.sleep(_SETTLES)
            if self._source.mark() != mark:
                return  # somebody is writing; the next cycle looks again
        self._mark = mark
        try:
            found = self._source.read()
        except ConfigurationError as error:
            self._refused(error)
        else:
            if self._is_refused:
                self._is_refused = False
                now, words = self._clock.now(), "it can be read again, and its limits hold"
                self._observer.on_event(AlarmEnded(at=now, name="configuration", message=words))
            self._take(found)

    def _take(self, found: Reread) -> None:
        limits = limits_at_the_door(found.limits, found.risk)
        changes = (
            *differences("risk", self._risk, found.risk),
            *differences("limits", self._limits, limits),
        )
        if not changes and found.needs_restart == self._needs_restart:
            return
        self._risk, self._limits, self._needs_restart = found.risk, limits, found.needs_restart
        self._use(found.risk, limits)
        now, kept = self._clock.now(), found.needs_restart
        self._recorder.keep(LimitsTaken(at=now, changes=changes, needs_restart=kept))
        self._observer.on_event(LimitsChanged(at=now, changes=changes, needs_restart=kept))

    def _refused(self, error: ConfigurationError) -> None:
        self._failures.note("", error, "configuration")
        message = f"the changed configuration is not taken over, the limits that held still hold: {error}"
        now, self._is_refused = self._clock.now(), True
        self._observer.on_event(
            AlarmRaised(at=now, name="configuration", message=redact(message), lasts=True)
        )
