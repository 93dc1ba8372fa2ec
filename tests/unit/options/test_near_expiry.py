import math
from datetime import date
from decimal import Decimal

import attrs
import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Right, Stock
from ibkeel.options import (
    Exercise,
    Leg,
    Structure,
    calendar,
    diagonal,
    payoff,
    price,
    value_at_near_expiry,
    vertical,
)

NEAR, FAR = date(2026, 2, 20), date(2026, 3, 20)
SPOTS = np.linspace(300.0, 900.0, 121)


def option(strike, right="C", expiry=NEAR):
    return Option("SPY", expiry, strike, Right(right), trading_class="SPY")


def at(structure, *prices):
    legs = zip(structure.legs, prices, strict=True)
    return attrs.evolve(structure, legs=[attrs.evolve(leg, price=price) for leg, price in legs])


CALENDAR = at(calendar(near=option(565), far=option(565, expiry=FAR)), "9.10", "13.20")


def test_a_calendar_is_worth_its_far_option_less_what_the_near_one_pays():
    market = {"rate": 0.04, "dividend_yield": 0.02}
    found = value_at_near_expiry(CALENDAR, SPOTS, volatility=0.16, **market)

    far = price(0.16, spot=SPOTS, strike=565.0, years=28 / 365, right=Right.CALL, **market)
    assert found.profits == pytest.approx(far - np.maximum(SPOTS - 565, 0) - 4.1)
    assert found.expiry == NEAR
    assert SPOTS[found.profits.argmax()] == pytest.approx(565)


@pytest.mark.parametrize("volatility", [0.01, 0.2, 2.0])
@pytest.mark.parametrize(
    ("structure", "max_loss"),
    [
        (CALENDAR, 4.1),
        (at(diagonal(near=option(575), far=option(565, expiry=FAR)), "4", "13"), 9.0),
        (at(diagonal(near=option(565), far=option(575, expiry=FAR)), "9", "8"), 9.0),
        (at(diagonal(near=option(575, "P"), far=option(565, "P", FAR)), "14", "9"), 5.0),
    ],
)
def test_the_loss_stays_within_its_bound_while_no_interest_is_paid(structure, max_loss, volatility):
    found = value_at_near_expiry(structure, SPOTS, volatility=volatility)

    assert found.max_loss == pytest.approx(max_loss)
    assert found.max_loss_per_contract == pytest.approx(100 * max_loss)
    assert found.profits.min() >= -found.max_loss - 1e-9
    assert "worth at least what exercise brings" in found.assumption


def test_the_right_to_exercise_keeps_the_bound_where_interest_breaks_it():
    puts = at(calendar(near=option(565, "P"), far=option(565, "P", FAR)), "8", "10")
    deep = [200.0, 300.0]

    european = value_at_near_expiry(puts, deep, volatility=0.16, rate=0.08)
    american = value_at_near_expiry(puts, deep, volatility=0.16, rate=0.08, exercise=Exercise.AMERICAN)

    assert european.profits.max() < -european.max_loss
    assert american.profits == pytest.approx([-american.max_loss] * 2)


def test_a_short_option_that_lives_on_bounds_nothing():
    found = value_at_near_expiry(CALENDAR.opposite(), SPOTS, volatility=0.16)

    assert found.max_loss == math.inf
    assert "a short leg lives on" in found.assumption


def test_options_of_one_expiry_have_their_exact_payoff():
    spread = at(vertical(long=option(500), short=option(510)), "6.20", "2")

    found = value_at_near_expiry(spread, SPOTS, volatility={})

    assert found.profits == pytest.approx(payoff(spread).at(SPOTS))
    assert found.spots.tolist() == SPOTS.tolist()


def test_profits_are_known_for_prices_above_zero_decimals_included():
    spread = at(vertical(long=option(500), short=option(510)), "6.20", "2")

    found = value_at_near_expiry(spread, [Decimal(0), Decimal("0.01"), Decimal(505)], volatility={})

    assert found.profits == pytest.approx([math.nan, -4.2, 0.8], nan_ok=True)


def test_each_option_that_lives_on_may_have_a_volatility_of_its_own():
    far = CALENDAR.legs[1].contract

    named = value_at_near_expiry(CALENDAR, SPOTS, volatility={far: 0.2})

    assert named.multiplier == 100
    assert named.profits == pytest.approx(value_at_near_expiry(CALENDAR, SPOTS, volatility=0.2).profits)
    with pytest.raises(InvalidInput, match="no volatility for SPY 2026-03-20 565 C"):
        value_at_near_expiry(CALENDAR, SPOTS, volatility={})


def test_shares_keep_their_price_and_a_price_of_zero_has_no_profit():
    held = Structure(
        name="covered calendar",
        legs=[Leg(contract=Stock("SPY"), side="BUY", ratio=100, price=565), *CALENDAR.legs],
    )

    found = value_at_near_expiry(held, [0.0, 565.0], volatility=0.16)

    assert math.isnan(found.profits[0])
    assert found.profits[1] == pytest.approx(
        value_at_near_expiry(CALENDAR, [565.0], volatility=0.16).profits[0]
    )


def test_without_options_nothing_expires():
    shares = Structure(name="shares", legs=[Leg(contract=Stock("SPY"), side="BUY", price=565)])

    with pytest.raises(InvalidInput, match="nothing expires"):
        value_at_near_expiry(shares, SPOTS, volatility=0.2)


def test_what_is_settled_at_the_open_ends_before_what_lives_until_the_close():
    early = Option("SPX", NEAR, 5600, "C", trading_class="SPX")
    late = attrs.evolve(early, trading_class="SPXW")
    legs = [Leg(contract=early, side="SELL", price=10), Leg(contract=late, side="BUY", price=12)]
    structure, spots = Structure(name="open and close", legs=legs), np.array([5500.0, 5600.0, 5700.0])

    with pytest.raises(InvalidInput, match="expires on 2026-02-20 09:30:00, 2026-02-20 16:00:00: what"):
        payoff(structure)
    found = value_at_near_expiry(structure, spots, volatility=0.16)

    day = price(0.16, spot=spots, strike=5600.0, years=6.5 / 24 / 365, right=Right.CALL)
    assert found.profits == pytest.approx(day - np.maximum(spots - 5600, 0) - 2.0)
    assert (found.expiry, found.max_loss) == (NEAR, 2.0)
    assert value_at_near_expiry(structure.opposite(), spots, volatility=0.16).max_loss == math.inf


def test_an_option_of_the_next_open_lives_for_the_night():
    last, morning = Option("SPX", date(2026, 2, 19), 5600, "C", trading_class="SPXW"), "SPX"
    legs = [
        Leg(contract=last, side="SELL", price=10),
        Leg(contract=attrs.evolve(last, expiry=NEAR, trading_class=morning), side="BUY", price=12),
    ]

    found = value_at_near_expiry(Structure(name="night", legs=legs), [5600.0], volatility=0.16)

    night = price(0.16, spot=5600.0, strike=5600.0, years=17.5 / 24 / 365, right=Right.CALL)
    assert found.profits == pytest.approx([float(night) - 2.0])
