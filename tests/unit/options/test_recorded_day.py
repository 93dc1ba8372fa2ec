"""Selection minute by minute, beside a slow and obvious way to do the same."""

import csv
import gzip
import math
import os
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from pathlib import Path

import attrs
import numpy as np
import pytest

from ibkeel.errors import UnknownContract
from ibkeel.model import Option, OptionChain, OptionClass, Quote, Right, Stock
from ibkeel.options import (
    PRESETS,
    DeltaPlan,
    DeltaRule,
    ExpiryChoice,
    LiquidityRule,
    Preference,
    choose,
    delta_listing,
    implied_dividend_yield,
    implied_greeks,
    is_liquid,
    liquidity_rejections,
    parity_forward,
    price,
    select,
    settles_at,
    years_to_expiry,
)

RATE = 0.005
STRIDE = 1 if os.environ.get("IBKEEL_NIGHTLY") else 4  # every minute of the recorded day by nox -s nightly


@attrs.define
class Side:
    """What was last seen of a contract; prices in ten-thousandths, so that sums are exact."""

    bid: int | None = None
    ask: int | None = None
    volume: int = 0


@attrs.frozen(kw_only=True)
class Minute:
    """The market at the end of a minute: what changed in it, and all that is known."""

    at: datetime
    spot: float
    changed: tuple
    table: dict


@attrs.frozen(kw_only=True)
class Day:
    """A day of one underlying; keys are (expiry, strike, right)."""

    today: date
    close: time
    listed: tuple
    minutes: tuple | object

    @property
    def chain(self):
        row = OptionClass(
            trading_class="GOOG",
            expiries=sorted({expiry for expiry, _, _ in self.listed}),
            strikes=sorted({strike for _, strike, _ in self.listed}),
        )
        return OptionChain(underlying=Stock("GOOG"), classes=(row,))

    def phantoms(self):
        """Pairs of the definitions' unions that do not exist."""
        real, [row] = set(self.listed), self.chain.classes
        return frozenset(
            option_of((expiry, strike, right))
            for expiry in row.expiries
            for strike in row.strikes
            for right in Right
            if (expiry, strike, right) not in real
        )

    def years(self, expiry, at):
        close = self.close if expiry == self.today else time(16)
        return years_to_expiry(settles_at(expiry, closes=close), now=at)


def option_of(key):
    expiry, strike, right = key
    return Option("GOOG", expiry, strike, right, trading_class="GOOG")


def quote_of(key, minute):
    side = minute.table[key]
    bid, ask = (None if cell is None else cell / 10_000 for cell in (side.bid, side.ask))
    return Quote(contract=option_of(key), at=minute.at, bid=bid, ask=ask, volume=side.volume)


def answers_to(options, minute):
    answers = {}
    for option in options:
        key = (option.expiry, option.strike, option.right)
        answers[option] = quote_of(key, minute) if key in minute.table else UnknownContract(str(option))
    return answers


# --- the slow and obvious way


def seems_liquid(side, rule):
    if side.bid is None or side.ask is None or side.bid > side.ask or side.volume < rule.min_volume:
        return False
    spread, twice_mid = side.ask - side.bid, side.ask + side.bid
    relative, absolute = Fraction(str(rule.max_relative_spread)), Fraction(str(rule.max_absolute_spread))
    return 2 * spread <= relative * twice_mid or spread <= absolute * 10_000


def slow_expiries(day, rule):
    ahead = sorted({expiry for expiry, _, _ in day.listed if (expiry - day.today).days >= rule.min_dte})
    if rule.max_dte is not None:
        ahead = [expiry for expiry in ahead if (expiry - day.today).days <= rule.max_dte]
    if rule.expiry is ExpiryChoice.NEAREST:
        return ahead[: rule.expiry_count]
    week = [expiry for expiry in ahead if expiry.isocalendar()[:2] == ahead[0].isocalendar()[:2]]
    return week[-1:]


def slow_choice(day, minute, right, rule):
    """Keys worth a quote, and the best of them."""
    spot = Decimal(str(minute.spot))
    looked_at = []
    for expiry in slow_expiries(day, rule):
        strikes = []
        for other, strike, kind in day.listed:
            if other != expiry or kind is not right:
                continue
            away = (strike - spot) / spot if kind is Right.CALL else (spot - strike) / spot
            low = -9 if rule.min_otm is None else Decimal(str(rule.min_otm))
            high = 9 if rule.max_otm is None else Decimal(str(rule.max_otm))
            if low <= away <= high:
                strikes.append(strike)
        strikes.sort(key=lambda strike: (abs(strike - spot), strike))
        looked_at += [(expiry, strike, right) for strike in strikes[: rule.strike_count]]

    def merit(key):
        side = minute.table[key]
        spread = Fraction(side.ask - side.bid, side.ask + side.bid)
        tail = (abs(key[1] - spot), key[0], key[1])
        return (-side.volume, spread, *tail) if rule.prefer is Preference.BUSIEST else (spread, *tail)

    good = [key for key in looked_at if seems_liquid(minute.table[key], rule.liquidity)]
    return looked_at, min(good, key=merit, default=None)


def step_of(strike):
    steps = ("100", "50", "25", "10", "5", "2.5", "1", "0.5")
    return max((Decimal(step) for step in steps if strike % Decimal(step) == 0), default=Decimal(0))


def slow_forward(minute, expiry, strikes, years):
    """By the roundest strike within 1 % of the spot, of those the nearest; wide ones with up to two more."""
    spot = Decimal(str(minute.spot))
    near = [strike for strike in strikes if abs(strike - spot) <= spot / 100]
    near.sort(key=lambda strike: (-step_of(strike), abs(strike - spot), strike))
    near += [
        strike for strike in sorted(strikes, key=lambda strike: abs(strike - spot))[:3] if strike not in near
    ]
    whole, found = [], None
    for strike in near[:3]:
        call, put = (minute.table.get((expiry, strike, right), Side()) for right in Right)
        if None not in (call.bid, call.ask, put.bid, put.ask) and call.bid <= call.ask and put.bid <= put.ask:
            whole.append([strike * 10_000, call.bid, call.ask, put.bid, put.ask])
            names = ("strike", "call_bid", "call_ask", "put_bid", "put_ask")
            prices = {name: [float(row[n]) / 10_000 for row in whole] for n, name in enumerate(names)}
            found = parity_forward(**prices, years=years, rate=RATE)
            if abs(found.upper - found.lower) <= 0.01 * minute.spot * math.sqrt(years):
                break
    return minute.spot * math.exp(RATE * years) if found is None else found.forward


def slow_deltas(day, minute, expiry, right):
    """The delta of every strike that has one, each quoted."""
    keys = [key for key in day.listed if key[0] == expiry and key[2] is right]
    years = day.years(expiry, minute.at)
    strikes = sorted({strike for _, strike, _ in day.listed})
    forward = slow_forward(minute, expiry, strikes, years)
    mids = []
    for key in keys:
        side = minute.table[key]
        whole = side.bid is not None and side.ask is not None and side.bid <= side.ask
        mids.append((side.bid + side.ask) / 20_000 if whole else math.nan)
    deltas = implied_greeks(
        mids,
        spot=minute.spot,
        strike=[float(strike) for _, strike, _ in keys],
        years=years,
        right=right,
        rate=RATE,
        dividend_yield=implied_dividend_yield(forward=forward, spot=minute.spot, years=years, rate=RATE),
    ).greeks.delta.tolist()
    return {key: abs(delta) for key, delta in zip(keys, deltas, strict=True) if not math.isnan(delta)}


# --- what is compared


def compare_liquidity(day):
    """Verdicts on every contract whose quote or volume changed; others are as they were."""
    compared, kept, rules = 0, 0, (PRESETS["standard"].liquidity, LiquidityRule(min_volume=0))
    for minute in day.minutes:
        for key in minute.changed:
            quote, side, rule = quote_of(key, minute), minute.table[key], rules[compared % 2]
            verdict = is_liquid(quote, rule)
            assert verdict == seems_liquid(side, rule), (minute.at, key, side)
            compared, kept = compared + 1, kept + verdict
    return compared, kept


def compare_presets(day):
    """Contracts looked at and contract chosen, for each preset and right."""
    chain, phantoms = day.chain, day.phantoms()
    looked = chosen = 0
    for minute in day.minutes:
        for name, rule in PRESETS.items():
            for right in Right:
                options = select(
                    chain, spot=minute.spot, today=day.today, right=right, rule=rule, without=phantoms
                )
                got = choose(options, answers_to(options, minute), spot=minute.spot, rule=rule).chosen
                keys, best = slow_choice(day, minute, right, rule)
                assert list(options) == [option_of(key) for key in keys], (minute.at, name, right)
                assert (None if got is None else got.option) == (None if best is None else option_of(best))
                looked, chosen = looked + len(options), chosen + (got is not None)
    return looked, chosen


def picked(chain, listing, rule, minute, years, phantoms):
    """A plan's pick, asked again as long as options that do not exist were in the way."""
    while True:
        plan = DeltaPlan.start(chain, listing, rule=rule, spot=minute.spot, years=years, without=phantoms)
        while wave := plan.next_wave():
            plan = plan.saw(answers_to(wave, minute), now=minute.at)
        phantoms |= set(plan.result.missing)
        if plan.result.is_proven or not plan.result.missing:
            return plan.result


def compare_deltas(day, *, often=(0.30,), seldom=(0.16, 0.50)):
    """The pick of a plan, for each target and right, beside the nearest of all deltas.

    Args:
        day: To be played.
        often: Targets of every minute.
        seldom: Targets of every fifth of these minutes, beside those.
    """
    chain, phantoms = day.chain, set()
    picks, missed, spent = 0, [], 0
    for number, minute in enumerate(day.minutes):
        for right in Right:
            listing = delta_listing(chain, today=day.today, rule=DeltaRule(right=right))
            deltas = slow_deltas(day, minute, listing.expiry, right)
            years = day.years(listing.expiry, minute.at)
            for target in (*often, *seldom) if number % 5 == 0 else often:
                rule = DeltaRule(delta=target, right=right, rate=RATE, max_age=None)
                got = picked(chain, listing, rule, minute, years, phantoms)
                best = min(deltas, key=lambda key: (round(abs(deltas[key] - target), 12), deltas[key]))
                picks, spent = picks + 1, max(spent, got.quoted)
                if got.chosen is None or got.chosen.option != option_of(best):
                    missed.append((minute.at, right, target, best, got.explain()))
    return picks, missed, spent


# --- the recorded day, and a generated one


def rows_of(name):
    with gzip.open(Path(os.environ["IBKEEL_DATA"]) / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def units(text):
    return round(float(text) * 10_000) if text else None


def by_minute(name, key_of):
    found = {}
    for row in rows_of(name):
        found.setdefault(row["ts"], []).append((key_of(row), row))
    return found


def goog_minutes(quotes, trades, spots, table):
    spot = None
    for ts in sorted(quotes):
        changed = {}
        for key, row in quotes[ts]:
            side = table[key]
            side.bid = units(row["bid_close"]) or side.bid
            side.ask = units(row["ask_close"]) or side.ask
            changed[key] = True
        for key, row in trades.get(ts, ()):
            if key in table:
                table[key].volume += int(float(row["volume"]))
                changed[key] = True
        spot = spots.get(ts, spot)
        at = datetime.fromisoformat(ts).astimezone(UTC) + timedelta(seconds=59)
        if spot is not None:
            yield Minute(at=at, spot=spot, changed=tuple(changed), table=table)


@pytest.fixture(scope="module")
def goog_rows():
    cache = {}

    def key_of(row):
        text = (row["expiry"], row["strike"], row["right"])
        if text not in cache:
            cache[text] = (date.fromisoformat(text[0]), Decimal(text[1]).normalize() + 0, Right(text[2]))
        return cache[text]

    quotes = by_minute("options/goog_2015-12-24_minute_quote.csv.gz", key_of)
    trades = by_minute("options/goog_2015-12-24_minute_trade.csv.gz", key_of)
    shares = rows_of("equity/goog_minute_trades_2015-12-23_2015-12-28.csv.gz")
    return quotes, trades, {row["ts"]: float(row["close"]) for row in shares}, sorted(cache.values())


@pytest.fixture
def goog(goog_rows):
    """GOOG on 2015-12-24, a half day: 211 minutes of 2,192 contracts, forward-filled."""
    quotes, trades, spots, keys = goog_rows
    table = {key: Side() for key in keys}
    return Day(
        today=date(2015, 12, 24),
        close=time(13),
        listed=tuple(keys),
        minutes=islice(goog_minutes(quotes, trades, spots, table), 0, None, STRIDE),
    )


@pytest.fixture
def generated():
    """Five minutes of three expiries, one with fewer strikes, some quotes missing, wide or crossed."""
    generator, today = np.random.default_rng(11), date(2015, 12, 24)
    listed = tuple(
        (today + timedelta(days=days), Decimal(strike), right)
        for days, step in ((1, 5), (36, 10), (57, 5))
        for strike in range(600, 905, step)
        for right in Right
    )
    table = {key: Side() for key in listed}

    def minutes():
        for number in range(5):
            at, spot = datetime(2015, 12, 24, 14, 31 + number, tzinfo=UTC), 750.0 + 1.7 * number
            for (expiry, strike, right), side in table.items():
                years = ((expiry - today).days + 0.3) / 365
                level = 0.25 - 0.2 * math.log(float(strike) / spot)
                value = float(
                    price(level, spot=spot, strike=float(strike), years=years, right=right, rate=RATE)
                )
                half = float(generator.choice([0.01, 0.05, 0.2]))
                side.bid, side.ask = (
                    units(f"{max(value - half, 0):.2f}") or None,
                    units(f"{value + half:.2f}"),
                )
                side.volume += int(generator.integers(0, 60))
            odd = listed[int(generator.integers(0, len(listed)))]
            table[odd].bid = None
            yield Minute(at=at, spot=spot, changed=tuple(table), table=table)

    return Day(today=today, close=time(13), listed=listed, minutes=minutes())


def test_liquidity_of_a_generated_day_is_what_it_seems(generated):
    compared, kept = compare_liquidity(generated)

    assert compared == 5 * len(generated.listed)
    assert 0 < kept < compared


def test_presets_choose_in_a_generated_day_what_the_slow_way_chooses(generated):
    looked, chosen = compare_presets(generated)

    assert looked > 200
    assert chosen > 20


def test_delta_targets_in_a_generated_day_are_met_as_if_all_were_quoted(generated):
    picks, missed, spent = compare_deltas(generated)

    assert missed == []
    assert picks == 5 * 2 + 4
    assert spent <= 13


@pytest.mark.data
def test_liquidity_of_the_recorded_day_is_what_it_seems(goog):
    compared, kept = compare_liquidity(goog)

    assert compared > 270_000 // STRIDE
    assert 20_000 // STRIDE < kept < 200_000 // STRIDE


@pytest.mark.data
def test_presets_choose_on_the_recorded_day_what_the_slow_way_chooses(goog):
    looked, chosen = compare_presets(goog)

    assert looked > 10_000 // STRIDE
    assert chosen > 300 // STRIDE


@pytest.mark.data
def test_delta_targets_are_met_on_the_recorded_day_as_if_all_were_quoted(goog):
    picks, missed, spent = compare_deltas(goog)

    minutes = -(-211 // STRIDE)
    assert picks == minutes * 2 + -(-minutes // 5) * 4
    assert missed == []
    assert spent <= 13


def test_a_quote_that_fails_names_its_reasons(generated):
    minute = next(iter(generated.minutes))
    key = next(key for key, side in minute.table.items() if side.bid is None)

    assert "nobody bids" in [one.detail for one in liquidity_rejections(quote_of(key, minute))]
