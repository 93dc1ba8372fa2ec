"""Contract details and option-chain definitions."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from ibkeel.sim.client import Client
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import NO_DEFINITION, contract_values, existing, find, pattern_from
from ibkeel.sim.services.reference import rule_of
from ibkeel.sim.values import SimContract, SimSession
from ibkeel.sim.wiretime import compact, parse_zone
from ibkeel.sim.world import Handler, Rejection, World

_DAYS_OF_HOURS: Final = 6
_ORDER_TYPES: Final = "ACTIVETIM,DAY,FOK,GAT,GTC,GTD,IOC,LMT,MKT,OCA,OPG,STP,STPLMT,TRAIL,TRAILLMT,WHATIF"
_ORDER_TYPES_OF_STOCKS: Final = f"{_ORDER_TYPES},LOC,MOC"


def _contract_details(world: World, client: Client, values: dict[str, Any]) -> None:
    def answer(now: datetime) -> None:
        pattern = pattern_from(values)
        found = find(world, pattern)
        if not values["include_expired"]:
            found = existing(world, found)
        if not found:
            raise Rejection(200, NO_DEFINITION)
        hours = _hours(world, now)
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
    exchanges = ["SMART", contract.primary_exchange or contract.exchange]
    exchanges = sorted(set(exchanges), key=exchanges.index)
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
        "time_zone": world.settings.zone,
        "trading_hours": trading,
        "liquid_hours": liquid,
        "ev_multiplier": "0",
        "agg_group": 2 if is_option else 1,
        "under_symbol": contract.symbol if is_option else "",
        "under_sec_type": _underlying_type(world, contract) if is_option else "",
        "market_rule_ids": ",".join(str(rule_of(contract)) for _ in exchanges),
        "real_expiration": compact(contract.expiry),
        "min_size": 1,
        "size_increment": 1,
        "suggested_size_increment": 1 if is_option else 100,
    }


def _underlying_type(world: World, contract: SimContract) -> str:
    underlying = world.market.by_con_id(contract.under_con_id)
    return "STK" if underlying is None else underlying.sec_type


def _hours(world: World, now: datetime) -> tuple[str, str]:
    """Trading and liquid hours of the next days, as the wire writes them.

    Trading hours of stocks are 04:00 to 20:00 on every session day; those after an early close are
    not known here and are unverified.
    """
    zone = parse_zone(world.settings.zone)
    today = now.astimezone(zone).date()
    days = [today + timedelta(days=offset) for offset in range(_DAYS_OF_HOURS)]
    sessions = {each.day: each for each in world.market.sessions(days[0], days[-1])}
    trading = [
        f"{day:%Y%m%d}:0400-{day:%Y%m%d}:2000" if day in sessions else f"{day:%Y%m%d}:CLOSED" for day in days
    ]
    liquid = [_liquid(day, sessions.get(day), world.settings.zone) for day in days]
    return ";".join(trading), ";".join(liquid)


def _liquid(day: date, session: SimSession | None, zone: str) -> str:
    if session is None:
        return f"{day:%Y%m%d}:CLOSED"
    opens = session.opens_at.astimezone(parse_zone(zone))
    closes = session.closes_at.astimezone(parse_zone(zone))
    return f"{opens:%Y%m%d:%H%M}-{closes:%Y%m%d:%H%M}"


def _option_parameters(world: World, client: Client, values: dict[str, Any]) -> None:
    def answer(now: datetime) -> None:
        con_id = values["con_id"] or 0
        today = now.astimezone(parse_zone(world.settings.zone)).date()
        if world.market.by_con_id(con_id) is None:
            # Unverified text.
            raise Rejection(321, "Error validating request.-'cD' : cause - Invalid contract id")
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
    "contract_details": _contract_details,
    "option_parameters": _option_parameters,
}
