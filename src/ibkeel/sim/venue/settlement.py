"""The account as a value, and what befalls who only holds: options end, companies pay dividends and split shares."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import attrs

from ibkeel.sim.settings import above_zero
from ibkeel.sim.split import Split
from ibkeel.sim.values import ContractPattern, Market, SimContract, SimPosition
from ibkeel.sim.venue.matching import usable_price

_LEAST: Final = 0.01
_SEARCH: Final = timedelta(days=7)


@attrs.frozen(kw_only=True)
class Holding:
    """What is held of one contract.

    Attributes:
        contract: What is held.
        quantity: Signed; 0.0 after a closing trade, and then kept for its realized profit.
        average_cost: Dollars a unit, with the multiplier and the opening commission, as IB counts.
        realized: Dollars won or lost by closing, after commissions.
    """

    contract: SimContract
    quantity: float = 0.0
    average_cost: float = 0.0
    realized: float = 0.0

    def closing_part(self, signed: float) -> float:
        """How many of `signed` units reduce the holding; never negative."""
        if self.quantity * signed >= 0:
            return 0.0
        return min(abs(signed), abs(self.quantity))

    def traded(self, signed: float, value: float, commission: float) -> "Holding":
        """The holding after a trade.

        Args:
            signed: Units bought, or sold when negative; not 0.
            value: Dollars a unit: price times multiplier.
            commission: Dollars for the whole trade, spread evenly over its units.
        """
        closed = self.closing_part(signed)
        opened = abs(signed) - closed
        side = 1.0 if signed > 0 else -1.0
        unit_cost = value + side * commission / abs(signed)
        quantity = self.quantity + signed
        realized = self.realized - side * closed * (unit_cost - self.average_cost)
        return attrs.evolve(
            self,
            quantity=quantity,
            average_cost=_average_cost(self, opened=opened, unit_cost=unit_cost, after=quantity),
            realized=realized,
        )


def _average_cost(before: Holding, *, opened: float, unit_cost: float, after: float) -> float:
    if after == 0:
        return 0.0
    if opened == 0:
        return before.average_cost
    kept = abs(after) - opened
    return (kept * before.average_cost + opened * unit_cost) / abs(after)


class Booking(NamedTuple):
    """The account after a trade, and what the trade realized: None when it only opened."""

    account: "Account"
    realized: float | None


@attrs.frozen(kw_only=True)
class Account:
    """Cash and holdings of one account, in US dollars."""

    name: str
    cash: float
    holdings: Mapping[int, Holding] = attrs.field(factory=dict)

    @property
    def realized(self) -> float:
        """Dollars realized since the start, after commissions."""
        return sum(holding.realized for holding in self.holdings.values())

    def holding(self, contract: SimContract) -> Holding:
        """What is held of a contract; an empty holding when nothing ever was."""
        return self.holdings.get(contract.con_id, Holding(contract=contract))

    def traded(self, contract: SimContract, signed: float, price: float, commission: float) -> Booking:
        """Book a trade."""
        before = self.holding(contract)
        value = price * contract.multiplier
        after = before.traded(signed, value, commission)
        account = attrs.evolve(
            self,
            cash=self.cash - signed * value - commission,
            holdings={**self.holdings, contract.con_id: after},
        )
        is_closing = before.closing_part(signed) > 0
        return Booking(account, after.realized - before.realized if is_closing else None)

    def positions(self) -> list[SimPosition]:
        """Holdings that are not flat, in the order in which they were first traded."""
        return [self.position(holding) for holding in self.holdings.values() if holding.quantity]

    def position(self, holding: Holding) -> SimPosition:
        """A holding as the wire reports it."""
        return SimPosition(
            account=self.name,
            contract=holding.contract,
            quantity=holding.quantity,
            average_cost=holding.average_cost,
        )


@attrs.frozen(kw_only=True)
class Settlement:
    """An option that ended while it was held.

    Attributes:
        contract: The option.
        quantity: Contracts held, negative when short.
        intrinsic: Dollars a share by which it was in the money; 0.0 when it ended worthless.
        shares: Of the underlying, bought or (negative) sold at the strike; 0.0 without delivery.
        at: Close of its last session.
    """

    contract: SimContract
    quantity: float
    intrinsic: float
    shares: float
    at: datetime

    @property
    def is_assignment(self) -> bool:
        """Whether a holder of the other side exercised against this account."""
        return self.quantity < 0 and self.intrinsic > 0


def settled(account: Account, market: Market, at: datetime) -> tuple[Account, tuple[Settlement, ...]]:
    """The account once every option that has ended by `at` is gone from it.

    One that is a cent or more in the money is exercised, or assigned when short: shares change
    hands at the strike where the underlying is a stock, and cash where it is an index. Without
    commission. Nobody exercises early, and no holder acts against the rule.

    Source:
        OCC Rule 805, exercise by exception from 0.01 in the money on; no fee: IBKR's list of
        commissions, unverified.
    """
    done: list[Settlement] = []
    if not any(end <= at for end in filter(None, ends_of(account, market))):
        return account, ()
    for holding in tuple(account.holdings.values()):
        closes_at = ends_at(holding.contract, market) if holding.quantity else None
        if closes_at is not None and closes_at <= at:
            account, settlement = _settle(account, holding, market, closes_at)
            done.append(settlement)
    return account, tuple(done)


def ends_at(contract: SimContract, market: Market) -> datetime | None:
    """When an option trades last; None for what is no option."""
    last: date | None = contract.last_trading_day or contract.expiry
    if contract.sec_type != "OPT" or last is None:
        return None
    sessions = market.sessions(last - _SEARCH, last)
    return sessions[-1].closes_at if sessions else None


def ends_of(account: Account, market: Market) -> list[datetime | None]:
    """When options that are held trade last, each instant once."""
    held = (each.contract for each in account.holdings.values() if each.quantity)
    by_day = {each.last_trading_day or each.expiry: each for each in held if each.sec_type == "OPT"}
    return [ends_at(each, market) for each in by_day.values()]


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
    per_share: float = attrs.field(validator=above_zero)


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
    holdings = {**account.holdings, action.con_id: after}
    return attrs.evolve(account, holdings=holdings)


def _settle(
    account: Account, holding: Holding, market: Market, closes_at: datetime
) -> tuple[Account, Settlement]:
    option, quantity = holding.contract, holding.quantity
    under = market.by_con_id(option.under_con_id)
    sign = 1.0 if option.right == "C" else -1.0
    spot = None if under is None else _spot(market, under, closes_at)
    intrinsic = 0.0 if spot is None else sign * (spot - option.strike)
    intrinsic = intrinsic if intrinsic >= _LEAST else 0.0
    shares = 0.0
    if under is not None and under.sec_type == "STK" and intrinsic:
        shares = sign * quantity * option.multiplier
        account = account.traded(option, -quantity, 0.0, 0.0).account
        account = account.traded(under, shares, option.strike, 0.0).account
    else:
        account = account.traded(option, -quantity, intrinsic, 0.0).account
    return account, Settlement(
        contract=option, quantity=quantity, intrinsic=intrinsic, shares=shares, at=closes_at
    )


def _spot(market: Market, under: SimContract, at: datetime) -> float | None:
    """The last trade, which is what the clearing house goes by; else the middle of the quote."""
    quote = market.quote(under, at)
    last, bid, ask = usable_price(quote.last), usable_price(quote.bid), usable_price(quote.ask)
    if last is None and bid is not None and ask is not None:
        return (bid + ask) / 2
    return last


def _with_adjusted(account: Account, split: Split, market: Market) -> Account:
    holdings: dict[int, Holding] = {}
    for con_id, holding in account.holdings.items():
        after = _adjusted(holding, split, market) if holding.contract.under_con_id == split.con_id else None
        if after is None:
            holdings[con_id] = holding
            continue
        kept = attrs.evolve(holding, quantity=0.0, average_cost=0.0)
        holdings |= {con_id: kept, after.contract.con_id: after}
    return attrs.evolve(account, holdings=holdings)


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
