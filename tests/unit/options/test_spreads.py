from datetime import date
from itertools import pairwise

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Right, Side, Stock
from ibkeel.options import (
    butterfly,
    calendar,
    collar,
    covered_call,
    diagonal,
    iron_condor,
    iron_fly,
    straddle,
    strangle,
    vertical,
)

NEAR, FAR = date(2026, 2, 20), date(2026, 3, 20)
SPY = Stock("SPY")


def call(strike, expiry=NEAR, **changes):
    return Option("SPY", expiry, strike, Right.CALL, **{"trading_class": "SPY", **changes})


def put(strike, expiry=NEAR, **changes):
    return Option("SPY", expiry, strike, Right.PUT, **{"trading_class": "SPY", **changes})


def signed(structure):
    """Strike (None for shares), right and signed ratio of each leg."""
    return [
        (
            getattr(leg.contract, "strike", None),
            getattr(leg.contract, "right", None),
            leg.side.sign * leg.ratio,
        )
        for leg in structure.legs
    ]


@pytest.mark.parametrize(
    ("make", "name", "legs"),
    [
        (
            lambda: vertical(long=call(500), short=call(510)),
            "bull call spread",
            [(500, "C", 1), (510, "C", -1)],
        ),
        (lambda: vertical(long=put(510), short=put(500)), "bear put spread", [(510, "P", 1), (500, "P", -1)]),
        (lambda: calendar(near=put(500), far=put(500, FAR)), "put calendar", [(500, "P", -1), (500, "P", 1)]),
        (
            lambda: diagonal(near=call(510), far=call(500, FAR)),
            "call diagonal",
            [(510, "C", -1), (500, "C", 1)],
        ),
        (lambda: straddle(call=call(500), put=put(500)), "long straddle", [(500, "C", 1), (500, "P", 1)]),
        (
            lambda: strangle(call=call(510), put=put(490), side=Side.SELL),
            "short strangle",
            [(490, "P", -1), (510, "C", -1)],
        ),
        (
            lambda: butterfly(low=call(490), middle=call(500), high=call(510)),
            "long call butterfly",
            [(490, "C", 1), (500, "C", -2), (510, "C", 1)],
        ),
        (
            lambda: butterfly(low=put(490), middle=put(500), high=put(505), side=Side.SELL),
            "short put broken-wing butterfly",
            [(490, "P", -1), (500, "P", 2), (505, "P", -1)],
        ),
        (
            lambda: iron_condor(
                long_put=put(480), short_put=put(490), short_call=call(510), long_call=call(520)
            ),
            "iron condor",
            [(480, "P", 1), (490, "P", -1), (510, "C", -1), (520, "C", 1)],
        ),
        (
            lambda: iron_fly(
                long_put=put(480), short_put=put(500), short_call=call(500), long_call=call(520)
            ),
            "iron fly",
            [(480, "P", 1), (500, "P", -1), (500, "C", -1), (520, "C", 1)],
        ),
        (
            lambda: covered_call(stock=SPY, call=call(510)),
            "covered call",
            [(None, None, 100), (510, "C", -1)],
        ),
        (
            lambda: collar(stock=SPY, put=put(490), call=call(510)),
            "collar",
            [(None, None, 100), (490, "P", 1), (510, "C", -1)],
        ),
    ],
)
def test_a_structure_has_the_legs_of_its_name(make, name, legs):
    structure = make()

    assert structure.name == name
    assert signed(structure) == legs


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vertical(long=call(500), short=put(510)), "one right, not C and P"),
        (lambda: vertical(long=call(500), short=call(510, FAR)), "one expiry, not 2026-02-20 and 2026-03-20"),
        (lambda: vertical(long=call(500), short=call(500, exchange="CBOE")), "two strikes; both are 500"),
        (lambda: vertical(long=call(500), short=call(510, trading_class="2SPY")), "one trading_class"),
        (lambda: vertical(long=call(500), short=call(510, multiplier=10)), "one multiplier, not 10 and 100"),
        (lambda: calendar(near=call(500, FAR), far=call(500)), "sells the nearer expiry"),
        (lambda: calendar(near=call(500), far=call(500)), "a calendar sells the nearer expiry"),
        (lambda: calendar(near=call(500), far=call(510, FAR)), "one strike, not 500 and 510"),
        (lambda: diagonal(near=call(500), far=call(500, FAR)), "that is a calendar"),
        (lambda: straddle(call=put(500), put=put(500)), "takes a call here, not SPY 2026-02-20 500 P"),
        (lambda: straddle(call=call(500), put=put(490)), "one strike, not 490 and 500"),
        (lambda: strangle(call=call(490), put=put(510)), "ascending strikes; got 510, 490"),
        (lambda: butterfly(low=call(500), middle=call(490), high=call(510)), "ascending strikes"),
        (
            lambda: iron_condor(
                long_put=put(480), short_put=put(510), short_call=call(510), long_call=call(520)
            ),
            "ascending strikes; got 510, 510",
        ),
        (
            lambda: iron_condor(
                long_put=call(480), short_put=put(490), short_call=call(510), long_call=call(520)
            ),
            "takes a put here",
        ),
        (
            lambda: iron_fly(
                long_put=put(480), short_put=put(490), short_call=call(500), long_call=call(520)
            ),
            "one strike, not 490 and 500",
        ),
        (lambda: covered_call(stock=SPY, call=put(500)), "takes a call here"),
        (lambda: covered_call(stock=Stock("QQQ"), call=call(500)), "options on QQQ in USD, not SPY"),
        (lambda: collar(stock=Stock("QQQ"), put=put(490), call=call(510)), "^a collar takes options on QQQ"),
        (lambda: collar(stock=SPY, put=put(510), call=call(500)), "ascending strikes; got 510, 500"),
    ],
)
def test_a_structure_that_is_not_what_its_name_says_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


SOLD = {"short_put": put(490), "short_call": call(510)}
NAMED = [
    (vertical, "a vertical", {"long": call(500), "short": call(510)}),
    (calendar, "a calendar", {"near": put(500), "far": put(500, FAR)}),
    (diagonal, "a diagonal", {"near": call(510), "far": call(500, FAR)}),
    (straddle, "a straddle", {"call": call(500), "put": put(500)}),
    (strangle, "a strangle", {"put": put(490), "call": call(510)}),
    (butterfly, "a butterfly", {"low": put(490), "middle": put(500), "high": put(510)}),
    (iron_condor, "an iron condor", {"long_put": put(480), **SOLD, "long_call": call(520)}),
    (iron_fly, "an iron fly", {"long_put": put(480), "short_put": put(500), "short_call": call(500),
                               "long_call": call(520)}),
    (covered_call, "a covered call", {"stock": SPY, "call": call(510)}),
    (collar, "a collar", {"stock": SPY, "put": put(490), "call": call(510)}),
]  # fmt: skip


def refuses(make, name, contracts):
    with pytest.raises(InvalidInput, match=f"^{name} "):
        make(**contracts)


@pytest.mark.parametrize(("make", "name", "contracts"), NAMED)
def test_one_option_that_is_of_another_kind_than_the_rest_is_refused(make, name, contracts):
    odd = {"underlying": "QQQ", "currency": "EUR", "right": None}
    if make is not covered_call:  # whose one option has none to agree with
        odd |= {"trading_class": "2SPY", "multiplier": 10}
    if make not in {covered_call, calendar, diagonal}:
        odd |= {"expiry": date(2026, 4, 17)}

    for which, option in contracts.items():
        for field, value in odd.items() if isinstance(option, Option) else ():
            other = value or (Right.PUT if option.right is Right.CALL else Right.CALL)
            refuses(make, name, {**contracts, which: attrs.evolve(option, **{field: other})})


@pytest.mark.parametrize(("make", "name", "contracts"), NAMED)
def test_strikes_that_ascend_must_do_so_at_every_step(make, name, contracts):
    options = [which for which, contract in contracts.items() if isinstance(contract, Option)]

    for low, high in pairwise(options):
        is_of_one_strike = contracts[low].strike == contracts[high].strike
        if contracts[low].strike < contracts[high].strike and make is not vertical:
            same = attrs.evolve(contracts[low], strike=contracts[high].strike)
            beyond = attrs.evolve(contracts[low], strike=contracts[high].strike + 1)
            refuses(make, name, {**contracts, low: same})
            refuses(make, name, {**contracts, low: beyond})
        elif is_of_one_strike:
            refuses(make, name, {**contracts, low: attrs.evolve(contracts[low], strike=501)})


def test_an_option_in_other_money_than_its_shares_is_refused():
    with pytest.raises(InvalidInput, match="a covered call takes options on SPY in USD, not SPY"):
        covered_call(stock=SPY, call=call(510, currency="EUR"))
