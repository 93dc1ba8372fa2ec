"""Market depth: the best prices as the feed shows them, and levels behind them that are made up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import resolve
from ibkeel.sim.services.feed import Change, follow
from ibkeel.sim.services.streams import cancels
from ibkeel.sim.values import MarketQuote, SimContract
from ibkeel.sim.world import Handler, Rejection, World

_KIND: Final = "market_depth"
_MOST_ROWS: Final = 20
_INSERT, _UPDATE, _DELETE = 0, 1, 2
_ASK, _BID = 0, 1
_NO_DEPTH: Final = "Deep market data is not supported for this combination of security type/exchange"


class _Level(NamedTuple):
    price: float
    size: float


_Book = dict[int, list[_Level]]


def _market_depth(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    contract = resolve(world, values)
    if contract.sec_type in {"IND", "BAG"}:
        raise Rejection(10092, _NO_DEPTH)
    if not world.is_entitled:
        raise Rejection(354, "Requested market data is not subscribed.")
    limit = world.settings.limits.depth
    if limit is not None and world.running(_KIND) >= limit:
        world.counters.violated("depth", client.client_id)
        raise Rejection(309, f"Max number ({limit}) of market depth requests has been reached")
    stream = Stream(kind=_KIND, request_id=request_id, contract=contract)
    world.open_stream(client, stream)
    rows = min(max(values["rows"] or 1, 1), _MOST_ROWS)
    is_smart = values["is_smart"]
    shown: _Book = {_BID: [], _ASK: []}

    def show(change: Change) -> None:
        for side, levels in _levels(contract, change[1], rows).items():
            _send(client, request_id, side, shown[side], levels, is_smart=is_smart)
            shown[side] = levels

    def first(now: datetime) -> None:
        quote = world.market.quote(contract, now)
        if world.session_at(now) is not None:
            show((quote, quote))
        follow(world, client, stream, quote, show)

    latency = world.settings.latency.first_tick
    stream.ticket = world.answer(client, request_id, latency, first, needs=Service.MARKET_DATA)


def _levels(contract: SimContract, quote: MarketQuote, rows: int) -> _Book:
    """Each level behind the best is one tick worse, and as large again as the best one."""
    tick = contract.min_tick
    sides = {_BID: (quote.bid, quote.bid_size, -tick), _ASK: (quote.ask, quote.ask_size, tick)}
    return {
        side: []
        if price is None
        else [
            _Level(round(price + n * step, 4), (n + 1) * (size or 0))
            for n in range(rows)
            if price + n * step > 0
        ]
        for side, (price, size, step) in sides.items()
    }


def _send(
    client: Client, request_id: int, side: int, before: list[_Level], after: list[_Level], *, is_smart: bool
) -> None:
    """Send what turns one list of levels into another, the deletions from the end."""
    for position in range(len(before) - 1, len(after) - 1, -1):
        _tell(client, request_id, position, _DELETE, side, _Level(0.0, 0), is_smart=is_smart)
    for position, level in enumerate(after):
        if position >= len(before):
            _tell(client, request_id, position, _INSERT, side, level, is_smart=is_smart)
        elif level != before[position]:
            _tell(client, request_id, position, _UPDATE, side, level, is_smart=is_smart)


def _tell(
    client: Client,
    request_id: int,
    position: int,
    operation: int,
    side: int,
    level: _Level,
    *,
    is_smart: bool,
) -> None:
    name = "market_depth_l2" if is_smart else "market_depth"
    client.reply(
        name,
        request_id=request_id,
        position=position,
        market_maker="SMART",
        operation=operation,
        side=side,
        price=level.price,
        size=level.size,
        is_smart=is_smart,
    )


HANDLERS: Final[Mapping[str, Handler]] = {
    "market_depth": _market_depth,
    "cancel_market_depth": cancels(_KIND, (310, "Can't find the subscribed market depth with tickerId:")),
}
