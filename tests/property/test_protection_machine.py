"""Positions, brackets and stops in a small venue of our own; the verifier sees only what is listed."""

from datetime import UTC, date, datetime

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ibkeel.model import Option, OrderReport, OrderState, Position, Right, Side
from ibkeel.orders import CancelOrder, ChangeOrder, PlaceStop, protection_gaps

CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)
AT = datetime(2024, 3, 4, tzinfo=UTC)


@attrs.define(eq=False)
class Order:
    """What the venue knows of an order; `shown` is what a list says of its state."""

    number: int
    kind: str
    side: int
    size: int
    parent: "Order | None" = None
    filled: int = 0
    is_alive: bool = True
    shown: OrderState = OrderState.ACKNOWLEDGED

    @property
    def left(self):
        """Contracts it could trade now, were it triggered."""
        if not self.is_alive:
            return 0
        most = self.size
        if self.parent is not None and self.parent.is_alive:
            most = self.parent.filled * self.size // self.parent.size
        return max(most - self.filled, 0)

    def report(self):
        return OrderReport(
            order_id=self.number,
            perm_id=self.number,
            client_id=7,
            client_order_id=f"o{self.number}",
            contract=CALL,
            side=Side.BUY if self.side > 0 else Side.SELL,
            quantity=self.size,
            order_type=self.kind,
            parent_id=None if self.parent is None else self.parent.number,
            state=OrderState.PARTIALLY_FILLED if 0 < self.filled < self.size else self.shown,
            filled=self.filled,
            at=AT,
        )


class Protection(RuleBasedStateMachine):
    """Whatever the venue does, what is advised never passes zero and ends in one stop for all that is held.

    Where nothing is wrong, all exits together never close more than is held.
    """

    def __init__(self):
        super().__init__()
        self.orders, self.held, self.numbers = [], 0, 0

    def add(self, kind, side, size, parent=None):
        self.numbers += 1
        order = Order(self.numbers, kind, side, size, parent)
        self.orders.append(order)
        return order

    def alive(self, *kinds, side=-1):
        return [o for o in self.orders if o.is_alive and o.kind in kinds and o.side == side]

    def gaps(self):
        listed = [order.report() for order in self.orders if order.is_alive]
        position = Position(account="DU1", contract=CALL, signed_quantity=self.held, average_price=2.0)
        return protection_gaps([position] if self.held else [], listed)

    @precondition(lambda self: len(self.alive("LMT", side=1)) < 2)
    @rule(size=st.integers(1, 6), has_profit=st.booleans())
    def enter(self, size, has_profit):
        parent = self.add("LMT", 1, size)
        self.add("STP", -1, size, parent)
        if has_profit:
            self.add("LMT", -1, size, parent)

    @precondition(lambda self: self.alive("LMT", side=1))
    @rule(data=st.data())
    def fill_an_entry(self, data):
        entry = data.draw(st.sampled_from(self.alive("LMT", side=1)))
        part = data.draw(st.integers(1, entry.size - entry.filled))
        entry.filled += part
        self.held += part
        entry.is_alive = entry.filled < entry.size

    @precondition(lambda self: any(o.left for o in self.alive("STP")))
    @rule(data=st.data())
    def a_stop_fires(self, data):
        stop = data.draw(st.sampled_from([o for o in self.alive("STP") if o.left]))
        self.fill(stop, min(stop.left, self.held))

    @precondition(lambda self: self.held and any(o.left for o in self.alive("LMT")))
    @rule(data=st.data())
    def a_take_profit_fills(self, data):
        profit = data.draw(st.sampled_from([o for o in self.alive("LMT") if o.left]))
        self.fill(profit, min(profit.left, self.held))

    def fill(self, order, part):
        order.filled += part
        self.held -= part
        order.is_alive = False
        for other in self.orders:  # the venue lets one child of a family fill
            if other is not order and order.parent is not None and other.parent is order.parent:
                other.is_alive = False
        if order.parent is not None:
            order.parent.is_alive = False

    @precondition(lambda self: self.alive("STP", "LMT"))
    @rule(data=st.data())
    def somebody_cancels_an_exit(self, data):
        data.draw(st.sampled_from(self.alive("STP", "LMT"))).is_alive = False

    @precondition(lambda self: self.alive("STP"))
    @rule(
        data=st.data(), state=st.sampled_from([OrderState.UNKNOWN, OrderState.SENT, OrderState.ACKNOWLEDGED])
    )
    def the_list_is_slow_or_unsure(self, data, state):
        data.draw(st.sampled_from(self.alive("STP"))).shown = state

    @rule(size=st.integers(1, 6))
    def somebody_sends_a_stop_by_hand(self, size):
        self.add("STP", -1, size)

    @precondition(lambda self: self.held)
    @rule()
    def somebody_sells_by_hand(self):
        self.held -= 1

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def somebody_sells_much_by_hand(self, data):
        self.held -= data.draw(st.integers(1, self.held))

    def reachable(self, *, is_shown=False):
        """What all exits could sell, each family's stop or profit once; perhaps only those that a list shows at work."""
        families = {}
        for order in self.orders:
            is_sure = order.shown is OrderState.ACKNOWLEDGED or not is_shown
            if order.is_alive and order.side < 0 and is_sure:
                key = order.number if order.parent is None else -order.parent.number
                families[key] = max(families.get(key, 0), order.left)
        return sum(families.values())

    def take(self, mends):
        for step in mends:
            match step:
                case PlaceStop():
                    before = self.reachable()
                    self.add("STP", -1, step.quantity)
                    assert before + step.quantity <= max(self.held, before)
                case CancelOrder():
                    self.find(step.order).is_alive = False
                case ChangeOrder():
                    self.find(step.order).size = step.quantity

    def find(self, report):
        return next(order for order in self.orders if order.number == report.order_id)

    @rule()
    def mend_once(self):
        for gap in self.gaps()[:1]:
            self.take(gap.mends)

    @invariant()
    def what_has_no_gap_is_protected_once(self):
        if self.gaps():
            return
        sure = [
            o
            for o in self.alive("STP")
            if o.shown is not OrderState.UNKNOWN and o.shown is not OrderState.SENT
        ]
        assert sum(order.left for order in sure) == self.held

    @invariant()
    def without_a_gap_no_exits_together_pass_zero(self):
        if not self.gaps():
            assert self.reachable(is_shown=True) <= self.held

    @rule()
    def mend_until_well(self):
        for order in self.orders:
            order.shown = OrderState.ACKNOWLEDGED
        for _ in range(30):
            found = self.gaps()
            if not found:
                break
            self.take(found[0].mends)

        assert self.gaps() == ()
        assert self.reachable() <= self.held


TestProtection = Protection.TestCase
TestProtection.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
