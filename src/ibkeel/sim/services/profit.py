"""Profit of the account and of single positions, as subscriptions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from typing import Any, Final, NamedTuple

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.services.multi import check_account
from ibkeel.sim.services.streams import cancels
from ibkeel.sim.venue import PortfolioRow
from ibkeel.sim.wiretime import parse_zone
from ibkeel.sim.world import Handler, World


class _Today(NamedTuple):
    """What was traded of a contract since midnight."""

    signed: float = 0.0
    paid: float = 0.0  # dollars, commissions included


def _traded_today(world: World, now: datetime) -> dict[int, _Today]:
    """By contract id."""
    zone = parse_zone(world.settings.zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
    found: dict[int, _Today] = {}
    for execution, commission in world.venue.executions():
        if execution.at < midnight:
            continue
        contract = execution.contract
        before = found.get(contract.con_id, _Today())
        signed = execution.quantity if execution.side == "BOT" else -execution.quantity
        value = signed * execution.price * contract.multiplier
        found[contract.con_id] = _Today(before.signed + signed, before.paid + value + commission.commission)
    return found


def daily_profits(world: World, rows: Sequence[PortfolioRow], now: datetime) -> list[float | None]:
    """Dollars won or lost on each row of the portfolio since the session before closed.

    What was held before today counts from the previous close, what was traded today from its price,
    and the commissions of today are taken off. None where the feed does not know the previous close of
    what was held.
    """
    today = _traded_today(world, now)
    return [_daily(world, row, today.get(row.position.contract.con_id, _Today()), now) for row in rows]


def _daily(world: World, row: PortfolioRow, today: _Today, now: datetime) -> float | None:
    contract = row.position.contract
    held_before = row.position.quantity - today.signed
    if not held_before:
        return row.market_value - today.paid
    close = world.market.quote(contract, now).close
    if close is None:
        return None
    return row.market_value - today.paid - held_before * close * contract.multiplier


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
        days = daily_profits(world, rows, now)
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
        rows = [row for row in world.venue.portfolio(now) if row.position.contract.con_id == values["con_id"]]
        if not rows:
            # What a Gateway says about a contract that was never held is unverified.
            client.reply("pnl_single", request_id=request_id, position=0)
        for row, daily in zip(rows, daily_profits(world, rows, now), strict=True):
            client.reply(
                "pnl_single",
                request_id=request_id,
                position=row.position.quantity,
                daily=daily,
                unrealized=row.unrealized,
                realized=row.realized,
                value=row.market_value,
            )

    _watch(world, client, Stream(kind="pnl_single", request_id=request_id), send)


HANDLERS: Final[Mapping[str, Handler]] = {
    "pnl": _pnl,
    "pnl_single": _pnl_single,
    "cancel_pnl": cancels("pnl"),
    "cancel_pnl_single": cancels("pnl_single"),
}
