from datetime import UTC, date, datetime, timedelta

import pytest

from ibkeel.errors import QuoteUnavailable
from ibkeel.model import Option, Quote, Right, Side, Stock
from ibkeel.options import (
    Exercise,
    Leg,
    LegRiskKind,
    LegRiskRule,
    Structure,
    calendar,
    collar,
    covered_call,
    iron_condor,
    leg_risks,
    straddle,
    vertical,
)

TODAY, NEAR, FAR = date(2026, 2, 2), date(2026, 2, 20), date(2026, 3, 20)
NOON = datetime(2026, 2, 2, 17, tzinfo=UTC)
SPY = Stock("SPY")
KIND = LegRiskKind


def option(strike, right="C", expiry=NEAR, **changes):
    return Option("SPY", expiry, strike, Right(right), **{"trading_class": "SPY", **changes})


def quotes_of(structure, bid=2.0, ask=2.1, **changes):
    return {
        leg.contract: Quote(contract=leg.contract, at=NOON, bid=bid, ask=ask, **changes)
        for leg in structure.legs
    }


def risks_of(structure, quotes=None, *, spot=565.0, today=TODAY, **changes):
    quotes = quotes_of(structure) if quotes is None else quotes
    return [risk.kind for risk in leg_risks(structure, quotes, spot=spot, today=today, **changes)]


CONDOR = iron_condor(
    long_put=option(540, "P"), short_put=option(550, "P"), short_call=option(580), long_call=option(590)
)
SPREAD = vertical(long=option(560), short=option(570))


def test_a_quoted_and_covered_structure_has_no_risks():
    assert risks_of(CONDOR) == []


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (None, KIND.NO_QUOTE, "it was not quoted"),
        (QuoteUnavailable("nothing came"), KIND.NO_QUOTE, "no quote: nothing came"),
        ({"bid": None, "ask": 2.0}, KIND.NOT_TWO_SIDED, "nobody bids"),
        ({"bid": 2.0, "ask": None}, KIND.NOT_TWO_SIDED, "nobody offers"),
        ({"bid": 2.1, "ask": 2.0}, KIND.CROSSED, "bid 2.1 is above ask 2.0"),
        (
            {"bid": 2.0, "ask": 2.6},
            KIND.SPREAD_WIDE,
            "spread 0.6 is 26.1% of mid; allowed: 10.0% of mid or 0.10",
        ),
    ],
)
def test_a_leg_that_cannot_be_traded_at_a_fair_price_is_named(answer, kind, told):
    leg = CONDOR.legs[2]
    quotes = quotes_of(CONDOR)
    quotes[leg.contract] = (
        Quote(contract=leg.contract, at=NOON, **answer) if isinstance(answer, dict) else answer
    )

    [risk] = leg_risks(CONDOR, quotes, spot=565, today=TODAY)

    assert (risk.kind, risk.leg) == (kind, leg)
    assert risk.detail == f"-1 SPY 2026-02-20 580 C: {told}"


def test_a_wide_spread_is_fine_where_the_rule_says_so():
    quotes = quotes_of(SPREAD, bid=2.0, ask=2.6)

    assert risks_of(SPREAD, quotes) == [KIND.SPREAD_WIDE, KIND.SPREAD_WIDE]
    assert risks_of(SPREAD, quotes, rule=LegRiskRule(max_absolute_spread=0.6)) == []
    assert risks_of(SPREAD, quotes, rule=LegRiskRule(max_relative_spread=0.3)) == []


def test_quotes_of_different_age_do_not_make_one_price():
    quotes = quotes_of(SPREAD)
    late = SPREAD.legs[1].contract
    quotes[late] = Quote(contract=late, at=NOON + timedelta(seconds=6), bid=2.0, ask=2.1)

    [risk] = leg_risks(SPREAD, quotes, spot=565, today=TODAY)

    assert risk.kind is KIND.QUOTE_AGES
    assert risk.detail == "quotes 6 s apart; wanted: 5 s or less"
    assert risks_of(SPREAD, quotes, rule=LegRiskRule(max_age_difference=6)) == []
    assert risks_of(SPREAD, {}, rule=LegRiskRule(max_age_difference=0)) == [KIND.NO_QUOTE, KIND.NO_QUOTE]


@pytest.mark.parametrize(
    ("spot", "days", "expected"),
    [(575, 5, [KIND.ASSIGNMENT]), (575, 6, []), (565, 5, []), (570, 0, [])],
)
def test_a_short_leg_in_the_money_near_expiry_may_be_assigned(spot, days, expected):
    assert risks_of(SPREAD, spot=spot, today=NEAR - timedelta(days=days)) == expected


def test_a_short_put_is_assigned_when_the_price_is_below_its_strike():
    puts = vertical(long=option(560, "P"), short=option(570, "P"))

    [risk] = leg_risks(puts, quotes_of(puts), spot=569.5, today=NEAR)

    assert (risk.kind, risk.leg) == (KIND.ASSIGNMENT, puts.legs[1])
    assert risk.detail == (
        "-1 SPY 2026-02-20 570 P: short and 0.5 in the money with 0 days to expiry; it may be assigned"
    )
    assert risks_of(puts, spot=570, today=NEAR) == []


@pytest.mark.parametrize(("days", "expected"), [(5, []), (1, []), (0, [KIND.ASSIGNMENT])])
def test_a_european_leg_is_not_assigned_before_its_expiry(days, expected):
    today = NEAR - timedelta(days=days)

    assert risks_of(SPREAD, spot=575, today=today, exercise=Exercise.EUROPEAN) == expected


@pytest.mark.parametrize(
    ("day", "amount", "expected"),
    [
        (date(2026, 2, 10), 1.8, [KIND.EX_DIVIDEND]),  # the time value is 6.55 - 5
        (date(2026, 2, 10), 1.5, []),
        (date(2026, 2, 2), 1.8, []),  # today's has gone already
        (NEAR, 1.8, [KIND.EX_DIVIDEND]),
        (date(2026, 2, 21), 1.8, []),
    ],
)
def test_a_short_call_worth_less_than_the_dividend_is_exercised_before_it(day, amount, expected):
    quotes = quotes_of(SPREAD, bid=6.5, ask=6.6)

    assert risks_of(SPREAD, quotes, spot=575, dividends={day: amount}) == expected


def test_each_dividend_that_is_still_to_come_counts_above_the_time_value():
    amounts = {TODAY: 9.0, date(2026, 2, 10): 1.5, date(2026, 2, 11): 1.51}

    [risk] = leg_risks(SPREAD, quotes_of(SPREAD, 2.0, 2.0), spot=570.5, today=TODAY, dividends=amounts)

    assert (risk.kind, risk.leg) == (KIND.EX_DIVIDEND, SPREAD.legs[1])
    assert risk.detail == (
        "-1 SPY 2026-02-20 570 C: short, in the money over the ex-dividend date 2026-02-11 of 1.51; "
        "time value 1.50"
    )
    assert risks_of(SPREAD, spot=570, dividends={date(2026, 2, 10): 9.0}) == []


def test_a_call_without_a_price_and_a_dividend_are_a_risk_and_european_options_have_none():
    dividends = {date(2026, 2, 10): 0.5}

    risks = leg_risks(SPREAD, {}, spot=575, today=TODAY, dividends=dividends)

    assert [risk.kind for risk in risks] == [KIND.NO_QUOTE, KIND.NO_QUOTE, KIND.EX_DIVIDEND]
    assert risks[-1].detail.endswith("its time value is not known")
    assert KIND.EX_DIVIDEND not in risks_of(
        SPREAD, {}, spot=575, dividends=dividends, exercise=Exercise.EUROPEAN
    )


def test_a_short_put_and_an_option_out_of_the_money_fear_no_dividend():
    puts = vertical(long=option(560, "P"), short=option(570, "P"))

    assert risks_of(puts, spot=565, dividends={date(2026, 2, 10): 50.0}) == []
    assert risks_of(SPREAD, spot=565, dividends={date(2026, 2, 10): 50.0}) == []


def legs(*rows):
    return Structure(
        name="odd",
        legs=[Leg(contract=contract, side=side, ratio=ratio) for contract, side, ratio in rows],
    )


@pytest.mark.parametrize(
    ("structure", "uncovered"),
    [
        (straddle(call=option(565), put=option(565, "P"), side=Side.SELL), {"565 C": 100, "565 P": 100}),
        (legs((option(565), "SELL", 3), (option(570), "BUY", 2)), {"565 C": 100}),
        (legs((option(565), "SELL", 1), (option(565, "P"), "BUY", 1)), {"565 C": 100}),
        (legs((option(565, expiry=FAR), "SELL", 1), (option(565), "BUY", 1)), {"565 C": 100}),
        (calendar(near=option(565), far=option(565, expiry=FAR)), {}),
        (covered_call(stock=SPY, call=option(570)), {}),
        (collar(stock=SPY, put=option(550, "P"), call=option(580)), {}),
        (legs((SPY, "BUY", 60), (option(570), "SELL", 1)), {"570 C": 40}),
        (legs((SPY, "BUY", 99), (option(570), "SELL", 1)), {"570 C": 1}),
        (
            legs((SPY, "BUY", 100), (option(570), "SELL", 1), (option(575, expiry=FAR), "SELL", 1)),
            {"570 C": 100},
        ),
        (legs((option(565), "SELL", 1), (option(566), "SELL", 1), (option(570), "BUY", 1)), {"565 C": 100}),
        (
            legs((option(565), "SELL", 3), (option(570), "BUY", 2), (option(565, "P", FAR), "BUY", 1)),
            {"565 C": 100},
        ),
        (legs((SPY, "SELL", 100), (option(550, "P"), "SELL", 1)), {}),
        (legs((SPY, "BUY", 100), (option(550, "P"), "SELL", 1)), {"550 P": 100}),
        (
            legs(
                (option(565), "SELL", 1),
                (option(566, expiry=FAR), "SELL", 1),
                (option(570), "BUY", 1),
                (option(575, expiry=FAR), "BUY", 1),
            ),
            {},
        ),
    ],
)
def test_short_options_that_nothing_answers_for_are_uncovered(structure, uncovered):
    found = leg_risks(structure, quotes_of(structure), spot=565, today=TODAY)

    bare = {
        f"{risk.leg.contract.strike} {risk.leg.contract.right}": risk
        for risk in found
        if risk.kind is KIND.UNCOVERED
    }
    assert {name: risk.detail for name, risk in bare.items()} == {
        name: f"{bare[name].leg}: {left} of {-bare[name].leg.shares} shares are owed without cover"
        for name, left in uncovered.items()
    }


def test_legs_that_end_apart_or_stand_for_other_numbers_of_shares_are_named():
    odd = legs((option(565, expiry=FAR), "BUY", 1), (option(565, multiplier=10), "SELL", 10))

    found = leg_risks(odd, quotes_of(odd), spot=560, today=TODAY)

    assert [risk.kind for risk in found] == [KIND.MULTIPLIERS, KIND.EXPIRIES]
    assert [risk.leg for risk in found] == [None, None]
    assert found[0].detail.startswith("multipliers [10, 100]")
    assert found[1].detail.startswith("expiries 2026-02-20 16:00:00, 2026-03-20 16:00:00")


def test_options_of_an_adjusted_class_are_named_for_what_they_deliver_is_not_known():
    held = covered_call(stock=SPY, call=option(570, trading_class="SPY1"))

    [risk] = leg_risks(held, quotes_of(held), spot=565.0, today=TODAY)

    assert risk.kind is KIND.ADJUSTED
    assert risk.detail == (
        "class SPY1 was adjusted by a corporate action: its options deliver something else than the multiplier "
        "in shares, and no payoff or greek here knows what"
    )


def spx(side, trading_class, expiry=NEAR, right="C", strike=5600):
    return Leg(contract=Option("SPX", expiry, strike, right, trading_class=trading_class), side=side)


@pytest.mark.parametrize(
    ("bought", "sold", "uncovered"),
    [
        (("SPX", NEAR), ("SPXW", NEAR), True),
        (("SPXW", NEAR), ("SPX", NEAR), False),
        (("SPXW", NEAR - timedelta(days=1)), ("SPX", NEAR), True),
        (("SPX", NEAR), ("SPXW", NEAR - timedelta(days=1)), False),
        # The Gateway lists what settles at the open by its last trading day: it lives for the night.
        (("SPXW", NEAR - timedelta(days=1)), ("SPX", NEAR - timedelta(days=1)), True),
        (("SPX", NEAR - timedelta(days=1)), ("SPXW", NEAR - timedelta(days=1)), False),
    ],
)
def test_what_is_settled_at_the_open_covers_nothing_until_the_close(bought, sold, uncovered):
    structure = Structure(name="spread", legs=[spx("BUY", *bought), spx("SELL", *sold, strike=5610)])

    found = risks_of(structure, spot=5000.0)

    assert (KIND.UNCOVERED in found) is uncovered
    assert KIND.EXPIRIES in found


def test_classes_that_end_together_do_not_end_apart():
    structure = Structure(name="spread", legs=[spx("BUY", "SPXW"), spx("SELL", "SPXW", strike=5610)])

    assert risks_of(structure, spot=5000.0) == []
