from datetime import date
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Index, OptionChain, OptionClass, Right, Stock
from ibkeel.options import (
    SelectionRule,
    StrikeStep,
    at_the_money,
    nearest_strikes,
    out_of_the_money,
    preset,
    select,
    strikes_around,
)

TODAY = date(2024, 3, 4)
FRIDAY = date(2024, 3, 8)
MONTHLY = date(2024, 4, 19)
ROW = OptionClass(trading_class="SPY", expiries=(FRIDAY, MONTHLY), strikes=tuple(range(490, 511)))
CHAIN = OptionChain(underlying=Stock("SPY"), classes=(ROW,))


def strikes(right=Right.CALL, spot=500.2, chain=CHAIN, **rule):
    found = select(chain, spot=spot, today=TODAY, right=right, rule=SelectionRule(**rule))
    return [int(option.strike) for option in found]


def test_the_strikes_nearest_to_spot_come_nearest_first():
    assert strikes() == [500, 501, 499]


def test_the_lower_of_two_strikes_as_near_comes_first():
    assert nearest_strikes([Decimal(499), Decimal(501)], Decimal(500), 1) == (Decimal(499),)


def test_one_step_out_of_the_money_goes_up_for_a_call_and_down_for_a_put():
    assert strikes(Right.CALL, step="out", strike_count=1) == [501]
    assert strikes(Right.PUT, step="out", strike_count=1) == [499]


def test_one_step_in_the_money_goes_down_for_a_call_and_up_for_a_put():
    assert strikes(Right.CALL, step="in", strike_count=1) == [499]
    assert strikes(Right.PUT, step="in", strike_count=1) == [501]


def test_a_step_beyond_the_last_strike_stays_on_it():
    assert strikes(Right.CALL, spot=9999, step=StrikeStep.OUT, strike_count=1) == [510]
    assert strikes(Right.PUT, spot=1, step=StrikeStep.OUT, strike_count=1) == [490]


def test_the_options_are_of_the_weekly_expiry_and_complete():
    (option,) = select(CHAIN, spot=500, today=TODAY, right=Right.PUT, rule=SelectionRule(strike_count=1))

    assert (option.expiry, option.right, option.trading_class) == (FRIDAY, Right.PUT, "SPY")


def test_several_expiries_within_a_dte_range():
    rule = SelectionRule(expiry="nearest", expiry_count=2, strike_count=1)

    found = select(CHAIN, spot=500, today=TODAY, right=Right.CALL, rule=rule)

    assert [option.expiry for option in found] == [FRIDAY, MONTHLY]


def test_a_range_out_of_the_money_knows_call_from_put():
    assert sorted(strikes(Right.CALL, spot=500, min_otm=0.01, max_otm=0.014, strike_count=9)) == [
        505,
        506,
        507,
    ]
    assert sorted(strikes(Right.PUT, spot=500, min_otm=0.01, max_otm=0.014, strike_count=9)) == [
        493,
        494,
        495,
    ]


def test_a_count_of_strikes_that_is_none_is_named():
    with pytest.raises(InvalidInput, match=r"^count is 1\.5; valid"):
        nearest_strikes([Decimal(500)], 500, 1.5)


def test_a_price_may_be_a_float_as_those_of_quotes_are():
    strikes = [Decimal(499), Decimal(501)]

    assert nearest_strikes(strikes, 500.4, 1) == (Decimal(501),)
    assert nearest_strikes([499.0, 501.0], 500.4, 1) == (501.0,)
    assert out_of_the_money(strikes[0], 500.0, Right.PUT) == Decimal("0.002")


@pytest.mark.parametrize("price", [float("nan"), "near", None])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(InvalidInput, match="valid: a finite decimal"):
        nearest_strikes([Decimal(500)], price, 1)
    with pytest.raises(InvalidInput, match="valid: a finite decimal"):
        out_of_the_money(Decimal(500), price, Right.PUT)


def test_distance_out_of_the_money_is_negative_in_the_money():
    assert out_of_the_money(Decimal(90), Decimal(100), Right.CALL) == Decimal("-0.1")
    assert out_of_the_money(Decimal(90), Decimal(100), Right.PUT) == Decimal("0.1")


def test_a_pair_known_not_to_exist_makes_room_for_the_next_nearest():
    first = select(CHAIN, spot=500.2, today=TODAY, right=Right.CALL, rule=SelectionRule())

    again = select(CHAIN, spot=500.2, today=TODAY, right=Right.CALL, rule=SelectionRule(), without=first[:1])

    assert [int(option.strike) for option in again] == [501, 499, 502]


def test_an_adjusted_class_with_few_expiries_is_passed_over():
    odd = OptionClass(trading_class="2SPY", expiries=(FRIDAY,), strikes=(500,))
    chain = OptionChain(underlying=Stock("SPY"), classes=(odd, ROW))

    found = select(chain, spot=500, today=TODAY, right=Right.CALL, rule=preset("standard"))

    assert {option.trading_class for option in found} == {"SPY"}


@pytest.mark.parametrize(
    ("weekly", "taken"),
    [
        ({"expiries": (FRIDAY, date(2024, 3, 11), MONTHLY)}, "SPYW"),
        ({"expiries": (FRIDAY,), "strikes": tuple(range(400, 600))}, "SPY"),
        ({"strikes": tuple(range(490, 512))}, "SPYW"),
        ({}, "SPY"),
    ],
)
def test_the_class_with_the_most_expiries_is_taken_and_of_equals_that_with_the_most_strikes(weekly, taken):
    other = attrs.evolve(ROW, trading_class="SPYW", **weekly)

    for classes in ((ROW, other), (other, ROW)):
        chain = OptionChain(underlying=Stock("SPY"), classes=classes)
        found = select(chain, spot=500, today=TODAY, right=Right.CALL, rule=SelectionRule())
        assert {option.trading_class for option in found} == {taken}


def test_a_class_can_be_named():
    odd = OptionClass(trading_class="2SPY", expiries=(FRIDAY,), strikes=(500,))
    chain = OptionChain(underlying=Stock("SPY"), classes=(odd, ROW))

    found = select(chain, spot=500, today=TODAY, right=Right.CALL, rule=SelectionRule(), trading_class="2SPY")

    assert [option.trading_class for option in found] == ["2SPY"]


def test_a_class_that_smart_routing_does_not_know_is_taken_where_it_is_listed():
    classes = tuple(
        OptionClass(trading_class=name, exchange="EUREX", multiplier=10, expiries=expiries, strikes=(5000,))
        for name, expiries in (("OESX", (MONTHLY,)), ("OES1", (FRIDAY, MONTHLY)))
    )
    chain = OptionChain(underlying=Index("ESTX50", exchange="EUREX", currency="EUR"), classes=classes)
    asked = {"spot": 5010, "today": TODAY, "right": Right.PUT, "rule": SelectionRule()}

    [option] = select(chain, trading_class="OESX", **asked)

    place = (option.trading_class, option.exchange, option.currency, option.multiplier)
    assert place == ("OESX", "EUREX", "EUR", 10)
    with pytest.raises(InvalidInput, match="OESX on EUREX, OES1 on EUREX"):
        select(chain, trading_class="ODAX", **asked)


def test_smart_routing_is_preferred_and_other_exchanges_serve_when_alone():
    other = OptionClass(trading_class="SPY", exchange="CBOE", expiries=ROW.expiries, strikes=ROW.strikes)
    both = OptionChain(underlying=Stock("SPY"), classes=(other, ROW))
    alone = OptionChain(underlying=Stock("SPY"), classes=(other,))
    rule = SelectionRule(strike_count=1)

    found = [select(c, spot=500, today=TODAY, right=Right.CALL, rule=rule)[0] for c in (both, alone)]

    assert [option.exchange for option in found] == ["SMART", "CBOE"]


@pytest.mark.parametrize(
    "chain",
    [
        OptionChain(underlying=Stock("SPY")),
        OptionChain(
            underlying=Stock("SPY"),
            classes=(OptionClass(trading_class="SPY", expiries=(FRIDAY,), strikes=()),),
        ),
        OptionChain(
            underlying=Stock("SPY"), classes=(OptionClass(trading_class="SPY", expiries=(), strikes=(500,)),)
        ),
    ],
)
def test_a_chain_without_a_fitting_option_gives_none(chain):
    assert strikes(chain=chain) == []


@pytest.mark.parametrize("spot", [0.0, -1.0, float("nan"), float("inf")])
def test_a_spot_that_is_no_price_is_refused(spot):
    with pytest.raises(InvalidInput):
        strikes(spot=spot)


def test_at_the_money_is_reckoned_from_the_forward():
    assert at_the_money(ROW.strikes, 502.5) == 502
    assert at_the_money(ROW.strikes, 502.6) == 503


def test_strikes_around_a_price_are_as_many_on_either_side_as_are_listed():
    assert strikes_around(ROW.strikes, 500.2, 2) == (498, 499, 500, 501, 502)
    assert strikes_around(ROW.strikes, 490, 2) == (490, 491, 492)


@pytest.mark.parametrize("each_side", [-1, None, 1.5, float("nan")])
def test_how_many_strikes_lie_on_either_side_is_a_whole_number(each_side):
    with pytest.raises(InvalidInput, match="each_side is "):
        strikes_around(ROW.strikes, 500.2, each_side)


def test_no_strike_is_at_the_money_of_an_empty_list():
    with pytest.raises(InvalidInput, match="no strike"):
        at_the_money([], 500)


def test_a_class_that_a_corporate_action_made_is_taken_only_by_its_name():
    adjusted = OptionClass(trading_class="2SPY", expiries=ROW.expiries, strikes=(*ROW.strikes, 511))
    chain = OptionChain(underlying=Stock("SPY"), classes=(adjusted, ROW))

    usual, named = (
        select(chain, spot=500, today=TODAY, right=Right.CALL, rule=SelectionRule(), trading_class=name)
        for name in (None, "2SPY")
    )

    assert {option.trading_class for option in usual} == {"SPY"}
    assert {option.trading_class for option in named} == {"2SPY"}


def test_the_first_monthly_expiries_in_the_range_are_taken():
    days = (FRIDAY, MONTHLY, date(2024, 4, 26), date(2024, 5, 17), date(2026, 1, 16))
    row = OptionClass(trading_class="SPY", expiries=days, strikes=(500,))
    chain = OptionChain(underlying=Stock("SPY"), classes=(row,))

    def taken(**changes):
        rule = SelectionRule(expiry="monthly", **changes)
        found = select(chain, spot=500, today=TODAY, right=Right.CALL, rule=rule)
        return [option.expiry for option in found]

    assert taken() == [MONTHLY]
    assert taken(expiry_count=9) == [MONTHLY, date(2024, 5, 17), date(2026, 1, 16)]
    assert taken(max_dte=10) == []


def test_a_monthly_expiry_that_settles_at_the_open_is_known_by_its_class():
    days = (date(2024, 4, 18), MONTHLY)  # a Gateway lists it by its last trading day, the Thursday
    names = ("SPX", "SPXW")
    classes = tuple(OptionClass(trading_class=name, expiries=days, strikes=(5000,)) for name in names)
    chain, rule = OptionChain(underlying=Index("SPX"), classes=classes), SelectionRule(expiry="monthly")

    found = [
        select(chain, spot=5000, today=TODAY, right=Right.CALL, rule=rule, trading_class=name)
        for name in names
    ]

    assert [[option.expiry for option in options] for options in found] == [[days[0]], [days[1]]]
