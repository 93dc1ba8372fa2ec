"""What the Gateway says of itself: the link behind it, and its data farms."""

from types import MappingProxyType
from typing import Final

from ibkeel.clock import Clock
from ibkeel.ibkr.codes import ERROR_TABLE, About, ErrorTable, Reaction
from ibkeel.model import Grade, HealthCheck
from ibkeel.telemetry import FarmChanged, GatewayNoticed, Observer

_GRADES: Final = MappingProxyType(
    {
        Reaction.UPSTREAM_LOST: Grade.DOWN,
        Reaction.RESTORED_DATA_LOST: Grade.OK,
        Reaction.RESTORED_DATA_KEPT: Grade.OK,
        Reaction.FARM_BROKEN: Grade.DEGRADED,
        Reaction.FARM_CONNECTING: Grade.DEGRADED,
        Reaction.FARM_OK: Grade.OK,
        Reaction.FARM_IDLE: Grade.OK,
    }
)


class Notices:
    """Keeps the last word on the upstream link and on each farm.

    Args:
        clock: Stamps the notices.
        observer: Told of each.
        codes: What error codes mean.
    """

    def __init__(self, clock: Clock, observer: Observer, codes: ErrorTable = ERROR_TABLE) -> None:
        self._clock = clock
        self._observer = observer
        self._codes = codes
        self._last: dict[str, HealthCheck] = {}

    def on_error(self, code: int, text: str) -> None:
        """A message that names no request."""
        now = self._clock.now()
        self._observer.on_event(GatewayNoticed(at=now, code=code, text=text))
        meaning = self._codes.find(code, text, About.SYSTEM)
        grade = _GRADES.get(meaning.reaction)
        if grade is None:
            return
        farm = text.rpartition(":")[2].strip() or "unnamed"
        name = "upstream" if meaning.farm is None else f"farm {farm}"
        before = self._last.get(name)
        if before is None or before.grade is not grade:
            self._observer.on_event(
                FarmChanged(
                    at=now,
                    farm=name,
                    before="" if before is None else before.grade.value,
                    after=grade.value,
                    evidence=f"{code}: {text}",
                )
            )
        self._last[name] = HealthCheck(
            name=name,
            grade=grade,
            evidence=f"{code}: {text}",
            at=now,
            remedy="" if grade is Grade.OK else meaning.remedy,
        )

    def checks(self) -> tuple[HealthCheck, ...]:
        """The last word on each, by name."""
        return tuple(self._last[name] for name in sorted(self._last))

    def forget(self) -> None:
        """A new session starts with no notices."""
        self._last.clear()
