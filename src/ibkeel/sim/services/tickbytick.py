"""Single ticks as they come: trades, both sides of the quote, its middle."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import resolve
from ibkeel.sim.services.feed import Change, follow
from ibkeel.sim.services.oldticks import latest, send_ticks, tick_of
from ibkeel.sim.services.streams import NOT_FOUND, cancels, permission
from ibkeel.sim.values import SimContract
from ibkeel.sim.world import Handler, Rejection, World

_KIND: Final = "tick_by_tick"
_NUMBERS: Final = {"LAST": 1, "ALLLAST": 2, "BIDASK": 3, "MIDPOINT": 4}
_WHATS: Final = {"LAST": "TRADES", "ALLLAST": "TRADES", "BIDASK": "BID_ASK", "MIDPOINT": "MIDPOINT"}
_FAILED: Final = "Failed to request tick-by-tick data."
_TOO_MANY: Final = "Max number of tick-by-tick requests has been reached."
_UNSERVED: Final = ("OPT", "BAG")  # documented: options have them in history only, combos never


def _tick_by_tick(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, kind = values["request_id"], values["kind"].upper()
    if kind not in _NUMBERS:
        # The code is documented for bad parameters; the text is unverified.
        reason = f"Invalid tick-by-tick type {values['kind']!r}"
        raise Rejection(321, f"Error validating request.-'bU' : cause - {reason}")
    contract = resolve(world, values)
    if contract.sec_type in _UNSERVED or not world.is_entitled:
        raise Rejection(10189, _FAILED + permission(contract))
    _check_limits(world, client, contract)
    stream = Stream(kind=_KIND, request_id=request_id, contract=contract)
    world.open_stream(client, stream)

    def first(now: datetime) -> None:
        if values["count"]:
            ticks = latest(world, contract, _WHATS[kind], end=now, count=values["count"])
            send_ticks(client, request_id, _WHATS[kind], ticks, contract)
        quote = world.market.quote(contract, now)

        def show(change: Change) -> None:
            tick = tick_of(_WHATS[kind], change, ignore_size=values["ignore_size"])
            if tick is not None:
                tick["mid"] = tick.get("price")
                exchange = contract.primary_exchange or contract.exchange
                more = {"request_id": request_id, "kind": _NUMBERS[kind], "exchange": exchange}
                client.reply("tick_by_tick", **more, **tick)

        follow(world, client, stream, quote, show)

    latency = world.settings.latency.first_tick
    stream.ticket = world.answer(client, request_id, latency, first, needs=Service.MARKET_DATA)


def _check_limits(world: World, client: Client, contract: SimContract) -> None:
    limits, settings = world.settings.limits, world.settings
    key = "tick by tick", contract.con_id
    if world.pacing.repeated(world.now().timestamp(), key, limits.tick_by_tick_repeat):
        world.counters.violated("tick_by_tick_repeat", client.client_id)
        raise Rejection(10190, _TOO_MANY)
    if limits.tick_by_tick is None:
        return
    if world.running(_KIND) >= max(1, int(settings.market_data_lines * limits.tick_by_tick)):
        world.counters.violated("tick_by_tick", client.client_id)
        raise Rejection(10190, _TOO_MANY)


HANDLERS: Final[Mapping[str, Handler]] = {
    "tick_by_tick": _tick_by_tick,
    "cancel_tick_by_tick": cancels(_KIND, NOT_FOUND),
}
