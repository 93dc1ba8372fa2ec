"""The venue: takes orders, matches them against a market, keeps the accounts of one login."""

import copy
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from ibkeel.errors import InvalidInput
from ibkeel.sim.settings import VenueSettings
from ibkeel.sim.values import (
    Commission,
    Execution,
    Market,
    OrderEcho,
    OrderError,
    SimContract,
    SimOrder,
    SimPosition,
    VenueEvent,
)
from ibkeel.sim.venue.engine import Engine
from ibkeel.sim.venue.hours import is_expired
from ibkeel.sim.venue.ledger import Ledger, Stamps
from ibkeel.sim.venue.margin import (
    MarginPreview,
    PortfolioRow,
    Valuation,
    account_rows,
    market_price,
    portfolio,
)
from ibkeel.sim.venue.orders import Stage, WorkingOrder
from ibkeel.sim.venue.rejects import Refusal, check_modification, check_new, refuse
from ibkeel.sim.venue.settlement import Account, CorporateAction, Settlement, after_action, ends_of, settled

_DEFAULTS = VenueSettings()


class Venue:
    """A simulated exchange and broker for one login, without IO and without a clock.

    Every method that acts takes the instant and returns the messages that it causes, in the
    order in which they must be sent. Time never runs backwards: an earlier instant counts as the
    latest one seen. Between two calls of `advance` the market is not looked at, so step through
    `next_event` to miss nothing. Expiring options stay, at the market's last price, until `settle`
    is called.

    Args:
        market: Quotes, contracts and sessions.
        account: Account id, which orders may name, or leave empty where there is no other.
        cash: Dollars at the start.
        further_accounts: More accounts of the login: their dollars at the start, by id.
        seed: Chooses permanent and execution ids.
        settings: Choices among the Gateway's habits, commissions and margins.
        actions: Splits and dividends to come; each is booked once, at its time.

    Raises:
        InvalidInput: The cash of an account is not a finite number.
    """

    def __init__(
        self,
        market: Market,
        *,
        account: str = "DU1234567",
        cash: float = 100_000.0,
        further_accounts: Mapping[str, float] | None = None,
        seed: int = 0,
        settings: VenueSettings = _DEFAULTS,
        actions: Iterable[CorporateAction] = (),
    ) -> None:
        stamps = Stamps(seed)
        self._market, self._settings = market, settings
        self._fills: list[tuple[Execution, Commission]] = []
        self._ledgers: dict[str, Ledger] = {}
        for name, dollars in {account: cash, **(further_accounts or {})}.items():
            if not math.isfinite(dollars):
                raise InvalidInput(f"cash is {dollars}; it must be a finite number of dollars")
            held = Account(name=name, cash=dollars)
            self._ledgers[name] = Ledger(market, held, stamps, settings, self._fills)
        self._engine = Engine(market, self._ledgers, stamps, settings)
        self._actions = sorted(actions, key=lambda action: action.at)
        self._now: datetime | None = None

    def submit(self, order: SimOrder, at: datetime) -> list[VenueEvent]:
        """Take a new order, or new terms for a live one of the same client and order id.

        The order is copied. With `transmit` False nothing is said or done until the same id
        arrives with True, or a child with True releases the whole family. A modification carries
        every field again; with `transmit` False it has no effect. A what-if order is echoed, and
        otherwise left alone: `preview` has its figures.
        """
        at = self._moved_to(at)
        existing = self._engine.book.find((order.client_id, order.order_id))
        refusal = self._refusal(order, existing, at)
        if refusal is not None:
            return [self._refused(refusal, order, existing)]
        mine = self._own_copy(order)
        if order.what_if:
            mine.status = "PreSubmitted"
            return [OrderEcho(order=mine, status=mine.status)]
        if existing is None:
            return self._engine.enter(mine, at)
        return self._engine.modify(existing, mine, at)

    def cancel(self, client_id: int, order_id: int, at: datetime) -> list[VenueEvent]:
        """Cancel an order; cancelling a parent that has not filled cancels its children."""
        at = self._moved_to(at)
        working = self._engine.book.find((client_id, order_id))
        if working is None and self._settings.cancels_across_clients:
            working = self._foreign_order(order_id)
        old = self._settings.older_cancel_codes
        if working is None:
            unknown = Refusal.CANCEL_UNKNOWN_OLD if old else Refusal.CANCEL_UNKNOWN
            return [refuse(unknown, client_id, order_id)]
        if not working.is_live:
            done = Refusal.CANCEL_DONE_OLD if old else Refusal.CANCEL_DONE
            order = working.order
            return [refuse(done, client_id, order_id, status=order.status, perm_id=order.perm_id)]
        return self._engine.cancel(working, at, told=client_id)

    def cancel_all(self, at: datetime) -> list[VenueEvent]:
        """Cancel every live order of every client, drafts included."""
        at = self._moved_to(at)
        events: list[VenueEvent] = []
        for working in self._engine.book.live():
            if working.is_live:  # not yet cancelled with its parent
                events += self._engine.cancel(working, at)
        return events

    def exercise(
        self,
        contract: SimContract,
        quantity: int,
        *,
        client_id: int,
        order_id: int,
        at: datetime,
        account: str = "",
    ) -> list[VenueEvent]:
        """Exercise long options at once: shares at the strike, or cash on an index.

        The premium stays with the option, whose position ends at a price of zero; a Gateway adds it
        to the cost of the shares, and works exercises off after the close (unverified).

        Args:
            contract: An option of which so many are held.
            quantity: Contracts.
            client_id: Who asked; the fills carry it.
            order_id: Id of the request; the fills carry it.
            at: The instant.
            account: Whose; the first where none is named.

        Raises:
            InvalidInput: The position is smaller.
        """
        at = self._moved_to(at)
        ledger = self._of(account)
        held = ledger.account.holding(contract).quantity
        if not 0 < quantity <= held:
            raise InvalidInput(
                f"{quantity} of {contract.local_symbol} cannot be exercised: {held:g} are held"
            )
        deliver = partial(ledger.deliver, client_id=client_id, order_id=order_id, at=at)
        underlying = self._market.by_con_id(contract.under_con_id)
        if underlying is None or underlying.sec_type == "IND":
            worth = self._intrinsic(contract, underlying, at)
            return list(deliver(contract, -quantity, worth))
        shares = quantity * contract.multiplier * (1 if contract.right == "C" else -1)
        return [
            *deliver(contract, -quantity, 0.0),
            *deliver(underlying, shares, contract.strike),
        ]

    def advance(self, at: datetime) -> list[VenueEvent]:
        """Book what companies do, match every live order, end DAY orders, and settle what has expired."""
        at = self._moved_to(at)
        while self._actions and self._actions[0].at <= at:
            action = self._actions.pop(0)
            for ledger in self._ledgers.values():
                ledger.account = after_action(ledger.account, action, self._market)
        return [*self._engine.step(at), *self._expire(at)]

    def settle(self, at: datetime) -> tuple[Settlement, ...]:
        """Exercise, assign or drop the options held that have ended by that instant."""
        at = self._moved_to(at)
        ended: list[Settlement] = []
        for ledger in self._ledgers.values():
            ledger.account, done = settled(ledger.account, self._market, at)
            ended += done
        return tuple(ended)

    def valuation(self, at: datetime, account: str = "") -> Valuation:
        """What an account is worth, at the market's prices; the first where none is named."""
        return self._of(account).valuation(at)

    def next_event(self, after: datetime) -> datetime | None:
        """First instant after `after` at which `advance` may do something; None: never."""
        ends: list[datetime | None] = [self._engine.next_event(after), *(each.at for each in self._actions)]
        if self._settings.settles_expiries:
            for ledger in self._ledgers.values():
                ends += ends_of(ledger.account, self._market)
        return min((at for at in filter(None, ends) if at > after), default=None)

    def objection(self, order: SimOrder, at: datetime) -> OrderError | None:
        """Why an order that is only asked about could not be placed, whatever its id; None for no reason.

        The account's funds are not looked at: they are in the figures of `preview`.
        """
        refusal = self._refusal_as_stated(order, self._moved_to(at))
        return None if refusal is None else self._refused(refusal, order, None)

    def preview(self, order: SimOrder, at: datetime) -> MarginPreview:
        """What the order would do to the account, if it filled whole; nothing is changed."""
        return self._of(order.account).preview(order, at)[0]

    def open_orders(self, client_id: int | None = None) -> list[SimOrder]:
        """Copies of transmitted live orders, oldest first, of one client or of all."""
        return [
            working.snapshot()
            for working in self._engine.book.live()
            if working.stage is not Stage.DRAFT and client_id in {None, working.order.client_id}
        ]

    def completed_orders(self) -> list[SimOrder]:
        """Copies of the orders that have ended, in the order in which they did."""
        return [working.snapshot() for working in self._engine.book.completed()]

    def executions(self) -> list[tuple[Execution, Commission]]:
        """Every fill since the start, oldest first, each with its commission."""
        return list(self._fills)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Ids of the accounts that it keeps."""
        return tuple(self._ledgers)

    def positions(self) -> list[SimPosition]:
        """Positions of each account that are not flat, in the order in which they were first traded."""
        return [held for ledger in self._ledgers.values() for held in ledger.account.positions()]

    def portfolio(self, at: datetime, account: str = "") -> list[PortfolioRow]:
        """Everything an account ever traded, at the market's prices; a flat row has quantity 0."""
        return portfolio(self._of(account).account, partial(market_price, self._market, at=at))

    def account_values(self, at: datetime, account: str = "") -> list[tuple[str, str, str]]:
        """Key, value and currency of each value of an account, as the wire carries them.

        RealizedPnL counts from the start of the venue, not from midnight.
        """
        ledger = self._of(account)
        return account_rows(ledger.account.name, ledger.valuation(at), self._settings)

    def _of(self, account: str) -> Ledger:
        return self._ledgers[account or self.accounts[0]]

    def _expire(self, at: datetime) -> list[VenueEvent]:
        """Exercise, assign or drop the options that have ended, as executions without an order."""
        if not self._settings.settles_expiries:
            return []
        events: list[VenueEvent] = []
        for ledger in self._ledgers.values():
            _, done = settled(ledger.account, self._market, at)
            deliver = partial(ledger.deliver, client_id=0, order_id=0, at=at)
            for each in done:
                events += deliver(each.contract, -each.quantity, 0.0 if each.shares else each.intrinsic)
                underlying = self._market.by_con_id(each.contract.under_con_id)
                if each.shares and underlying is not None:
                    events += deliver(underlying, each.shares, each.contract.strike)
        return events

    def _refusal(self, order: SimOrder, existing: WorkingOrder | None, at: datetime) -> Refusal | None:
        if existing is not None and not existing.is_live:
            filled = existing.stage is Stage.FILLED
            return Refusal.MODIFIES_FILLED if filled else Refusal.DUPLICATE_ID
        if existing is not None and existing.stage is not Stage.DRAFT:
            return self._refusal_by_account(order) or check_modification(order, existing.order, self._market)
        if existing is None and order.order_id <= self._engine.book.highest_id(order.client_id):
            return self._refusal_by_account(order) or Refusal.DUPLICATE_ID
        return self._refusal_as_stated(order, at)

    def _refusal_as_stated(self, order: SimOrder, at: datetime) -> Refusal | None:
        """What is wrong with a new order, its id apart."""
        return (
            self._refusal_by_account(order)
            or check_new(order, self._market)
            or self._refusal_by_book(order, at)
        )

    def _refusal_by_account(self, order: SimOrder) -> Refusal | None:
        is_clear = order.account in self._ledgers or (not order.account and len(self._ledgers) == 1)
        return None if is_clear else Refusal.BAD_ACCOUNT

    def _refused(self, refusal: Refusal, order: SimOrder, existing: WorkingOrder | None) -> OrderError:
        facts = {
            "account": order.account,
            "parent_id": order.parent_id,
            "order_type": order.order_type,
        }
        filled = 0.0 if existing is None else existing.order.filled
        return refuse(refusal, order.client_id, order.order_id, filled=f"{filled:g}", **facts)

    def _refusal_by_book(self, order: SimOrder, at: datetime) -> Refusal | None:
        if is_expired(order, at):
            return Refusal.EXPIRED
        if order.tif == "GTD" and (order.good_till is None or order.good_till <= at):
            return Refusal.NO_EXPIRY
        if not order.parent_id:
            return None
        parent = self._engine.book.find((order.client_id, order.parent_id))
        can_adopt = parent is not None and (parent.is_live or parent.stage is Stage.FILLED)
        return None if can_adopt else Refusal.PARENT_MISSING

    def _intrinsic(self, contract: SimContract, underlying: SimContract | None, at: datetime) -> float:
        last = None if underlying is None else self._market.quote(underlying, at).last
        if last is None:
            return 0.0
        return max(0.0, last - contract.strike if contract.right == "C" else contract.strike - last)

    def _own_copy(self, order: SimOrder) -> SimOrder:
        """A copy without what only the venue may say."""
        mine = copy.copy(order)
        mine.account = order.account or self.accounts[0]
        mine.perm_id, mine.status, mine.why_held = 0, "", ""
        mine.filled = mine.average_fill_price = mine.last_fill_price = 0.0
        mine.placed_at = mine.completed_at = None
        mine.completed_status = ""
        return mine

    def _foreign_order(self, order_id: int) -> WorkingOrder | None:
        for working in self._engine.book.live():
            if working.order.order_id == order_id and working.order.tif == "GTC":
                return working
        return None

    def _moved_to(self, at: datetime) -> datetime:
        if at.tzinfo is None:
            raise InvalidInput(f"{at} has no time zone; instants are aware")
        self._now = at if self._now is None else max(at, self._now)
        return self._now
