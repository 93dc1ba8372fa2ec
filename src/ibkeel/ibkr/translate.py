"""Between the client library's objects and the model; the only place that knows both."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ibkeel.errors import GatewayRejected, InvalidInput
from ibkeel.ibkr.client import give_types, library, numeric_unset
from ibkeel.model import (
    ClientOrderId,
    Combo,
    ComboLeg,
    ConId,
    Contract,
    ContractDetails,
    ExecId,
    Execution,
    Index,
    Option,
    OptionClass,
    OrderId,
    OrderTicket,
    OtherContract,
    PermId,
    Right,
    Side,
    Stock,
    TradingHours,
)

# Old names that the Gateway still sends. Source: TWS API, "Contract Details", time zone ids.
_ZONES: Final = MappingProxyType(
    {"EST": "America/New_York", "EST5EDT": "America/New_York", "CST": "America/Chicago"}
)
_SALES: Final = frozenset({"SLONG", "SSHORT"})
_TIME: Final = re.compile(r"(\d{8})[ -]+(\d{2}:\d{2}:\d{2})(?: +(\S+))?")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what goes wrong with a field of an answer into GatewayRejected."""
    try:
        yield
    except (ValueError, TypeError, ArithmeticError, OSError) as error:
        raise GatewayRejected(f"{what}: the Gateway sent what cannot be read: {error}") from error


def zone(name: str) -> ZoneInfo:
    """A time zone by the Gateway's name; GatewayRejected when there is none."""
    try:
        return ZoneInfo(_ZONES.get(name, name or "UTC"))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise GatewayRejected(f"the Gateway named a time zone that does not exist: {name!r}") from error


def utc_of(text: str, *, default_zone: str = "UTC") -> datetime:
    """An instant as the Gateway writes it: `20260105 09:30:00 US/Eastern`, or without a zone; else GatewayRejected."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise GatewayRejected(f"the Gateway sent {text!r} where an instant was expected")
    naive = datetime.strptime(f"{match[1]} {match[2]}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - the zone follows
    return naive.replace(tzinfo=zone(match[3] or default_zone)).astimezone(UTC)


def day_of(text: str) -> date:
    """A date as the Gateway writes it, `20260105`, with or without a time behind it."""
    return date.fromisoformat(text.strip()[:8])


def optional(value: float | None) -> float | None:
    """A positive price or size, or None for any of the wire's ways to say that there is none."""
    return None if value is None or numeric_unset(value) or value <= 0 else float(value)


def number_of(value: float) -> float | None:
    """A count, or None for any of the wire's ways to say that there is none."""
    return None if numeric_unset(value) else float(value)


def side_of(action: str) -> Side:
    """The side of an order or a leg; a sale may be told to be of what is held, or short.

    Source:
        TWS API, "Order", `action`.
    """
    return Side.SELL if action in _SALES else Side(action)


def decimal_of(value: Any) -> Decimal | None:
    """An exact number from text or a float; None when it is unset."""
    number = float(value) if value not in {None, ""} else None
    return None if number is None or numeric_unset(number) else Decimal(str(value))


def price_of(value: float, contract: Contract) -> Decimal | None:
    """A price above zero, or None; that of a combo may be zero or below."""
    return decimal_of(value if isinstance(contract, Combo) else optional(value))


def to_ib_contract(contract: Contract) -> Any:
    """The client library's contract."""
    made: Any
    match contract:
        case Stock():
            made = library.Stock(contract.symbol, contract.exchange, contract.currency)
            made.primaryExchange = contract.primary_exchange
        case Index():
            made = library.Index(contract.symbol, contract.exchange, contract.currency)
        case Combo():
            made = library.Bag(
                symbol=contract.underlying, exchange=contract.exchange, currency=contract.currency
            )
            made.comboLegs = [
                library.ComboLeg(
                    conId=leg.con_id, ratio=leg.ratio, action=leg.side.value, exchange=leg.exchange
                )
                for leg in contract.legs
            ]
        case OtherContract():
            raise InvalidInput(f"{contract} can be held, but ibkeel neither quotes nor trades its kind")
        case Option():
            made = library.Option(
                contract.underlying,
                f"{contract.expiry:%Y%m%d}",
                float(contract.strike),
                contract.right.value,
                contract.exchange,
                multiplier=str(contract.multiplier),
                currency=contract.currency,
                tradingClass=contract.trading_class,
            )
        case _:
            raise InvalidInput(f"{contract!r} is no contract; valid: such as Stock('SPY') of ibkeel")
    made.conId = contract.con_id or 0
    return made


def contract_of(ib_contract: Any, *, exchange: str | None = None, is_odd: bool = False) -> Contract:
    """The model's contract: a stock, an index, an option, or a combo whose legs are told, else an `OtherContract`.

    `exchange` stands in for that of messages that carry none. Of an odd one no more is read than that it is there.
    """
    place: dict[str, Any] = {
        "exchange": exchange or ib_contract.exchange or "SMART",
        "currency": ib_contract.currency or "USD",
        "con_id": ConId(ib_contract.conId) if ib_contract.conId else None,
    }
    match None if is_odd else ib_contract.secType:
        case "STK":
            return Stock(ib_contract.symbol, primary_exchange=ib_contract.primaryExchange or "", **place)
        case "IND":
            return Index(ib_contract.symbol, **place)
        case "OPT":
            return Option(
                ib_contract.symbol,
                day_of(ib_contract.lastTradeDateOrContractMonth),
                Decimal(str(ib_contract.strike)),
                Right(ib_contract.right[:1]),
                trading_class=ib_contract.tradingClass or "",
                multiplier=int(float(ib_contract.multiplier or 100)),
                **place,
            )
        case "BAG" if ib_contract.comboLegs:
            return Combo(ib_contract.symbol, tuple(_leg_of(leg) for leg in ib_contract.comboLegs), **place)
        case _:
            return OtherContract(
                ib_contract.symbol or ib_contract.localSymbol or str(ib_contract.conId),
                kind=ib_contract.secType or "?",
                local_symbol=ib_contract.localSymbol,
                **place,
            )


def _leg_of(ib_leg: Any) -> ComboLeg:
    return ComboLeg(
        con_id=ConId(ib_leg.conId),
        side=side_of(ib_leg.action),
        ratio=int(ib_leg.ratio),
        exchange=ib_leg.exchange or "SMART",
    )


def _hours(text: str, timezone: str) -> tuple[TradingHours, ...]:
    hours, where = [], zone(timezone)
    for part in filter(None, text.split(";")):
        begin, _, end = part.partition("-")
        if "CLOSED" in part or not end:
            continue
        opens, closes = (
            datetime.strptime(moment, "%Y%m%d:%H%M").replace(tzinfo=where) for moment in (begin, end)
        )
        hours.append(TradingHours(opens_at=opens, closes_at=closes))
    return tuple(sorted(hours, key=lambda interval: interval.opens_at))


def details_of(ib_details: Any, asked: Contract) -> ContractDetails:
    """The model's contract details; the exchange that was asked for is kept."""
    ib_contract = ib_details.contract
    last = ib_contract.lastTradeDateOrContractMonth
    return ContractDetails(
        contract=contract_of(ib_contract, exchange=asked.exchange),
        long_name=ib_details.longName,
        min_tick=Decimal(str(ib_details.minTick)),
        timezone=ib_details.timeZoneId,
        liquid_hours=_hours(ib_details.liquidHours, ib_details.timeZoneId),
        under_con_id=ConId(ib_details.underConId) if ib_details.underConId else None,
        last_trading_day=day_of(last) if last else None,
    )


def option_class_of(
    exchange: str, trading_class: str, multiplier: str, expirations: Iterable[str], strikes: Iterable[float]
) -> OptionClass:
    """One row of the option-chain definitions."""
    return OptionClass(
        exchange=exchange,
        trading_class=trading_class,
        multiplier=int(float(multiplier)),
        expiries=tuple(day_of(text) for text in expirations),
        strikes=tuple(Decimal(str(strike)) for strike in strikes),
    )


def to_ib_order(ticket: OrderTicket, *, order_id: int, account: str, client_order_id: str) -> Any:
    """The client library's order."""
    order = library.Order(
        orderId=order_id,
        action=ticket.side.value,
        totalQuantity=ticket.quantity,
        orderType=ticket.order_type.value,
        tif=ticket.tif.value,
        outsideRth=ticket.outside_rth,
        ocaGroup=ticket.oca_group,
        account=account,
        orderRef=client_order_id,
        transmit=True,
    )
    if ticket.limit_price is not None:
        order.lmtPrice = float(ticket.limit_price)
    if ticket.stop_price is not None:
        order.auxPrice = float(ticket.stop_price)
    return order


_BEGIN: Final = (
    "orderId", "conId", "symbol", "secType", "lastTradeDateOrContractMonth", "strike", "right", "multiplier",
    "exchange", "currency", "localSymbol", "tradingClass", "action", "totalQuantity", "orderType", "lmtPrice",
    "auxPrice", "tif", "ocaGroup", "account", "openClose", "origin", "orderRef", "clientId", "permId",
)  # fmt: skip


def begun_order(fields: list[str]) -> tuple[int, Any, Any, Any]:
    """What `openOrder` is told, by the first fields of its message, which are the same of all orders; no status."""
    contract, order = library.Contract(), library.Order()
    for name, value in zip(_BEGIN, fields[1:26], strict=True):
        setattr(order if hasattr(order, name) else contract, name, value)
    give_types(contract)
    give_types(order)
    return order.orderId, contract, order, library.OrderState()


def execution_of(ib_contract: Any, ib_execution: Any) -> Execution:
    """One fill, its commission still to come."""
    at = ib_execution.time
    return Execution(
        exec_id=ExecId(ib_execution.execId),
        order_id=OrderId(ib_execution.orderId),
        perm_id=PermId(ib_execution.permId),
        client_order_id=ClientOrderId(ib_execution.orderRef or ""),
        account=ib_execution.acctNumber,
        contract=contract_of(ib_contract),
        side=Side.BUY if ib_execution.side == "BOT" else Side.SELL,
        quantity=float(ib_execution.shares),
        price=float(ib_execution.price),
        at=utc_of(at) if isinstance(at, str) else at,
    )
