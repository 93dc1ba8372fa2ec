"""A delta target found with a dozen quotes is what quoting everything finds, on any smooth chain."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import attrs
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ibkeel.errors import UnknownContract
from ibkeel.model import Option, OptionChain, OptionClass, Quote, Right, Stock
from ibkeel.options import DeltaPlan, DeltaRule, Listing, greeks, price
from ibkeel.options.delta_search import Expiry, pair_strikes, view_of

NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Surface:
    """A chain whose every quote is known."""

    spot: float
    days: int
    level: float
    skew: float
    carry: float
    strikes: tuple[Decimal, ...]
    missing: frozenset[Decimal]

    @property
    def years(self):
        return self.days / 365

    def inputs(self, strikes, right):
        strikes = np.asarray(strikes, dtype=np.float64)
        reach = np.log(strikes / self.spot) / math.sqrt(self.years)
        volatility = self.level * (1.2 - np.tanh(self.skew * reach / self.level))
        rest = {"spot": self.spot, "strike": strikes, "years": self.years, "right": right}
        return volatility, {**rest, "dividend_yield": -self.carry}

    def expiry(self, right):
        on = NOON.date() + timedelta(days=self.days)
        tables = [
            {strike: Option("XYZ", on, strike, each, trading_class="XYZ") for strike in self.strikes}
            for each in sorted(Right, key=lambda one: one is not right)
        ]
        return Expiry(wanted=tables[0], twins=tables[1], spot=self.spot, years=self.years, rate=0.0)

    def quotes(self, wave):
        """An answer for each option; those of one wave are of few rights, so of few calls."""
        no, told = UnknownContract("no such contract", code=200), {}
        for right in Right:
            options = [one for one in wave if one.right is right]
            if options:
                volatility, rest = self.inputs([one.strike for one in options], right)
                values = price(volatility, **rest).tolist()
                told |= {one: self.quote(one, value) for one, value in zip(options, values, strict=True)}
        return {one: no if one.strike in self.missing else told[one] for one in reversed(wave)}

    def quote(self, option, value):
        bid = 0.999 * value
        return Quote(contract=option, at=NOON, bid=bid if bid > 1e-9 else None, ask=1.001 * value + 1e-9)

    def deltas(self, right):
        listed = [strike for strike in self.strikes if strike not in self.missing]
        volatility, rest = self.inputs(listed, right)
        return dict(zip(listed, np.abs(greeks(volatility, **rest).delta).tolist(), strict=True))


@st.composite
def surfaces(draw):
    step = draw(st.sampled_from([Decimal("0.5"), Decimal(1), Decimal("2.5"), Decimal(5)]))
    spot = draw(st.floats(min_value=float(40 * step), max_value=float(160 * step)))
    strikes = tuple(step * n for n in range(20, 261))
    gone = draw(st.sets(st.sampled_from(strikes), max_size=12))
    return Surface(
        spot=round(spot, 2),
        days=draw(st.integers(5, 400)),
        level=draw(st.floats(0.08, 0.9)),
        skew=draw(st.floats(0.0, 0.15)),
        carry=draw(st.floats(-0.03, 0.06)),
        strikes=strikes,
        missing=frozenset(gone),
    )


@attrs.frozen(kw_only=True)
class Lopsided(Surface):
    """One whose quotes near the money may be wide, with the value anywhere between their sides."""

    seed: int

    def quote(self, option, value):
        random = Random(f"{self.seed} {option}")
        is_near = abs(float(option.strike) / self.spot - 1) < 0.05
        width = value * random.choice((0.002, 0.05, 0.5) if is_near else (0.002,))
        bid = value - width * random.random()
        return Quote(contract=option, at=NOON, bid=bid if bid > 1e-9 else None, ask=bid + width + 1e-9)


@st.composite
def lopsided(draw):
    return Lopsided(**attrs.asdict(draw(surfaces()), recurse=False), seed=draw(st.integers(0, 2**32)))


def searched(surface, rule, *, strikes=None, known=()):
    row = OptionClass(
        trading_class="XYZ",
        expiries=(NOON.date() + timedelta(days=surface.days),),
        strikes=strikes or surface.strikes,
    )
    chain = OptionChain(underlying=Stock("XYZ"), classes=(row,))
    listing = Listing(row=row, expiry=row.expiries[0])
    plan = DeltaPlan.start(chain, listing, rule=rule, spot=surface.spot, years=surface.years, without=known)
    asked = []
    while wave := plan.next_wave():
        asked += wave
        plan = plan.saw(surface.quotes(wave), now=NOON)
    return plan.result, asked


@given(surfaces(), st.sampled_from(Right), st.floats(0.08, 0.6))
def test_a_proven_pick_is_the_one_that_quoting_everything_gives(surface, right, target):
    pick, asked = searched(surface, DeltaRule(right=right, delta=target))

    deltas = surface.deltas(right)
    assume(pick.is_proven)
    best = min(abs(delta - target) for delta in deltas.values())
    found = abs(deltas[pick.chosen.option.strike] - target)
    assert found <= best + 2e-3  # the middle of bid and ask is not the value that the surface was made of
    assert len(asked) == len(set(asked)) == pick.quoted <= 13


@given(lopsided(), st.sampled_from(Right), st.floats(0.08, 0.6))
def test_however_wide_the_pairs_are_a_proven_pick_rests_on_the_forward_of_all_quotes(surface, right, target):
    pick, _ = searched(surface, DeltaRule(right=right, delta=target))
    assume(pick.is_proven and pick.has_parity)

    expiry = surface.expiry(right)
    told = surface.quotes([*expiry.wanted.values(), *expiry.twins.values()])
    every = {one: row for one, row in told.items() if isinstance(row, Quote) and row.mid is not None}

    assert pick.forward == view_of(expiry, every).forward
    pairs = [(every.get(expiry.wanted[one]), every.get(expiry.twins[one])) for one in pair_strikes(expiry)]
    narrowest = min(one.spread + other.spread for one, other in pairs if one and other)
    room = 0.04 * surface.spot * 0.25 * math.sqrt(surface.years)
    true = surface.spot * math.exp(surface.carry * surface.years)
    assert abs(pick.forward - true) <= max(narrowest, room) + 1e-6


@settings(max_examples=30)
@given(surfaces(), st.floats(0.1, 0.5))
def test_the_budget_is_kept_and_what_is_missing_is_not_asked_for_again(surface, target):
    rule = DeltaRule(right="P", delta=target, max_quotes=9, max_waves=2)
    first, asked = searched(surface, rule)

    _, again = searched(surface, rule, known=first.missing)

    assert len(asked) <= 9
    assert first.waves <= 2
    assert not set(again) & set(first.missing)


@settings(max_examples=30)
@given(surfaces(), st.floats(0.1, 0.5), st.randoms(use_true_random=False))
def test_the_order_of_strikes_changes_nothing(surface, target, random):
    shuffled = list(surface.strikes)
    random.shuffle(shuffled)
    rule = DeltaRule(right="C", delta=target)

    plain, mixed = searched(surface, rule), searched(surface, rule, strikes=tuple(shuffled))

    assert plain == mixed
