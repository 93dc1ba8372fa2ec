"""Whether a request for history comes too soon, or is one too many."""

from typing import Final

from ibkeel.sim.client import Client
from ibkeel.sim.pacing import Key
from ibkeel.sim.world import Rejection, World

OF_HISTORY: Final = "Historical Market Data Service error message:"
_VIOLATION: Final = f"{OF_HISTORY}Historical data request pacing violation"
_TWICE: Final = "BID_ASK"


def check_room(world: World, client: Client) -> None:
    """Make sure that one more historical request may be open.

    Raises:
        Rejection: There are as many as may be.
    """
    limit = world.settings.open_histories
    if world.counters.open_histories >= limit:
        world.counters.violated("open_histories", client.client_id)
        text = f"Only {limit} simultaneous API historical data requests allowed"
        raise Rejection(162, OF_HISTORY + text)


def pace_history(
    world: World, client: Client, *, identity: Key, stream: Key, what: str, seconds: float = 0.0
) -> None:
    """Count a historical request against the rules about pace.

    Args:
        world: The state behind all sessions.
        client: Who asks.
        identity: What makes two requests identical.
        stream: Contract, exchange and kind.
        what: The kind; BID_ASK counts twice.
        seconds: Length of the bars; longer ones are not paced.

    Raises:
        Rejection: A rule is broken.
    """
    limits, pacing, now = world.settings.limits, world.pacing, world.now().timestamp()
    is_paced = seconds <= limits.paced_bar_seconds
    if pacing.repeated(now, identity, limits.identical_history) and (
        is_paced or world.settings.paces_identical_histories
    ):
        _refuse(world, client, "identical_history")
    if not is_paced:
        return
    crowded = pacing.crowded(now, stream)
    if pacing.over_budget(now, 2 if what == _TWICE else 1):
        _refuse(world, client, "histories")
    if crowded:
        _refuse(world, client, "same_contract_histories")


def _refuse(world: World, client: Client, rule: str) -> None:
    world.counters.violated(rule, client.client_id)
    raise Rejection(162, _VIOLATION)
