"""What the Gateway says of itself: the link behind it, its data farms, and what that means for the session."""

from types import MappingProxyType
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.ibkr.code_rows import ERROR_TABLE
from ibkeel.ibkr.codes import About, ErrorTable, Farm, Meaning, Reaction
from ibkeel.ibkr.states import SessionEvent
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
_MOST: Final = 100  # as the board keeps


@attrs.frozen
class DataFarm:
    """One of the Gateway's sources of data: what it serves, and its name in the notices, such as `usfarm`."""

    kind: Farm
    name: str

    @override
    def __str__(self) -> str:
        return f"{self.kind.value} farm {self.name}"


# A farm that is idle answers when it is asked, so it is well; one that is connecting says nothing yet.
_EVENTS: Final = MappingProxyType(
    {
        Reaction.UPSTREAM_LOST: SessionEvent.UPSTREAM_LOST,
        Reaction.RESTORED_DATA_LOST: SessionEvent.RESTORED_DATA_LOST,
        Reaction.RESTORED_DATA_KEPT: SessionEvent.RESTORED_DATA_KEPT,
        Reaction.FARM_BROKEN: SessionEvent.FARM_BROKEN,
        Reaction.FARM_OK: SessionEvent.FARM_WELL,
        Reaction.FARM_IDLE: SessionEvent.FARM_WELL,
        Reaction.RECONNECT: SessionEvent.PORT_RESET,
    }
)


def heard(meaning: Meaning, text: str) -> tuple[SessionEvent, DataFarm | None] | None:
    """What a notice means for the session; None when it means nothing.

    Args:
        meaning: The row of its code; rows about a request or an order mean nothing for the session.
        text: A farm's name stands after its last colon.

    Examples:
        >>> from ibkeel.ibkr import ERROR_TABLE
        >>> text = "Market data farm connection is broken:usfarm"
        >>> event, farm = heard(ERROR_TABLE.find(2103, text, About.SYSTEM), text)
        >>> print(event, "-", farm)
        farm broken - market data farm usfarm
    """
    event = _EVENTS.get(meaning.reaction)
    if event is None or meaning.about is not About.SYSTEM:
        return None
    if meaning.farm is None:
        return event, None
    return event, DataFarm(meaning.farm, text.rpartition(":")[2].strip() or "unnamed")


class Notices:
    """Keeps the last word on the upstream link and on each farm, of a hundred at most."""

    def __init__(self, clock: Clock, observer: Observer, codes: ErrorTable = ERROR_TABLE) -> None:
        self._clock = clock
        self._observer = observer
        self._codes = codes
        self._last: dict[str, HealthCheck] = {}

    def on_error(self, code: int, text: str) -> None:
        """A message that names no request."""
        self._observer.on_event(GatewayNoticed(at=self._clock.now(), code=code, text=text))
        meaning = self._codes.find(code, text, About.SYSTEM)
        grade = _GRADES.get(meaning.reaction)
        if grade is None:
            return
        farm = text.rpartition(":")[2].strip() or "unnamed"
        name = "upstream" if meaning.farm is None else f"farm {farm}"
        self._note(name, grade, f"{code}: {text}", "" if grade is Grade.OK else meaning.remedy)

    def servers_answered(self) -> None:
        """What only they know came back, though no notice said that they are there again."""
        self._note("upstream", Grade.OK, "the servers answered")

    def _note(self, name: str, grade: Grade, evidence: str, remedy: str = "") -> None:
        now, before = self._clock.now(), self._last.pop(name, None)  # last heard of stands last
        if before is None or before.grade is not grade:
            self._observer.on_event(
                FarmChanged(
                    at=now,
                    farm=name,
                    before="" if before is None else before.grade.value,
                    after=grade.value,
                    evidence=evidence,
                )
            )
        self._last[name] = HealthCheck(name=name, grade=grade, evidence=evidence, at=now, remedy=remedy)
        if len(self._last) > _MOST:
            del self._last[min(self._last, key=self._worth)]

    def _worth(self, name: str) -> tuple[bool, bool]:
        """Trouble is kept longer than what is well, and the link upstream longest."""
        return self._last[name].grade is not Grade.OK, name == "upstream"

    def checks(self) -> tuple[HealthCheck, ...]:
        """The last word on each, by name."""
        return tuple(self._last[name] for name in sorted(self._last))

    def forget(self) -> None:
        """A new session starts with no notices."""
        self._last.clear()
