"""How each kind of request is served: a handler by the name of its message."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ibkeel.sim.services import (
    account,
    calculator,
    definitions,
    depth,
    exercise,
    extents,
    history,
    multi,
    oldticks,
    orders,
    profit,
    quotes,
    realtimebars,
    reference,
    scanner,
    summary,
    system,
    tickbytick,
    unsubscribed,
)
from ibkeel.sim.world import Handler

__all__ = ["HANDLERS"]

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        **system.HANDLERS,
        **definitions.HANDLERS,
        **quotes.HANDLERS,
        **history.HANDLERS,
        **orders.HANDLERS,
        **exercise.HANDLERS,
        **account.HANDLERS,
        **multi.HANDLERS,
        **summary.HANDLERS,
        **profit.HANDLERS,
        **realtimebars.HANDLERS,
        **tickbytick.HANDLERS,
        **oldticks.HANDLERS,
        **extents.HANDLERS,
        **depth.HANDLERS,
        **calculator.HANDLERS,
        **reference.HANDLERS,
        **scanner.HANDLERS,
        **unsubscribed.HANDLERS,
    }
)
