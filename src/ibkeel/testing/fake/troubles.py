"""What a fake broker is asked, and which of it fails or takes its time."""

from collections.abc import Mapping
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.validators import expect

KINDS: Final = (
    "account", "all_open_orders", "bars", "cancel", "completed_orders", "connect", "executions", "health", "modify",
    "open_orders", "option_chain", "order_events", "place", "pnl", "positions", "preview", "qualify",
    "quote", "stream_quotes",
)  # fmt: skip
"""What a `FakeBroker` can be told to fail or delay: its methods; `quotes` counts as `quote`."""


@attrs.frozen
class Call:
    """One request that a `FakeBroker` was asked.

    Args:
        kind: One of `KINDS`.
        subject: A contract, an order or an order id; None where there is none.
    """

    kind: str
    subject: object = None


@attrs.define
class _Fault:
    error: Exception
    times: int | None
    subject: object | None


class Troubles:
    """Errors and delays, by kind of request.

    Args:
        delays: Seconds that a kind of request takes.

    Raises:
        InvalidInput: There is no such kind.
    """

    def __init__(self, delays: Mapping[str, float]) -> None:
        self._delays: dict[str, float] = {}
        self._faults: dict[str, list[_Fault]] = {}
        for kind, seconds in delays.items():
            self.delay(kind, seconds)

    def fail(self, kind: str, error: Exception, times: int | None, subject: object | None) -> None:
        """From now on end requests of a kind in an error, so many times, or until `heal`."""
        expect(error, BaseException)
        self._faults.setdefault(_known(kind), []).append(_Fault(error, times, subject))

    def heal(self, kind: str) -> None:
        """Forget the errors of a kind."""
        self._faults.pop(_known(kind), None)

    def delay(self, kind: str, seconds: float) -> None:
        """From now on let requests of a kind take so many seconds."""
        self._delays[_known(kind)] = seconds

    def delay_of(self, kind: str) -> float:
        """Seconds that a request of a kind takes."""
        return self._delays.get(kind, 0.0)

    def strike(self, kind: str, subject: object) -> None:
        """Raise the error that is due for a request, if one is."""
        for fault in self._faults.get(kind, ()):
            if fault.times != 0 and (fault.subject is None or fault.subject == subject):
                fault.times = None if fault.times is None else fault.times - 1
                raise fault.error


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise InvalidInput(f"{kind!r} is no kind of request; valid: {', '.join(KINDS)}")
    return kind
