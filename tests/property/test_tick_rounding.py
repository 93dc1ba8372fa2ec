from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.model import Side
from ibkeel.orders import CENT, NICKEL, PENNY, round_to_tick

prices = st.decimals("0.05", "2000", places=4)
ladders = st.sampled_from([CENT, NICKEL, PENNY])


@given(prices, ladders)
def test_the_result_is_on_the_ladder_and_never_worse_than_asked(price, ticks):
    low = round_to_tick(price, ticks=ticks, side=Side.BUY)
    high = round_to_tick(price, ticks=ticks, side=Side.SELL)

    assert low <= price <= high
    assert high - low <= ticks.tick_at(price)
    for rounded in (low, high):
        assert rounded % ticks.tick_at(rounded) == Decimal(0)


@given(prices, ladders, st.sampled_from(Side))
def test_rounding_twice_changes_nothing(price, ticks, side):
    once = round_to_tick(price, ticks=ticks, side=side)

    assert round_to_tick(once, ticks=ticks, side=side) == once


@given(st.decimals("-2000", "2000", places=4), ladders)
def test_a_combo_costs_no_more_and_brings_no_less_than_asked(price, ticks):
    low = round_to_tick(price, ticks=ticks, side=Side.BUY, is_combo=True)
    high = round_to_tick(price, ticks=ticks, side=Side.SELL, is_combo=True)

    assert low <= price <= high
    assert high - low <= ticks.tick_at(abs(price))
    assert round_to_tick(-price, ticks=ticks, side=Side.SELL, is_combo=True) == -low
    for rounded in (low, high):
        assert rounded % ticks.tick_at(abs(rounded)) == 0
