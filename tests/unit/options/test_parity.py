import csv
import gzip
import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.options import (
    black76_implied_volatility,
    black76_price,
    implied_dividend_yield,
    parity_forward,
)

DATA = os.environ.get("IBKEEL_DATA", "")
STRIKES = np.arange(80.0, 121.0, 2.5)
KNOWN = {"years": 0.5, "rate": 0.04}


def quotes(forward=102.0, half=0.05, strikes=STRIKES):
    call, put = (black76_price(0.25, forward=forward, strike=strikes, right=r, **KNOWN) for r in "CP")
    return {
        "strike": strikes,
        "call_bid": call - half,
        "call_ask": call + half,
        "put_bid": put - half,
        "put_ask": put + half,
    }


def test_the_forward_of_quotes_around_a_model_is_the_models():
    got = parity_forward(**quotes(), **KNOWN)

    assert got.forward == pytest.approx(102.0, rel=1e-12)
    assert got.is_consistent
    assert got.upper - got.lower == pytest.approx(0.2 * np.exp(0.02))
    assert got.pairs == 10


def test_strikes_without_all_four_quotes_take_no_part():
    holes = quotes()
    holes["call_bid"][:8] = np.nan
    holes["put_bid"][10:] = 0.0

    got = parity_forward(**holes, **KNOWN)

    assert got.forward == pytest.approx(102.0, rel=1e-12)
    assert got.pairs == 2


@pytest.mark.parametrize("more", [-0.2, np.inf], ids=["below the bid", "infinite"])
@pytest.mark.parametrize("name", ["call_ask", "put_ask"])
def test_strikes_whose_ask_is_below_their_bid_or_no_number_take_no_part(name, more):
    whole, broken = quotes(), quotes()
    broken[name][8] += more  # at the money

    got = parity_forward(**broken, **KNOWN, pairs=17)

    others = {name: np.delete(column, 8) for name, column in whole.items()}
    assert got == parity_forward(**others, **KNOWN, pairs=17)


def test_what_is_far_from_the_money_changes_nothing():
    wrong = quotes()
    far = np.abs(STRIKES - 102) > 4
    for name in ("call_bid", "call_ask"):
        wrong[name][far] -= 0.5

    assert parity_forward(**wrong, **KNOWN, pairs=3) == parity_forward(**quotes(), **KNOWN, pairs=3)


def test_at_expiry_pairs_that_meet_in_one_forward_agree_on_it():
    rows = {  # from 100 to 101, and from 101 to 102
        "strike": [100.0, 101.0],
        "call_bid": [2.0, 1.5],
        "call_ask": [2.5, 2.0],
        "put_bid": [1.5, 1.0],
        "put_ask": [2.0, 1.5],
    }

    got = parity_forward(**rows, years=0.0, rate=0.04)

    assert (got.lower, got.forward, got.upper, got.is_consistent) == (101.0, 101.0, 101.0, True)


@pytest.mark.parametrize("pairs", [1, 3])
def test_of_pairs_as_near_the_money_the_same_count_in_any_order(pairs):
    rows = {  # each two as far from the money as each other
        "strike": np.array([98.0, 99.0, 101.0, 102.0]),
        "call_bid": np.array([5.0, 3.0, 1.0, 0.5]),
        "call_ask": np.array([5.5, 3.5, 1.25, 0.75]),
        "put_bid": np.array([0.5, 1.0, 3.0, 5.0]),
        "put_ask": np.array([1.0, 1.5, 3.25, 5.25]),
    }
    backwards = {name: column[::-1] for name, column in rows.items()}

    assert parity_forward(**backwards, **KNOWN, pairs=pairs) == parity_forward(**rows, **KNOWN, pairs=pairs)


def test_one_stale_pair_moves_neither_forward_nor_passes_unseen():
    stale = quotes()
    stale["call_bid"][8] += 3
    stale["call_ask"][8] += 3

    got = parity_forward(**stale, **KNOWN)

    assert got.forward == pytest.approx(102.0, rel=1e-12)
    assert not got.is_consistent


def test_quotes_without_width_are_fine():
    got = parity_forward(**quotes(half=0.0), **KNOWN, pairs=1)

    assert got.forward == pytest.approx(102.0)
    assert got.lower == got.upper
    assert got.is_consistent


def test_no_pair_is_an_error_that_counts_the_strikes():
    empty = quotes()
    empty["put_bid"][:] = np.nan

    with pytest.raises(InvalidInput, match="none of 17 strikes"):
        parity_forward(**empty, **KNOWN)


@pytest.mark.parametrize(
    "change", [{"years": -1.0}, {"rate": np.nan}, {"pairs": 0}, {"strike": [1.0]}, {"strike": 1.0}]
)
def test_numbers_out_of_their_domain_are_refused(change):
    with pytest.raises(InvalidInput):
        parity_forward(**{**quotes(), **KNOWN, **change})


@pytest.mark.parametrize("unit", [1.0, 0.001, 1000.0])
def test_the_yield_carries_the_spot_to_the_forward_whatever_they_are_counted_in(unit):
    got = implied_dividend_yield(forward=102.0 * unit, spot=101.0 * unit, **KNOWN)

    assert 101.0 * np.exp((0.04 - got) * 0.5) == pytest.approx(102.0)


@pytest.mark.parametrize(
    "change", [{"forward": 0.0}, {"spot": -1.0}, {"spot": 0.0}, {"years": 0.0}, {"rate": np.inf}]
)
def test_a_yield_needs_numbers_that_make_sense(change):
    with pytest.raises(InvalidInput):
        implied_dividend_yield(**{"forward": 102.0, "spot": 101.0, **KNOWN, **change})


def recorded_expiries(name, today):
    with gzip.open(Path(DATA) / "chains_eod" / name, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = {}
    for row in rows:
        if date.fromisoformat(row["expiry"]) > today:
            expiry = table.setdefault((row["root"], row["expiry"]), {})
            expiry.setdefault(float(row["strike"]), {})[row["right"]] = row
    for (_, expiry), strikes in sorted(table.items()):
        pairs = {strike: sides for strike, sides in sorted(strikes.items()) if len(sides) == 2}
        yield (date.fromisoformat(expiry) - today).days / 365, pairs


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "today", "rate"),
    [
        ("spy_2025-05-16_cboe_snapshot.csv.gz", date(2025, 5, 16), 0.043),
        ("spx_2025-10-01_cboe_snapshot_long_dated.csv.gz", date(2025, 10, 1), 0.040),
    ],
)
def test_recorded_volatilities_follow_from_the_parity_forward(name, today, rate):
    differences, agreeing, expiries = [], 0, 0
    for years, pairs in recorded_expiries(name, today):
        strikes = np.array(list(pairs))

        def column(right, key, pairs=pairs):
            return np.array([float(sides[right][key]) for sides in pairs.values()])

        forward = parity_forward(
            strike=strikes,
            call_bid=column("C", "bid"),
            call_ask=column("C", "ask"),
            put_bid=column("P", "bid"),
            put_ask=column("P", "ask"),
            years=years,
            rate=rate,
        )
        expiries, agreeing = expiries + 1, agreeing + forward.is_consistent
        assert forward.lower - 0.03 <= forward.forward <= forward.upper + 0.03
        for right, sign in (("C", 1), ("P", -1)):
            bid, ask, iv = (column(right, key) for key in ("bid", "ask", "iv"))
            liquid = (bid > 0.1) & (ask - bid < 0.05 * (ask + bid)) & (iv > 0)
            rows = liquid & (sign * (strikes - forward.forward) > 0)
            own = black76_implied_volatility(
                (bid + ask)[rows] / 2,
                forward=forward.forward,
                strike=strikes[rows],
                years=years,
                right=right,
                rate=rate,
            )
            differences += (own.values - iv[rows]).tolist()

    assert len(differences) > 400
    assert np.median(np.abs(differences)) < 0.0005
    assert agreeing >= expiries - 2


def test_an_infinite_quote_is_none():
    plain, broken = quotes(), quotes()
    plain["call_ask"][8] = np.nan
    broken["call_ask"][8] = np.inf

    assert parity_forward(**broken, **KNOWN) == parity_forward(**plain, **KNOWN)
