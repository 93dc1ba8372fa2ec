import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ibkeel.model import Option, Quote, Right
from ibkeel.options import price
from ibkeel.options.delta_search import Expiry, Marked, View, pair_strikes, view_of

NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
DAY = date(2024, 4, 18)
YEARS = 0.25


def expiry(*strikes, spot=100.0, right=Right.PUT, rate=0.0):
    other = Right.CALL if right is Right.PUT else Right.PUT
    tables = [
        {Decimal(strike): Option("XYZ", DAY, strike, each) for strike in strikes} for each in (right, other)
    ]
    return Expiry(wanted=tables[0], twins=tables[1], spot=spot, years=YEARS, rate=rate)


def quotes(of, forward=100.0, volatility=0.2):
    made = {}
    for option in (*of.wanted.values(), *of.twins.values()):
        value = float(
            price(
                volatility,
                spot=of.spot,
                strike=float(option.strike),
                years=YEARS,
                right=option.right,
                rate=of.rate,
                dividend_yield=of.rate - math.log(forward / of.spot) / YEARS,
            )
        )
        made[option] = Quote(contract=option, at=NOON, bid=value * 0.99, ask=value * 1.01)
    return made


def view(marks):
    of = expiry(90, 100, 110)
    return View(expiry=of, forward=100.0, has_parity=True, marks={Decimal(k): m for k, m in marks.items()})


def test_pairs_are_sought_at_round_strikes_within_one_per_cent_of_the_spot_and_then_at_the_nearest():
    assert pair_strikes(expiry(95, 99, 100, 101, 105, spot=100.4)) == (100, 101, 99)
    assert pair_strikes(expiry(90, 99, 100, 101, 102, spot=100.4)) == (100, 101, 99)
    assert pair_strikes(expiry(100)) == (100,)
    assert pair_strikes(expiry(96, 98, 102, 104)) == (98, 102, 96)


@pytest.mark.parametrize("right", list(Right))
def test_the_forward_is_that_of_parity_and_may_differ_from_the_spot(right):
    of = expiry(90, 100, 110, right=right, rate=0.04)

    seen = view_of(of, quotes(of, forward=102.0))

    assert seen.has_parity
    assert seen.forward == pytest.approx(102.0, abs=1e-9)
    assert [mark.iv for mark in seen.marks.values()] == pytest.approx([0.2] * 3, abs=1e-9)


def lopsided(of, *, wide, forward=100.0):
    """Quotes of which some pairs are wide: the true price is at one end of them."""
    made = quotes(of, forward, 0.2)
    for option, row in made.items():
        if option.strike in wide:
            call = option.right is Right.CALL
            sides = {"ask": row.bid * 1.4} if call else {"bid": row.ask * 0.6}
            made[option] = Quote(contract=option, at=NOON, **{"bid": row.bid, "ask": row.ask, **sides})
    return made


def test_a_wide_pair_alone_does_not_give_the_forward():
    of = expiry(90, 99, 100, 101, 110)

    narrow, first = view_of(of, lopsided(of, wide=())), view_of(of, lopsided(of, wide={100}))
    alone = view_of(expiry(90, 100, 110), lopsided(expiry(90, 100, 110), wide={90, 100, 110}))

    assert narrow.is_pinned
    assert first.is_pinned
    assert first.forward == pytest.approx(100.0, abs=0.05)
    assert alone.has_parity
    assert not alone.is_pinned


def test_a_narrow_first_pair_gives_it_alone_so_that_others_need_not_be_asked():
    of = expiry(90, 99, 100, 101, 110)
    every, moved = quotes(of), quotes(of, forward=101.0)
    pair = {option: every[option] for option in every if option.strike == 100}

    assert view_of(of, {**moved, **pair}).forward == view_of(of, pair).forward


def test_a_pair_that_makes_no_sense_gives_no_forward():
    of = expiry(100)
    absurd = quotes(of)
    put, call = of.wanted[Decimal(100)], of.twins[Decimal(100)]
    absurd[put] = Quote(contract=put, at=NOON, bid=900.0, ask=901.0)
    absurd[call] = Quote(contract=call, at=NOON, bid=0.01, ask=0.02)

    seen = view_of(of, absurd)

    assert (seen.has_parity, seen.forward) == (False, 100.0)
    assert seen.marks == {}


def test_without_any_mark_a_usual_volatility_leads_to_the_strike():
    nothing = view({})

    assert nothing.strike_of(0.3) == pytest.approx(nothing.strike_at(nothing.reach_of(0.3), 0.25))


def test_one_mark_lends_its_volatility():
    one = view({100: Marked(0.4, -0.46, 0.1)})

    assert one.strike_of(0.3) == pytest.approx(one.strike_at(one.reach_of(0.3), 0.4))


def test_between_marks_the_strike_is_read_off_and_beyond_them_carried_on():
    of = expiry(*range(80, 121, 5))
    flat = view_of(of, quotes(of))
    few = View(
        expiry=of,
        forward=flat.forward,
        has_parity=True,
        marks={strike: mark for strike, mark in flat.marks.items() if strike >= 100},
    )

    exact = flat.strike_at(flat.reach_of(0.3), 0.2)

    assert flat.strike_of(0.3) == pytest.approx(exact, rel=1e-4)
    assert few.strike_of(0.3) == pytest.approx(exact, rel=1e-3)


def test_a_mark_out_of_order_is_passed_over():
    bad = view({90: Marked(0.2, -0.2, 0.5), 95: Marked(0.2, -0.1, 0.9), 100: Marked(0.2, -0.46, 0.1)})

    assert 85 < bad.strike_of(0.3) < 90
