"""Cash, cost, profit, commissions and the account window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.settings import CommissionPlan
from ibkeel.sim.values import SimContract
from ibkeel.sim.venue.settlement import Account

CONTRACT = SimContract(con_id=1, symbol="SPY", sec_type="OPT", multiplier=100)

trades = st.lists(
    st.tuples(
        st.integers(-20, 20).filter(bool),
        st.integers(1, 1000).map(lambda cents: cents / 100),
        st.integers(0, 500).map(lambda cents: cents / 100),
    ),
    max_size=30,
)


def values(bench, at):
    return {key: value for key, value, _ in bench.venue.account_values(at)}


def test_a_purchase_costs_its_price_and_its_commission(bench, at):
    bench.send("BUY", 2)

    (position,) = bench.venue.positions()

    assert position.quantity == 2
    assert position.average_cost == pytest.approx(5.1 * 100 + 0.65)
    assert values(bench, at(10))["TotalCashValue"] == f"{100_000 - 2 * 510 - 1.30:.2f}"


def test_a_round_trip_realizes_the_spread_and_both_commissions(bench, at):
    bench.send("BUY", 2)
    bench.send("SELL", 2)

    (_, opening), (_, closing) = bench.venue.executions()

    assert opening.realized_pnl is None
    assert closing.realized_pnl == pytest.approx(-2 * 20 - 2.60)
    assert values(bench, at(10))["RealizedPnL"] == "-42.60"
    assert bench.venue.positions() == []


def test_a_flat_holding_stays_in_the_portfolio_with_its_profit(bench, at):
    bench.send("BUY", 2)
    bench.send("SELL", 2)

    (row,) = bench.venue.portfolio(at(10))

    assert row.position.quantity == row.market_value == row.unrealized == 0
    assert row.realized == pytest.approx(-42.60)


def test_a_holding_is_valued_at_the_mid(bench, at):
    bench.send("BUY", 2)

    ((position, price, value, unrealized, realized),) = bench.venue.portfolio(at(10))

    assert position.contract.con_id == 2
    assert price == pytest.approx(5.0)
    assert value == pytest.approx(1000.0)
    assert unrealized == pytest.approx(1000.0 - 1020.0 - 1.30)
    assert realized == 0.0


@pytest.mark.parametrize(("shown", "price"), [({"last": 7.0}, 7.0), ({"close": 8.0}, 8.0), ({}, 5.1065)])
def test_without_a_two_sided_quote_the_next_best_price_values(bench, at, shown, price):
    bench.send("BUY", 2)
    bench.show(at(11), bid=4.0, **shown)

    (row,) = bench.venue.portfolio(at(11))

    assert row.market_price == pytest.approx(price)


@pytest.mark.parametrize(
    ("shown", "price"),
    [
        ({"ask": 0.05, "last": 2.8}, 0.05),
        ({"ask": 0.05, "close": 2.8}, 0.05),
        ({"ask": 0.05}, 0.05),
        ({"ask": 0.05, "last": 0.01}, 0.01),
        ({"bid": 9.0, "last": 7.0}, 9.0),
    ],
)
def test_nothing_is_valued_beyond_the_one_side_that_is_shown(bench, at, shown, price):
    bench.send("BUY", 2)
    bench.show(at(11), **shown)

    (row,) = bench.venue.portfolio(at(11))

    assert row.market_price == pytest.approx(price)


def test_the_minimum_commission_is_for_the_order_not_the_fill(bench, at):
    bench.show(at(10, 5), bid=4.9, ask=5.1, bid_size=50, ask_size=1)
    bench.show(at(10, 6), bid=4.9, ask=5.1, bid_size=50, ask_size=1)
    bench.show(at(10, 7), bid=4.9, ask=5.1, bid_size=50, ask_size=1)
    bench.send("BUY", 3, at=at(10, 5))

    bench.venue.advance(at(10, 6))
    bench.venue.advance(at(10, 7))

    charges = [commission.commission for _, commission in bench.venue.executions()]
    assert charges == pytest.approx([1.00, 0.30, 0.65])


def test_shares_cost_half_a_cent_and_at_least_a_dollar(stock_bench, stock):
    stock_bench.send("BUY", 10, contract=stock)
    stock_bench.send("BUY", 290, contract=stock)

    charges = [commission.commission for _, commission in stock_bench.venue.executions()]

    assert charges == pytest.approx([1.00, 1.45])


def test_the_account_window_adds_up(stock_bench, stock, at):
    stock_bench.send("BUY", 100, contract=stock)
    stock_bench.send("BUY", 2)

    shown = {
        k: float(v)
        for k, v in values(stock_bench, at(10)).items()
        if k not in {"AccountCode", "AccountReady", "AccountType", "Currency"}
    }

    assert shown["StockMarketValue"] == 50_000.0
    assert shown["OptionMarketValue"] == 1_000.0
    assert shown["GrossPositionValue"] == 51_000.0
    assert shown["NetLiquidation"] == pytest.approx(100_000 - 1 - 1 - 1.30 - 20)
    assert shown["InitMarginReq"] == 25_000.0
    assert shown["MaintMarginReq"] == 12_500.0
    assert shown["AvailableFunds"] == pytest.approx(shown["EquityWithLoanValue"] - 25_000.0)
    assert shown["ExcessLiquidity"] == pytest.approx(shown["EquityWithLoanValue"] - 12_500.0)
    assert shown["BuyingPower"] == pytest.approx(4 * shown["AvailableFunds"])


def test_a_short_option_ties_up_its_value_and_part_of_its_strike(bench, at):
    bench.send("SELL", 1)

    assert float(values(bench, at(10))["InitMarginReq"]) == pytest.approx(500 + 0.2 * 50_000)


def test_a_preview_says_what_an_order_would_do(bench, at):
    preview = bench.venue.preview(bench.order("BUY", 2, "LMT", limit_price=5.0), at(10))

    assert preview.commission == pytest.approx(1.30)
    assert preview.before.available_funds == 100_000
    assert preview.after.available_funds == pytest.approx(100_000 - 1000 - 1.30)
    assert bench.venue.positions() == []


def test_a_preview_without_a_price_has_no_commission(make_bench, at):
    bench = make_bench()

    preview = bench.venue.preview(bench.order("BUY", 2), at(10))

    assert preview.commission is None
    assert preview.after == preview.before


@pytest.mark.parametrize(("quantity", "dollars"), [(0, 0.0), (1, 1.0), (2, 1.3), (10, 6.5)])
def test_a_commission_plan_has_a_minimum(quantity, dollars):
    assert CommissionPlan(per_unit=0.65, minimum=1.0).charged(quantity) == pytest.approx(dollars)


@given(trades)
def test_cash_and_holdings_at_cost_add_up_to_what_was_realized(trades):
    account = Account(name="DU1", cash=1000.0)
    booked = 0.0

    for signed, price, commission in trades:
        account, realized = account.traded(CONTRACT, signed, price, commission)
        booked += realized or 0.0

    held = sum(p.quantity * p.average_cost for p in account.positions())
    assert account.cash + held == pytest.approx(1000.0 + account.realized)
    assert booked == pytest.approx(account.realized)


@given(trades)
def test_a_position_is_the_sum_of_its_trades(trades):
    account = Account(name="DU1", cash=0.0)

    for signed, price, commission in trades:
        account = account.traded(CONTRACT, signed, price, commission).account

    assert account.holding(CONTRACT).quantity == sum(signed for signed, _, _ in trades)
