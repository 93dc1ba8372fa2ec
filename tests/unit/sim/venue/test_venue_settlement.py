"""Options that end while they are held: exercised, assigned, or gone."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.values import MarketQuote, SimContract, SimSession
from ibkeel.sim.venue.settlement import Account, settled

NEW_YORK = ZoneInfo("America/New_York")
FRIDAY = date(2024, 3, 15)
STOCK = SimContract(con_id=1, symbol="SPY", sec_type="STK")
INDEX = SimContract(con_id=2, symbol="SPX", sec_type="IND")


def clock(hour, minute=0, day=FRIDAY):
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


def option(right, *, under=STOCK, expiry=FRIDAY, strike=100.0):
    return SimContract(
        con_id=10,
        symbol=under.symbol,
        sec_type="OPT",
        expiry=expiry,
        strike=strike,
        right=right,
        multiplier=100,
        under_con_id=under.con_id,
    )


class OnePrice:
    """A market in which the underlyings trade at one price, on Fridays only."""

    def __init__(self, **fields):
        self._fields = fields

    def by_con_id(self, con_id):
        return {1: STOCK, 2: INDEX}.get(con_id)

    def quote(self, contract, at):
        return MarketQuote(at=at, **self._fields)

    def sessions(self, start, end):
        if not start <= FRIDAY <= end:
            return ()
        return (SimSession(day=FRIDAY, opens_at=clock(9, 30), closes_at=clock(16)),)


def holding(contract, quantity):
    return Account(name="DU1", cash=10_000.0).traded(contract, quantity, 2.0, 0.0).account


@pytest.mark.parametrize(
    ("right", "quantity", "last", "shares"),
    [("C", 2, 103.0, 200), ("P", 2, 97.0, -200), ("C", -1, 103.0, -100), ("P", -1, 97.0, 100)],
)
def test_what_is_in_the_money_becomes_shares_at_the_strike(right, quantity, last, shares):
    before = holding(option(right), quantity)

    account, (done,) = settled(before, OnePrice(last=last), clock(16))

    assert (done.shares, done.intrinsic, done.is_assignment) == (shares, 3.0, quantity < 0)
    assert account.cash == before.cash - shares * 100.0
    assert [(row.contract.symbol, row.quantity) for row in account.positions()] == [("SPY", shares)]


@pytest.mark.parametrize(("right", "last"), [("C", 100.0), ("C", 90.0), ("P", 110.0), ("C", 100.005)])
def test_what_is_less_than_a_cent_in_the_money_is_gone(right, last):
    before = holding(option(right), 1)

    account, (done,) = settled(before, OnePrice(last=last), clock(16))

    assert (done.shares, done.intrinsic, account.cash) == (0.0, 0.0, before.cash)
    assert account.positions() == []


def test_an_option_on_an_index_is_paid_in_cash():
    before = holding(option("C", under=INDEX), 3)

    account, (done,) = settled(before, OnePrice(last=104.0), clock(16))

    assert (done.shares, account.cash) == (0.0, before.cash + 3 * 100 * 4.0)
    assert account.positions() == []


@given(st.sampled_from("CP"), st.integers(-5, 5).filter(bool), st.integers(80, 120))
def test_settling_at_the_market_changes_nothing_of_the_accounts_worth(right, quantity, last):
    before = holding(option(right), quantity)
    intrinsic = max(0.0, (last - 100.0) * (1 if right == "C" else -1))

    account, _ = settled(before, OnePrice(last=float(last)), clock(16))

    shares = sum(row.quantity for row in account.positions())
    assert account.cash + shares * last == pytest.approx(before.cash + quantity * 100 * intrinsic)


def test_before_the_close_of_the_last_session_nothing_ends():
    account, done = settled(holding(option("C"), 1), OnePrice(last=120.0), clock(15, 59))

    assert (done, len(account.positions())) == ((), 1)


def test_an_expiry_on_a_day_without_session_ends_with_the_session_before():
    saturday = date(2024, 3, 16)

    _, (done,) = settled(holding(option("C", expiry=saturday), 1), OnePrice(last=120.0), clock(16))

    assert done.at == clock(16)


def test_without_a_trade_the_middle_of_the_quote_decides():
    _, (done,) = settled(holding(option("C"), 1), OnePrice(bid=104.0, ask=106.0), clock(16))

    assert done.intrinsic == 5.0


def test_stocks_and_what_is_flat_stay_as_they_are():
    account = holding(STOCK, 10)

    same, done = settled(account, OnePrice(last=100.0), clock(16))

    assert (same, done) == (account, ())
