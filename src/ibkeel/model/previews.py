"""What an order would do to the account, told before it is placed."""

from datetime import datetime
from decimal import Decimal

import attrs

from ibkeel.model.checks import as_optional_decimal, as_utc
from ibkeel.model.orders import OrderTicket

__all__ = ["MarginChange", "OrderPreview"]


@attrs.frozen(kw_only=True)
class MarginChange:
    """A figure of the account before and after an order; None where the broker sent nothing.

    Args:
        before: As it stands.
        change: What the order adds; below zero when it sets something free.
        after: As if the order had filled whole.
    """

    before: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    change: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    after: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)


@attrs.frozen(kw_only=True)
class OrderPreview:
    """The answer to a what-if: nothing was placed.

    Args:
        ticket: What was asked about.
        at: When the answer came.
        initial_margin: What must be there to open it.
        maintenance_margin: What must be there to keep it.
        equity_with_loan: What both margins are held against.
        commission: Estimate for the whole order, in `currency`; None when the broker gave none.
        least_commission: The lower end, where the broker gives a span.
        most_commission: The upper end.
        currency: Of the commission; empty when none was given.
        warning: The broker's words; empty when it has nothing to say.
    """

    ticket: OrderTicket
    at: datetime = attrs.field(converter=as_utc)
    initial_margin: MarginChange = attrs.field(factory=MarginChange)
    maintenance_margin: MarginChange = attrs.field(factory=MarginChange)
    equity_with_loan: MarginChange = attrs.field(factory=MarginChange)
    commission: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    least_commission: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    most_commission: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    currency: str = ""
    warning: str = ""
