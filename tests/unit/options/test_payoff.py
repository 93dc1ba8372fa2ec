import math
from datetime import date
from decimal import Decimal

import attrs
import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Right, Stock
from ibkeel.options import (
    Leg,
    Structure,
    butterfly,
    calendar,
    covered_call,
    iron_condor,
    payoff,
    straddle,
    vertical,
)

NEAR, FAR = date(2026, 2, 20), date(2026, 3, 20)


def option(strike, right="C", expiry=NEAR):
    return Option("SPY", expiry, strike, Right(right), trading_class="SPY")


def at(structure, *prices):
    """The structure with prices for its legs, in their order."""
    legs = zip(structure.legs, prices, strict=True)
    return attrs.evolve(structure, legs=[attrs.evolve(leg, price=price) for leg, price in legs])


CONDOR = at(
    iron_condor(
        long_put=option(540, "P"), short_put=option(550, "P"), short_call=option(580), long_call=option(590)
    ),
    "2.10", "3.85", "3.40", "1.65",
)  # fmt: skip


def test_an_iron_condor_wins_its_credit_or_loses_a_wing_less_it():
    found = payoff(CONDOR)

    assert (found.max_gain, found.max_loss) == (3.5, 6.5)
    assert (found.max_gain_per_contract, found.max_loss_per_contract) == (350, 650)
    assert found.break_evens == (Decimal("546.5"), Decimal("583.5"))
    assert found.at([0, 540, 545, 550, 565, 580, 585, 590, 700]).tolist() == [
        -6.5, -6.5, -1.5, 3.5, 3.5, 3.5, -1.5, -6.5, -6.5,
    ]  # fmt: skip


def test_a_long_straddle_may_win_without_end_and_loses_its_debit():
    found = payoff(at(straddle(call=option(565), put=option(565, "P")), "9.10", "8.20"))

    assert (found.max_gain, found.max_loss) == (math.inf, 17.3)
    assert found.break_evens == (Decimal("547.7"), Decimal("582.3"))
    assert found.at(0.0) == pytest.approx(565 - 17.3)


def test_a_naked_call_may_lose_without_end():
    found = payoff(Structure(name="naked", legs=[Leg(contract=option(565), side="SELL", price=9)]))

    assert (found.max_gain, found.max_loss, found.max_loss_per_contract) == (9, math.inf, math.inf)
    assert found.break_evens == (574,)


def test_a_covered_call_loses_what_the_shares_can():
    found = payoff(at(covered_call(stock=Stock("SPY"), call=option(575)), "565.20", "5.10"))

    assert (found.max_gain, found.max_loss) == (14.9, 560.1)
    assert found.break_evens == (Decimal("560.1"),)


def test_shares_alone_have_a_payoff_for_each_share():
    found = payoff(
        Structure(name="shares", legs=[Leg(contract=Stock("SPY"), side="BUY", ratio=5, price=500)])
    )

    assert (found.multiplier, found.max_loss, found.max_gain) == (1, 2500, math.inf)
    assert found.break_evens == (500,)


def test_a_ratio_makes_a_slope_of_its_own():
    backspread = Structure(
        name="backspread",
        legs=[
            Leg(contract=option(500), side="SELL", price=8),
            Leg(contract=option(510), side="BUY", ratio=3),
        ],
    )

    found = payoff(
        attrs.evolve(backspread, legs=[backspread.legs[0], attrs.evolve(backspread.legs[1], price=2)])
    )

    assert found.slope == 2
    assert found.break_evens == (Decimal(502), Decimal(514))
    assert found.exactly_at(Decimal(520)) == 12


def test_what_cost_nothing_breaks_even_up_to_its_strike():
    found = payoff(Structure(name="gift", legs=[Leg(contract=option(500), side="BUY", price=0)]))

    assert found.break_evens == (0, 500)


def test_a_put_has_a_slope_of_zero_beyond_its_strike_as_a_decimal():
    found = payoff(Structure(name="put", legs=[Leg(contract=option(500, "P"), side="BUY", price=9)]))

    assert found.slope.is_zero()


def test_prices_of_the_underlying_may_be_decimals():
    assert payoff(CONDOR).at([Decimal(545), Decimal("546.5")]).tolist() == [-1.5, 0.0]


def test_a_break_even_that_no_decimal_can_hold_is_still_a_zero():
    thirds = Structure(
        name="thirds", legs=[Leg(contract=option(500), side="BUY", ratio=3, price="3.33"),
                             Leg(contract=option(510), side="SELL", price="0.02")],
    )  # fmt: skip

    [zero] = payoff(thirds).break_evens

    assert abs(payoff(thirds).exactly_at(zero)) < Decimal("1e-20")


def test_a_stretch_without_profit_has_its_ends_as_break_evens():
    free = payoff(at(vertical(long=option(500), short=option(510)), "5", "5"))

    assert free.break_evens == (0, 500)
    assert (free.max_loss, free.max_gain) == (0, 10)


def test_an_even_butterfly_pays_most_in_the_middle():
    fly = at(butterfly(low=option(490), middle=option(500), high=option(510)), "14", "7", "2")

    assert payoff(fly).at([480, 490, 500, 510, 520]).tolist() == [-2, -2, 8, -2, -2]


def test_a_price_of_the_underlying_that_cannot_be_has_no_profit():
    found = payoff(CONDOR).at([[math.nan, -1.0], [math.inf, 550.0]])

    assert found.shape == (2, 2)
    assert np.isnan(found.ravel()[:3]).all()
    with pytest.raises(InvalidInput, match="spot is -1"):
        payoff(CONDOR).exactly_at(Decimal(-1))


def test_options_that_expire_apart_have_no_exact_payoff():
    spread = at(calendar(near=option(565), far=option(565, expiry=FAR)), "9.10", "13.20")

    with pytest.raises(InvalidInput, match="use value_at_near_expiry"):
        payoff(spread)
