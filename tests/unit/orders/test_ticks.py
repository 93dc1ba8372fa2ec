from decimal import Decimal

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Side
from ibkeel.orders import CENT, NICKEL, PENNY, TickLadder, ladder_of, round_to_tick


@pytest.mark.parametrize(
    ("price", "side", "ticks", "expected"),
    [
        ("2.997", Side.BUY, PENNY, "2.99"),
        ("2.997", Side.SELL, PENNY, "3.00"),
        ("3.02", Side.BUY, PENNY, "3.00"),
        ("3.02", Side.SELL, PENNY, "3.05"),
        ("3.02", Side.BUY, CENT, "3.02"),
        ("2.98", Side.SELL, NICKEL, "3.00"),
        ("3.11", Side.SELL, NICKEL, "3.20"),
        (0.3, Side.BUY, Decimal("0.1"), "0.3"),
        (2.003, "BUY", 0.01, "2.00"),
        (2.003, "SELL", "0.01", "2.01"),
    ],
)
def test_a_price_is_rounded_to_the_side_that_is_not_worse(price, side, ticks, expected):
    assert round_to_tick(price, ticks=ticks, side=side) == Decimal(expected)


@pytest.mark.parametrize(
    ("price", "side", "ticks", "expected"),
    [
        ("-1.234", Side.BUY, CENT, "-1.24"),
        ("-1.234", Side.SELL, CENT, "-1.23"),
        ("-1.234", "BUY", "0.05", "-1.25"),
        (-3.02, Side.BUY, PENNY, "-3.05"),
        ("-2.997", Side.BUY, PENNY, "-3.00"),
        ("0.004", Side.BUY, CENT, "0.00"),
        ("-0.004", Side.SELL, CENT, "0.00"),
        (0, Side.BUY, CENT, "0"),
        ("1.234", Side.SELL, CENT, "1.24"),
    ],
)
def test_the_price_of_a_combo_may_be_a_credit(price, side, ticks, expected):
    rounded = round_to_tick(price, ticks=ticks, side=side, is_combo=True)

    assert str(rounded) == expected


@pytest.mark.parametrize("price", ["nan", float("nan"), float("inf"), "x"])
def test_what_is_no_number_is_no_price_of_a_combo_either(price):
    with pytest.raises(InvalidInput):
        round_to_tick(price, ticks=CENT, side=Side.BUY, is_combo=True)


@pytest.mark.parametrize("side", [Side.BUY, "BUY"])
@pytest.mark.parametrize("price", [0, -1, "0.004"])
def test_a_price_that_comes_to_nothing_is_refused(price, side):
    with pytest.raises(InvalidInput):
        round_to_tick(price, ticks=CENT, side=side)


@pytest.mark.parametrize(
    "steps",
    [
        (),
        ((1, "0.01"),),
        ((0, "0.01"), (0, "0.05")),
        ((0, "0.05"), (3, "0.01"), (2, "0.10")),
        ((0, "0"),),
        ((0, "0.05"), ("3.01", "0.10")),
        ((0, "0.05"), ("3.10", "0.20")),
        ((0, "0.20"), ("3.10", "0.05")),
    ],
)
def test_a_ladder_that_is_none_is_refused(steps):
    with pytest.raises(InvalidInput, match="TickLadder"):
        TickLadder(tuple((Decimal(start), Decimal(tick)) for start, tick in steps))


@pytest.mark.parametrize(
    ("price", "tick"), [("0", "0.01"), ("2.99", "0.01"), ("3", "0.05"), ("3.00", "0.05"), ("900", "0.05")]
)
def test_a_step_holds_from_its_price_on(price, tick):
    assert PENNY.tick_at(Decimal(price)) == Decimal(tick)


def test_a_price_of_nothing_is_named_as_such():
    with pytest.raises(InvalidInput, match="price is 0; valid: above 0"):
        round_to_tick(0, ticks=CENT, side=Side.SELL)


def test_a_ladder_may_change_its_step_at_a_multiple_of_both():
    ladder = TickLadder(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))

    assert ladder == NICKEL


@pytest.mark.parametrize(
    ("bid", "ask", "ladder"),
    [
        ("2.30", "2.35", NICKEL), ("2.30", "2.36", PENNY), ("3.10", "3.15", PENNY), ("2.95", "3.10", NICKEL),
        (None, "0.05", NICKEL), ("0.04", None, PENNY), ("-1.05", "-1.00", NICKEL), (None, None, PENNY),
    ],
)  # fmt: skip
def test_the_steps_of_a_class_are_told_by_its_quote(bid, ask, ladder):
    sides = [None if side is None else Decimal(side) for side in (bid, ask)]

    assert ladder_of(*sides) is ladder
