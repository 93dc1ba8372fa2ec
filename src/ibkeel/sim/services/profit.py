"""Profit of the account and of single positions, as subscriptions."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.services.multi import check_account
from ibkeel.sim.services.streams import cancels
from ibkeel.sim.venue import PortfolioRow
from ibkeel.sim.wiretime import parse_zone
from ibkeel.sim.world import Handler, World

__all__ = ["HANDLERS", "daily_profit"]


def daily_profit(world: World, row: PortfolioRow, now: datetime) -> float | None:
    """Dollars won or lost on one contract since the session before closed.

    What was held before today counts from the previous close, what was traded today from its price,
    and the commissions of today are taken off.

    Returns:
        None when the feed does not know the previous close of what was held.
    """
    contract = row.position.contract
    zone = parse_zone(world.settings.zone)
    today = now.astimezone(zone).date()
    traded = paid = 0.0
    for execution, commission in world.venue.executions():
        if execution.contract.con_id == contract.con_id and execution.at.astimezone(zone).date() == today:
            signed = execution.quantity if execution.side == "BOT" else -execution.quantity
            traded += signed
            paid += signed * execution.price * contract.multiplier + commission.commission
    held_before = row.position.quantity - traded
    close = world.market.quote(contract, now).close
    if not held_before:
        return row.market_value - paid
    if close is None:
        return None
    return row.market_value - paid - held_before * close * contract.multiplier


def _watch(world: World, client: Client, stream: Stream, send: Callable[[datetime], None]) -> None:
    """Send soon, then again and again until it is cancelled."""
    world.open_stream(client, stream)

    def run(now: datetime) -> None:
        send(now)
        stream.ticket = world.answer(client, stream.request_id, world.settings.profit_seconds, run)

    stream.ticket = world.answer(client, stream.request_id, world.settings.latency.account, run)


def _pnl(world: World, client: Client, values: dict[str, Any]) -> None:
    check_account(world, values["account"])
    request_id = values["request_id"]

    def send(now: datetime) -> None:
        rows = world.venue.portfolio(now)
        days = [daily_profit(world, row, now) for row in rows]
        client.reply(
            "pnl",
            request_id=request_id,
            daily=None if None in days else sum(filter(None, days)),
            unrealized=sum(row.unrealized for row in rows),
            realized=sum(row.realized for row in rows),
        )

    _watch(world, client, Stream(kind="pnl", request_id=request_id), send)


def _pnl_single(world: World, client: Client, values: dict[str, Any]) -> None:
    check_account(world, values["account"])
    request_id = values["request_id"]

    def send(now: datetime) -> None:
        for row in world.venue.portfolio(now):
            if row.position.contract.con_id == values["con_id"]:
                client.reply(
                    "pnl_single",
                    request_id=request_id,
                    position=row.position.quantity,
                    daily=daily_profit(world, row, now),
                    unrealized=row.unrealized,
                    realized=row.realized,
                    value=row.market_value,
                )
                return
        # What a Gateway says about a contract that was never held is unverified.
        client.reply("pnl_single", request_id=request_id, position=0)

    _watch(world, client, Stream(kind="pnl_single", request_id=request_id), send)


HANDLERS: Final[Mapping[str, Handler]] = {
    "pnl": _pnl,
    "pnl_single": _pnl_single,
    "cancel_pnl": cancels("pnl"),
    "cancel_pnl_single": cancels("pnl_single"),
}
