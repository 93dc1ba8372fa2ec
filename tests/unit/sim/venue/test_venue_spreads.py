"""What combos and covered options tie up."""

from datetime import date, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.market import SeededMarket
from ibkeel.sim.values import ContractPattern, OrderError, SimContract, SimLeg, SimOrder
from ibkeel.sim.venue import Venue
from ibkeel.sim.venue.ledger import limit_cash
from ibkeel.sim.venue.margin import cover_of
from ibkeel.sim.venue.matching import leg_orders
from ibkeel.sim.venue.settlement import Account, Holding

NEAR, FAR = date(2024, 3, 15), date(2024, 4, 19)


def option(strike, right="C", expiry=NEAR, **changes):
    base = SimContract(con_id=1, symbol="SPY", sec_type="OPT", multiplier=100)
    return attrs.evolve(base, strike=float(strike), right=right, expiry=expiry, **changes)


def account_of(*rows):
    held = [Holding(contract=contract, quantity=quantity) for contract, quantity in rows]
    return Account(name="A", cash=0.0, holdings={each.contract.con_id: each for each in held})


def margin_of(*rows):
    numbered = [(attrs.evolve(contract, con_id=number), held) for number, (contract, held) in enumerate(rows)]
    worst, naked = cover_of(account_of(*numbered), {})
    return worst, [(row.contract.strike, row.quantity) for row in naked]


@pytest.mark.parametrize(
    ("rows", "covered", "naked"),
    [
        ([], 0.0, []),
        ([(option(500), 1.0)], 0.0, []),
        ([(option(500), -1.0)], 0.0, [(500.0, -1.0)]),
        ([(option(500), 1.0), (option(510), -1.0)], 0.0, []),
        ([(option(500), -1.0), (option(510), 1.0)], 1000.0, []),
        ([(option(500, "P"), 1.0), (option(510, "P"), -1.0)], 1000.0, []),
        ([(option(500, "P"), -1.0), (option(510, "P"), 1.0)], 0.0, []),
        # An iron condor cannot lose on both sides.
        (
            [(option(480, "P"), 1.0), (option(490, "P"), -1.0), (option(510), -1.0), (option(530), 1.0)],
            2000.0,
            [],
        ),
        # A butterfly that was bought can lose nothing but its debit.
        ([(option(490), 1.0), (option(500), -2.0), (option(510), 1.0)], 0.0, []),
        ([(option(500), -3.0), (option(510), 2.0)], 2000.0, [(500.0, -1.0)]),
        ([(option(500), -1.0), (option(500, expiry=FAR), 1.0)], 0.0, []),
        ([(option(500, expiry=FAR), -1.0), (option(500), 1.0)], 0.0, [(500.0, -1.0)]),
        # Two spreads of two expiries: the nearer does not use up what alone covers the later.
        (
            [
                (option(505, expiry=FAR), 1.0),
                (option(506), 1.0),
                (option(500), -1.0),
                (option(500, expiry=FAR), -1.0),
            ],
            1100.0,
            [],
        ),
        ([(option(500), -1.0), (option(500, symbol="QQQ"), 1.0)], 0.0, [(500.0, -1.0)]),
        ([(option(500), -1.0), (option(500, multiplier=10), 10.0)], 0.0, [(500.0, -1.0)]),
        (
            [(attrs.evolve(option(0), sec_type="STK", expiry=None), 100.0), (option(500), -1.0)],
            0.0,
            [(500.0, -1.0)],
        ),
    ],
)
def test_covered_options_tie_up_what_they_can_cost(rows, covered, naked):
    assert margin_of(*rows) == (covered, naked)
    assert margin_of(*reversed(rows)) == (covered, naked)


quantities = st.integers(-4, 4).map(float)
contracts = st.tuples(st.sampled_from("CP"), st.sampled_from([490, 500, 510]), st.sampled_from([NEAR, FAR]))


@given(st.dictionaries(contracts, quantities, max_size=8), st.randoms(use_true_random=False))
def test_what_is_tied_up_does_not_hang_on_what_was_traded_first(rows, random):
    held = [
        (option(strike, right, expiry), quantity)
        for (right, strike, expiry), quantity in rows.items()
        if quantity
    ]
    covered, naked = margin_of(*held)

    random.shuffle(held)

    other, left = margin_of(*held)
    assert (other, sorted(left)) == (covered, sorted(naked))


@given(st.lists(st.tuples(st.sampled_from("CP"), st.integers(90, 110), quantities), max_size=6))
def test_covered_margin_is_enough_whatever_the_underlying_does(rows):
    account = account_of(
        *(
            (option(strike, right, con_id=number), quantity)
            for number, (right, strike, quantity) in enumerate(rows)
        )
    )
    worst, naked = cover_of(account, {})

    def worth(contract, spot):
        above = spot - contract.strike if contract.right == "C" else contract.strike - spot
        return 100 * max(0.0, above)

    for spot in (0.0, 85.0, *map(float, range(90, 111)), 200.0):
        owed = -sum(each.quantity * worth(each.contract, spot) for each in account.holdings.values())
        owed += sum(each.quantity * worth(each.contract, spot) for each in naked)
        assert owed <= worst + 1e-9


def plainly(account):
    """Each short option looks at every long one, those of all underlyings together."""
    options = sorted(
        (each for each in account.holdings.values() if each.contract.sec_type == "OPT"),
        key=lambda each: (
            each.contract.right,
            each.contract.strike if each.contract.right == "C" else -each.contract.strike,
            each.contract.expiry,
        ),
    )
    left = [max(0.0, each.quantity) for each in options]
    groups, naked = {}, []
    for short in sorted(options, key=lambda each: each.contract.expiry, reverse=True):
        terms, needed = short.contract, -short.quantity
        if needed <= 0:
            continue
        group = groups.setdefault((terms.symbol, terms.expiry), [])
        for place, long in enumerate(options):
            other = long.contract
            same = (other.symbol, other.right, other.multiplier) == (
                terms.symbol,
                terms.right,
                terms.multiplier,
            )
            taken = min(needed, left[place]) if same and other.expiry >= terms.expiry else 0.0
            left[place] -= taken
            needed -= taken
            units = taken * terms.multiplier
            group += [(other, units), (terms, -units)] if taken else []
        if needed:
            naked.append(attrs.evolve(short, quantity=-needed))

    def cost(group, spot):
        return -sum(
            units * max(0.0, (spot - of.strike) if of.right == "C" else (of.strike - spot))
            for of, units in group
        )

    worst = (
        max(0.0, *(cost(group, spot) for spot in {0.0, *(of.strike for of, _ in group)}))
        for group in groups.values()
    )
    return sum(worst), naked


books = st.lists(
    st.tuples(
        st.sampled_from(["SPY", "QQQ", "IWM"]),
        st.sampled_from("CP"),
        st.sampled_from([33.33, 33.37, 34.0, 35.01]),  # sums of them hang on their order
        st.sampled_from([NEAR, FAR]),
        st.sampled_from([100, 100, 10]),
        quantities,
    ),
    min_size=1,
    max_size=24,
)


@given(books, st.lists(st.tuples(st.integers(0, 23), quantities), max_size=6))
def test_what_is_reckoned_by_underlying_is_to_the_bit_what_all_together_tie_up(rows, changes):
    parts = {}
    account = account_of(
        *(
            (option(strike, right, expiry, symbol=symbol, multiplier=multiplier, con_id=number), quantity)
            for number, (symbol, right, strike, expiry, multiplier, quantity) in enumerate(rows)
        ),
        (SimContract(con_id=99, symbol="SPY", sec_type="STK"), 100.0),
    )
    for place, signed in [(0, 0.0), *changes]:
        contract = account.holdings[place % len(rows)].contract
        account = account.traded(contract, signed or 1.0, 1.0, 0.0).account

        assert cover_of(account, parts) == plainly(account)


def combo(bench, action="BUY", order_type="LMT", **changes):
    legs = (
        SimLeg(contract=changes.pop("low"), action="BUY", ratio=1),
        SimLeg(contract=changes.pop("high"), action="SELL", ratio=2),
    )
    bag = SimContract(con_id=0, symbol="SPY", sec_type="BAG")
    return bench.order(action, 3, order_type, contract=bag, legs=legs, **changes)


def test_a_combo_is_taken_apart_into_market_orders(bench, option):
    order = combo(bench, "SELL", limit_price=-1.5, low=option, high=attrs.evolve(option, con_id=9))

    parts = leg_orders(order)

    assert [(part.contract.con_id, part.action, part.quantity, part.order_type) for part in parts] == [
        (2, "SELL", 3, "MKT"),
        (9, "BUY", 6, "MKT"),
    ]
    assert [(part.limit_price, part.legs) for part in parts] == [(None, ()), (None, ())]
    assert limit_cash(order) == 1.5 * 100 * 3
    assert limit_cash(parts[0]) is None
    assert leg_orders(parts[0]) == (parts[0],)


def test_a_combo_without_a_limit_costs_what_its_legs_do(bench, option, stock, at):
    bench.show(contract=stock, bid=499.0, ask=501.0)
    order = combo(bench, order_type="MKT", low=option, high=stock)

    preview = bench.venue.preview(order, at(10))

    paid = 3 * 100 * bench.market.quote(option, at(10)).ask - 6 * 499.0
    assert limit_cash(order) is None
    assert preview.after.cash == pytest.approx(100_000 - paid - preview.commission)


def test_a_leg_without_a_price_leaves_the_preview_empty(make_bench, option, stock, at):
    bench = make_bench()

    preview = bench.venue.preview(combo(bench, limit_price=1.0, low=option, high=stock), at(10))

    assert preview.commission is None
    assert preview.after == preview.before


def test_a_combo_that_waits_for_a_trigger_is_refused(bench, option, stock, at):
    order = combo(bench, order_type="STP", low=option, high=stock)

    [error] = bench.venue.submit(order, at(10))

    assert error.code == 201
    assert "market or limit" in error.text
    assert bench.venue.open_orders() == []


def test_what_covers_a_short_option_is_not_sold_without_the_funds_for_it_bare():
    market = SeededMarket(7)
    [session] = market.sessions(market.session_date, market.session_date)
    now, venue, sent = session.opens_at + timedelta(hours=1), Venue(market, cash=4_000.0), []
    expiry = next(row for row in market.find(ContractPattern(symbol="SPY", sec_type="OPT", right="P"))).expiry
    pattern = ContractPattern(symbol="SPY", sec_type="OPT", right="P", expiry=f"{expiry:%Y%m%d}")
    low, high = (row for row in market.find(pattern) if row.strike in {475.0, 480.0})

    def send(action, contract):
        sent.append(contract)
        order = SimOrder(
            client_id=1, order_id=len(sent), contract=contract, action=action, quantity=1, order_type="MKT"
        )
        return [event.code for event in venue.submit(order, now) if isinstance(event, OrderError)]

    assert (send("BUY", low), send("SELL", high)) == ([], [])  # a spread of 5 dollars
    assert send("SELL", low) == [201]
    assert (send("BUY", high), send("SELL", low), venue.positions()) == ([], [], [])
