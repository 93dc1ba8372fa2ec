"""Market data subscriptions: streaming, snapshots, lines."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from ibkeel.sim.client import Client, Subscription
from ibkeel.sim.disorder import Service
from ibkeel.sim.faults import CompetingSession, NotEntitled
from ibkeel.sim.services.contracts import resolve
from ibkeel.sim.services.feed import has_traded, last_trade_at
from ibkeel.sim.services.sheets import (
    LiveType,
    changing,
    computations,
    initial,
    is_complete,
    row_of,
    tick_sheet,
    without_book,
)
from ibkeel.sim.values import Market, MarketQuote, ModelGreeks, SimContract
from ibkeel.sim.world import Handler, Rejection, World, error_321

COMPETING: Final = "No market data during competing live session"
_OPEN_INTEREST: Final = "101"
_BBO_EXCHANGE: Final = "9c0001"
_SNAPSHOT_PERMISSIONS: Final = 3
IN_PART: Final = 10090
_FROZEN: Final = frozenset({LiveType.FROZEN, LiveType.DELAYED_FROZEN})
_DELAYED: Final = frozenset({LiveType.DELAYED, LiveType.DELAYED_FROZEN})
_LACKING: Final = {
    354: "Requested market data is not subscribed.",
    10089: (
        "Requested market data requires additional subscription for API. See link in 'Market "
        "Data Connections' dialog for more details.Delayed market data is available."
    ),
    10090: (
        "Part of requested market data is not subscribed. Subscription-independent ticks are still active."
    ),
    10168: "Requested market data is not subscribed. Delayed market data is not enabled.",
    10186: "Requested market data is not subscribed. Delayed market data is not enabled.",
}


def _market_data(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    subscription = _subscribe(world, client, values)
    if subscription.holds_line:
        world.take_line()
    client.subscriptions[request_id] = subscription
    if subscription.is_snapshot:
        window = timedelta(seconds=world.settings.snapshot_seconds)
        subscription.ends_at = world.now() + window
    latency = world.settings.latency
    if latency.book > latency.first_tick:
        subscription.book_at = world.now() + timedelta(seconds=latency.book)

    def first(now: datetime) -> None:
        _refuse_by_fault(world, client, subscription, now)
        _refuse_unentitled(world, client, subscription, now)
        client.reply(
            "tick_parameters",
            request_id=request_id,
            min_tick=subscription.contract.min_tick,
            bbo_exchange=_BBO_EXCHANGE,
            snapshot_permissions=_SNAPSHOT_PERMISSIONS,
        )
        _push(world, client, subscription, now)

    subscription.ticket = world.answer(
        client, request_id, latency.first_tick, first, needs=Service.MARKET_DATA
    )


def _subscribe(world: World, client: Client, values: dict[str, Any]) -> Subscription:
    """The subscription that a request means, if nothing forbids it."""
    request_id = values["request_id"]
    if request_id in client.subscriptions:
        raise Rejection(102, "Duplicate ticker ID.")
    generic = frozenset(filter(None, values["generic_ticks"].replace(" ", "").split(",")))
    is_snapshot = values["snapshot"] or values["regulatory_snapshot"]
    if is_snapshot and generic:
        # Code from the documented table (414); real Gateways were also seen to answer 321.
        raise Rejection(414, "Snapshot market data subscription is not applicable to generic ticks")
    contract = resolve(world, values)
    return Subscription(
        request_id=request_id,
        contract=contract,
        generic_ticks=generic,
        is_snapshot=is_snapshot,
        holds_line=world.settings.snapshots_use_lines or not is_snapshot,
        wanted_type=client.market_data_type,
    )


def _refuse_by_fault(world: World, client: Client, subscription: Subscription, now: datetime) -> None:
    """What faults have to say about a new request."""
    if world.disorder.first(CompetingSession) is not None:
        world.end_subscription(client, subscription.request_id)
        raise Rejection(10197, COMPETING)
    lacking = world.disorder.first(NotEntitled, client.client_id)
    text = None if lacking is None else _LACKING.get(lacking.code)
    if lacking is None or text is None:
        return
    if lacking.code == IN_PART:
        client.error(subscription.request_id, lacking.code, text, at=now)
        return
    world.end_subscription(client, subscription.request_id)
    raise Rejection(lacking.code, text)


def _refuse_unentitled(world: World, client: Client, subscription: Subscription, now: datetime) -> None:
    if world.is_entitled(client):
        return
    if subscription.wanted_type in {LiveType.LIVE, LiveType.FROZEN}:
        world.end_subscription(client, subscription.request_id)
        raise Rejection(10089, _LACKING[10089])
    text = "Requested market data is not subscribed. Displaying delayed market data."
    client.error(subscription.request_id, 10167, text, at=now)


def _push(world: World, client: Client, subscription: Subscription, now: datetime) -> None:
    """Send what changed, then plan the next change or end the snapshot."""
    contract = subscription.contract
    kind, at = _feed(world, client, subscription.wanted_type, now)
    disorder = world.disorder
    if disorder.lasting and disorder.silences(Service.MARKET_DATA, client.client_id):
        _go_on(world, client, subscription, now, at)
        return
    quote = _shown(world, contract, at, kind)
    if subscription.book_at is not None and now >= subscription.book_at:
        subscription.book_at = None
    has_book = subscription.book_at is None
    if not has_book:
        quote = without_book(quote)
    if kind != subscription.announced_type:
        client.reply("market_data_type", request_id=subscription.request_id, type=kind)
        if (kind in _DELAYED) != (subscription.announced_type in _DELAYED):  # other ticks, all yet to be told
            subscription.sent = subscription.sent_greeks = None
        subscription.announced_type = kind
    greeks = world.market.greeks(contract, at) if contract.sec_type == "OPT" and has_book else None
    _tell(world.market, client, subscription, quote, greeks, at, delayed=kind in _DELAYED)
    subscription.sent = quote
    subscription.sent_greeks = greeks or subscription.sent_greeks
    _go_on(world, client, subscription, now, at)


def _tell(
    market: Market,
    client: Client,
    subscription: Subscription,
    quote: MarketQuote,
    greeks: ModelGreeks | None,
    at: datetime,
    *,
    delayed: bool,
) -> None:
    """Put ticks into the outbox: the quote's, the model's, those that come once, the trade's, generic ones."""
    contract, generic = subscription.contract, subscription.generic_ticks
    sent = subscription.sent
    known = MarketQuote(at=quote.at) if sent is None else sent
    traded_at = None
    if not delayed and contract.sec_type != "IND":
        if sent is None:
            traded_at = last_trade_at(market, contract, quote)
        elif has_traded(sent, quote):
            traded_at = quote.at
    sheet, of_quote = tick_sheet(
        client.session.version,
        contract,
        quote,
        known,
        delayed=delayed,
        open_interest=_OPEN_INTEREST in generic,
        traded=traded_at is not None,
    )
    payloads = sheet.payloads(row_of(quote, subscription.request_id, traded_at))
    between = computations(greeks, subscription.sent_greeks, delayed=delayed)
    if sent is None and not delayed:
        between += initial(market, contract, generic, at, halted=quote.halted)
    if between:
        client.put(payloads[:of_quote])
        client.tick(subscription, between)
        del payloads[:of_quote]
    client.put(payloads)
    if not delayed and (generic or quote.halted != known.halted):
        client.tick(subscription, changing(contract, quote, sent, generic))


def _go_on(world: World, client: Client, subscription: Subscription, now: datetime, at: datetime) -> None:
    ends_at = subscription.ends_at
    if ends_at is not None and (now >= ends_at or _has_all(subscription)):
        client.reply("tick_snapshot_end", request_id=subscription.request_id)
        world.end_subscription(client, subscription.request_id)
        return
    due = world.market.next_change(subscription.contract, at)
    if due is not None and at is not now:
        due += now - at
    for other in (ends_at, subscription.book_at):
        if other is not None and (due is None or other < due):
            due = other
    if due is None:
        return

    if subscription.step is None:
        push = partial(_push, world, client, subscription)
        subscription.step = world.steps(client, subscription.request_id, push)
    subscription.ticket = world.agenda.add(max(now, due), subscription.step)


def _has_all(subscription: Subscription) -> bool:
    quote = subscription.sent
    return quote is not None and is_complete(subscription.contract, quote)


def _feed(world: World, client: Client, wanted: int, now: datetime) -> tuple[int, datetime]:
    """The market data type that a request gets, and the instant it shows.

    That a stream keeps to the type of the moment of asking is unverified.
    """
    if world.is_entitled(client):
        frozen = wanted in _FROZEN
        return (LiveType.FROZEN if frozen and world.session_at(now) is None else LiveType.LIVE), now
    at = now - timedelta(seconds=world.settings.delay_seconds)
    frozen = wanted == LiveType.DELAYED_FROZEN and world.session_at(at) is None
    return (LiveType.DELAYED_FROZEN if frozen else LiveType.DELAYED), at


def _shown(world: World, contract: SimContract, at: datetime, kind: int) -> MarketQuote:
    """The quote as that type of data shows it.

    Live and delayed data have no bid and ask while the regular session is closed, but those of a market
    that trades longer.
    """
    quote = world.market.quote(contract, at)
    if kind in _FROZEN or quote.is_extended or world.session_at(at) is not None:
        return quote
    return without_book(quote)


def _cancel(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    if not world.end_subscription(client, request_id):
        raise Rejection(300, f"Can't find EId with tickerId:{request_id}")


def _set_type(_world: World, client: Client, values: dict[str, Any]) -> None:
    """Change the type for later requests; each announces its own type when its ticks begin.

    Source: TWS API, "Market Data Types", which has it called before the request that is to be of that type.
    """
    kind = values["type"]
    if kind not in range(LiveType.LIVE, LiveType.DELAYED_FROZEN + 1):
        # Unverified text.
        raise error_321("cA", f"Invalid type {kind}")
    client.market_data_type = kind


HANDLERS: Final[Mapping[str, Handler]] = {
    "market_data": _market_data,
    "cancel_market_data": _cancel,
    "market_data_type": _set_type,
}
