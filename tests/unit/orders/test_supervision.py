from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.model import Combo, ComboLeg, Option, OrderReport, OrderState, Quote, Right, Side, Stock
from ibkeel.options import Leg, PriceBasis, Structure
from ibkeel.orders import (
    CENT,
    PENNY,
    Reprice,
    RepricePolicy,
    Withdraw,
    WorkingOrder,
    left_to_replace,
    net_market,
    supervise,
)

NOW = datetime(2024, 3, 4, 17, tzinfo=UTC)
CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)
ORDER = OrderReport(
    order_id=1, perm_id=1, client_id=7, client_order_id="x", contract=CALL, side=Side.BUY, quantity=4,
    order_type="LMT", limit_price=Decimal("2.00"), state=OrderState.WORKING, at=NOW,
)  # fmt: skip
POLICY = RepricePolicy(lifetime=90, every=15, reach=0.0, collar=0.10)


def working(**changes):
    order = attrs.evolve(ORDER, **changes.pop("order", {}))
    usual = {"bid": 2.00, "ask": 2.20, "placed_at": NOW - timedelta(seconds=20), "first_price": "2.00"}
    return WorkingOrder(now=NOW, order=order, **{"moved_at": NOW - timedelta(seconds=20), **usual, **changes})


def test_an_entry_moves_to_the_middle():
    step = supervise(working(), POLICY)

    assert isinstance(step, Reprice)
    assert step.price == Decimal("2.10")
    assert "2.0 to 2.2" in step.reason


@pytest.mark.parametrize(
    ("reach", "side", "limit", "price"),
    [(0.5, "BUY", "2.00", "2.15"), (1.0, "BUY", "2.00", "2.20"), (0.0, "SELL", "2.20", "2.10"), (1.0, "SELL", "2.20", "2.00")],
)  # fmt: skip
def test_it_goes_as_far_beyond_the_middle_as_it_may(reach, side, limit, price):
    order = {"side": Side(side), "limit_price": Decimal(limit)}

    step = supervise(working(order=order, first_price=limit), attrs.evolve(POLICY, reach=reach))

    assert step.price == Decimal(price)


@pytest.mark.parametrize(("side", "limit", "price"), [("BUY", "2.00", "2.04"), ("SELL", "2.20", "2.16")])
def test_the_collar_is_about_where_it_began(side, limit, price):
    order = {"side": Side(side), "limit_price": Decimal(limit)}

    moved = working(order=order, first_price=limit, ticks=PENNY)
    step = supervise(moved, attrs.evolve(POLICY, collar=0.02))

    assert step.price == Decimal(price)


@pytest.mark.parametrize(
    ("bid", "ask", "price"),
    [("2.30", "2.35", "2.30"), ("2.31", "2.35", "2.33"), ("2.30", "2.36", "2.33"), ("3.10", "3.40", "3.20")],
)
def test_it_keeps_to_the_steps_that_its_market_shows(bid, ask, price):
    step = supervise(working(bid=bid, ask=ask), attrs.evolve(POLICY, collar=1.0))

    assert step.price == Decimal(price)


@pytest.mark.parametrize(
    "changes",
    [
        {"moved_at": NOW - timedelta(seconds=14.9)},
        {"order": {"limit_price": Decimal("2.10")}},
        {"order": {"limit_price": Decimal("2.15")}},
        {"bid": None},
        {"ask": None},
        {"bid": 2.3},
        {"order": {"state": OrderState.UNKNOWN}},
        {"order": {"state": OrderState.SENT}},
        {"order": {"state": OrderState.CANCELLING}},
        {"order": {"state": OrderState.CANCELLED}},
        {"order": {"limit_price": None, "order_type": "MKT"}},
        {"order": {"state": OrderState.PARTIALLY_FILLED, "filled": 1.0}},
        {"ends_at": NOW + timedelta(seconds=1)},
    ],
)
def test_it_is_let_alone(changes):
    if "ends_at" in changes:
        changes = changes | {"moved_at": NOW}

    assert supervise(working(**changes), POLICY) is None


def test_without_repricing_it_only_has_its_time():
    still = attrs.evolve(POLICY, every=None, lifetime=None)

    assert supervise(working(), still) is None
    assert isinstance(supervise(working(), attrs.evolve(still, lifetime=20)), Withdraw)
    assert supervise(working(), attrs.evolve(still, lifetime=20.1)) is None


def test_it_is_withdrawn_when_its_time_or_the_sessions_is_over():
    late = supervise(working(placed_at=NOW - timedelta(seconds=90)), POLICY)
    over = supervise(working(ends_at=NOW), POLICY)

    assert "90 s" in late.reason
    assert "over" in over.reason


def test_what_closes_a_position_is_never_withdrawn_and_follows_to_the_other_side():
    order = {
        "side": Side.SELL,
        "limit_price": Decimal("2.40"),
        "state": OrderState.PARTIALLY_FILLED,
        "filled": 1.0,
    }
    closing = working(
        order=order, is_closing=True, ends_at=NOW, placed_at=NOW - timedelta(hours=2), first_price="2.40"
    )

    assert supervise(closing, POLICY).price == Decimal("2.00")


def test_a_combo_may_be_worth_less_than_nothing():
    combo = Combo("SPY", (ComboLeg(con_id=1, side="BUY"), ComboLeg(con_id=2, side="SELL")))
    order = {"contract": combo, "limit_price": Decimal("-1.00")}
    paid = working(order=order, bid=-1.00, ask="-0.80", first_price="-1.00", ticks=CENT)

    assert supervise(paid, POLICY).price == Decimal("-0.90")
    assert supervise(paid, attrs.evolve(POLICY, collar=0.05)).price == Decimal("-0.95")


def test_a_combos_market_is_that_of_its_legs():
    long, short = ComboLeg(con_id=1, side="BUY"), ComboLeg(con_id=2, side="SELL", ratio=2)
    one = Quote(contract=Stock("A"), at=NOW, bid=5.0, ask=5.2)
    two = Quote(contract=Stock("B"), at=NOW, bid=2.0, ask=2.1)

    assert net_market([(long, one), (short, two)]) == (Decimal("0.8"), Decimal("1.2"))
    assert net_market([]) == (0, 0)
    assert net_market([(long, one), (short, attrs.evolve(two, bid=None))]) is None
    assert net_market([(long, one), (short, attrs.evolve(two, bid=2.2))]) is None


def test_shares_with_a_call_sold_against_them_have_the_market_of_a_share_less_the_call():
    shares = (
        ComboLeg(con_id=1, side="BUY", ratio=100),
        Quote(contract=Stock("SPY"), at=NOW, bid=500, ask=500.02),
    )
    call = ComboLeg(con_id=2, side="SELL"), Quote(contract=CALL, at=NOW, bid=4, ask=4.1)

    assert net_market([shares, call]) == (Decimal("495.9"), Decimal("496.02"))


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 3), st.integers(1, 900), st.integers(0, 50)),
        min_size=2,
        max_size=4,
    ),
    st.sampled_from([10, 100]),
    st.booleans(),
)
def test_a_combos_market_is_what_its_structure_costs_and_brings_at_once(rows, multiplier, has_shares):
    options = [attrs.evolve(CALL, strike=500 + row, multiplier=multiplier) for row, _ in enumerate(rows)]
    legs, quotes = [], {}
    for row, (side, ratio, bid, spread) in enumerate(rows):
        is_stock = has_shares and row == 0
        contract = Stock("SPY") if is_stock else options[row]
        legs.append(Leg(contract=contract, side=side, ratio=ratio * multiplier if is_stock else ratio))
        quotes[contract] = Quote(contract=contract, at=NOW, bid=bid / 100, ask=(bid + spread) / 100)
    structure = Structure(name="legs", legs=legs)

    found = net_market(
        (ComboLeg(con_id=row + 1, side=leg.side, ratio=leg.ratio), quotes[leg.contract])
        for row, leg in enumerate(legs)
    )

    paid = structure.priced(quotes, PriceBasis.NATURAL).net.per_share
    brought = -structure.opposite().priced(quotes, PriceBasis.NATURAL).net.per_share
    assert found == (brought, paid)


@pytest.mark.parametrize(
    ("state", "filled", "left"),
    [("cancelled", 0, 4), ("cancelled", 3, 1), ("filled", 4, 0), ("unknown", 0, 0), ("cancelling", 0, 0), ("working", 0, 0)],
)  # fmt: skip
def test_only_what_is_known_to_be_cancelled_is_replaced(state, filled, left):
    assert left_to_replace(attrs.evolve(ORDER, state=OrderState(state), filled=float(filled))) == left


@pytest.mark.parametrize(
    "changes", [{"lifetime": 0}, {"every": -1}, {"reach": 1.1}, {"collar": float("nan")}]
)
def test_a_policy_that_makes_no_sense_is_refused(changes):
    with pytest.raises(InvalidInput, match="valid"):
        RepricePolicy(**changes)


PRICES = st.integers(10, 2000).map(lambda cents: Decimal(cents) / 100)


@given(
    side=st.sampled_from(Side),
    limit=PRICES,
    bid=PRICES,
    spread=st.integers(0, 100),
    reach=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_an_entry_never_pays_more_than_collar_and_market_allow(side, limit, bid, spread, reach):
    policy = attrs.evolve(POLICY, reach=reach)
    ask = bid + Decimal(spread) / 100
    order = {"side": side, "limit_price": limit}

    step = supervise(working(order=order, first_price=limit, bid=bid, ask=ask, ticks=CENT), policy)

    if step is not None:
        assert (step.price - limit) * side.sign > 0
        assert abs(step.price - limit) <= limit * Decimal("0.10")
        assert (step.price - (ask if side is Side.BUY else bid)) * side.sign <= 0
        assert step.price % Decimal("0.01") == 0


def test_an_entry_follows_a_market_whose_sides_meet():
    assert supervise(working(bid=2.10, ask=2.10), POLICY).price == Decimal("2.10")


def test_it_moves_at_the_very_end_of_its_pause():
    assert supervise(working(moved_at=NOW - timedelta(seconds=15)), POLICY).price == Decimal("2.10")


def test_the_end_of_a_sessions_entries_is_told_in_words():
    assert supervise(working(ends_at=NOW), POLICY).reason == "the session's entries are over"


def test_a_part_of_a_second_is_a_time_to_wait():
    assert RepricePolicy(every=0.5).every == 0.5


def test_nothing_replaces_an_order_that_was_cancelled_when_it_had_filled():
    assert left_to_replace(attrs.evolve(ORDER, state=OrderState.CANCELLED, filled=4)) == 0
