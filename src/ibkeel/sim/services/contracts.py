"""Contracts between the wire and the market, and what a Gateway knows of them: chains, symbols, increments.

A combo of two legs or more is filled at what its legs cost together.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.sim.client import Client
from ibkeel.sim.disorder import Service
from ibkeel.sim.values import ContractPattern, SimContract, SimLeg
from ibkeel.sim.venue.hours import Window, has_ended, window_of
from ibkeel.sim.wire import compact, parse_zone
from ibkeel.sim.world import Handler, Rejection, World, error_321, error_322

NO_DEFINITION: Final = "No security definition has been found for the request"
_RIGHTS: Final = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}
_EXPIRY: Final = re.compile(r"(\d{4})-?(\d{2})(?:-?(\d{2}))?")

_ACTIONS: Final = ("BUY", "SELL")
_FEWEST: Final = 2

NOT_FOUND: Final = (300, "Can't find EId with tickerId:")
_CENT: Final = 26  # the rule of US stocks: one cent at every price
_OWN_RULES: Final = 90_000_000  # ids above are our own: the tick in millionths
_MOST_SYMBOLS: Final = 16
_DAYS_OF_HOURS: Final = 6
_ORDER_TYPES: Final = "ACTIVETIM,DAY,FOK,GAT,GTC,GTD,IOC,LMT,MKT,OCA,OPG,STP,STPLMT,TRAIL,TRAILLMT,WHATIF"
_ORDER_TYPES_OF_STOCKS: Final = f"{_ORDER_TYPES},LOC,MOC"


def pattern_from(values: dict[str, Any]) -> ContractPattern:
    """What a client sent to name a contract, dialects folded.

    A right of `?` or `0` is none; an expiry keeps its date or month only.
    """
    names = attrs.fields_dict(ContractPattern)
    texts = {name: values[name] for name in names if values.get(name) is not None}
    expiry = _EXPIRY.match(str(texts.get("expiry", "")))
    return ContractPattern(
        **{
            **texts,
            "expiry": "".join(part or "" for part in expiry.groups()) if expiry else "",
            "right": _RIGHTS.get(str(texts.get("right", "")).upper(), ""),
        }
    )


def resolve(world: World, values: dict[str, Any], *, has_expired: bool = False) -> SimContract:
    """The one contract that a request means; one that has ended only with `has_expired`."""
    found = find(world, pattern_from(values))
    if not has_expired:
        found = existing(world, found)
    if not found:
        raise Rejection(200, NO_DEFINITION)
    if len(found) > 1:
        # Unverified text; the code is documented for ambiguous contracts as well.
        raise Rejection(200, "The contract description specified is ambiguous")
    return found[0]


def find(world: World, pattern: ContractPattern) -> list[SimContract]:
    """Every contract that fits; an id that is known decides alone."""
    if pattern.con_id:
        known = world.market.by_con_id(pattern.con_id)
        return [] if known is None else [known]
    if not (pattern.symbol or pattern.local_symbol):
        return []
    return list(world.market.find(pattern))


def existing(world: World, contracts: list[SimContract]) -> list[SimContract]:
    """Those that have not ended: an option exists until its last trading day is over."""
    now = world.now()
    return [each for each in contracts if not has_ended(each, now)]


def contract_values(contract: SimContract, *, exchange: str | None = None) -> dict[str, Any]:
    """The contract fields of a reply, by name; at another exchange than the contract's own where one is given."""
    is_option = contract.sec_type == "OPT"
    return {
        "con_id": contract.con_id,
        "symbol": contract.symbol,
        "sec_type": contract.sec_type,
        # Seen in ib_insync's option_chain.ipynb.
        "expiry": compact(contract.last_trading_day or contract.expiry),
        "strike": contract.strike,
        "right": contract.right,
        "multiplier": str(contract.multiplier) if is_option else "",
        "exchange": contract.exchange if exchange is None else exchange,
        "primary_exchange": contract.primary_exchange,
        "currency": contract.currency,
        "local_symbol": contract.local_symbol or contract.symbol,
        "trading_class": contract.trading_class,
    }


def ordered(world: World, values: dict[str, Any]) -> tuple[SimContract, tuple[SimLeg, ...]]:
    """The contract that an order names, and the legs of it when it is a combo; refused when that cannot be."""
    if values["sec_type"] != "BAG":
        return resolve(world, values), ()
    legs = tuple(_leg(world, row) for row in values["order_combo_legs"])
    if len(legs) < _FEWEST:
        raise error_321("bF", "A combo has two legs at least")
    bag = SimContract(
        con_id=0,
        symbol=values["symbol"] or legs[0].contract.symbol,
        sec_type="BAG",
        exchange=values["exchange"] or "SMART",
        currency=values["currency"] or "USD",
    )
    return bag, legs


def permission(contract: SimContract) -> str:
    """What a Gateway says without live data for a contract (seen in public logs)."""
    return (
        f"No market data permissions for {contract.primary_exchange or contract.exchange} {contract.sec_type}"
    )


def cancels(kind: str, error: tuple[int, str] | None = None) -> Handler:
    """A handler that ends a stream of a kind.

    For an id that has none it answers with `error`, code and beginning of the text, or, without it, not at all.
    """

    def cancel(world: World, client: Client, values: dict[str, Any]) -> None:
        request_id = values["request_id"]
        if not world.end_stream(client, kind, request_id) and error is not None:
            code, text = error
            raise Rejection(code, f"{text}{request_id}")

    return cancel


def _leg(world: World, row: dict[str, Any]) -> SimLeg:
    contract = world.market.by_con_id(row["con_id"] or 0)
    if contract is None or has_ended(contract, world.now()):
        raise Rejection(200, NO_DEFINITION)
    action, ratio = str(row["action"]).upper(), row["ratio"] or 0
    if action not in _ACTIONS or ratio < 1:
        raise error_321("bF", "Invalid combo leg")
    return SimLeg(contract=contract, action=action, ratio=ratio)


def _matching_symbols(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, pattern = values["request_id"], values["pattern"].strip().upper()
    interval = world.settings.limits.symbol_search
    if world.pacing.repeated(world.now().timestamp(), ("symbols",), interval):
        text = f"Only one search for symbols is allowed in {interval:g} s"
        raise error_322("cC", text, rule="symbol_search")

    def answer(_now: datetime) -> None:
        rows = [
            _sample(world, each) for each in world.market.underlyings() if pattern and _matches(each, pattern)
        ]
        client.reply("symbol_samples", request_id=request_id, rows=rows[:_MOST_SYMBOLS])

    latency = world.settings.latency.definitions
    world.answer(client, request_id, latency, answer, needs=Service.DEFINITIONS)


def _matches(contract: SimContract, pattern: str) -> bool:
    """By the beginning of the symbol, or of a word of the name."""
    words = re.split(r"\W+", contract.long_name.upper())
    return contract.symbol.startswith(pattern) or any(word.startswith(pattern) for word in words)


def _sample(world: World, contract: SimContract) -> dict[str, Any]:
    has_options = bool(world.market.option_classes(contract.con_id))
    return {
        "con_id": contract.con_id,
        "symbol": contract.symbol,
        "sec_type": contract.sec_type,
        "primary_exchange": contract.primary_exchange or contract.exchange,
        "currency": contract.currency,
        "derivatives": [{"sec_type": "OPT"}] if has_options else [],
        "description": contract.long_name,
    }


def _rule_of(contract: SimContract) -> int:
    """The id of the rule for a contract's prices, which have one tick here, however high they are."""
    return _CENT if contract.min_tick == 0.01 else _OWN_RULES + round(contract.min_tick * 1e6)  # a cent


def _tick(rule_id: int) -> float | None:
    if rule_id == _CENT:
        return 0.01
    return (rule_id - _OWN_RULES) / 1e6 if rule_id > _OWN_RULES else None


def _market_rule(world: World, client: Client, values: dict[str, Any]) -> None:
    rule_id = values["rule_id"] or 0

    def answer(_now: datetime) -> None:
        tick = _tick(rule_id)
        if tick is None:
            # Unverified code and text; the message carries no request id to answer to.
            raise error_321("cF", f"Invalid market rule id {rule_id}")
        client.reply("market_rule", rule_id=rule_id, increments=[{"low_edge": 0.0, "increment": tick}])

    world.answer(client, -1, world.settings.latency.local, answer)


def _contract_details(world: World, client: Client, values: dict[str, Any]) -> None:
    def answer(now: datetime) -> None:
        pattern = pattern_from(values)
        found = find(world, pattern)
        if not values["include_expired"]:
            found = existing(world, found)
        if not found:
            raise Rejection(200, NO_DEFINITION)
        hours = _hours(world, parse_zone(found[0].timezone), now)
        for contract in found:
            exchange = pattern.exchange or contract.exchange
            client.reply(
                "contract_data",
                request_id=values["request_id"],
                **_details(world, contract, exchange, hours),
            )
        client.reply("contract_data_end", request_id=values["request_id"])

    seconds = world.settings.latency.definitions
    world.answer(client, values["request_id"], seconds, answer, needs=Service.DEFINITIONS)


def _details(world: World, contract: SimContract, exchange: str, hours: tuple[str, str]) -> dict[str, Any]:
    is_option = contract.sec_type == "OPT"
    trading, liquid = hours if contract.sec_type == "STK" else (hours[1], hours[1])
    exchanges = dict.fromkeys(("SMART", contract.primary_exchange or contract.exchange))
    return {
        **contract_values(contract, exchange=exchange),
        "last_trade_date": compact(contract.last_trading_day or contract.expiry),
        "market_name": contract.trading_class,
        "min_tick": contract.min_tick,
        "order_types": _ORDER_TYPES_OF_STOCKS if contract.sec_type == "STK" else _ORDER_TYPES,
        "valid_exchanges": ",".join(exchanges),
        "price_magnifier": 1,
        "under_con_id": contract.under_con_id,
        "long_name": contract.long_name or contract.symbol,
        "contract_month": compact(contract.expiry)[:6],
        "time_zone": world.settings.timezone,
        "trading_hours": trading,
        "liquid_hours": liquid,
        "ev_multiplier": "0",
        "agg_group": 2 if is_option else 1,
        "under_symbol": contract.symbol if is_option else "",
        "under_sec_type": _underlying_type(world, contract) if is_option else "",
        "market_rule_ids": ",".join(str(_rule_of(contract)) for _ in exchanges),
        "real_expiration": compact(contract.expiry),
        "min_size": 1,
        "size_increment": 1,
        "suggested_size_increment": 1 if is_option else 100,
    }


def _underlying_type(world: World, contract: SimContract) -> str:
    underlying = world.market.by_con_id(contract.under_con_id)
    return "STK" if underlying is None else underlying.sec_type


def _hours(world: World, zone: ZoneInfo, now: datetime) -> tuple[str, str]:
    """Trading and liquid hours of the next days, as the wire writes them.

    Trading hours of stocks are 04:00 to 20:00 on every session day; those after an early close are
    not known here and are unverified. Days are those of the contract's zone.
    """
    today, shown = now.astimezone(zone).date(), parse_zone(world.settings.timezone)
    days = [today + timedelta(days=offset) for offset in range(_DAYS_OF_HOURS)]
    sessions = {each.day: each for each in world.market.sessions(days[0], days[-1])}

    def written(*, extended: bool) -> str:
        return ";".join(
            _span(window_of(sessions[day], zone, extended=extended), shown)
            if day in sessions
            else f"{day:%Y%m%d}:CLOSED"
            for day in days
        )

    return written(extended=True), written(extended=False)


def _span(window: Window, zone: ZoneInfo) -> str:
    opens, closes = (at.astimezone(zone) for at in (window.opens_at, window.closes_at))
    return f"{opens:%Y%m%d:%H%M}-{closes:%Y%m%d:%H%M}"


def _option_parameters(world: World, client: Client, values: dict[str, Any]) -> None:
    def answer(now: datetime) -> None:
        con_id = values["con_id"] or 0
        today = now.astimezone(parse_zone(world.settings.timezone)).date()
        if world.market.by_con_id(con_id) is None:
            # Unverified text.
            raise error_321("cD", "Invalid contract id")
        for each in world.market.option_classes(con_id):
            expiries = [{"expiry": compact(day)} for day in each.expiries if day >= today]
            if not expiries:
                continue
            client.reply(
                "option_parameters",
                request_id=values["request_id"],
                exchange=each.exchange,
                under_con_id=con_id,
                trading_class=each.trading_class,
                multiplier=str(each.multiplier),
                expiries=expiries,
                strikes=[{"strike": strike} for strike in each.strikes],
            )
        client.reply("option_parameters_end", request_id=values["request_id"])

    seconds = world.settings.latency.definitions
    world.answer(client, values["request_id"], seconds, answer, needs=Service.DEFINITIONS)


HANDLERS: Final[Mapping[str, Handler]] = {
    "matching_symbols": _matching_symbols,
    "market_rule": _market_rule,
    "contract_details": _contract_details,
    "option_parameters": _option_parameters,
}
