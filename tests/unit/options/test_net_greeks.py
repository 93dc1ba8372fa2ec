from datetime import UTC, date, datetime

import pytest

from ibkeel.errors import InvalidInput, QuoteUnavailable
from ibkeel.model import Greeks, Option, Quote, Right, Stock
from ibkeel.options import (
    Leg,
    Structure,
    broker_net_greeks,
    calendar,
    covered_call,
    greeks,
    net_greeks,
    straddle,
    vertical,
)

NEAR, FAR = date(2026, 2, 20), date(2026, 3, 20)
NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
SPY = Stock("SPY")


def option(strike, right="C", expiry=NEAR):
    return Option("SPY", expiry, strike, Right(right), trading_class="SPY")


def test_the_figures_of_a_structure_are_its_legs_added_up():
    spread = vertical(long=option(560), short=option(570))
    volatility = {spread.legs[0].contract: 0.2, spread.legs[1].contract: 0.18}

    market = {"spot": 565.0, "years": 0.1, "rate": 0.04, "dividend_yield": 0.02}
    found = net_greeks(spread, volatility=volatility, **market)

    low, high = (
        greeks(sigma, strike=strike, right="C", **market) for sigma, strike in ((0.2, 560.0), (0.18, 570.0))
    )
    for figure in ("delta", "gamma", "theta", "vega", "price"):
        expected = float(getattr(low, figure) - getattr(high, figure))
        assert getattr(found.per_share, figure) == pytest.approx(expected)
        assert getattr(found.per_contract, figure) == pytest.approx(100 * expected)
    assert found.missing == ()
    assert found.per_share.underlying_price == found.per_contract.underlying_price == 565.0


def test_shares_have_a_delta_of_one_and_nothing_else():
    covered = covered_call(stock=SPY, call=option(570))

    found = net_greeks(covered, spot=565.0, volatility=0.2, years=0.1)
    call = greeks(0.2, spot=565.0, strike=570.0, years=0.1, right="C")

    assert found.per_share.delta == pytest.approx(1 - float(call.delta))
    for figure in ("gamma", "theta", "vega"):
        assert getattr(found.per_share, figure) == pytest.approx(-float(getattr(call, figure)))
    assert found.per_share.price == pytest.approx(565.0 - float(call.price))
    assert found.per_contract.delta == pytest.approx(100 * (1 - float(call.delta)))


def test_each_expiry_has_its_time():
    spread = calendar(near=option(565), far=option(565, expiry=FAR))

    found = net_greeks(spread, spot=565.0, volatility=0.2, years={NEAR: 0.1, FAR: 0.2})

    assert found.per_share.vega > 0
    assert found.per_share.theta > 0
    with pytest.raises(InvalidInput, match="time to 2026-03-20 is missing"):
        net_greeks(spread, spot=565.0, volatility=0.2, years={NEAR: 0.1})
    with pytest.raises(InvalidInput, match="volatility of SPY 2026-02-20 565 C is missing"):
        net_greeks(spread, spot=565.0, volatility={}, years=0.1)


def test_a_leg_that_cannot_be_computed_leaves_the_sums_out_and_is_named():
    pair = straddle(call=option(565), put=option(565, "P"))
    call, put = (leg.contract for leg in pair.legs)

    found = net_greeks(pair, spot=565.0, volatility={call: 0.2, put: 0.0}, years=0.1)

    assert found.missing == (put,)
    assert (found.per_share.delta, found.per_contract.vega) == (None, None)


def test_the_brokers_figures_are_added_up_as_far_as_they_go():
    pair = straddle(call=option(565), put=option(565, "P"))
    call, put = (leg.contract for leg in pair.legs)
    quotes = {
        call: Quote(contract=call, at=NOON, greeks=Greeks(delta=0.55, gamma=0.01, vega=0.7)),
        put: Quote(contract=put, at=NOON, greeks=Greeks(delta=-0.45, vega=0.7)),
    }

    found = broker_net_greeks(pair, quotes, spot=565.0)

    assert found.per_share.delta == pytest.approx(0.1)
    assert found.per_contract.vega == pytest.approx(140)
    assert (found.per_share.gamma, found.missing) == (None, ())
    assert found.per_share.underlying_price == 565.0


def test_a_leg_of_which_the_broker_told_nothing_is_named():
    pair = Structure(
        name="odd", legs=[Leg(contract=SPY, side="BUY", ratio=100), Leg(contract=option(570), side="SELL")]
    )
    silent = {option(570): Quote(contract=option(570), at=NOON, bid=1.0)}

    for quotes in ({}, {option(570): QuoteUnavailable("nothing came")}, silent):
        found = broker_net_greeks(pair, quotes, spot=565.0)

        assert found.missing == (option(570),)
        assert found.per_share.delta is None
