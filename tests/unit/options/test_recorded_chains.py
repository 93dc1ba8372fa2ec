"""Recorded chains, and small generated ones that are judged by the same rules."""

import csv
import gzip
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
import numpy as np
import pytest

from ibkeel.options import (
    Exercise,
    Settlement,
    Unsolved,
    american_implied_volatility,
    american_parity_forward,
    american_price,
    fit_smile,
    implied_dividend_yield,
    implied_volatility,
    parity_forward,
    price,
    settles_at,
    years_to_expiry,
)

NEW_YORK = ZoneInfo("America/New_York")
NEAR = 0.05  # of the forward: the pairs that parity is checked on


@attrs.frozen(kw_only=True, eq=False)
class Expiry:
    """One expiry, columns by strike, calls first: each of shape (2, n), NaN where nothing was quoted."""

    expiry: date
    years: float
    rate: float
    spot: float
    exercise: Exercise
    strike: np.ndarray
    bid: np.ndarray
    ask: np.ndarray
    iv: np.ndarray

    @property
    def mid(self):
        return (self.bid + self.ask) / 2

    @property
    def quotes(self):
        names = ("call_bid", "call_ask", "put_bid", "put_ask")
        columns = (self.bid[0], self.ask[0], self.bid[1], self.ask[1])
        return {"strike": self.strike, **dict(zip(names, columns, strict=True))}

    @property
    def forward(self):
        if self.exercise is Exercise.EUROPEAN:
            return parity_forward(**self.quotes, years=self.years, rate=self.rate)
        return american_parity_forward(**self.quotes, spot=self.spot, years=self.years, rate=self.rate)

    @property
    def terms(self):
        carry = implied_dividend_yield(
            forward=self.forward.forward, spot=self.spot, years=self.years, rate=self.rate
        )
        return {
            "spot": self.spot,
            "strike": self.strike,
            "years": self.years,
            "right": [["C"], ["P"]],
            "rate": self.rate,
            "dividend_yield": carry,
        }

    @property
    def formulas(self):
        if self.exercise is Exercise.EUROPEAN:
            return price, implied_volatility
        return american_price, american_implied_volatility


def table_of(name):
    with gzip.open(
        Path(os.environ["IBKEEL_DATA"]) / "chains_eod" / name, "rt", encoding="utf-8", newline=""
    ) as file:
        return list(csv.DictReader(file))


def expiries_of(rows, *, now, rate, spot, exercise):
    """By class and expiry; SPX itself is settled from the open, everything else from the close."""
    table = {}
    for row in rows:
        key = (row["root"], date.fromisoformat(row["expiry"]))
        table.setdefault(key, {}).setdefault(float(row["strike"]), {})[row["right"]] = row
    for (root, expiry), strikes in sorted(table.items()):
        settled = settles_at(expiry, Settlement.AM if root == "SPX" else Settlement.PM)
        if settled <= now + timedelta(days=1):
            continue

        def column(name, strikes=strikes):
            cells = [
                [strikes[strike].get(right, {}).get(name) for strike in sorted(strikes)] for right in "CP"
            ]
            values = np.array([[float(cell or "nan") for cell in line] for line in cells])
            return np.where(values > 0, values, np.nan)

        yield Expiry(
            expiry=expiry,
            years=years_to_expiry(settled, now=now),
            rate=rate,
            spot=spot,
            exercise=exercise,
            strike=np.array(sorted(strikes)),
            bid=column("bid"),
            ask=column("ask"),
            iv=column("iv") if "iv" in rows[0] else column("bid") * np.nan,
        )


def recorded(name):
    """A recorded chain at its close; spots of the Cboe files are those that parity implies, see there."""
    at_four = {"hour": 16, "minute": 15, "tzinfo": NEW_YORK}
    chains = {
        "GOOG": ("goog_2015-12-24_eod_derived", datetime(2015, 12, 24, 13, tzinfo=NEW_YORK), 0.005, 748.4),
        "AAPL": ("aapl_2014-06-09_eod_derived", datetime(2014, 6, 9, 16, tzinfo=NEW_YORK), 0.0025, 93.7),
        "SPY": ("spy_2025-05-16_cboe_snapshot", datetime(2025, 5, 16, **at_four), 0.043, 594.0),
        "SPX": ("spx_2025-10-01_cboe_snapshot_long_dated", datetime(2025, 10, 1, **at_four), 0.040, 6704.0),
    }
    file, now, rate, spot = chains[name]
    exercise = Exercise.EUROPEAN if name == "SPX" else Exercise.AMERICAN
    rows = table_of(f"{file}.csv.gz")
    return [*expiries_of(rows, now=now, rate=rate, spot=spot, exercise=exercise)]


@pytest.fixture
def generated(quoted):
    """Three expiries around a known smile, quoted in cents, with the volatilities that made them."""

    def skew(place, level):
        return level - 0.25 * place + 0.8 * place**2

    def of(exercise):
        for days in (20, 45, 180):
            given = quoted(days, exercise=exercise, spread=0.04)
            forward = 100 * np.exp((0.04 - 0.01) * given["years"])
            columns = {
                side: np.array([np.round(given[f"{right}_{side}"], 2) for right in ("call", "put")])
                for side in ("bid", "ask")
            }
            yield Expiry(
                expiry=given["expiry"],
                years=given["years"],
                rate=0.04,
                spot=100.0,
                exercise=exercise,
                strike=given["strike"],
                bid=np.where(columns["bid"] > 0, columns["bid"], np.nan),
                ask=columns["ask"],
                iv=np.tile(skew(np.log(given["strike"] / forward), 0.2), (2, 1)),
            )

    return lambda exercise: [*of(exercise)]


def european_mids(expiry):
    """Mids less what early exercise adds to them at their own volatility; NaN where they have none."""
    if expiry.exercise is Exercise.EUROPEAN:
        return expiry.mid
    return price(american_implied_volatility(expiry.mid, **expiry.terms).values, **expiry.terms)


def parity_misses(expiry):
    """How far call less put is from the discounted forward less strike, in sums of both half spreads."""
    forward = expiry.forward.forward
    near = np.abs(expiry.strike / forward - 1) < NEAR
    call, put = european_mids(expiry)
    miss = call - put - np.exp(-expiry.rate * expiry.years) * (forward - expiry.strike)
    allowed = (expiry.ask - expiry.bid).sum(axis=0) / 2
    return np.abs(miss / allowed)[near & np.isfinite(miss)]


def volatility_differences(expiry):
    """Own less recorded volatility, of liquid options out of the money."""
    _, solve = expiry.formulas
    own = solve(expiry.mid, **expiry.terms).values
    out = np.array([expiry.strike >= expiry.forward.forward, expiry.strike < expiry.forward.forward])
    liquid = (expiry.bid > 0.1) & (expiry.ask - expiry.bid < 0.1 * expiry.mid)
    found = (own - expiry.iv)[out & liquid]
    return found[np.isfinite(found)]


def prices_at_own_volatility(expiry):
    """Prices at the volatility of the mid, and why a row has none."""
    formula, solve = expiry.formulas
    found = solve(expiry.mid, **expiry.terms)
    return formula(found.values, **expiry.terms), found.reasons


@pytest.mark.parametrize("exercise", list(Exercise))
def test_parity_holds_in_a_generated_chain(generated, exercise):
    for expiry in generated(exercise):
        assert expiry.forward.is_consistent
        assert parity_misses(expiry).max() <= 1.0


@pytest.mark.data
@pytest.mark.parametrize(("name", "least"), [("GOOG", 1.0), ("AAPL", 1.0), ("SPY", 0.995), ("SPX", 1.0)])
def test_the_parity_forward_lies_within_the_recorded_spreads(name, least):
    misses = np.concatenate([parity_misses(expiry) for expiry in recorded(name)])

    assert misses.size > 150
    assert (misses <= 1.0).mean() >= least


@pytest.mark.parametrize("exercise", list(Exercise))
def test_own_volatilities_are_those_that_made_a_generated_chain(generated, exercise):
    differences = np.concatenate([volatility_differences(expiry) for expiry in generated(exercise)])

    assert differences.size > 30
    assert np.median(np.abs(differences)) < 0.001


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rows", "median", "most"), [("SPY", 450, 0.0003, 0.001), ("SPX", 900, 0.0003, 0.0015)]
)
def test_own_volatilities_agree_with_those_of_the_exchange(name, rows, median, most):
    """The median difference is 0.02 points of volatility; 0.5 was allowed.

    What is left has two causes. SPY: ours are higher the shorter the life, 0.03 points with one day left
    and none with ten, as if Cboe's clock stood a quarter to half an hour before the quotes of 16:15.
    SPX: the file gives no interest, and one rate (4.0 %) serves all lives; ours go from 0.03 points below
    at half a year to 0.10 above at two, as they would if interest were 0.3 % lower by then. The printed
    spots are of another hour (see the data's README): the forward of parity gets round them.
    """
    differences = np.concatenate([volatility_differences(expiry) for expiry in recorded(name)])

    assert differences.size > rows
    assert np.median(np.abs(differences)) <= median
    assert np.quantile(np.abs(differences), 0.95) <= most


def check_round_trip(expiries):
    solved = 0
    for expiry in expiries:
        got, reasons = prices_at_own_volatility(expiry)
        quoted = np.isfinite(expiry.mid)
        fine = quoted & (reasons == Unsolved.SOLVED)
        assert (got >= expiry.bid - 1e-6)[fine].all()
        assert (got <= expiry.ask + 1e-6)[fine].all()
        assert np.isnan(got[~fine]).all()
        assert set(reasons[quoted & ~fine].tolist()) <= {Unsolved.BELOW_INTRINSIC, Unsolved.NO_TIME_VALUE}
        solved += fine.sum()
    return solved


@pytest.mark.parametrize("exercise", list(Exercise))
def test_a_generated_chain_goes_to_volatility_and_back(generated, exercise):
    assert check_round_trip(generated(exercise)) > 80


@pytest.mark.data
def test_the_recorded_goog_chain_goes_to_volatility_and_back_within_its_quotes():
    assert check_round_trip(recorded("GOOG")) > 1300


def inside_share(expiries):
    """Of the quotes that a smile was fitted to, the share in which its price lies, and how many."""
    inside = []
    for expiry in expiries:
        smile = fit_smile(
            expiry=expiry.expiry,
            **expiry.quotes,
            spot=expiry.spot,
            years=expiry.years,
            rate=expiry.rate,
            exercise=expiry.exercise,
        )
        level = smile.volatility([point.strike for point in smile.points])
        bid, ask = np.array([(point.bid, point.ask) for point in smile.points]).T
        inside += ((level >= bid) & (level <= ask)).tolist()
    return np.mean(inside), len(inside)


@pytest.mark.parametrize("exercise", list(Exercise))
def test_smiles_of_a_generated_chain_lie_within_its_quotes(generated, exercise):
    share, count = inside_share(generated(exercise))

    assert count > 30
    assert share >= 0.97


@pytest.mark.data
@pytest.mark.parametrize(("name", "least"), [("GOOG", 0.99), ("AAPL", 0.97), ("SPY", 0.94), ("SPX", 0.999)])
def test_smiles_of_recorded_chains_lie_within_their_quotes(name, least):
    share, count = inside_share(recorded(name))

    assert count > 400
    assert share >= least
