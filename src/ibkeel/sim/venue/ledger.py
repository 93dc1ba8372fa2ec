"""Books fills: executions, commissions, and the account that they lead to."""

from datetime import datetime
from functools import partial
from itertools import count
from typing import Final

import attrs
import numpy as np

from ibkeel.sim.settings import VenueSettings
from ibkeel.sim.values import Commission, Execution, Market, SimContract, SimOrder
from ibkeel.sim.venue.margin import (
    MarginPreview,
    Parts,
    Valuation,
    after_order,
    market_price,
    reference_price,
    valued,
)
from ibkeel.sim.venue.matching import LIMIT_TYPES, leg_orders
from ibkeel.sim.venue.orders import WorkingOrder
from ibkeel.sim.venue.settlement import Account

# Permanent ids of real accounts have nine or ten digits and fit 31 bits.
_LOWEST_PERM, _HIGHEST_PERM = 1_000_000_000, 2_000_000_000
_EXEC_PREFIXES: Final = 0xFFFF


class Stamps:
    """Permanent ids and execution ids, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        random = np.random.default_rng(seed)
        self._perm_ids = count(int(random.integers(_LOWEST_PERM, _HIGHEST_PERM)))
        self._prefix = int(random.integers(1, _EXEC_PREFIXES))
        self._fills = count(1)

    def perm_id(self) -> int:
        """The next permanent order id."""
        return next(self._perm_ids)

    def exec_id(self, at: datetime) -> str:
        """The next execution id, in IB's form of four hexadecimal groups."""
        return f"{self._prefix:08x}.{int(at.timestamp()):08x}.{next(self._fills):02x}.01"


class Ledger:
    """An account, and the fills of every account."""

    def __init__(
        self,
        market: Market,
        account: Account,
        stamps: Stamps,
        settings: VenueSettings,
        fills: list[tuple[Execution, Commission]],
    ) -> None:
        self.account, self.fills = account, fills
        self._market, self._stamps, self._settings = market, stamps, settings
        self._parts: Parts = {}

    def book(
        self, working: WorkingOrder, quantity: float, price: float, at: datetime
    ) -> list[tuple[Execution, Commission]]:
        """Book a fill that the order has already counted.

        A combo gives a fill of the whole, which moves nothing, and one for each leg.
        """
        order = working.order
        if order.legs:
            return self._book_combo(order, quantity, price, at)
        plan = self._settings.commission_plan(order.contract.sec_type)
        charge = plan.charged(order.filled) - working.commission
        working.commission += charge
        return [self._traded(order, quantity, price, charge, at)]

    def _book_combo(
        self, order: SimOrder, quantity: float, price: float, at: datetime
    ) -> list[tuple[Execution, Commission]]:
        """The legs at their own quotes.

        That the whole has an execution of its own is documented; that it is reported as free of commission,
        and its average price on the legs, is unverified.
        """
        whole = self._execution(order, quantity, price, at)
        booked = [(whole, self._commission(whole, 0.0, None))]
        self.fills += booked
        for part in leg_orders(attrs.evolve(order, quantity=quantity)):
            quote = self._market.quote(part.contract, at)
            paid = quote.ask if part.action == "BUY" else quote.bid
            assert paid is not None, "a combo fills when each leg has the side that it needs"
            ratio = part.quantity / quantity
            part.filled, part.average_fill_price = order.filled * ratio, paid
            plan = self._settings.commission_plan(part.contract.sec_type)
            charge = plan.charged(part.filled) - plan.charged(part.filled - part.quantity)
            booked.append(self._traded(part, part.quantity, paid, charge, at))
        return booked

    def _traded(
        self, order: SimOrder, quantity: float, price: float, charge: float, at: datetime
    ) -> tuple[Execution, Commission]:
        signed = quantity if order.action == "BUY" else -quantity
        self.account, realized = self.account.traded(order.contract, signed, price, charge)
        execution = self._execution(order, quantity, price, at)
        fill = execution, self._commission(execution, charge, realized)
        self.fills.append(fill)
        return fill

    @staticmethod
    def _commission(execution: Execution, charge: float, realized: float | None) -> Commission:
        return Commission(
            client_id=execution.client_id,
            exec_id=execution.exec_id,
            commission=charge,
            currency=execution.contract.currency,
            realized_pnl=realized,
        )

    def deliver(
        self,
        contract: SimContract,
        signed: float,
        price: float,
        *,
        client_id: int,
        order_id: int,
        at: datetime,
    ) -> tuple[Execution, Commission]:
        """Book what an exercise moves, units received or (negative) given, free of commission."""
        quantity = abs(signed)
        order = SimOrder(
            client_id=client_id,
            order_id=order_id,
            contract=contract,
            action="BUY" if signed > 0 else "SELL",
            quantity=quantity,
            order_type="",
            perm_id=self._stamps.perm_id(),
            filled=quantity,
            average_fill_price=price,
        )
        return self._traded(order, quantity, price, 0.0, at)

    def valuation(self, at: datetime) -> Valuation:
        """The account at the market's prices."""
        return self._valued(self.account, at)

    def preview(self, order: SimOrder, at: datetime, *, leaves: str = "") -> tuple[MarginPreview, bool]:
        """The account before and after the order, and whether the order only reduces; `leaves` is as in `portfolio`."""
        before = self._valued(self.account, at, leaves)
        account, commission, only_reduces = self.account, 0.0, True
        for part in leg_orders(order):
            price = reference_price(part, self._market.quote(part.contract, at))
            if price is None:
                return MarginPreview(before=before, after=before, commission=None), False
            charge = self._settings.commission_plan(part.contract.sec_type).charged(part.quantity)
            commission += charge
            account, reduces = after_order(account, part, price, charge)
            only_reduces = only_reduces and reduces
        at_limit = limit_cash(order)
        if at_limit is not None:
            account = attrs.evolve(account, cash=self.account.cash - at_limit - commission)
        after = self._valued(account, at, leaves)
        return MarginPreview(before=before, after=after, commission=commission), only_reduces

    def _valued(self, account: Account, at: datetime, leaves: str = "") -> Valuation:
        mark = partial(market_price, self._market, at=at)
        return valued(account, mark, self._settings, self._parts, leaves=leaves)

    def _execution(self, order: SimOrder, quantity: float, price: float, at: datetime) -> Execution:
        return Execution(
            exec_id=self._stamps.exec_id(at),
            at=at,
            client_id=order.client_id,
            order_id=order.order_id,
            perm_id=order.perm_id,
            contract=order.contract,
            account=self.account.name,
            exchange=order.contract.primary_exchange or order.contract.exchange,
            side="BOT" if order.action == "BUY" else "SLD",
            quantity=quantity,
            price=price,
            cumulative_quantity=order.filled,
            average_price=order.average_fill_price,
            order_ref=order.order_ref,
        )


def limit_cash(order: SimOrder) -> float | None:
    """Dollars that a combo costs at its own limit, below zero when it brings some; None without one.

    A combo is priced per share of its options, whose multiplier is the legs' largest.
    """
    if not order.legs or order.order_type not in LIMIT_TYPES or order.limit_price is None:
        return None
    multiplier = max(leg.contract.multiplier for leg in order.legs)
    sign = 1.0 if order.action == "BUY" else -1.0
    return sign * order.limit_price * multiplier * order.quantity
