"""Whatever clients send and whatever the market shows, the venue keeps its promises."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ibkeel.sim.values import (
    Commission,
    Execution,
    MarketQuote,
    OrderEcho,
    OrderStatus,
    SimContract,
    SimOrder,
    SimSession,
)
from ibkeel.sim.venue import Venue, VenueSettings

CASH = 1_000_000.0
DAY = date(2024, 3, 4)
OPENS = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
STOCK = SimContract(con_id=1, symbol="SPY", sec_type="STK")
OPTION = SimContract(con_id=2, symbol="SPY", sec_type="OPT", multiplier=100, strike=5.0)
CONTRACTS = (STOCK, OPTION)
ENDED = ("Filled", "Cancelled", "Inactive")

# Few prices, close together, so that orders meet quotes and stops meet triggers.
cents = st.integers(96, 104).map(lambda n: n * 5 / 100)
sides = st.sampled_from(["BUY", "SELL"])
sizes = st.integers(1, 12)
contracts = st.sampled_from(CONTRACTS)
types = st.sampled_from(["MKT", "LMT", "STP", "STP LMT"])
tifs = st.sampled_from(["DAY", "DAY", "GTC", "GTC", "IOC", "FOK"])


class GrowingMarket:
    """A whole `Market` of two contracts, whose quotes are appended as the test goes on."""

    def __init__(self):
        self._quotes = {contract.con_id: [] for contract in CONTRACTS}

    def show(self, contract, quote):
        self._quotes[contract.con_id].append(quote)

    def find(self, pattern):
        return [contract for contract in CONTRACTS if contract.sec_type == pattern.sec_type]

    def by_con_id(self, con_id):
        return next((c for c in CONTRACTS if c.con_id == con_id), None)

    def option_classes(self, under_con_id):
        return ()

    def quote(self, contract, at):
        seen = [quote for quote in self._quotes[contract.con_id] if quote.at <= at]
        return seen[-1]._replace(at=at) if seen else MarketQuote(at=at)

    def next_change(self, contract, after):
        # Quotes to come are not known yet, but they come on whole seconds only.
        return after + timedelta(seconds=1)

    def greeks(self, contract, at):
        return None

    def bars(self, contract, *, start, end, size, what, rth):
        return ()

    def sessions(self, start, end):
        days = [DAY + timedelta(days=n) for n in range(60)]
        return [
            SimSession(
                day=day,
                opens_at=OPENS + (day - DAY),
                closes_at=OPENS + (day - DAY) + timedelta(hours=6, minutes=30),
            )
            for day in days
            if start <= day <= end
        ]


class VenueMachine(RuleBasedStateMachine):
    """Orders, brackets, groups, changes and cancels against quotes that wander."""

    @initialize(limited=st.booleans(), status_first=st.booleans())
    def open_venue(self, limited, status_first):
        self.market = GrowingMarket()
        self.venue = Venue(
            self.market,
            cash=CASH,
            settings=VenueSettings(displayed_size_limits=limited, status_before_execution=status_first),
        )
        self.limited = limited
        self.now = OPENS
        self.next_id = 1
        self.terms = {}
        self.ended = {}
        self.limits = {}
        self.brackets = {}
        self.taken = defaultdict(float)
        self.fills = defaultdict(float)
        self.statuses = {}
        self.exec_ids = set()
        for contract in CONTRACTS:
            quote = MarketQuote(at=OPENS, bid=5.0, ask=5.0, bid_size=5, ask_size=5, last=5.0)
            self.market.show(contract, quote)

    # What clients and the market do

    @rule(
        contract=contracts,
        bid=cents,
        spread=st.integers(0, 2),
        sizes=st.tuples(st.integers(0, 9), st.integers(0, 9)),
        missing=st.sampled_from(["", "", "", "", "", "", "bid", "ask"]),
        seconds=st.integers(1, 60),
    )
    def show(self, contract, bid, spread, sizes, missing, seconds):
        self.now += timedelta(seconds=seconds)
        ask = bid + spread * 0.05
        fields = {"bid": bid, "ask": ask, "bid_size": sizes[0], "ask_size": sizes[1], "last": bid}
        if missing:
            fields[missing] = None
        self.market.show(contract, MarketQuote(at=self.now, **fields))
        self.taken.clear()
        self.check(self.venue.advance(self.now))

    @rule(nights=st.integers(0, 1))
    def let_time_pass(self, nights):
        self.now += timedelta(minutes=10) + nights * timedelta(hours=24)
        self.taken.clear()
        self.check(self.venue.advance(self.now))

    @rule(
        contract=contracts,
        side=sides,
        size=sizes,
        kind=types,
        limit=cents,
        stop=cents,
        tif=tifs,
        oca=st.sampled_from(["", "", "a", "b"]),
        oca_type=st.integers(1, 3),
        transmit=st.sampled_from([True, True, True, False]),
    )
    def send(self, contract, side, size, kind, limit, stop, tif, oca, oca_type, transmit):
        group = f"{oca}{contract.con_id}{side}" if oca else ""
        self.submit(
            self.order(
                contract,
                side,
                size,
                kind,
                limit_price=limit,
                stop_price=stop,
                tif=tif,
                oca_group=group,
                oca_type=oca_type,
                transmit=transmit,
            )
        )

    @rule(contract=contracts, size=st.integers(5, 30), entry=cents, profit=cents, loss=cents, tif=tifs)
    def send_bracket(self, contract, size, entry, profit, loss, tif):
        parent = self.order(contract, "BUY", size, "LMT", limit_price=entry, tif=tif, transmit=False)
        link = {"parent_id": parent.order_id, "tif": "GTC"}
        take = self.order(contract, "SELL", size, "LMT", limit_price=profit, transmit=False, **link)
        stop = self.order(contract, "SELL", size, "STP", stop_price=loss, **link)
        self.brackets[parent.order_id] = (take.order_id, stop.order_id)
        for order in (parent, take, stop):
            self.submit(order)

    @precondition(lambda self: len(self.terms) > len(self.ended))
    @rule(data=st.data(), size=sizes, kind=types, limit=cents, stop=cents)
    def modify(self, data, size, kind, limit, stop):
        order_id = data.draw(st.sampled_from(sorted(set(self.terms) - set(self.ended))))
        if any(order_id in (parent, *legs) for parent, legs in self.brackets.items()):
            size = self.terms[order_id].quantity
        changed = attrs.evolve(
            self.terms[order_id],
            quantity=size,
            order_type=kind,
            limit_price=limit,
            stop_price=stop,
            transmit=True,
        )
        self.submit(changed)

    @precondition(lambda self: self.terms)
    @rule(data=st.data())
    def cancel(self, data):
        order_id = data.draw(st.sampled_from(sorted(self.terms)))
        self.check(self.venue.cancel(1, order_id, self.now))

    # How events are judged

    def order(self, contract, side, size, kind, **fields):
        order_id, self.next_id = self.next_id, self.next_id + 1
        return SimOrder(
            client_id=1,
            order_id=order_id,
            contract=contract,
            action=side,
            quantity=size,
            order_type=kind,
            **fields,
        )

    def submit(self, order):
        self.terms[order.order_id] = order
        self.check(self.venue.submit(order, self.now))

    def check(self, events):
        for event in events:
            match event:
                case OrderEcho(order=order):
                    self.limits[order.order_id] = order
                case Execution():
                    self.check_fill(event)
                case OrderStatus():
                    self.check_status(event)
                case _:
                    pass
        executed = [e.exec_id for e in events if isinstance(e, Execution)]
        assert executed == [e.exec_id for e in events if isinstance(e, Commission)]

    def check_fill(self, fill):
        quote = self.market.quote(fill.contract, self.now)
        assert fill.exec_id not in self.exec_ids
        self.exec_ids.add(fill.exec_id)
        assert fill.price == (quote.ask if fill.side == "BOT" else quote.bid)
        order = self.limits[fill.order_id]
        if order.order_type in {"LMT", "STP LMT"}:
            beyond = fill.price - order.limit_price
            assert beyond <= 0 if fill.side == "BOT" else beyond >= 0
        self.fills[fill.order_id] += fill.quantity
        assert fill.cumulative_quantity == self.fills[fill.order_id]
        shown = quote.ask_size if fill.side == "BOT" else quote.bid_size
        self.taken[fill.contract.con_id, fill.side] += fill.quantity
        if self.limited:
            assert self.taken[fill.contract.con_id, fill.side] <= shown

    def check_status(self, status):
        assert status.remaining >= 0
        assert self.ended.get(status.order_id) is None, "an order ended twice"
        if status.status in ENDED:
            self.ended[status.order_id] = status.status
        if status.status == "Filled":
            assert status.remaining == 0

    # What always holds

    @invariant()
    def no_money_is_made_or_lost(self):
        cash = CASH
        for fill, commission in self.venue.executions():
            sign = 1 if fill.side == "BOT" else -1
            cash -= sign * fill.quantity * fill.price * fill.contract.multiplier
            cash -= commission.commission
        rows = {key: value for key, value, _ in self.venue.account_values(self.now)}
        value = sum(row.market_value for row in self.venue.portfolio(self.now))
        assert float(rows["TotalCashValue"]) == pytest.approx(cash, abs=0.01)
        assert float(rows["NetLiquidation"]) == pytest.approx(cash + value, abs=0.01)
        at_cost = sum(p.quantity * p.average_cost for p in self.venue.positions())
        realized = sum(c.realized_pnl or 0.0 for _, c in self.venue.executions())
        assert cash + at_cost == pytest.approx(CASH + realized)

    @invariant()
    def positions_are_the_sum_of_executions(self):
        total = defaultdict(float)
        for fill, _ in self.venue.executions():
            total[fill.contract.con_id] += fill.quantity if fill.side == "BOT" else -fill.quantity
        held = {p.contract.con_id: p.quantity for p in self.venue.positions()}
        assert held == {con_id: quantity for con_id, quantity in total.items() if quantity}

    @invariant()
    def orders_agree_with_their_fills(self):
        live, done = self.venue.open_orders(), self.venue.completed_orders()
        assert not {o.order_id for o in live} & {o.order_id for o in done}
        for order in (*live, *done):
            assert order.filled == self.fills[order.order_id]
            assert 0 <= order.filled <= order.quantity
        for order in done:
            assert order.status == self.ended[order.order_id]
            assert (order.status == "Filled") == (order.filled == order.quantity)
        assert all(order.filled < order.quantity for order in live)

    @invariant()
    def children_follow_their_parents(self):
        for parent, legs in self.brackets.items():
            assert sum(self.fills[leg] for leg in legs) <= self.fills[parent]

    @invariant()
    def every_live_exit_of_a_filled_bracket_covers_what_is_left(self):
        live = {order.order_id: order for order in self.venue.open_orders()}
        for parent, legs in self.brackets.items():
            if self.ended.get(parent) is None:
                continue
            left = self.fills[parent] - sum(self.fills[leg] for leg in legs)
            for leg in legs:
                if leg in live:
                    assert live[leg].quantity - live[leg].filled == left

    @invariant()
    def a_group_never_fills_more_than_once(self):
        shares = defaultdict(Fraction)
        firsts = defaultdict(set)
        for order in (*self.venue.open_orders(), *self.venue.completed_orders()):
            if order.oca_group and order.filled:
                asked = max(order.quantity, self.terms[order.order_id].quantity)
                shares[order.oca_group] += Fraction(int(order.filled), int(asked))
                firsts[order.oca_group].add(order.order_id)
        for group, share in shares.items():
            assert share <= 1 or len(firsts[group]) == 1, group


def test_the_venue_keeps_its_promises():
    run_state_machine_as_test(
        VenueMachine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
