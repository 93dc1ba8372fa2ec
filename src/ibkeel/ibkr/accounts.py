"""Positions, balances, profit and loss, and what an order would do to them: read by round trips.

Never from the library's cache. For a what-if order the Gateway reckons margin and places nothing.

A what-if travels as `placeOrder` with a flag, and its answer as `openOrder` with the same flag.
The order book leaves both alone, so a what-if never becomes an order of ours.
"""

import asyncio
from datetime import datetime
from functools import partial
from typing import Any, Final

from ibkeel.errors import (
    GatewayRejected,
    NoData,
    OrderRefused,
    OrderRejected,
    PacingExceeded,
    RequestFailed,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr.client import Tap, hear_undecoded
from ibkeel.ibkr.config import OrderMode
from ibkeel.ibkr.definitions import Definitions
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.pending import Pending, collecting
from ibkeel.ibkr.translate import contract_of, decimal_of, reading, to_ib_contract, to_ib_order
from ibkeel.model import (
    AccountValues,
    Combo,
    Contract,
    MarginChange,
    Option,
    OrderPreview,
    OrderTicket,
    PnL,
    Position,
)
from ibkeel.resilience import Deadlines, RequestKind
from ibkeel.validators import expect

_TAGS: Final = {
    "NetLiquidation": "net_liquidation",
    "AvailableFunds": "available_funds",
    "BuyingPower": "buying_power",
    "ExcessLiquidity": "excess_liquidity",
    "InitMarginReq": "initial_margin",
    "TotalCashValue": "total_cash",
}
_Told = dict[tuple[str, str, str], tuple[str, datetime]]
_TURN: Final = 0.5  # seconds in which other programs close theirs
_LATER: Final = 2.0  # to wait for them once one wait was for nothing


class Accounts:
    """Reads accounts over one session."""

    def __init__(self, link: Link) -> None:
        self._link, self._are_taken = link, False
        self._undecoded: list[str] = []  # what is wrong with rows that are missing from the positions
        hear_undecoded(
            link.ib, {61: "position"}, lambda _, error: self._undecoded.append(type(error).__name__)
        )

    async def positions(self, account: str | None, deadlines: Deadlines) -> tuple[Position, ...]:
        """Positions that are not zero, by contract."""
        name = self._link.account_or(account)
        ask = partial(
            self._link.requests.ask,
            "positions",
            RequestKind.ORDERS,  # an exit needs them, so no breaker may keep them back
            "the positions",
            deadline=deadlines.account,
            send=self._link.ib.client.reqPositions,
            heard=collecting("position"),
        )

        async def read() -> list[Any]:
            self._undecoded.clear()
            rows: list[Any] = await ask()
            if self._undecoded:  # whose stop would be taken for one too many
                raise GatewayRejected(
                    f"the positions: the client library cannot decode a row ({', '.join(self._undecoded)}), so what is "
                    "held is not known; look at positions and stops in TWS or Client Portal, and report this"
                )
            return rows

        rows = await self._link.in_turn("positions", deadlines.account, read)
        latest = {
            contract.conId: (contract, size, cost) for owner, contract, size, cost in rows if owner == name
        }
        with reading("the positions"):
            held = [_position(name, contract, size, cost) for contract, size, cost in latest.values() if size]
        return tuple(sorted(held, key=lambda position: str(position.contract)))

    async def account(self, account: str | None, deadlines: Deadlines) -> AccountValues:
        """Balances of one account."""
        name, patience = self._link.account_or(account), deadlines.account
        rows = await self._link.in_turn("accountSummary", patience, partial(self._balances, patience))
        with reading("the balances"):
            mine = {tag: (value, currency) for owner, tag, value, currency in rows if owner == name}
            values = {_TAGS[tag]: decimal_of(value) for tag, (value, _) in mine.items() if tag in _TAGS}
        net_liquidation = values.pop("net_liquidation", None)
        if net_liquidation is None:
            raise NoData(
                "the balances: the Gateway sent no NetLiquidation; equity is unknown, so enter nothing"
            )
        return AccountValues(
            account=name,
            at=self._link.clock.now(),
            currency=mine["NetLiquidation"][1] or "USD",
            net_liquidation=net_liquidation,
            **values,
        )

    async def _balances(self, patience: float) -> list[Any]:
        client, time = self._link.ib.client, asyncio.get_running_loop().time
        # A run's cycle waits for its balances: where others keep all of theirs, so long once only.
        until = time() + (min(patience, _LATER) if self._are_taken else patience)
        # At most two summaries may be open at a time, so each is closed once it is read.
        while True:
            request_id = self._link.request_id()
            try:
                rows: list[Any] = await self._link.requests.ask(
                    request_id,
                    RequestKind.ACCOUNT,
                    "the balances",
                    deadline=patience,
                    send=partial(client.reqAccountSummary, request_id, "All", ",".join(_TAGS)),
                    cancel=partial(client.cancelAccountSummary, request_id),
                    goes_on=True,
                    heard=collecting("accountSummary"),
                )
            except PacingExceeded:
                if time() > until:
                    self._are_taken = True
                    raise
                await asyncio.sleep(_TURN)
            else:
                self._are_taken = False
                return rows

    async def pnl(self, account: str | None, deadlines: Deadlines) -> PnL:
        """Profit and loss, as of the Gateway's last account update (every three minutes, or on a fill)."""
        name, told = self._link.account_or(account), self._link.balances
        if len(self._link.ib.client.getAccounts()) > 1:
            told = await self._updates(name, deadlines.account)
        unrealized, realized = _in_base(told, "UnrealizedPnL", name), _in_base(told, "RealizedPnL", name)
        if unrealized is None and realized is None:
            raise NoData("profit and loss: the Gateway has sent no account update yet; try again in a moment")
        with reading("profit and loss"):
            return PnL(
                account=name,
                at=max(told_at for figure in (unrealized, realized) if figure for told_at in figure[1:]),
                unrealized=decimal_of(unrealized[0]) if unrealized else None,
                realized=decimal_of(realized[0]) if realized else None,
            )

    async def _updates(self, name: str, patience: float) -> _Told:
        """The balances of one of several accounts: a subscription to them is refused while another is watched (2101)."""
        client, request_id = self._link.ib.client, self._link.request_id()
        rows: list[Any] = await self._link.requests.ask(
            request_id,
            RequestKind.ACCOUNT,
            "profit and loss",
            deadline=patience,
            send=partial(client.reqAccountUpdatesMulti, request_id, name, "", False),
            cancel=partial(client.cancelAccountUpdatesMulti, request_id),
            goes_on=True,
            heard=collecting("accountUpdateMulti"),
        )
        now = self._link.clock.now()
        return {(owner, key, currency): (value, now) for owner, _, key, value, currency in rows}


def _in_base(told: _Told, tag: str, account: str) -> tuple[str, datetime] | None:
    """A balance in the base currency: the row BASE, or the only one there is."""
    rows = {
        currency: figure for (owner, key, currency), figure in told.items() if (owner, key) == (account, tag)
    }
    only = next(iter(rows.values())) if len(rows) == 1 else None
    return rows.get("BASE", only)


class Previews:
    """Asks what an order would cost."""

    def __init__(self, link: Link, definitions: Definitions) -> None:
        self._link = link
        self._definitions = definitions
        Tap(link.ib.wrapper).hear("openOrder", self._on_open_order)

    def _on_open_order(self, order_id: int, _contract: Any, order: Any, state: Any) -> bool:
        """Hand a what-if's answer to who asked; one that the library was asked for is the library's."""
        return order.whatIf and self._link.requests.on_message("openOrder", order_id, state)

    async def preview(self, ticket: OrderTicket, deadlines: Deadlines) -> OrderPreview:
        """Ask what an order would do to margin and equity."""
        expect(ticket, OrderTicket)
        if self._link.config.orders is OrderMode.DRY_RUN:
            raise OrderRefused(
                "the preview: orders is DRY_RUN, and a what-if travels as an order, so it is kept back; "
                "set orders to PAPER or LIVE"
            )
        contract = await self._contract(ticket.contract, deadlines)
        order_id = self._link.request_id()
        ib_order = to_ib_order(ticket, order_id=order_id, account=self._link.account, client_order_id="")
        ib_order.whatIf = True

        def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
            # A Gateway may echo the order before it has the figures: both client libraries wait for them.
            if message == "openOrder" and decimal_of(args[0].initMarginChange) is not None:
                pending.finish(args[0])

        what = f"the preview of {ticket.side} {ticket.quantity} {ticket.contract}"
        ib_contract, client = to_ib_contract(contract), self._link.ib.client
        try:
            state = await self._link.requests.ask(
                order_id,
                RequestKind.ORDERS,
                what,
                deadline=deadlines.orders,
                send=lambda: client.placeOrder(order_id, ib_contract, ib_order),
                heard=heard,
            )
        except (RequestTimeout, UnknownContract):
            raise
        except RequestFailed as refusal:
            raise OrderRejected(str(refusal), code=refusal.code) from refusal
        with reading(what):
            return self._preview_of(ticket, state)

    async def _contract(self, contract: Contract, deadlines: Deadlines) -> Contract:
        """The contract with its number; a combo has the numbers of its legs and no definition."""
        if isinstance(contract, Combo):
            return contract
        return (await self._definitions.qualify(contract, deadlines)).contract

    def _preview_of(self, ticket: OrderTicket, state: Any) -> OrderPreview:
        return OrderPreview(
            ticket=ticket,
            at=self._link.clock.now(),
            initial_margin=_change(state, "initMargin"),
            maintenance_margin=_change(state, "maintMargin"),
            equity_with_loan=_change(state, "equityWithLoan"),
            commission=decimal_of(state.commission),
            least_commission=decimal_of(state.minCommission),
            most_commission=decimal_of(state.maxCommission),
            currency=state.commissionCurrency or "",
            warning=state.warningText or "",
        )


def _position(account: str, ib_contract: Any, size: float, cost: float) -> Position:
    # A position is held at no exchange; the message names where the stock is listed.
    try:
        contract = contract_of(ib_contract, exchange="SMART")
    except (ValueError, ArithmeticError):  # it hides no other: exits need them
        contract = contract_of(ib_contract, exchange="SMART", is_odd=True)
    # The wire's average cost is for a whole contract.
    multiplier = contract.multiplier if isinstance(contract, Option) else 1
    return Position(
        account=account, contract=contract, signed_quantity=float(size), average_price=cost / multiplier
    )


def _change(state: Any, figure: str) -> MarginChange:
    before, change, after = (
        decimal_of(getattr(state, f"{figure}{when}")) for when in ("Before", "Change", "After")
    )
    return MarginChange(before=before, change=change, after=after)
