"""What companies do to those who hold their shares."""

from datetime import datetime
from types import MappingProxyType

import attrs
from attrs import validators

from ibkeel.sim.venue.account import Account

__all__ = ["CorporateAction", "Dividend", "Split", "after_action"]


@attrs.frozen(kw_only=True)
class Dividend:
    """Cash for each share held; who is short pays it.

    Args:
        con_id: The stock.
        at: When it is booked; a Gateway books it on the payment date, to those who held it before the
            ex-date, which are one instant here.
        per_share: Dollars.
    """

    con_id: int
    at: datetime
    per_share: float = attrs.field(validator=validators.gt(0))


@attrs.frozen(kw_only=True)
class Split:
    """More shares for each that was held, of less value each; options are left as they are.

    Args:
        con_id: The stock.
        at: When.
        ratio: New shares for an old one; below 1 for a reverse split.
    """

    con_id: int
    at: datetime
    ratio: float = attrs.field(validator=validators.gt(0))


CorporateAction = Dividend | Split


def after_action(account: Account, action: CorporateAction) -> Account:
    """The account once the action has been booked; unchanged when nothing is held.

    Source:
        Fractions of a share that a split leaves are kept, where a broker would pay them out: unverified.
    """
    holding = account.holdings.get(action.con_id)
    if holding is None or not holding.quantity:
        return account
    if isinstance(action, Dividend):
        return attrs.evolve(account, cash=account.cash + holding.quantity * action.per_share)
    after = attrs.evolve(
        holding,
        quantity=holding.quantity * action.ratio,
        average_cost=holding.average_cost / action.ratio,
    )
    holdings = MappingProxyType({**account.holdings, action.con_id: after})
    return attrs.evolve(account, holdings=holdings)
