"""Account values and positions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client
from ibkeel.sim.services.contracts import contract_values
from ibkeel.sim.services.multi import send_position, send_values_multi
from ibkeel.sim.values import SimContract, SimPosition
from ibkeel.sim.wiretime import clock_text
from ibkeel.sim.world import Handler, World


def _account_updates(world: World, client: Client, values: dict[str, Any]) -> None:
    waiting = client.repeats.pop(("account", 0), None)
    if waiting is not None:
        waiting.cancel()
    if not values["subscribe"]:
        return

    def first(now: datetime) -> None:
        _send_image(world, client, now)
        client.reply("account_download_end", account=world.account)
        again()

    def repeat(now: datetime) -> None:
        _send_image(world, client, now)
        again()

    def again() -> None:
        seconds = world.settings.account_update_seconds
        client.repeats["account", 0] = world.answer(client, -1, seconds, repeat)

    client.repeats["account", 0] = world.answer(client, -1, world.settings.latency.account, first)


def _send_image(world: World, client: Client, now: datetime) -> None:
    for key, value, currency in world.venue.account_values(now):
        client.reply("account_value", key=key, value=value, currency=currency, account=world.account)
    for position, price, value_, unrealized, realized in world.venue.portfolio(now):
        client.reply(
            "portfolio",
            **contract_values(position.contract),
            position=position.quantity,
            market_price=price,
            market_value=value_,
            average_cost=position.average_cost,
            unrealized_pnl=unrealized,
            realized_pnl=realized,
            account=position.account,
        )
    client.reply("account_time", time=clock_text(now, world.settings.zone))


def after_fills(world: World, contracts: Sequence[SimContract], now: datetime) -> None:
    """Tell those who watch positions and accounts that fills have changed them."""
    held = {each.contract.con_id: each for each in world.venue.positions()}
    changed = [
        held.get(
            contract.con_id,
            SimPosition(account=world.account, contract=contract, quantity=0.0, average_cost=0.0),
        )
        for contract in {each.con_id: each for each in contracts}.values()
    ]
    for client in list(world.clients.values()):
        if client.wants_positions:
            for position in changed:
                send_position(client, "position", position)
        if ("account", 0) in client.repeats:
            _send_image(world, client, now)
        for kind, request_id in client.streams:
            _tell_stream(world, client, kind, request_id, changed, now)


def _tell_stream(
    world: World, client: Client, kind: str, request_id: int, changed: Sequence[SimPosition], now: datetime
) -> None:
    match kind:
        case "positions_multi":
            for position in changed:
                send_position(client, "position_multi", position, request_id=request_id)
        case "account_updates_multi":
            send_values_multi(world, client, request_id, now)


def _positions(world: World, client: Client, _values: dict[str, Any]) -> None:
    client.wants_positions = True

    def answer(_now: datetime) -> None:
        for position in world.venue.positions():
            send_position(client, "position", position)
        client.reply("position_end")

    world.answer(client, -1, world.settings.latency.account, answer)


def _cancel_positions(_world: World, client: Client, _values: dict[str, Any]) -> None:
    client.wants_positions = False


HANDLERS: Final[Mapping[str, Handler]] = {
    "account_updates": _account_updates,
    "positions": _positions,
    "cancel_positions": _cancel_positions,
}
