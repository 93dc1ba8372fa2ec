"""The message rate of a client: counted always, enforced where the Gateway is set to reject."""

from enum import Enum, auto
from typing import Final

from ibkeel.sim.client import Client
from ibkeel.sim.faults import RejectsOverRate
from ibkeel.sim.world import World

__all__ = ["Admission", "admit"]

_BREACHES: Final = 3  # so many messages above the rate end the session
_TOO_FAST: Final = "Max rate of messages per second has been exceeded"


class Admission(Enum):
    """What becomes of a message before anybody looks at it."""

    SERVED = auto()
    REFUSED = auto()
    ENDS_SESSION = auto()
    DELAYED = auto()


def admit(world: World, client: Client, name: str | None) -> Admission:
    """Count a message and decide whether it comes too fast.

    Args:
        world: The state behind all sessions.
        client: Who sent it.
        name: Its kind; None: unknown.
    """
    counters, settings = world.counters, world.settings
    counters.messages += 1
    if name is not None:
        counters.requests[name] += 1
    now = world.now().timestamp()
    is_within = client.rate.record(now)
    if is_within and client.paced_until <= now:
        return Admission.SERVED
    if not is_within:
        counters.violated("message_rate", client.client_id)
    if settings.paces_over_rate:
        client.paced_until = max(client.paced_until, now) + 1.0 / settings.messages_per_second
        return Admission.DELAYED
    by_fault = world.disorder.first(RejectsOverRate, client.client_id) is not None
    if not (settings.rejects_over_rate or by_fault):
        return Admission.SERVED
    client.breaches += 1
    counted = f"max={settings.messages_per_second} rec={client.rate.events} ({client.breaches})"
    client.error(-1, 100, f"{_TOO_FAST}:{counted}", at=world.now())
    return Admission.ENDS_SESSION if client.breaches >= _BREACHES else Admission.REFUSED
