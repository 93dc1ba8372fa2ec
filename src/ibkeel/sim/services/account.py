"""Account values, positions and profit."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client
from ibkeel.sim.services.contracts import contract_values
from ibkeel.sim.values import SimContract, SimPosition
from ibkeel.sim.wiretime import clock_text
from ibkeel.sim.world import Handler, World

__all__ = ["HANDLERS", "after_fills"]

_PNL_SECONDS: Final = 5.0  # cadence of profit updates; the real one is unverified


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
    changed = {contract.con_id: contract for contract in contracts}
    for client in list(world.clients.values()):
        if client.wants_positions:
            for con_id, contract in changed.items():
                gone = SimPosition(account=world.account, contract=contract, quantity=0.0, average_cost=0.0)
                _send_position(client, "position", held.get(con_id, gone))
        if ("account", 0) in client.repeats:
            _send_image(world, client, now)


def _send_position(client: Client, name: str, position: SimPosition, **more: Any) -> None:
    contract = position.contract
    exchange = contract.primary_exchange if contract.sec_type == "STK" else ""
    client.reply(
        name,
        account=position.account,
        **contract_values(contract, exchange=exchange),
        position=position.quantity,
        average_cost=position.average_cost,
        **more,
    )


def _positions(world: World, client: Client, _values: dict[str, Any]) -> None:
    client.wants_positions = True

    def answer(_now: datetime) -> None:
        for position in world.venue.positions():
            _send_position(client, "position", position)
        client.reply("position_end")

    world.answer(client, -1, world.settings.latency.account, answer)


def _cancel_positions(_world: World, client: Client, _values: dict[str, Any]) -> None:
    client.wants_positions = False


def _positions_multi(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]

    def answer(_now: datetime) -> None:
        for position in world.venue.positions():
            _send_position(client, "position_multi", position, request_id=request_id)
        client.reply("position_multi_end", request_id=request_id)

    world.answer(client, request_id, world.settings.latency.account, answer)


def _account_updates_multi(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]

    def answer(now: datetime) -> None:
        for key, value, currency in world.venue.account_values(now):
            client.reply(
                "account_update_multi",
                request_id=request_id,
                account=world.account,
                key=key,
                value=value,
                currency=currency,
            )
        client.reply("account_update_multi_end", request_id=request_id)

    world.answer(client, request_id, world.settings.latency.account, answer)


def _account_summary(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    tags = set(filter(None, values["tags"].replace(" ", "").split(",")))

    def answer(now: datetime) -> None:
        for key, value, currency in world.venue.account_values(now):
            if key in tags:
                client.reply(
                    "account_summary",
                    request_id=request_id,
                    account=world.account,
                    tag=key,
                    value=value,
                    currency=currency,
                )
        client.reply("account_summary_end", request_id=request_id)

    world.answer(client, request_id, world.settings.latency.account, answer)


def _repeat(world: World, client: Client, key: tuple[str, int], send: Callable[[datetime], None]) -> None:
    """Send now, then again and again until cancelled."""

    def run(now: datetime) -> None:
        send(now)
        client.repeats[key] = world.answer(client, key[1], _PNL_SECONDS, run)

    client.repeats[key] = world.answer(client, key[1], world.settings.latency.account, run)


def _pnl(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]

    def send(now: datetime) -> None:
        rows = world.venue.portfolio(now)
        unrealized = sum(row.unrealized for row in rows)
        realized = sum(row.realized for row in rows)
        client.reply(
            "pnl",
            request_id=request_id,
            daily=unrealized + realized,  # positions from earlier days are not told apart
            unrealized=unrealized,
            realized=realized,
        )

    _repeat(world, client, ("pnl", request_id), send)


def _pnl_single(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]

    def send(now: datetime) -> None:
        for position, _, value, unrealized, realized in world.venue.portfolio(now):
            if position.contract.con_id == values["con_id"]:
                client.reply(
                    "pnl_single",
                    request_id=request_id,
                    position=position.quantity,
                    daily=unrealized + realized,
                    unrealized=unrealized,
                    realized=realized,
                    value=value,
                )

    _repeat(world, client, ("pnl", request_id), send)


def _cancel_pnl(_world: World, client: Client, values: dict[str, Any]) -> None:
    ticket = client.repeats.pop(("pnl", values["request_id"]), None)
    if ticket is not None:
        ticket.cancel()


def _ignore(_world: World, _client: Client, _values: dict[str, Any]) -> None:
    """Cancels of what was answered once and sends no updates here."""


HANDLERS: Final[Mapping[str, Handler]] = {
    "account_updates": _account_updates,
    "positions": _positions,
    "cancel_positions": _cancel_positions,
    "positions_multi": _positions_multi,
    "cancel_positions_multi": _ignore,
    "account_updates_multi": _account_updates_multi,
    "cancel_account_updates_multi": _ignore,
    "account_summary": _account_summary,
    "cancel_account_summary": _ignore,
    "pnl": _pnl,
    "pnl_single": _pnl_single,
    "cancel_pnl": _cancel_pnl,
    "cancel_pnl_single": _cancel_pnl,
}
