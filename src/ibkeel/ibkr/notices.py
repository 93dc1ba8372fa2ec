"""What the Gateway says of itself: the link behind it, and its data farms."""

from types import MappingProxyType
from typing import Final

from ibkeel.clock import Clock
from ibkeel.model import Grade, HealthCheck
from ibkeel.telemetry import GatewayNoticed, Observer

__all__ = ["Notices"]

# Source: TWS API, "System Message Codes"; 2157 by analogy with 2158 (seen in public logs).
_UPSTREAM: Final = MappingProxyType({1100: Grade.DOWN, 1101: Grade.OK, 1102: Grade.OK, 2110: Grade.DOWN})
_FARMS: Final = MappingProxyType(
    {
        2103: Grade.DEGRADED,
        2104: Grade.OK,
        2105: Grade.DEGRADED,
        2106: Grade.OK,
        2107: Grade.OK,
        2108: Grade.OK,
        2119: Grade.DEGRADED,
        2157: Grade.DEGRADED,
        2158: Grade.OK,
    }
)


class Notices:
    """Keeps the last word on the upstream link and on each farm.

    Args:
        clock: Stamps the notices.
        observer: Told of each.
    """

    def __init__(self, clock: Clock, observer: Observer) -> None:
        self._clock = clock
        self._observer = observer
        self._last: dict[str, HealthCheck] = {}

    def on_error(self, code: int, text: str) -> None:
        """A message that names no request."""
        now = self._clock.now()
        self._observer.on_event(GatewayNoticed(at=now, code=code, text=text))
        if code in _UPSTREAM:
            self._note("upstream", _UPSTREAM[code], f"{code}: {text}")
        elif code in _FARMS:
            farm = text.rpartition(":")[2].strip() or "unnamed"
            self._note(f"farm {farm}", _FARMS[code], f"{code}: {text}")

    def _note(self, name: str, grade: Grade, evidence: str) -> None:
        self._last[name] = HealthCheck(name=name, grade=grade, evidence=evidence, at=self._clock.now())

    def checks(self) -> tuple[HealthCheck, ...]:
        """The last word on each, by name."""
        return tuple(self._last[name] for name in sorted(self._last))

    def forget(self) -> None:
        """A new session starts with no notices."""
        self._last.clear()
