"""The accounts: their values, positions and profit, also by account and model; summaries; who is told which executions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from ibkeel.errors import WireError
from ibkeel.sim.client import Client, Stream
from ibkeel.sim.services.contracts import cancels, contract_values
from ibkeel.sim.values import Execution, SimContract, SimPosition
from ibkeel.sim.venue import PortfolioRow
from ibkeel.sim.wire import clock_text, parse_instant, parse_zone
from ibkeel.sim.world import Handler, Rejection, World, error_321, error_322

_SUMMARY: Final = "account_summary"
_SIDES: Final = {"BUY": "BOT", "SELL": "SLD", "BOT": "BOT", "SLD": "SLD"}
_TAKEN: Final = "Unable subscribe to account as the following clients are subscribed to a different account."
_MOST_DAYS: Final = 7  # the longest trade log of a TWS


def chosen_accounts(world: World, account: str) -> tuple[str, ...]:
    """The accounts that a request is about: the one that it names, or all."""
    if account in world.accounts:
        return (account,)
    if account not in {"", "All"}:
        # The code is documented for bad parameters; the text is unverified.
        raise error_321("bS", f"Invalid account code '{account}'")
    return world.accounts


def _account_updates(world: World, client: Client, values: dict[str, Any]) -> None:
    """Send the updates of one account; of several, the first if none is named (unverified).

    Source:
        That clients who watch another account stand in the way is seen in public issue threads.
    """
    name = values["account"] if values["account"] in world.accounts else world.accounts[0]
    others = [
        str(number)
        for number, each in world.clients.items()
        if each is not client and each.watched not in {"", name}
    ]
    if values["subscribe"] and others:
        raise Rejection(2101, f"{_TAKEN}{{{','.join(others)}}}")
    stream = Stream(kind="account_updates", request_id=-1)
    world.end_stream(client, stream.kind, stream.request_id)
    client.watched = name if values["subscribe"] else ""
    if client.watched:
        send, every = partial(_send_image, world, client), world.settings.account_update_seconds
        _watch(world, client, stream, send, every, "account_download_end", account=name)


def _send_values(
    world: World, client: Client, message: str, accounts: Sequence[str], now: datetime, **more: Any
) -> None:
    for account in accounts:
        for key, value, currency in world.books.account_values(now, account):
            client.reply(message, account=account, key=key, value=value, currency=currency, **more)


def _send_image(
    world: World, client: Client, now: datetime, changed: Collection[SimContract] | None = None
) -> None:
    """Send all of the account that a client watches; after fills, only the rows of what was traded.

    Source:
        TWS API, "Account Updates": when a position changes, and every three minutes. That a fill brings only the
        rows of what was traded is unverified.
    """
    _send_values(world, client, "account_value", (client.watched,), now)
    for position, price, value_, unrealized, realized in world.books.portfolio(now, client.watched):
        if changed is not None and position.contract not in changed:
            continue
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
    client.reply("account_time", time=clock_text(now, world.settings.timezone))


def after_fills(world: World, fills: Sequence[Execution], now: datetime) -> None:
    """Tell those who watch positions and accounts that fills have changed them."""
    held = {_key(each): each for each in world.books.positions()}
    changed = [
        held.get(
            key, SimPosition(account=fill.account, contract=fill.contract, quantity=0.0, average_cost=0.0)
        )
        for key, fill in {_key(each): each for each in fills}.items()
    ]
    accounts = {each.account for each in changed}
    for client in list(world.clients.values()):
        if client.wants_positions:
            for position in changed:
                _send_position(client, "position", position)
        if client.watched in accounts:
            _send_image(world, client, now, [each.contract for each in changed])
        for stream in client.streams.values():
            if stream.on_fills is not None:
                stream.on_fills(changed, now)


class _Today(NamedTuple):
    """What was traded of a contract since midnight."""

    signed: float = 0.0
    paid: float = 0.0  # dollars, commissions included


def _send_position(client: Client, name: str, position: SimPosition, **more: Any) -> None:
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


def _positions_multi(world: World, client: Client, values: dict[str, Any]) -> None:
    accounts, request_id = chosen_accounts(world, values["account"]), values["request_id"]

    def send(positions: Sequence[SimPosition], _now: datetime) -> None:
        for position in positions:
            if position.account in accounts:
                _send_position(client, "position_multi", position, request_id=request_id)

    stream = Stream(kind="positions_multi", request_id=request_id, on_fills=send)
    world.open_stream(client, stream)

    def answer(now: datetime) -> None:
        send(world.books.positions(), now)
        client.reply("position_multi_end", request_id=request_id)

    stream.ticket = world.answer(client, request_id, world.settings.latency.account, answer)


def _updates_multi(world: World, client: Client, values: dict[str, Any]) -> None:
    accounts, request_id = chosen_accounts(world, values["account"]), values["request_id"]

    def send(now: datetime) -> None:
        _send_values(world, client, "account_update_multi", accounts, now, request_id=request_id)

    def on_fills(changed: Sequence[SimPosition], now: datetime) -> None:
        if any(position.account in accounts for position in changed):
            send(now)

    stream = Stream(kind="account_updates_multi", request_id=request_id, on_fills=on_fills)
    _watch(world, client, stream, send, world.settings.account_update_seconds, "account_update_multi_end")


def _positions(world: World, client: Client, _values: dict[str, Any]) -> None:
    client.wants_positions = True

    def answer(_now: datetime) -> None:
        for position in world.books.positions():
            _send_position(client, "position", position)
        client.reply("position_end")

    world.answer(client, -1, world.settings.latency.account, answer)


def _cancel_positions(_world: World, client: Client, _values: dict[str, Any]) -> None:
    client.wants_positions = False


def _account_summary(world: World, client: Client, values: dict[str, Any]) -> None:
    limit = world.settings.limits.account_summaries
    if limit is not None and world.running(_SUMMARY) >= limit:
        text = "Maximum number of account summary requests exceeded"
        raise error_322("bO", text, rule="account_summaries")
    request_id = values["request_id"]
    tags = set(filter(None, values["tags"].replace(" ", "").split(",")))
    stream = Stream(kind=_SUMMARY, request_id=request_id)
    sent: dict[tuple[str, str], str] = {}

    def send(now: datetime) -> None:
        for account in world.accounts:
            for key, value, currency in world.books.account_values(now, account):
                if key in tags and sent.get((account, key)) != value:
                    sent[account, key] = value
                    client.reply(
                        "account_summary",
                        request_id=request_id,
                        account=account,
                        tag=key,
                        value=value,
                        currency=currency,
                    )

    _watch(world, client, stream, send, world.settings.account_update_seconds, "account_summary_end")


def _rows(world: World, accounts: Sequence[str], now: datetime) -> list[PortfolioRow]:
    return [row for account in accounts for row in world.books.portfolio(now, account)]


def _pnl(world: World, client: Client, values: dict[str, Any]) -> None:
    accounts, request_id = chosen_accounts(world, values["account"]), values["request_id"]

    def send(now: datetime) -> None:
        rows = _rows(world, accounts, now)
        days = _daily_profits(world, rows, now)
        client.reply(
            "pnl",
            request_id=request_id,
            daily=None if None in days else sum(filter(None, days)),
            unrealized=sum(row.unrealized for row in rows),
            realized=sum(row.realized for row in rows),
        )

    stream = Stream(kind="pnl", request_id=request_id)
    _watch(world, client, stream, send, world.settings.profit_seconds)


def _pnl_single(world: World, client: Client, values: dict[str, Any]) -> None:
    accounts, request_id = chosen_accounts(world, values["account"]), values["request_id"]

    def send(now: datetime) -> None:
        rows = [
            row for row in _rows(world, accounts, now) if row.position.contract.con_id == values["con_id"]
        ]
        if not rows:
            # What a Gateway says about a contract that was never held is unverified.
            client.reply("pnl_single", request_id=request_id, position=0)
        for row, daily in zip(rows, _daily_profits(world, rows, now), strict=True):
            client.reply(
                "pnl_single",
                request_id=request_id,
                position=row.position.quantity,
                daily=daily,
                unrealized=row.unrealized,
                realized=row.realized,
                value=row.market_value,
            )

    stream = Stream(kind="pnl_single", request_id=request_id)
    _watch(world, client, stream, send, world.settings.profit_seconds)


def _watch(
    world: World,
    client: Client,
    stream: Stream,
    send: Callable[[datetime], None],
    every: float,
    end: str = "",
    **more: Any,
) -> None:
    """Send soon, with the message that says that this was all, then again and again until it is cancelled."""
    request_id = world.open_stream(client, stream).request_id

    def run(now: datetime, *, is_first: bool = False) -> None:
        send(now)
        if is_first and end:
            client.reply(end, request_id=request_id, **more)
        stream.ticket = world.answer(client, request_id, every, run)

    latency = world.settings.latency.account
    stream.ticket = world.answer(client, request_id, latency, partial(run, is_first=True))


def _daily_profits(world: World, rows: Sequence[PortfolioRow], now: datetime) -> list[float | None]:
    """Dollars won or lost on each row of the portfolio since the session before closed.

    What was held before today counts from the previous close, what was traded today from its price,
    and the commissions of today are taken off. None where the feed does not know the previous close of
    what was held.
    """
    today = _traded_today(world, now)
    return [_daily(world, row, today.get(_key(row.position), _Today()), now) for row in rows]


def _daily(world: World, row: PortfolioRow, today: _Today, now: datetime) -> float | None:
    contract = row.position.contract
    held_before = row.position.quantity - today.signed
    if not held_before:
        return row.market_value - today.paid
    close = world.market.quote(contract, now).close
    if close is None:
        return None
    return row.market_value - today.paid - held_before * close * contract.multiplier


def _key(of: SimPosition | Execution) -> tuple[str, int]:
    return of.account, of.contract.con_id


def _traded_today(world: World, now: datetime) -> dict[tuple[str, int], _Today]:
    """By account and contract id."""
    zone = parse_zone(world.settings.timezone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
    found: dict[tuple[str, int], _Today] = {}
    for execution, commission in world.books.executions():
        if execution.at < midnight:
            continue
        contract = execution.contract
        before = found.get(_key(execution), _Today())
        signed = execution.quantity if execution.side == "BOT" else -execution.quantity
        value = signed * execution.price * contract.multiplier
        found[_key(execution)] = _Today(before.signed + signed, before.paid + value + commission.commission)
    return found


def is_wanted(world: World, execution: Execution, values: dict[str, Any], now: datetime) -> bool:
    """Whether an execution is of the days asked for and passes the filter; empty fields pass all."""
    zone = parse_zone(world.settings.timezone)
    day = execution.at.astimezone(zone).date()
    if not _is_of_days(day, values, now.astimezone(zone).date(), world.settings.execution_days):
        return False
    since = _since(world, values["time"])
    contract = execution.contract
    asked = (
        (values["client_id"] or 0, execution.client_id),
        (values["account"], execution.account),
        (values["symbol"], contract.symbol),
        (values["sec_type"], contract.sec_type),
        (values["exchange"], execution.exchange),
        (_SIDES.get(values["side"].upper(), values["side"]), execution.side),
    )
    passes = all(not wanted or wanted == value for wanted, value in asked)
    return passes and (since is None or execution.at >= since)


def _is_of_days(day: date, values: dict[str, Any], today: date, days: int) -> bool:
    """By the dates or the number of days that newer clients send, else by the Gateway's habit."""
    dates = [row["date"] for row in values.get("dates") or ()]
    if dates:
        return f"{day:%Y%m%d}" in dates
    wanted = values.get("last_days")
    span = days if wanted is None or wanted < 1 else min(wanted, _MOST_DAYS)
    return day > today - timedelta(days=span)


def _since(world: World, text: str) -> datetime | None:
    """The filter's time; one that cannot be read filters nothing (unverified)."""
    try:
        return parse_instant(text, world.settings.timezone)
    except WireError:
        return None


HANDLERS: Final[Mapping[str, Handler]] = {
    "positions_multi": _positions_multi,
    "cancel_positions_multi": cancels("positions_multi"),
    "account_updates_multi": _updates_multi,
    "cancel_account_updates_multi": cancels("account_updates_multi"),
    "account_updates": _account_updates,
    "positions": _positions,
    "cancel_positions": _cancel_positions,
    "account_summary": _account_summary,
    "cancel_account_summary": cancels(_SUMMARY),
    "pnl": _pnl,
    "pnl_single": _pnl_single,
    "cancel_pnl": cancels("pnl"),
    "cancel_pnl_single": cancels("pnl_single"),
}
