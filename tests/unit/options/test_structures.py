from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ibkeel.errors import InvalidInput, QuoteUnavailable
from ibkeel.model import ConId, ContractDetails, Option, Quote, Right, Side, Stock
from ibkeel.options import Leg, Net, PriceBasis, Structure, butterfly, covered_call, vertical

FRIDAY = date(2026, 2, 20)
NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
SPY = Stock("SPY", con_id=ConId(1))


def option(strike, right=Right.CALL, expiry=FRIDAY, **changes):
    return Option("SPY", expiry, strike, right, **{"trading_class": "SPY", **changes})


LOW, HIGH = option(500, con_id=ConId(11)), option(510, con_id=ConId(12))
SPREAD = vertical(long=LOW, short=HIGH)


def quoted(contract, bid, ask):
    return Quote(contract=contract, at=NOON, bid=bid, ask=ask)


QUOTES = {LOW: quoted(LOW, 6.1, 6.3), HIGH: quoted(HIGH, 1.95, 2.05)}


def test_the_net_price_is_what_the_legs_cost_together():
    mid, natural = SPREAD.priced(QUOTES).net, SPREAD.priced(QUOTES, PriceBasis.NATURAL).net

    assert (mid.per_share, mid.per_contract, mid.side) == (Decimal("4.2"), Decimal(420), Side.BUY)
    assert natural.per_share == Decimal("6.3") - Decimal("1.95")
    assert (mid.debit, mid.credit) == (Decimal("4.2"), 0)


def test_what_is_received_is_a_credit():
    net = SPREAD.opposite().priced(QUOTES).net

    assert (net.side, net.credit, net.debit, net.per_contract) == (Side.SELL, Decimal("4.2"), 0, -420)
    assert str(net) == "credit of 4.20 per share, 420.00 per contract"


@pytest.mark.parametrize(
    ("per_share", "side", "words"),
    [
        ("0.50", Side.BUY, "debit of 0.50 per share, 50.00 per contract"),
        ("0", Side.BUY, "debit of 0.00 per share, 0.00 per contract"),
        ("-0.50", Side.SELL, "credit of 0.50 per share, 50.00 per contract"),
    ],
)
def test_what_costs_something_or_nothing_is_bought(per_share, side, words):
    net = Net(per_share=Decimal(per_share), multiplier=100)

    assert (net.side, str(net)) == (side, words)


def test_half_a_cent_is_shown_as_such():
    quotes = {**QUOTES, LOW: quoted(LOW, 6.1, 6.29)}

    net = SPREAD.priced(quotes).net

    assert str(net) == "debit of 4.195 per share, 419.50 per contract"


def test_shares_count_by_the_multiplier_of_the_option():
    structure = covered_call(stock=SPY, call=HIGH)

    net = structure.priced({**QUOTES, SPY: quoted(SPY, 499.9, 500.1)}).net

    assert (net.per_share, net.per_contract) == (498, 49_800)
    assert [leg.shares for leg in structure.legs] == [100, -100]


def test_a_leg_without_the_side_that_its_price_needs_is_named():
    quotes = {LOW: quoted(LOW, 6.1, None), HIGH: QuoteUnavailable("nobody trades it")}

    with pytest.raises(QuoteUnavailable, match=r"no natural price for \+1 SPY .* 500 C, -1 SPY .* 510 C"):
        SPREAD.priced(quotes, PriceBasis.NATURAL)
    with pytest.raises(QuoteUnavailable, match="no mid price for"):
        SPREAD.priced({})


def test_a_structure_without_prices_has_no_net_price():
    assert not SPREAD.is_priced
    assert SPREAD.priced(QUOTES).is_priced
    with pytest.raises(InvalidInput, match="has no price; call priced"):
        _ = SPREAD.net


@pytest.mark.parametrize(
    ("legs", "message"),
    [
        ([], "odd of no legs; valid: one leg or more"),
        (
            [Leg(contract=LOW, side="BUY"), Leg(contract=LOW, side="SELL")],
            "odd of SPY 2026-02-20 500 C, SPY 2026-02-20 500 C; valid: one leg or more, each contract once",
        ),
        (
            [Leg(contract=LOW, side="BUY"), Leg(contract=Stock("QQQ"), side="SELL")],
            "symbol QQQ and SPY",
        ),
        (
            [Leg(contract=LOW, side="BUY"), Leg(contract=option(510, currency="EUR"), side="SELL")],
            "currency EUR and USD",
        ),
    ],
)
def test_legs_that_do_not_belong_together_are_refused(legs, message):
    with pytest.raises(InvalidInput, match=message):
        Structure(name="odd", legs=legs)


def test_a_leg_has_a_ratio_of_one_or_more_and_no_price_below_zero():
    with pytest.raises(InvalidInput, match=r"Leg\.ratio is 0"):
        Leg(contract=LOW, side="BUY", ratio=0)
    with pytest.raises(InvalidInput, match=r"Leg\.price is -1"):
        Leg(contract=LOW, side="BUY", price=-1)


def test_a_combo_carries_numbers_ratios_and_sides():
    combo = SPREAD.combo()

    assert [(leg.con_id, leg.side, leg.ratio, leg.exchange) for leg in combo.legs] == [
        (11, Side.BUY, 1, "SMART"),
        (12, Side.SELL, 1, "SMART"),
    ]
    assert (combo.underlying, combo.currency) == ("SPY", "USD")


def test_a_combo_has_as_many_of_each_leg_as_the_structure_in_its_money_at_its_exchange():
    def at_eurex(strike, con_id):
        return option(strike, con_id=ConId(con_id), currency="EUR", exchange="EUREX")

    combo = butterfly(low=at_eurex(490, 21), middle=at_eurex(500, 22), high=at_eurex(510, 23)).combo()

    assert [(leg.con_id, leg.side, leg.ratio, leg.exchange) for leg in combo.legs] == [
        (21, Side.BUY, 1, "EUREX"),
        (22, Side.SELL, 2, "EUREX"),
        (23, Side.BUY, 1, "EUREX"),
    ]
    assert (combo.currency, combo.exchange) == ("EUR", "EUREX")


def test_a_combo_takes_missing_numbers_from_definitions():
    bare = vertical(long=option(500), short=option(510))
    details = {
        leg.contract: ContractDetails(contract=known, min_tick="0.01")
        for leg, known in zip(bare.legs, (LOW, HIGH), strict=True)
    }

    assert bare.combo(details) == SPREAD.combo()
    with pytest.raises(InvalidInput, match="con_id of SPY 2026-02-20 500 C is not known"):
        bare.combo()


def test_legs_of_different_multipliers_make_no_combo():
    mini = option(510, multiplier=10, con_id=ConId(13))
    odd = Structure(
        name="odd", legs=[Leg(contract=LOW, side="BUY"), Leg(contract=mini, side="SELL", ratio=10)]
    )

    assert odd.multiplier == 10
    with pytest.raises(InvalidInput, match=r"multipliers \[10, 100\]"):
        odd.combo()


def test_a_structure_says_what_it_is():
    assert str(SPREAD) == "bull call spread (+1 SPY 2026-02-20 500 C, -1 SPY 2026-02-20 510 C)"
    assert (SPREAD.underlying, SPREAD.expiries, SPREAD.multiplier) == ("SPY", (FRIDAY,), 100)
    assert SPREAD.opposite().name == "bull call spread, opposite"
    assert covered_call(stock=SPY, call=HIGH).option_legs == (Leg(contract=HIGH, side="SELL"),)


@pytest.mark.parametrize("basis", list(PriceBasis))
def test_a_market_whose_sides_have_met_gives_its_price(basis):
    locked = {LOW: quoted(LOW, 6.2, 6.2), HIGH: quoted(HIGH, 2.0, 2.0)}

    assert SPREAD.priced(locked, basis).net.per_share == Decimal("4.2")


@pytest.mark.parametrize("basis", list(PriceBasis))
def test_a_crossed_market_gives_no_price(basis):
    crossed = {**QUOTES, HIGH: quoted(HIGH, 2.05, 1.95)}

    with pytest.raises(QuoteUnavailable, match=f"no {basis.value} price for -1 SPY 2026-02-20 510 C"):
        SPREAD.priced(crossed, basis)


def test_a_mid_needs_both_sides_of_the_market_a_natural_price_one():
    quotes = {LOW: quoted(LOW, None, 6.3), HIGH: quoted(HIGH, 1.95, 2.05)}

    assert SPREAD.priced(quotes, PriceBasis.NATURAL).net.per_share == Decimal("4.35")
    with pytest.raises(QuoteUnavailable, match=r"no mid price for \+1 SPY .* 500 C"):
        SPREAD.priced(quotes)
