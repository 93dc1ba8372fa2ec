"""Takes changed limits over while a bot runs, between two cycles."""

import asyncio
from typing import Final, Protocol

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.journal import LimitsTaken
from ibkeel.orders import OrderLimits
from ibkeel.runner.config import RiskConfig
from ibkeel.runner.failures import Failures
from ibkeel.runner.limits_file import LimitsSource, Reread, differences, limits_at_the_door
from ibkeel.runner.recorder import Recorder
from ibkeel.telemetry import AlarmRaised, LimitsChanged, Observer, redact

__all__ = ["Retuned", "Retuning"]

_SETTLES: Final = 1.0  # seconds; what still changes then is only half written


class Retuned(Protocol):
    """Whom new limits are given to."""

    def use(self, risk: RiskConfig, limits: OrderLimits) -> None:
        """Keep to these from now on."""
        ...


class Retuning:
    """Looks whether there are new limits, and gives them to those who keep them.

    What is not valid changes nothing: it is an alarm, once, and the limits that held go on to hold.

    Args:
        source: Where limits are read again; None for nowhere.
        whom: Given the new ones.
        recorder: Journals what changed.
        failures: Told of what is not valid.
        clock: Stamps.
        observer: Told of both.
        risk: What holds at the start.
        limits: The same.
    """

    def __init__(
        self,
        source: LimitsSource | None,
        whom: Retuned,
        recorder: Recorder,
        failures: Failures,
        clock: Clock,
        observer: Observer,
        *,
        risk: RiskConfig,
        limits: OrderLimits,
    ) -> None:
        self._source, self._whom, self._recorder, self._failures = source, whom, recorder, failures
        self._clock, self._observer = clock, observer
        self._risk, self._limits = risk, limits
        self._needs_restart: tuple[str, ...] = ()
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
        self._whom.use(found.risk, limits)
        now, kept = self._clock.now(), found.needs_restart
        self._recorder.keep(LimitsTaken(at=now, changes=changes, needs_restart=kept))
        self._observer.on_event(LimitsChanged(at=now, changes=changes, needs_restart=kept))

    def _refused(self, error: ConfigurationError) -> None:
        self._failures.note("", error, "configuration")
        message = f"the changed configuration is not taken over, the limits that held still hold: {error}"
        self._observer.on_event(
            AlarmRaised(at=self._clock.now(), name="configuration", message=redact(message))
        )
