from datetime import timedelta

import pytest

from ibkeel.sim.market import MOODS, Mood, SeededMarket
from ibkeel.sim.values import BarSize, ContractPattern

SEEDS = [1, 7, 23]


def world(seed, mood):
    market = SeededMarket(seed, mood=mood)
    [session] = market.sessions(market.session_date, market.session_date)
    return market, session


def contract(market, symbol, sec_type="STK"):
    [found] = market.find(ContractPattern(symbol=symbol, sec_type=sec_type))
    return found


def bars(market, session, symbol, *, days=0, size=BarSize.HOUR_1):
    return market.bars(
        contract(market, symbol),
        start=session.opens_at - timedelta(days=days),
        end=session.closes_at,
        size=size,
        what="TRADES",
        rth=True,
    )


def levels(market, session):
    """The VIX in each half hour of the session."""
    vix = contract(market, "VIX", "IND")
    return [market.quote(vix, session.opens_at + timedelta(minutes=30 * n)).last for n in range(14)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plain_day_is_the_seeds_own(seed):
    plain, session = world(seed, MOODS["plain"])
    own, _ = world(seed, Mood())

    assert bars(plain, session, "SPY") == bars(own, session, "SPY")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_breakout_leaves_the_range_of_weeks_on_heavy_volume(seed):
    market, session = world(seed, MOODS["breakout"])

    rows = bars(market, session, "SPY", days=12)

    today = [row for row in rows if row.at >= session.opens_at]
    before = rows[: -len(today)]
    assert today[-1].close > max(row.high for row in before)
    mean = sum(row.volume for row in today) / len(today)
    assert mean > 1.2 * sum(row.volume for row in before) / len(before)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("mood", "least", "most"), [("calm", 4, 14.99), ("fear", 30, 200), ("still", 30, 200)]
)
def test_the_level_of_the_vix_is_that_of_the_mood(seed, mood, least, most):
    seen = levels(*world(seed, MOODS[mood]))

    assert least <= min(seen)
    assert max(seen) <= most


@pytest.mark.parametrize("seed", SEEDS)
def test_in_a_still_market_every_print_has_one_price(seed):
    market, session = world(seed, MOODS["still"])

    rows = bars(market, session, "QQQ", days=7, size=BarSize.MIN_1)

    assert len(rows) > 390
    assert {price for row in rows for price in (row.open, row.high, row.low, row.close)} == {rows[0].close}
    assert all(row.volume > 0 for row in rows)
