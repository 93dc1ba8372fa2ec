"""What a `FakeBroker` says of an order that is not placed."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from ibkeel.model import AccountValues, Combo, MarginChange, Option, OrderPreview, OrderTicket, Side
from ibkeel.model.checks import as_optional_decimal
from ibkeel.testing.fake.prices import PriceScript

__all__ = ["preview_of"]

_COMBO_MULTIPLIER: Final = 100


def preview_of(
    ticket: OrderTicket, prices: PriceScript, account: AccountValues, at: datetime
) -> OrderPreview:
    """The preview of a cash account: what is bought is paid in full, what is sold ties nothing up.

    Args:
        ticket: What is asked about.
        prices: Where the quote in force is; a combo has none, and counts at its limit.
        account: The balances.
        at: When it is asked.

    Raises:
        UnknownContract: The script does not know the contract.
        QuoteUnavailable: It has no quote of it yet.
    """
    price = ticket.stop_price if ticket.limit_price is None else ticket.limit_price
    if not isinstance(ticket.contract, Combo):
        quote = prices.quote(ticket.contract, at)
        if price is None:
            price = as_optional_decimal(quote.ask if ticket.side is Side.BUY else quote.bid)
    change = None if price is None else max(Decimal(0), ticket.side.sign * price * _shares(ticket))
    margin = _added(account.initial_margin, change)
    return OrderPreview(
        ticket=ticket,
        at=at,
        initial_margin=margin,
        maintenance_margin=margin,
        equity_with_loan=_added(account.net_liquidation, Decimal(0)),
        commission=Decimal(0),
        currency=account.currency,
    )


def _shares(ticket: OrderTicket) -> int:
    match ticket.contract:
        case Option():
            return ticket.quantity * ticket.contract.multiplier
        case Combo():
            return ticket.quantity * _COMBO_MULTIPLIER
        case _:
            return ticket.quantity


def _added(before: Decimal | None, change: Decimal | None) -> MarginChange:
    start = before or Decimal(0)
    return MarginChange(before=start, change=change, after=None if change is None else start + change)
