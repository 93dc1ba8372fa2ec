"""Contracts and orders of the model and of the simulated market, each told as the other."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from ibkeel.errors import AmbiguousContract, NoData, UnknownContract
from ibkeel.model import (
    ClientOrderId,
    ConId,
    Contract,
    ContractDetails,
    ExecId,
    Execution,
    Index,
    Option,
    OptionChain,
    OptionClass,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    OtherContract,
    PermId,
    Right,
    Side,
    Stock,
    TradingHours,
)
from ibkeel.orders import state_of_status
from ibkeel.sim.values import Commission, ContractPattern, Market, SimContract, SimOrder
from ibkeel.sim.values import Execution as SimExecution

_AHEAD: Final = timedelta(days=7)
_NO_DEFINITION: Final = 200

CLIENT: Final = 1
"""The client id under which a backtest trades."""


class Directory:
    """Finds what a contract of the model is in a market, and remembers how it was called.

    Args:
        market: Lists the contracts.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._found: dict[Contract, SimContract] = {}
        self._names: dict[int, Contract] = {}

    def find(self, contract: Contract) -> SimContract:
        """The one listed contract that fits.

        Raises:
            UnknownContract: None does.
            AmbiguousContract: More than one does.
        """
        known = self._found.get(contract)
        if known is not None:
            return known
        rows = self._market.find(_pattern(contract))
        if not rows:
            raise UnknownContract(f"the market does not list {contract}", code=_NO_DEFINITION)
        if len(rows) > 1:
            raise AmbiguousContract(
                f"{contract} fits {len(rows)} listed contracts; name its trading class", code=_NO_DEFINITION
            )
        self._found[contract] = rows[0]
        self._names.setdefault(rows[0].con_id, contract)
        return rows[0]

    def name(self, listed: SimContract) -> Contract:
        """A listed contract as it was first asked for, else by all its fields."""
        if listed.con_id not in self._names:
            self._names[listed.con_id] = _contract(listed)
        return self._names[listed.con_id]

    def details(self, contract: Contract, now: datetime) -> ContractDetails:
        """The definition of a contract, with the hours of the days from `now` on."""
        listed = self.find(contract)
        sessions = self._market.sessions(now.date(), (now + _AHEAD).date())
        hours = tuple(TradingHours(opens_at=row.opens_at, closes_at=row.closes_at) for row in sessions)
        return ContractDetails(
            contract=_contract(listed),
            long_name=listed.long_name,
            min_tick=Decimal(str(listed.min_tick)),
            timezone=listed.timezone,
            liquid_hours=hours,
            under_con_id=ConId(listed.under_con_id) if listed.under_con_id else None,
            last_trading_day=listed.last_trading_day or listed.expiry,
        )

    def chain(self, underlying: Stock | Index) -> OptionChain:
        """The option classes of an underlying.

        Raises:
            NoData: It has no options.
        """
        rows = self._market.option_classes(self.find(underlying).con_id)
        if not rows:
            raise NoData(f"{underlying} has no options")
        classes = tuple(
            OptionClass(
                trading_class=row.trading_class,
                exchange=row.exchange,
                multiplier=row.multiplier,
                expiries=row.expiries,
                strikes=tuple(Decimal(str(strike)) for strike in row.strikes),
            )
            for row in rows
        )
        return OptionChain(underlying=underlying, classes=classes)


def order_of(
    ticket: OrderTicket,
    listed: SimContract,
    *,
    order_id: int,
    name: str,
    parent: int = 0,
    transmit: bool = True,
) -> SimOrder:
    """The venue's order.

    Args:
        ticket: What is asked for.
        listed: Its contract, as the market lists it.
        order_id: Number, above all before it.
        name: Our name of the order.
        parent: Number of the order that it protects; 0 for none.
        transmit: False holds it back until a member of its family comes with True.
    """
    return SimOrder(
        client_id=CLIENT,
        order_id=order_id,
        contract=listed,
        action=ticket.side.value,
        quantity=float(ticket.quantity),
        order_type=ticket.order_type.value,
        limit_price=None if ticket.limit_price is None else float(ticket.limit_price),
        stop_price=None if ticket.stop_price is None else float(ticket.stop_price),
        tif=ticket.tif.value,
        oca_group=ticket.oca_group,
        parent_id=parent,
        transmit=transmit,
        outside_rth=ticket.outside_rth,
        order_ref=name,
    )


def report_of(order: SimOrder, contract: Contract, at: datetime) -> OrderReport:
    """What the venue says of an order."""
    return OrderReport(
        order_id=OrderId(order.order_id),
        perm_id=PermId(order.perm_id),
        client_id=order.client_id,
        client_order_id=ClientOrderId(order.order_ref),
        contract=contract,
        side=Side(order.action),
        quantity=order.quantity,
        order_type=order.order_type,
        limit_price=_decimal(order.limit_price),
        stop_price=_decimal(order.stop_price),
        tif=order.tif,
        parent_id=OrderId(order.parent_id) if order.parent_id else None,
        oca_group=order.oca_group,
        state=_state(order),
        filled=order.filled,
        remaining=max(order.quantity - order.filled, 0.0),
        average_fill_price=order.average_fill_price or None,
        at=at,
    )


def execution_of(fill: SimExecution, commission: Commission, contract: Contract) -> Execution:
    """A fill with what it cost."""
    return Execution(
        exec_id=ExecId(fill.exec_id),
        order_id=OrderId(fill.order_id),
        perm_id=PermId(fill.perm_id),
        client_order_id=ClientOrderId(fill.order_ref),
        account=fill.account,
        contract=contract,
        side=Side.BUY if fill.side == "BOT" else Side.SELL,
        quantity=fill.quantity,
        price=fill.price,
        at=fill.at,
        commission=commission.commission,
        realized_pnl=commission.realized_pnl,
    )


def _pattern(contract: Contract) -> ContractPattern:
    match contract:
        case Stock():
            return ContractPattern(
                symbol=contract.symbol, sec_type="STK", primary_exchange=contract.primary_exchange
            )
        case Index():
            return ContractPattern(symbol=contract.symbol, sec_type="IND")
        case Option():
            return ContractPattern(
                symbol=contract.underlying,
                sec_type="OPT",
                expiry=f"{contract.expiry:%Y%m%d}",
                strike=float(contract.strike),
                right=contract.right.value,
                trading_class=contract.trading_class,
            )
        case _:
            raise UnknownContract(
                f"{contract}: the market lists stocks, indices and options", code=_NO_DEFINITION
            )


def _contract(listed: SimContract) -> Contract:
    number = ConId(listed.con_id)
    if listed.sec_type == "STK":
        return Stock(
            listed.symbol,
            exchange=listed.exchange,
            primary_exchange=listed.primary_exchange,
            currency=listed.currency,
            con_id=number,
        )
    if listed.sec_type == "IND":
        return Index(listed.symbol, exchange=listed.exchange, currency=listed.currency, con_id=number)
    if listed.expiry is None:
        return OtherContract(listed.symbol, kind=listed.sec_type, con_id=number)
    return Option(
        listed.symbol,
        listed.expiry,
        Decimal(str(listed.strike)),
        Right(listed.right),
        trading_class=listed.trading_class,
        multiplier=listed.multiplier,
        exchange=listed.exchange,
        currency=listed.currency,
        con_id=number,
    )


def _state(order: SimOrder) -> OrderState:
    state = state_of_status(order.status)
    return OrderState.PARTIALLY_FILLED if state is OrderState.WORKING and order.filled else state


def _decimal(price: float | None) -> Decimal | None:
    return None if price is None else Decimal(str(price))
