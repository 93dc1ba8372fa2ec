"""What the services of streams share."""

from typing import Any, Final

from ibkeel.sim.client import Client
from ibkeel.sim.values import SimContract
from ibkeel.sim.world import Handler, Rejection, World

NOT_FOUND: Final = (300, "Can't find EId with tickerId:")


def permission(contract: SimContract) -> str:
    """What a Gateway says without live data for a contract (seen in public logs)."""
    return (
        f"No market data permissions for {contract.primary_exchange or contract.exchange} {contract.sec_type}"
    )


def cancels(kind: str, error: tuple[int, str] | None = None) -> Handler:
    """A handler that ends a stream.

    Args:
        kind: Which kind it ends.
        error: Code and beginning of the text for an id that has none; None: silence.
    """

    def cancel(world: World, client: Client, values: dict[str, Any]) -> None:
        request_id = values["request_id"]
        if not world.end_stream(client, kind, request_id) and error is not None:
            code, text = error
            raise Rejection(code, f"{text}{request_id}")

    return cancel
