"""Accounts: positions, balances, profit and loss."""

from datetime import datetime
from decimal import Decimal

import attrs

from ibkeel.model.checks import as_decimal, as_optional_decimal, as_utc, finite
from ibkeel.model.contracts import Contract


@attrs.frozen(kw_only=True)
class Position:
    """What an account holds of one contract.

    Args:
        account: Whole account id; mask it before it is shown.
        contract: What is held.
        signed_quantity: Contracts or shares; negative when short.
        average_price: Average entry price per share, commissions included.
    """

    account: str = attrs.field(repr=False)
    contract: Contract
    signed_quantity: float = attrs.field(validator=finite)
    average_price: float = attrs.field(validator=finite)


@attrs.frozen(kw_only=True)
class AccountValues:
    """Balances of one account, in its base currency; None where the broker sent nothing.

    Args:
        account: Whole account id; mask it before it is shown.
        at: When it was read.
        currency: ISO code of the base currency.
        net_liquidation: Value of everything if it were sold now.
        available_funds: What may be spent on new positions.
        buying_power: Available funds with the account's leverage.
        excess_liquidity: Cushion above the maintenance margin.
        initial_margin: Margin that new positions had to post.
        total_cash: Cash, settled or not.
    """

    account: str = attrs.field(repr=False)
    at: datetime = attrs.field(converter=as_utc)
    currency: str = "USD"
    net_liquidation: Decimal = attrs.field(converter=as_decimal)
    available_funds: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    buying_power: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    excess_liquidity: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    initial_margin: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    total_cash: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)


@attrs.frozen(kw_only=True)
class PnL:
    """Profit and loss of one account, in its base currency; None where the broker sent nothing.

    Args:
        unrealized: In the account's currency; None when the Gateway has no figure.
        realized: Of the day, in the account's currency; None when the Gateway has no figure.
    """

    account: str = attrs.field(repr=False)
    at: datetime = attrs.field(converter=as_utc)
    unrealized: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    realized: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
