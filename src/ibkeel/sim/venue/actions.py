"""What companies do to those who hold their shares."""

from datetime import datetime
from types import MappingProxyType

import attrs
from attrs import validators

from ibkeel.sim.split import Split
from ibkeel.sim.values import ContractPattern, Market
from ibkeel.sim.venue.account import Account, Holding


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


CorporateAction = Dividend | Split


def after_action(account: Account, action: CorporateAction, market: Market) -> Account:
    """The account once the action has been booked; unchanged when nothing is held.

    Options on a stock that is split become those that the market lists in their place, as a `SplitMarket`
    does; where it lists none they are left as they are. Orders are left as they are.

    Source:
        Fractions of a share that a split leaves are kept, where a broker would pay them out: unverified.
    """
    if isinstance(action, Split):
        account = _with_adjusted(account, action, market)
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


def _with_adjusted(account: Account, split: Split, market: Market) -> Account:
    holdings: dict[int, Holding] = {}
    for con_id, holding in account.holdings.items():
        after = _adjusted(holding, split, market) if holding.contract.under_con_id == split.con_id else None
        if after is None:
            holdings[con_id] = holding
            continue
        kept = attrs.evolve(holding, quantity=0.0, average_cost=0.0)
        holdings |= {con_id: kept, after.contract.con_id: after}
    return attrs.evolve(account, holdings=MappingProxyType(holdings))


def _adjusted(holding: Holding, split: Split, market: Market) -> Holding | None:
    if not holding.quantity:
        return None
    terms = split.adjusted(holding.contract)
    pattern = ContractPattern(
        symbol=terms.symbol,
        sec_type=terms.sec_type,
        expiry="" if terms.expiry is None else f"{terms.expiry:%Y%m%d}",
        strike=terms.strike,
        right=terms.right,
        trading_class=terms.trading_class,
    )
    found = market.find(pattern)
    if len(found) != 1:
        return None
    return Holding(
        contract=found[0],
        quantity=holding.quantity * split.contracts,
        average_cost=holding.average_cost / split.contracts,
    )
