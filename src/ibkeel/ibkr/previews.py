"""What-if orders: the Gateway reckons margin and commission, and places nothing.

A what-if travels as `placeOrder` with a flag, and its answer as `openOrder` with the same flag.
The order book leaves both alone, so a what-if never becomes an order of ours.
"""

from typing import Any

from ibkeel.errors import OrderRefused, OrderRejected, RequestFailed, RequestTimeout, UnknownContract
from ibkeel.ibkr.config import OrderMode
from ibkeel.ibkr.definitions import Definitions
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.requests import Pending
from ibkeel.ibkr.tap import Tap
from ibkeel.ibkr.translate import decimal_of, to_ib_contract, to_ib_order
from ibkeel.model import Combo, Contract, MarginChange, OrderPreview, OrderTicket
from ibkeel.resilience import Deadlines, RequestKind


class Previews:
    """Asks what an order would cost.

    Args:
        link: The session.
        definitions: Knows the contracts.
    """

    def __init__(self, link: Link, definitions: Definitions) -> None:
        self._link = link
        self._definitions = definitions
        Tap(link.ib.wrapper).hear("openOrder", self._on_open_order)

    def _on_open_order(self, order_id: int, _contract: Any, order: Any, state: Any) -> bool:
        """Hand a what-if's answer to who asked; one that the library was asked for is the library's."""
        return order.whatIf and self._link.requests.on_message("openOrder", order_id, state)

    async def preview(self, ticket: OrderTicket, deadlines: Deadlines) -> OrderPreview:
        """Ask what an order would do to margin and equity.

        Raises:
            OrderRefused: Orders are kept back in dry run, and a what-if travels as one.
            OrderRejected: The venue would refuse the order.
            UnknownContract: There is no such contract.
            RequestTimeout: No answer within the deadline.
        """
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


def _change(state: Any, figure: str) -> MarginChange:
    before, change, after = (
        decimal_of(getattr(state, f"{figure}{when}")) for when in ("Before", "Change", "After")
    )
    return MarginChange(before=before, change=change, after=after)
