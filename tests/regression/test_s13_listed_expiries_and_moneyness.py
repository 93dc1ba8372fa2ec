"""S13: the Friday rule returned a Saturday, and moneyness ignored the right."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.model import OptionChain, OptionClass, Right, Stock
from ibkeel.options import SelectionRule, select, weekly_expiry

days = st.dates(date(2013, 1, 1), date(2026, 12, 31))


@given(days, st.lists(st.integers(0, 60), min_size=1, max_size=12))
def test_an_expiry_is_always_one_that_is_listed(today, ahead):
    listed = {today + timedelta(days=n) for n in ahead}

    assert weekly_expiry(listed, today=today) in listed


def test_out_of_the_money_is_above_spot_for_a_call_and_below_for_a_put():
    row = OptionClass(trading_class="SPY", expiries=(date(2024, 3, 8),), strikes=tuple(range(495, 506)))
    chain = OptionChain(underlying=Stock("SPY"), classes=(row,))
    rule = SelectionRule(step="out", strike_count=1)

    (call,) = select(chain, spot=500, today=date(2024, 3, 4), right=Right.CALL, rule=rule)
    (put,) = select(chain, spot=500, today=date(2024, 3, 4), right=Right.PUT, rule=rule)

    assert (call.strike, put.strike) == (501, 499)
