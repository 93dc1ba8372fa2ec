"""Positions and account values by account and model, each request a subscription of its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.services.contracts import contract_values
from ibkeel.sim.services.streams import cancels
from ibkeel.sim.values import SimPosition
from ibkeel.sim.world import Handler, Rejection, World


def check_account(world: World, account: str) -> None:
    """Make sure that a request is about the account that there is.

    Raises:
        Rejection: It names another one.
    """
    if account not in {"", "All", world.account}:
        # The code is documented for bad parameters; the text is unverified.
        raise Rejection(321, f"Error validating request.-'bS' : cause - Invalid account code '{account}'")


def send_position(client: Client, name: str, position: SimPosition, **more: Any) -> None:
    """Send a position, under the name of the message that tells it."""
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


def _positions(world: World, client: Client, values: dict[str, Any]) -> None:
    check_account(world, values["account"])
    request_id = values["request_id"]
    stream = Stream(kind="positions_multi", request_id=request_id)
    world.open_stream(client, stream)

    def answer(_now: datetime) -> None:
        for position in world.venue.positions():
            send_position(client, "position_multi", position, request_id=request_id)
        client.reply("position_multi_end", request_id=request_id)

    stream.ticket = world.answer(client, request_id, world.settings.latency.account, answer)


def _account_updates(world: World, client: Client, values: dict[str, Any]) -> None:
    check_account(world, values["account"])
    request_id = values["request_id"]
    stream = Stream(kind="account_updates_multi", request_id=request_id)
    world.open_stream(client, stream)

    def first(now: datetime) -> None:
        send_values_multi(world, client, request_id, now)
        client.reply("account_update_multi_end", request_id=request_id)
        again()

    def repeat(now: datetime) -> None:
        send_values_multi(world, client, request_id, now)
        again()

    def again() -> None:
        stream.ticket = world.answer(client, request_id, world.settings.account_update_seconds, repeat)

    stream.ticket = world.answer(client, request_id, world.settings.latency.account, first)


def send_values_multi(world: World, client: Client, request_id: int, now: datetime) -> None:
    """Send every account value to one who watches them by account and model."""
    for key, value, currency in world.venue.account_values(now):
        client.reply(
            "account_update_multi",
            request_id=request_id,
            account=world.account,
            key=key,
            value=value,
            currency=currency,
        )


HANDLERS: Final[Mapping[str, Handler]] = {
    "positions_multi": _positions,
    "cancel_positions_multi": cancels("positions_multi"),
    "account_updates_multi": _account_updates,
    "cancel_account_updates_multi": cancels("account_updates_multi"),
}
