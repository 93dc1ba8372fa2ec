"""How each kind of request is served: a handler by the name of its message."""

from collections.abc import Mapping
from typing import Final

from ibkeel.sim.services import (
    account,
    contracts,
    history,
    options,
    orders,
    past,
    quotes,
    subscribed,
    system,
)
from ibkeel.sim.world import Handler

__all__ = ["HANDLERS"]

HANDLERS: Final[Mapping[str, Handler]] = {
    **system.HANDLERS,
    **contracts.HANDLERS,
    **quotes.HANDLERS,
    **history.HANDLERS,
    **orders.HANDLERS,
    **account.HANDLERS,
    **subscribed.HANDLERS,
    **past.HANDLERS,
    **options.HANDLERS,
}
