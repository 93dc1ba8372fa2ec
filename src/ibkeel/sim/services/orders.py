"""Orders, what they would cost, executions and their echoes."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any, Final

import attrs

from ibkeel.errors import WireError
from ibkeel.sim.client import Client
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.account import after_fills, is_wanted
from ibkeel.sim.services.contracts import contract_values, ordered
from ibkeel.sim.values import (
    Commission,
    Execution,
    OrderEcho,
    OrderError,
    OrderStatus,
    SimOrder,
    VenueEvent,
)
from ibkeel.sim.venue import MarginPreview
from ibkeel.sim.wire import parse_instant, parse_zone, zoned
from ibkeel.sim.world import Handler, Rejection, World, error_321

_logger: Final = logging.getLogger("ibkeel.sim")

_FIGURES: Final = (
    ("initial_margin", "initial"),
    ("maintenance_margin", "maintenance"),
    ("equity_with_loan", "equity_with_loan"),
)
_COMBO: Final = "BAG"
_IGNORED: Final = ("conditions", "algo_strategy")  # carried back, and not acted on
_DATE: Final = len("20260105")
# Fields that the wire names as the order does.
_OF_ORDER: Final = (
    *("action", "quantity", "order_type", "limit_price", "stop_price", "tif", "oca_group", "oca_type"),
    *("account", "order_ref", "perm_id", "parent_id", "outside_rth"),
)
_OF_STATUS: Final = (
    *("order_id", "status", "filled", "average_fill_price", "perm_id", "parent_id"),
    *("last_fill_price", "client_id", "why_held"),
)


def _place(world: World, client: Client, values: dict[str, Any]) -> None:
    order_id, client_id = values["order_id"], client.client_id
    check_writable(world)
    world.order_ids[client_id] = max(order_id, world.order_ids.get(client_id, 0))

    def answer(now: datetime) -> None:
        order = _order(world, client_id, values)
        if order.what_if:
            _preview(world, client, order, now)
            return
        _note_ignored(world, order)
        publish(world, world.venue.submit(order, now), now)
        match(world, now)

    world.answer(client, order_id, world.settings.latency.orders, answer, needs=Service.ORDERS)


def _note_ignored(world: World, order: SimOrder) -> None:
    """Count what the order carries in vain, and log the first of each kind: its fills show less than they seem to."""
    for part in filter(order.echo.get, _IGNORED):
        if not world.counters.ignored[part]:
            extra = {"part": part, "client_id": order.client_id, "order_id": order.order_id}
            _logger.warning("order taken as if it had none", extra=extra)
        world.counters.ignored[part] += 1


def _preview(world: World, client: Client, order: SimOrder, now: datetime) -> None:
    """Answer a what-if order.

    That an order beyond the account's funds gets its figures, and no error 201, is unverified.
    """
    objection = world.venue.objection(order, now)
    if objection is not None:
        publish(world, [objection], now)
        return
    preview = world.venue.preview(order, now)
    shown = _open_order(order, "PreSubmitted")
    client.reply("open_order", **{**shown, **_preview_values(preview, order.contract.currency)})


def check_writable(world: World) -> None:
    """Make sure that the API takes orders."""
    if world.settings.is_read_only:
        raise error_321("bF", "The API interface is currently in Read-Only mode.")


def _order(world: World, client_id: int, values: dict[str, Any]) -> SimOrder:
    contract, legs = ordered(world, values)
    return SimOrder(
        client_id=client_id,
        order_id=values["order_id"],
        contract=contract,
        legs=legs,
        action=values["action"].upper(),
        quantity=values["quantity"] or 0.0,
        order_type=values["order_type"],
        limit_price=values["limit_price"],
        stop_price=values["stop_price"],
        trail_stop=values["trail_stop_price"],
        trailing_percent=values["trailing_percent"],
        limit_offset=values["limit_price_offset"],
        tif=values["tif"] or "DAY",
        good_till=_instant(world, values["good_till_date"]),
        good_after=_instant(world, values["good_after_time"]),
        oca_group=values["oca_group"],
        oca_type=values["oca_type"] or 3,
        parent_id=values["parent_id"] or 0,
        transmit=values["transmit"],
        outside_rth=values["outside_rth"],
        what_if=values["what_if"],
        account=values["account"] or (world.accounts[0] if len(world.accounts) == 1 else ""),
        order_ref=values["order_ref"],
        echo=values,
    )


def _instant(world: World, text: str) -> datetime | None:
    """An instant of an order; a date alone means its end (unverified)."""
    text = text.strip()
    try:
        return parse_instant(f"{text} 23:59:59" if len(text) == _DATE else text, world.settings.timezone)
    except WireError as error:
        # 337 is documented for invalid time formats; the text is unverified.
        raise Rejection(337, f"Invalid time format: {error}") from error


def _cancel(world: World, client: Client, values: dict[str, Any]) -> None:
    check_writable(world)

    def answer(now: datetime) -> None:
        publish(world, world.venue.cancel(client.client_id, values["order_id"], now), now)
        match(world, now)

    world.answer(client, values["order_id"], world.settings.latency.orders, answer, needs=Service.ORDERS)


def _global_cancel(world: World, client: Client, _values: dict[str, Any]) -> None:
    check_writable(world)

    def answer(now: datetime) -> None:
        publish(world, world.venue.cancel_all(now), now)
        match(world, now)

    world.answer(client, -1, world.settings.latency.orders, answer, needs=Service.ORDERS)


def match(world: World, now: datetime) -> None:
    """Match what can be matched now, and plan the next look at the market."""
    publish(world, world.venue.advance(now), now)
    if world.matching is not None:
        world.matching.cancel()
        world.matching = None
    due = world.venue.next_event(now)
    if due is not None:
        world.matching = world.agenda.add(due, lambda then: match(world, then))


def publish(world: World, events: Sequence[VenueEvent], now: datetime) -> None:
    """Send the venue's events to the clients whose orders they concern, in order."""
    if events:
        world.report(lambda then: _publish(world, events, then), now)


def _publish(world: World, events: Sequence[VenueEvent], now: datetime) -> None:
    for event in events:
        client_id = event.order.client_id if isinstance(event, OrderEcho) else event.client_id
        if isinstance(event, OrderError) and event.rule:
            world.counters.violated(event.rule, client_id)
        for listener in _listeners(world, client_id, _owner(event)):
            _send(world, listener, event, now)
    _forget_ended(world, events)
    filled = [event for event in events if isinstance(event, Execution) and event.contract.sec_type != _COMBO]
    if filled:
        after_fills(world, filled, now)


def _owner(event: VenueEvent) -> int | None:
    """The client whose order another one has ended."""
    return event.owner if isinstance(event, OrderStatus | OrderError) else None


def _listeners(world: World, client_id: int, owner: int | None) -> list[Client]:
    """Who is told about an order: whoever placed it, whoever cancelled it for that client, the master client."""
    ids = dict.fromkeys((owner, client_id, world.settings.master_client_id))
    return [world.clients[each] for each in ids if each is not None and each in world.clients]


def _send(world: World, client: Client, event: VenueEvent, now: datetime) -> None:
    if _is_lost(world, event):
        return
    match event:
        case OrderEcho():
            client.reply("open_order", **_open_order(event.order, event.status))
        case OrderStatus():
            client.reply("order_status", **attrs.asdict(event, filter=attrs.filters.exclude("owner")))
        case OrderError():
            client.error(
                event.order_id, event.code, event.text, at=now, advanced_reject=event.advanced_reject
            )
        case Execution():
            _send_execution(world, client, event, request_id=-1)
        case Commission():
            client.reply("commission_report", **attrs.asdict(event))


def _is_lost(world: World, event: VenueEvent) -> bool:
    """Whether it acknowledges an order whose acknowledgements are lost."""
    return not isinstance(event, OrderError) and _order_of(event) in world.unacknowledged


def _order_of(event: VenueEvent) -> tuple[int, int] | None:
    """The order that it is about, by client id and order id; None for fills."""
    match event:
        case OrderEcho():
            return event.order.client_id, event.order.order_id
        case OrderStatus() | OrderError():
            return event.client_id if event.owner is None else event.owner, event.order_id
        case _:
            return None


def _forget_ended(world: World, events: Sequence[VenueEvent]) -> None:
    """An order that ended or was refused takes its fault with it: its number may be used again."""
    if world.unacknowledged:
        live = {(order.client_id, order.order_id) for order in world.venue.open_orders()}
        world.unacknowledged -= {key for key in map(_order_of, events) if key is not None and key not in live}


def _order_values(order: SimOrder) -> dict[str, Any]:
    """What openOrder and completedOrder share: the client's own fields, and ours over them."""
    echo = order.echo
    shown = contract_values(order.contract, exchange=str(echo.get("exchange") or "") or None)
    return {
        **echo,
        **shown,
        "right": shown["right"] or "?",
        "trail_stop_price": order.trail_stop,
        **{name: getattr(order, name) for name in _OF_ORDER},
    }


def _open_order(order: SimOrder, status: str) -> dict[str, Any]:
    ids = {"order_id": order.order_id, "client_id": order.client_id}
    return {**_order_values(order), **ids, "status": status}


def _list_open_orders(world: World, client: Client, owner: int | None) -> None:
    def answer(_now: datetime) -> None:
        for order in world.books.open_orders(owner):
            client.reply("open_order", **_open_order(order, order.status))
            told = {name: getattr(order, name) for name in _OF_STATUS}
            client.reply("order_status", remaining=order.quantity - order.filled, **told)
        client.reply("open_order_end")

    world.answer(client, -1, world.settings.latency.account, answer)


def _auto_open_orders(world: World, client: Client, _values: dict[str, Any]) -> None:
    """Bind manual orders to client 0: there are none here, and the Gateway does not answer."""
    check_writable(world)
    if client.client_id != 0:
        raise Rejection(
            327, "Only API connections with clientId set to 0 can set the auto bind TWS orders property."
        )


def _completed_orders(world: World, client: Client, _values: dict[str, Any]) -> None:
    def answer(now: datetime) -> None:
        zone = parse_zone(world.settings.timezone)
        midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
        for order in world.books.completed_orders():
            at = order.completed_at
            is_old = at is not None and at < midnight
            if is_old or not order.perm_id:  # a draft that was never transmitted has no id of its own
                continue
            version = client.session.version
            client.reply(
                "completed_order",
                **_order_values(order),
                status=order.status,
                filled=order.filled,
                completed_time="" if at is None else zoned(at, world.settings.timezone, version),
                completed_status=order.completed_status or order.status,
            )
        client.reply("completed_orders_end")

    world.answer(client, -1, world.settings.latency.account, answer)


def _executions(world: World, client: Client, values: dict[str, Any]) -> None:
    """Tell the executions that are asked for, those of other clients too: that a Gateway does is unverified."""

    def answer(now: datetime) -> None:
        for execution, commission in world.books.executions():
            if is_wanted(world, execution, values, now):
                _send_execution(world, client, execution, request_id=values["request_id"])
                client.reply("commission_report", **attrs.asdict(commission))
        client.reply("execution_end", request_id=values["request_id"])

    world.answer(client, values["request_id"], world.settings.latency.local, answer)


def _send_execution(world: World, client: Client, execution: Execution, *, request_id: int) -> None:
    client.reply(
        "execution",
        request_id=request_id,
        **contract_values(execution.contract),
        order_id=execution.order_id,
        exec_id=execution.exec_id,
        time=zoned(execution.at, world.settings.timezone, client.session.version),
        account=execution.account,
        exec_exchange=execution.exchange,
        side=execution.side,
        shares=execution.quantity,
        price=execution.price,
        perm_id=execution.perm_id,
        client_id=execution.client_id,
        cumulative_quantity=execution.cumulative_quantity,
        average_price=execution.average_price,
        order_ref=execution.order_ref,
        last_liquidity=execution.liquidity,
    )


def _preview_values(preview: MarginPreview, currency: str) -> dict[str, Any]:
    """Margins before and after an order, to the cent, by the names of openOrder's fields."""
    made: dict[str, Any] = {
        "what_if": True,
        "commission": preview.commission,
        "commission_currency": currency,
    }
    for name, figure in _FIGURES:
        before, after = getattr(preview.before, figure), getattr(preview.after, figure)
        made[f"{name}_before"] = round(before, 2)
        made[f"{name}_change"] = round(after - before, 2)
        made[f"{name}_after"] = round(after, 2)
    return made


HANDLERS: Final[Mapping[str, Handler]] = {
    "place_order": _place,
    "cancel_order": _cancel,
    "global_cancel": _global_cancel,
    "open_orders": lambda world, client, _: _list_open_orders(world, client, client.client_id),
    "all_open_orders": lambda world, client, _: _list_open_orders(world, client, None),
    "auto_open_orders": _auto_open_orders,
    "completed_orders": _completed_orders,
    "executions": _executions,
}
