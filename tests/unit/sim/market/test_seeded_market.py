"""The seeded market: one world for a seed, whatever is asked, in whatever order."""

import os
import subprocess
import sys
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.market.draws import mixed, mixed_all
from ibkeel.sim.values import BarSize, ContractPattern, MarketQuote, Reach

DAY = date(2024, 9, 5)
MARKET = SeededMarket(7, DAY)
(SESSION,) = MARKET.sessions(DAY, DAY)
OPEN, CLOSE = SESSION.opens_at, SESSION.closes_at
KINDS = ("TRADES", "MIDPOINT", "BID", "ASK")

(SPY,) = MARKET.find(ContractPattern(symbol="SPY", sec_type="STK"))
(VIX,) = MARKET.find(ContractPattern(symbol="VIX", sec_type="IND"))
WEEKLY = MARKET.find(ContractPattern(symbol="SPY", sec_type="OPT", expiry="20240913"))
(CALL,) = [c for c in WEEKLY if (c.right, c.strike) == ("C", 480.0)]
(PUT,) = [c for c in WEEKLY if (c.right, c.strike) == ("P", 480.0)]
(WORTHLESS,) = MARKET.find(
    ContractPattern(symbol="SPY", sec_type="OPT", expiry="20240906", right="C", strike=530.0)
)

SECONDS = st.integers(0, 23_399)
CONTRACTS = st.sampled_from([SPY, CALL, PUT, VIX])


def bars(contract=SPY, market=MARKET, *, start=OPEN, end=CLOSE, size=BarSize.MIN_1, what="TRADES", rth=True):
    return market.bars(contract, start=start, end=end, size=size, what=what, rth=rth)


def after_open(**span):
    return OPEN + timedelta(**span)


# One world for a seed.


def test_the_seed_fixes_a_full_session_in_the_past():
    markets = [SeededMarket(seed) for seed in range(40)]

    for market in markets:
        (session,) = market.sessions(market.session_date, market.session_date)
        assert session.closes_at - session.opens_at == timedelta(hours=6.5)
        assert date(2023, 1, 3) <= market.session_date <= date(2025, 12, 31)
    assert len({market.session_date for market in markets}) > 30
    assert SeededMarket(5).session_date == SeededMarket(5).session_date


@pytest.mark.parametrize("day", [date(2024, 9, 7), date(2014, 6, 2), date(2028, 6, 1)])
def test_a_session_date_that_cannot_be_served_is_refused(day):
    with pytest.raises(ConfigurationError, match=str(day)):
        SeededMarket(1, day)


@settings(max_examples=15)
@given(st.lists(st.tuples(CONTRACTS, SECONDS), min_size=1, max_size=8), st.randoms())
def test_the_order_of_questions_changes_no_answer(questions, random):
    asked = {question: MARKET.quote(question[0], after_open(seconds=question[1])) for question in questions}
    shuffled = list(questions)
    random.shuffle(shuffled)
    fresh = SeededMarket(7, DAY)

    for contract, second in shuffled:
        assert fresh.quote(contract, after_open(seconds=second)) == asked[contract, second]


def test_another_seed_is_another_world():
    other = SeededMarket(8, DAY)

    assert [bar.close for bar in bars()] != [bar.close for bar in bars(market=other)]


def test_the_hash_seed_of_python_does_not_matter():
    code = (
        "from datetime import *; from ibkeel.sim.market import SeededMarket;"
        "from ibkeel.sim.values import *; m = SeededMarket(3);"
        "s, = m.sessions(m.session_date, m.session_date); at = s.opens_at + timedelta(hours=1);"
        "c = m.find(ContractPattern(symbol='QQQ', sec_type='OPT'))[50];"
        "print(m.quote(c, at), m.greeks(c, at), c)"
    )

    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(outputs) == 1


# Bars.


@pytest.mark.parametrize("contract", [SPY, CALL])
@pytest.mark.parametrize("what", KINDS)
def test_bars_keep_their_order_of_prices_and_times(contract, what):
    found = bars(contract, what=what)

    assert found
    for bar in found:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert what != "TRADES" or bar.low <= bar.wap <= bar.high
    assert all(a.at < b.at for a, b in pairwise(found))


@pytest.mark.parametrize("contract", [SPY, CALL, VIX])
@pytest.mark.parametrize("size", [size for size in BarSize if size is not BarSize.DAY_1])
def test_longer_bars_add_up_from_minutes(contract, size):
    minutes = bars(contract)

    longer = bars(contract, size=size)

    for bar in longer:
        part = [m for m in minutes if bar.at <= m.at < bar.at + timedelta(seconds=size.seconds)]
        assert (bar.open, bar.close) == (part[0].open, part[-1].close)
        assert bar.high == max(m.high for m in part)
        assert bar.low == min(m.low for m in part)
        assert bar.volume == sum(m.volume for m in part)
        assert bar.count == sum(m.count for m in part)
    assert sum(bar.volume for bar in longer) == sum(bar.volume for bar in minutes)


def test_regular_bars_start_with_the_session_and_others_with_the_clock():
    regular, by_clock = (
        bars(size=BarSize.HOUR_1),
        bars(size=BarSize.HOUR_1, rth=False, start=OPEN - timedelta(hours=6)),
    )

    assert [bar.at.minute for bar in regular] == [30] * 7
    assert [bar.at.minute for bar in by_clock] == [0] * 7
    assert by_clock[0].at == OPEN - timedelta(minutes=30)


@pytest.mark.parametrize("contract", [SPY, CALL])
@pytest.mark.parametrize("what", KINDS)
def test_a_bar_that_is_still_open_holds_no_more_than_was_known(contract, what):
    end = after_open(minutes=90, seconds=20)

    partial = bars(contract, end=end, what=what)
    later = bars(contract, what=what)

    assert partial[:-1] == later[: len(partial) - 1]
    assert partial[-1].at < end
    if contract is SPY:
        shown = MARKET.quote(contract, end - timedelta(seconds=1))
        assert (
            partial[-1].close
            == {
                "TRADES": shown.last,
                "BID": shown.bid,
                "ASK": shown.ask,
                "MIDPOINT": round((shown.bid + shown.ask) / 2, 4),
            }[what]
        )


@settings(max_examples=20)
@given(SECONDS, st.sampled_from(list(BarSize)), st.sampled_from(KINDS))
def test_there_is_no_look_ahead(second, size, what):
    end = after_open(seconds=second)
    fresh = SeededMarket(7, DAY)
    bars(CALL, size=size, what=what)  # the other market has been asked about later times

    known, blind = bars(CALL, end=end, size=size, what=what), bars(CALL, fresh, end=end, size=size, what=what)

    assert known == blind


@settings(max_examples=20)
@given(SECONDS)
def test_the_bars_of_today_agree_with_the_quote(second):
    at = after_open(seconds=second)
    quote = MARKET.quote(SPY, at)

    (today,) = bars(end=at + timedelta(seconds=1), size=BarSize.DAY_1)

    assert (today.open, today.high, today.low) == (quote.open, quote.high, quote.low)
    assert (today.close, today.volume) == (quote.last, quote.volume)


def test_option_trades_agree_with_the_quote():
    at = after_open(hours=3)

    quote, (today,) = MARKET.quote(CALL, at), bars(CALL, end=at + timedelta(seconds=1), size=BarSize.DAY_1)

    assert (today.open, today.high, today.low) == (quote.open, quote.high, quote.low)
    assert (today.close, today.volume) == (quote.last, quote.volume)


def test_history_reaches_back_three_hundred_sessions_and_closes_chain():
    found = bars(start=OPEN - timedelta(days=3000), size=BarSize.DAY_1)

    assert len(found) == 301
    assert found[0].at.date() == MARKET.first_day
    assert found[-2].close == MARKET.quote(SPY, OPEN).close
    assert all(abs(b.open / a.close - 1) < 0.05 for a, b in pairwise(found))


def test_tomorrow_goes_on_from_today():
    tomorrow = MARKET.sessions(DAY + timedelta(days=1), DAY + timedelta(days=1))[0].opens_at

    assert MARKET.quote(SPY, tomorrow).close == MARKET.quote(SPY, CLOSE).last


def test_an_early_close_ends_the_bars_at_one():
    eve = date(2024, 7, 3)
    (session,) = MARKET.sessions(eve, eve)

    found = bars(start=session.opens_at, end=session.opens_at + timedelta(hours=8))

    assert len(found) == 210
    assert found[-1].at == session.closes_at - timedelta(minutes=1)


def test_bars_of_an_unknown_kind_are_refused_and_an_index_has_trades_only():
    with pytest.raises(InvalidInput, match="YIELD"):
        bars(what="YIELD")
    assert not bars(VIX, what="MIDPOINT")


def test_volume_is_highest_at_both_ends_of_the_session():
    volume = [bar.volume for bar in bars(size=BarSize.MINS_30)]

    middle = volume[5:8]
    assert volume[0] > max(middle)
    assert volume[-1] > max(middle)


# Quotes.


@given(SECONDS, st.sampled_from([SPY, *WEEKLY]))
def test_the_bid_is_below_the_ask_and_both_are_on_the_tick(second, contract):
    quote = MARKET.quote(contract, after_open(seconds=second))

    assert quote.ask > 0
    assert quote.bid is None or 0 < quote.bid < quote.ask
    assert (quote.bid is None) == (quote.bid_size is None)
    for side in (quote.bid, quote.ask):
        assert side is None or side == round(side, 2)


@given(SECONDS, st.sampled_from([c for c in WEEKLY if c.right == "C"]))
def test_call_minus_put_is_spot_minus_strike_within_the_spread(second, call):
    at = after_open(seconds=second)
    (put,) = [c for c in WEEKLY if (c.right, c.strike) == ("P", call.strike)]
    c, p, s = (MARKET.quote(each, at) for each in (call, put, SPY))

    assert (c.bid or 0.0) - p.ask <= s.ask - call.strike
    assert c.ask - (p.bid or 0.0) >= s.bid - call.strike


@settings(max_examples=20)
@given(SECONDS, st.sampled_from("CP"))
def test_prices_fall_away_from_the_money_and_are_convex_in_the_strike(second, right):
    at = after_open(seconds=second)
    chain = [c for c in WEEKLY if c.right == right and 440 <= c.strike <= 520]

    days = [MARKET._days.option(contract.con_id, DAY)[0].value(second) for contract in chain]

    values = days if right == "C" else days[::-1]
    assert all(a >= b for a, b in pairwise(values))
    for (a, x), (b, y), (c, z) in zip(
        *(zip(chain[n:], days[n:], strict=False) for n in range(3)), strict=False
    ):
        if c.strike - b.strike == b.strike - a.strike:
            assert x + z >= 2 * y - 1e-9
    assert MARKET.quote(chain[0], at).ask > 0


@given(SECONDS)
def test_a_worthless_option_has_no_bid(second):
    quote = MARKET.quote(WORTHLESS, after_open(seconds=second))

    assert quote.bid is None
    assert quote.ask <= 0.02


@given(SECONDS, SECONDS, st.sampled_from([SPY, CALL]))
def test_volume_never_falls_within_a_session(first, second, contract):
    early, late = sorted((first, second))

    volumes = [MARKET.quote(contract, after_open(seconds=at)).volume for at in (early, late)]

    assert volumes == sorted(volumes)


def test_near_the_money_options_are_busy_and_tight_within_the_hour():
    at = after_open(hours=1)
    spot = MARKET.quote(SPY, at).last
    near = sorted(WEEKLY, key=lambda c: abs(c.strike - spot))[:10]

    quotes = [MARKET.quote(contract, at) for contract in near]

    assert all(quote.volume >= 100 for quote in quotes)
    assert all(quote.ask - quote.bid <= max(0.10, 0.01 * (quote.ask + quote.bid)) for quote in quotes)


def test_after_the_close_the_last_values_stay_until_four_in_the_morning():
    last = MARKET.quote(CALL, CLOSE - timedelta(seconds=1))

    for later in (CLOSE, CLOSE + timedelta(hours=5), CLOSE + timedelta(hours=11, minutes=59)):
        frozen = MARKET.quote(CALL, later)
        assert (frozen.bid, frozen.ask, frozen.last, frozen.volume) == (
            last.bid,
            last.ask,
            last.last,
            last.volume,
        )


def test_before_the_open_stocks_are_flat_and_options_have_no_sides():
    early = OPEN - timedelta(hours=2)

    stock, option = MARKET.quote(SPY, early), MARKET.quote(CALL, early)

    assert stock.bid < stock.last == stock.close < stock.ask
    assert stock.volume == 0
    assert stock.open is None
    assert (option.bid, option.ask, option.last) == (None, None, None)
    assert option.open_interest >= 0


def test_before_history_begins_there_is_nothing():
    at = OPEN - timedelta(days=2000)

    assert MARKET.quote(SPY, at) == MarketQuote(at=at)
    assert MARKET.greeks(CALL, at) is None


def test_an_index_has_a_last_price_and_no_sides():
    quote = MARKET.quote(VIX, after_open(hours=2))

    assert (quote.bid, quote.ask) == (None, None)
    assert 7 < quote.last < 80


def test_an_expired_option_keeps_its_last_values_and_has_no_greeks():
    expired = MARKET.find(
        ContractPattern(symbol="SPY", sec_type="OPT", expiry="20240906", right="C", strike=480.0)
    )[0]
    (end,) = MARKET.sessions(date(2024, 9, 6), date(2024, 9, 6))

    quote = MARKET.quote(expired, end.closes_at + timedelta(days=30))

    final = MARKET.quote(expired, end.closes_at)
    assert (quote.bid, quote.ask, quote.last) == (final.bid, final.ask, final.last)
    assert MARKET.greeks(expired, end.closes_at) is None
    assert MARKET.next_change(expired, end.closes_at) is None
    assert not bars(expired, start=end.closes_at, end=end.closes_at + timedelta(days=30))


# Greeks and changes.


@given(SECONDS, st.sampled_from(WEEKLY))
def test_greeks_have_their_signs_and_the_model_price_lies_in_the_quote(second, contract):
    at = after_open(seconds=second)

    greeks, quote = MARKET.greeks(contract, at), MARKET.quote(contract, at)

    assert 0 <= greeks.delta * (1 if contract.right == "C" else -1) <= 1
    assert greeks.gamma >= 0
    assert greeks.vega >= 0
    assert greeks.theta <= 0
    assert 0.02 < greeks.iv < 3
    assert (quote.bid or 0.0) <= greeks.price <= quote.ask


def test_only_options_have_greeks_and_only_from_the_open_on():
    assert MARKET.greeks(SPY, after_open(hours=1)) is None
    assert MARKET.greeks(CALL, OPEN - timedelta(minutes=1)) is None


def test_a_falling_market_has_more_volatility():
    path = [MARKET.quote(SPY, after_open(minutes=n)).last for n in range(390)]
    high, low = path.index(max(path)), path.index(min(path))

    calm, tense = (MARKET.quote(VIX, after_open(minutes=n)).last for n in (high, low))

    assert calm < tense


def test_quotes_change_each_second_of_the_session_and_at_four_in_the_morning():
    half = after_open(seconds=10, microseconds=500_000)
    (tomorrow,) = MARKET.sessions(DAY + timedelta(days=1), DAY + timedelta(days=1))

    assert MARKET.next_change(SPY, half) == after_open(seconds=11)
    assert MARKET.next_change(SPY, after_open(seconds=10)) == after_open(seconds=11)
    assert MARKET.next_change(SPY, OPEN - timedelta(hours=1)) == OPEN
    four = tomorrow.opens_at - timedelta(hours=5.5)
    assert MARKET.next_change(SPY, CLOSE - timedelta(seconds=1)) == four
    assert MARKET.next_change(SPY, CLOSE + timedelta(hours=1)) == four


@given(SECONDS, st.integers(0, 999_999))
def test_between_changes_nothing_changes(second, micro):
    at = after_open(seconds=second)
    later = at + timedelta(microseconds=micro)

    quotes = [MARKET.quote(CALL, each) for each in (at, later)]

    assert [(q.bid, q.ask, q.last, q.volume) for q in quotes[:1]] == [
        (q.bid, q.ask, q.last, q.volume) for q in quotes[1:]
    ]


@given(
    st.sampled_from(
        [(SPY, "last"), (SPY, "bid"), (CALL, "bid"), (CALL, "ask"), (PUT, "ask"), (WORTHLESS, "bid")]
    ),
    st.integers(-3, 23_399),
    st.integers(0, 999_999),
    st.floats(-0.002, 0.002),
    st.booleans(),
)
def test_a_price_is_foreseen_no_later_than_it_is_there_and_never_where_it_is_not(
    what, second, micro, off, rises
):
    (contract, price), after = what, after_open(seconds=second, microseconds=micro)
    shown = getattr(MARKET.quote(contract, max(after, OPEN)), price) or 0.01
    reach = Reach(price, round(shown * (1 + off), 2), rises)

    def is_there(at):
        value = getattr(MARKET.quote(contract, at), price)
        return value is not None and (value >= reach.level if rises else value <= reach.level)

    at = MARKET.next_reach(contract, after, reach)

    assert at > after
    seconds = [
        OPEN + timedelta(seconds=n) for n in range(max(second + 1, 0), min((at - OPEN).seconds, 23_400))
    ]
    assert not any(map(is_there, seconds if at < CLOSE else seconds[:-1]))
    assert is_there(at) or (at - OPEN).seconds % 1024 == 0 or at >= CLOSE


def test_outside_of_a_session_a_price_is_foreseen_where_the_quote_changes():
    reach = Reach("ask", 1.0, rises=True)

    for at in (
        CLOSE,
        OPEN - timedelta(hours=9),
        MARKET.sessions(date(2023, 1, 3), date(2023, 1, 3))[0].opens_at,
    ):
        assert MARKET.next_reach(CALL, at, reach) == MARKET.next_change(CALL, at)


@given(key=st.integers(0, 2**64 - 1), steps=st.integers(0, 50))
def test_draws_that_are_made_together_are_the_single_ones(key, steps):
    assert mixed_all(key, steps).tolist() == [mixed(key, step) for step in range(steps)]
