"""The simulator's faults of each trouble; a request that is meant is the very next of its name."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from benchmarks.campaign_plan import Mishap, Phase, Trouble
from ibkeel.sim import Fault, faults

__all__ = ["faults_of", "longest"]

_ON_THE_WAY: Final = 0.02  # after a request was read, before the venue has it at 0.05
_OF_ORDERS: Final = ("open_order", "order_status", "execution", "commission_report")
_REJECTION: Final = "Order rejected - reason:the campaign says so"
_AT_REST: Final = frozenset({Phase.WORKING, Phase.PART_FILLED, Phase.HELD})


@attrs.frozen(kw_only=True)
class _Scene:
    """A mishap, where and when it comes.

    Args:
        mishap: What is to happen.
        request: The message that is about to be served.
    """

    mishap: Mishap
    request: str

    @property
    def lasts(self) -> float:
        """Seconds."""
        return self.mishap.duration

    @property
    def after(self) -> float:
        """Seconds from the moment of the phase."""
        return self.mishap.wait

    @property
    def number(self) -> int:
        """A further choice."""
        return self.mishap.number

    @property
    def in_family(self) -> dict[str, Any]:
        """At the request; of a bracket, at one of its orders."""
        skip = self.number % 3 if self.mishap.phase is Phase.SENDING else 0
        return {"when_request": self.request, "skip": skip}

    @property
    def set_back(self) -> dict[str, Any]:
        """Ids that the venue never saw come again; or all that were ever given."""
        return {"rolls_back_ids": True} if self.number % 4 == 0 else {"ids_begin_at": 1}


Faults = tuple[Fault, ...]


def _drop_before_ack(on: _Scene) -> Faults:
    lost: type[Fault] = faults.Unanswered if on.request == "cancel_order" else faults.LostAcknowledgement
    return lost(when_request=on.request, times=1), faults.ConnectionLost(wait=0.1)


def _roll_back(on: _Scene) -> Faults:
    """While an order is under way, it is in the Gateway's store, and its number is given again."""
    if on.mishap.phase in _AT_REST:
        return (faults.Restart(after=on.after, duration=on.lasts, **on.set_back),)
    restart = faults.Restart(after=0.1, duration=min(on.lasts, 20), **on.set_back)
    return faults.UpstreamLost(duration=on.lasts + 30), restart


def _upstream(on: _Scene) -> Faults:
    code = 1101 if on.mishap.trouble is Trouble.LOST_1101 else 1102
    return (faults.UpstreamLost(after=on.after, duration=on.lasts, restores_as=code),)


def _unanswered(on: _Scene) -> Faults:
    return (faults.Unanswered(when_request=on.request, times=1 + on.number % 4, duration=60.0),)


def _rejected(on: _Scene) -> Faults:
    return (faults.AnsweredWith(**on.in_family, times=1, code=201, text=_REJECTION),)


_MADE: Final[Mapping[Trouble, Callable[[_Scene], Faults]]] = {
    Trouble.DROP_BEFORE_SEND: lambda on: (faults.ConnectionLost(**on.in_family),),
    Trouble.DROP_AFTER_SEND: lambda on: (faults.ConnectionLost(**on.in_family, wait=_ON_THE_WAY),),
    Trouble.DROP_BEFORE_ACK: _drop_before_ack,
    Trouble.DROP_AFTER_FILL: lambda on: (faults.ConnectionLost(after=on.after),),
    Trouble.CRASH: lambda on: (faults.Crash(after=on.after, duration=on.lasts),),
    Trouble.RESTART_ROLLS_BACK: _roll_back,
    Trouble.LOST_1101: _upstream,
    Trouble.LOST_1102: _upstream,
    Trouble.STORED_ORDER: lambda on: (faults.UpstreamLost(duration=on.lasts),),
    Trouble.HALF_OPEN: lambda on: (faults.HalfOpen(after=on.after, duration=on.lasts),),
    Trouble.SLOW: lambda on: (faults.Slow(delay=0.5 + on.number, duration=on.lasts),),
    Trouble.DUPLICATED: lambda on: (faults.Duplicated(duration=on.lasts),),
    Trouble.REORDERED: lambda on: (faults.Reordered(duration=on.lasts, messages=_OF_ORDERS),),
    Trouble.DELAYED: lambda on: (faults.Delayed(duration=on.lasts, delay=0.2 + 0.5 * on.number),),
    Trouble.UNANSWERED: _unanswered,
    Trouble.NO_SERVICE: lambda on: (
        faults.Unanswered(when_request="place_order", duration=longest(on.mishap)),
    ),
    Trouble.ACK_LOST: lambda on: (faults.LostAcknowledgement(times=1 + on.number % 3, duration=60.0),),
    Trouble.REJECTED: _rejected,
}


def faults_of(mishap: Mishap, request: str) -> Faults:
    """What is to be injected at the moment of a mishap's phase.

    Args:
        mishap: What is to happen.
        request: The message that is about to be served.
    """
    return _MADE[mishap.trouble](_Scene(mishap=mishap, request=request))


def longest(mishap: Mishap) -> float:
    """Seconds after which it is over for certain."""
    match mishap.trouble:
        case Trouble.NO_SERVICE:
            return 120 + 2 * mishap.duration
        case Trouble.RESTART_ROLLS_BACK:
            return mishap.duration + 30
        case Trouble.UNANSWERED | Trouble.ACK_LOST:
            return 60.0
        case _:
            return mishap.duration
