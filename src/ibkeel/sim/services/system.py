"""Session start, server time, ids and settings of the session."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client
from ibkeel.sim.world import Handler, World

__all__ = ["HANDLERS", "start"]

_NOTICES: Final = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)


def start(world: World, client: Client) -> None:
    """Send what a live Gateway sends after startApi, in its order: accounts, id, farm notices."""
    _managed_accounts(world, client)
    client.reply("next_valid_id", order_id=world.next_order_id(client.client_id))
    for code, text in _NOTICES:
        client.error(-1, code, text, at=world.now())


def _managed_accounts(world: World, client: Client) -> None:
    client.reply("managed_accounts", accounts=world.account)


def _accounts(world: World, client: Client, _values: dict[str, Any]) -> None:
    def answer(_now: datetime) -> None:
        _managed_accounts(world, client)

    world.answer(client, -1, world.settings.latency.local, answer)


def _next_id(world: World, client: Client, _values: dict[str, Any]) -> None:
    def answer(_now: datetime) -> None:
        client.reply("next_valid_id", order_id=world.next_order_id(client.client_id))

    world.answer(client, -1, world.settings.latency.local, answer)


def _current_time(world: World, client: Client, _values: dict[str, Any]) -> None:
    def answer(now: datetime) -> None:
        client.reply("current_time", seconds=int(now.timestamp()))

    world.answer(client, -1, world.settings.latency.local, answer)


def _current_time_millis(world: World, client: Client, _values: dict[str, Any]) -> None:
    def answer(now: datetime) -> None:
        client.reply("current_time_millis", milliseconds=int(now.timestamp() * 1000))

    world.answer(client, -1, world.settings.latency.local, answer)


def _ignore(_world: World, _client: Client, _values: dict[str, Any]) -> None:
    """Requests that a Gateway obeys in silence."""


HANDLERS: Final[Mapping[str, Handler]] = {
    "managed_accounts": _accounts,
    "next_id": _next_id,
    "current_time": _current_time,
    "current_time_millis": _current_time_millis,
    "server_log_level": _ignore,
}
