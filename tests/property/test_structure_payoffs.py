"""Whatever the legs: sums, bounds, zeros, and what must not matter."""

import math
from datetime import date
from decimal import Decimal
from itertools import pairwise
from xml.etree import ElementTree as ET

import attrs
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ibkeel.model import Option, Right, Side, Stock
from ibkeel.options import Leg, Structure, payoff, payoff_svg

FRIDAY = date(2026, 2, 20)
SPY = Stock("SPY")
SPOTS = np.concatenate([[0.0], np.geomspace(0.01, 100_000.0, 400)])

prices = st.integers(0, 20_000).map(lambda cents: Decimal(cents) / 100)
strikes = st.integers(1, 400).map(lambda halves: Decimal(halves) * 5 / 2)
contracts = st.builds(Option, st.just("SPY"), st.just(FRIDAY), strikes, st.sampled_from(Right))
option_legs = st.builds(
    Leg, contract=contracts, side=st.sampled_from(Side), ratio=st.integers(1, 4), price=prices
)
share_legs = st.builds(
    Leg, contract=st.just(SPY), side=st.sampled_from(Side), ratio=st.integers(1, 300), price=prices
)


@st.composite
def structures(draw):
    options = draw(st.lists(option_legs, min_size=1, max_size=5, unique_by=lambda leg: leg.contract))
    shares = draw(st.lists(share_legs, max_size=1))
    return Structure(name="any", legs=[*shares, *options])


def dollars(leg, spot):
    """What one leg wins or loses, by the definition."""
    if isinstance(leg.contract, Stock):
        worth = spot
    elif leg.contract.right is Right.CALL:
        worth = max(spot - float(leg.contract.strike), 0.0)
    else:
        worth = max(float(leg.contract.strike) - spot, 0.0)
    return leg.shares * (worth - float(leg.price))


@given(structures())
def test_the_payoff_of_a_structure_is_the_sum_of_its_legs(structure):
    found = payoff(structure).at(SPOTS) * structure.multiplier

    expected = [sum(dollars(leg, spot) for leg in structure.legs) for spot in SPOTS]
    assert found == pytest.approx(np.array(expected), rel=1e-9, abs=1e-6)


@given(structures())
def test_where_it_may_bend_the_profit_is_known_exactly(structure):
    found = payoff(structure)

    assert [found.exactly_at(spot) for spot in found.spots] == list(found.profits)


@given(structures())
def test_greatest_loss_and_gain_are_never_exceeded_and_are_reached(structure):
    found = payoff(structure)
    profits = found.at(np.concatenate([SPOTS, np.array(found.spots, np.float64)]))

    assert profits.min() >= -found.max_loss - 1e-9
    assert profits.max() <= found.max_gain + 1e-9
    if math.isfinite(found.max_loss):
        assert max(0.0, -profits.min()) == pytest.approx(found.max_loss, abs=1e-9)
    if math.isfinite(found.max_gain):
        assert max(0.0, profits.max()) == pytest.approx(found.max_gain, abs=1e-9)


@given(structures())
def test_break_evens_are_zeros_and_there_are_no_others(structure):
    found = payoff(structure)
    zeros = found.break_evens

    assert all(abs(found.exactly_at(zero)) < Decimal("1e-15") for zero in zeros)
    assert list(zeros) == sorted(set(zeros))
    # Between two neighbours the sign does not change.
    cuts = [0.0, *map(float, zeros), 2e5]
    for low, high in pairwise(cuts):
        inner = found.at(np.linspace(low, high, 41)[1:-1])
        assert not ((inner > 1e-6).any() and (inner < -1e-6).any())


@given(structures())
def test_a_structure_and_its_opposite_cancel(structure):
    there, back = payoff(structure), payoff(structure.opposite())

    assert (there.at(SPOTS) + back.at(SPOTS) == 0).all()
    assert (there.max_gain, there.max_loss) == (back.max_loss, back.max_gain)
    assert there.break_evens == back.break_evens
    assert structure.net.per_share == -structure.opposite().net.per_share


@given(structures(), st.randoms(use_true_random=False))
def test_the_order_of_the_legs_changes_nothing(structure, random):
    legs = list(structure.legs)
    random.shuffle(legs)

    shuffled = attrs.evolve(structure, legs=legs)

    assert payoff(shuffled) == payoff(structure)
    assert shuffled.net == structure.net


@given(structures(), st.integers(2, 7))
def test_prices_in_another_unit_change_nothing_but_the_unit(structure, factor):
    def scaled(leg):
        contract = leg.contract
        if isinstance(contract, Option):
            contract = attrs.evolve(contract, strike=contract.strike * factor)
        return attrs.evolve(leg, contract=contract, price=leg.price * factor)

    larger = payoff(attrs.evolve(structure, legs=[scaled(leg) for leg in structure.legs]))

    found = payoff(structure)
    assert larger.at(SPOTS * factor) == pytest.approx(found.at(SPOTS) * factor, rel=1e-9, abs=1e-6)
    assert larger.max_loss == pytest.approx(found.max_loss * factor)
    assert [float(zero) for zero in larger.break_evens] == pytest.approx(
        [float(zero) * factor for zero in found.break_evens]
    )


@given(structures(), st.integers(2, 5))
def test_more_of_everything_is_more_of_everything(structure, factor):
    assume(all(leg.ratio * factor < 10_000 for leg in structure.legs))
    more = attrs.evolve(
        structure, legs=[attrs.evolve(leg, ratio=leg.ratio * factor) for leg in structure.legs]
    )

    assert more.net.per_share == factor * structure.net.per_share
    assert payoff(more).at(SPOTS) == pytest.approx(factor * payoff(structure).at(SPOTS), rel=1e-9, abs=1e-6)
    assert payoff(more).break_evens == pytest.approx(payoff(structure).break_evens)


@given(structures(), st.none() | st.floats(0.01, 5000))
def test_every_structure_can_be_drawn(structure, spot):
    root = ET.fromstring(payoff_svg(structure, spot=spot))

    numbers = [
        float(value)
        for node in root.iter()
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy")
        if (value := node.get(name)) is not None
    ]
    assert all(map(math.isfinite, numbers))
    assert max(numbers) <= 680
