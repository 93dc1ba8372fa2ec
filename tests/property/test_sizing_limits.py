from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.risk import position_size

money = st.decimals("1", "1000000", places=2)
premiums = st.decimals("0.01", "500", places=2)
fractions = st.sampled_from([0.01, 0.05, 0.2, 0.33, 0.5, 1.0])


@given(money, premiums, fractions, fractions)
def test_the_loss_at_the_stop_never_passes_the_risk_limit(equity, premium, stop, risk):
    size = position_size(equity=equity, premium=premium, stop_fraction=stop, risk_fraction=risk)

    loss = size.quantity * premium * 100 * Decimal(str(stop))
    assert loss <= equity * Decimal(str(risk))
    assert size.quantity * premium * 100 <= equity * Decimal("0.95")


@given(money, money, premiums)
def test_more_equity_never_buys_less(one, other, premium):
    small, large = sorted([one, other])

    assert (
        position_size(equity=small, premium=premium).quantity
        <= position_size(equity=large, premium=premium).quantity
    )


@given(money, money, premiums)
def test_what_is_bought_is_paid_from_the_funds_that_are_there(equity, funds, premium):
    size = position_size(equity=equity, premium=premium, available_funds=funds, risk_fraction=1.0)

    assert size.quantity * premium * 100 <= min(funds, equity * Decimal("0.95"))
