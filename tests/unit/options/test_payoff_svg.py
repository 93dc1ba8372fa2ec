from datetime import date
from xml.etree import ElementTree as ET

import attrs
import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Right, Side
from ibkeel.options import (
    Leg,
    Structure,
    butterfly,
    calendar,
    iron_condor,
    payoff_svg,
    straddle,
    value_at_near_expiry,
    vertical,
)

NEAR, FAR = date(2026, 2, 20), date(2026, 3, 20)
SVG = "{http://www.w3.org/2000/svg}"


def option(strike, right="C", expiry=NEAR):
    return Option("SPY", expiry, strike, Right(right), trading_class="SPY")


def at(structure, *prices):
    legs = zip(structure.legs, prices, strict=True)
    return attrs.evolve(structure, legs=[attrs.evolve(leg, price=price) for leg, price in legs])


CONDOR = at(
    iron_condor(
        long_put=option(540, "P"), short_put=option(550, "P"), short_call=option(580), long_call=option(590)
    ),
    "2.10", "3.85", "3.40", "1.65",
)  # fmt: skip
CALENDAR = at(calendar(near=option(565), far=option(565, expiry=FAR)), "9.10", "13.20")


def drawn(structure, **options):
    """The picture as a tree, and all its words."""
    root = ET.fromstring(payoff_svg(structure, **options))
    return root, ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_a_picture_tells_break_evens_greatest_gain_and_loss():
    root, words = drawn(CONDOR, spot=565.2)

    assert root.get("aria-label") == "SPY iron condor, at expiry"
    assert {"546.50", "583.50", "max gain350", "max loss650", "spot 565.20", "USD"} <= set(words)
    assert "net credit of 3.50 per share, 350.00 per contract; break-even at 546.50, 583.50" in words


def test_the_line_passes_through_strikes_and_crosses_zero_at_the_break_evens():
    root, _ = drawn(CONDOR)

    [line] = root.iter(f"{SVG}polyline")
    points = dict(tuple(map(float, pair.split(","))) for pair in line.get("points").split())
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in root.iter(f"{SVG}circle")]
    assert len(dots) == 2
    assert [points[x] for x, _ in dots] == [y for _, y in dots]
    assert len(set(points.values())) == 3  # loss, zero, gain


def test_what_has_no_bound_says_so():
    pair = at(straddle(call=option(565), put=option(565, "P")), "9.10", "8.20")

    assert "max gainunbounded" in drawn(pair)[1]
    assert "max lossunbounded" in drawn(pair.opposite())[1]


def test_a_model_value_is_labelled_as_one():
    value = value_at_near_expiry(CALENDAR, np.linspace(500, 640, 71), volatility=0.16)

    root, words = drawn(CALENDAR, model=value)

    assert root.get("aria-label") == "SPY call calendar, model value on 2026-02-20"
    assert "max loss410" in words
    assert not any(word.startswith("max gain") for word in words)
    assert len(list(root.iter(f"{SVG}circle"))) == 2


def test_break_evens_that_lie_close_together_are_told_in_two_rows():
    fly = at(butterfly(low=option(564), middle=option(565), high=option(566)), "1.5", "1", "0.9")
    wide = Structure(name="wide", legs=[*fly.legs, Leg(contract=option(700), side=Side.BUY, price="0.01")])

    root, _ = drawn(wide)

    shown = [text for text in root.iter(f"{SVG}text") if text.get("font-weight") == "600"]
    rows = {text.get("y") for text in shown if text.text in {"564.41", "565.59"}}
    assert len(rows) == 2


def test_colours_are_those_of_the_page_and_names_are_escaped():
    odd = attrs.evolve(CONDOR, name="<b>&")

    text = payoff_svg(odd)

    assert "currentColor" in text
    assert "<b>" not in text
    assert ET.fromstring(text).get("aria-label") == "SPY <b>&, at expiry"


def test_a_loss_beyond_the_picture_is_told_at_its_edge():
    put = Structure(name="short put", legs=[Leg(contract=option(565, "P"), side=Side.SELL, price=8)])

    assert "max loss55,700" in drawn(put)[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spot": float("nan")}, "valid: above 0 and finite"),
        ({"width": 300}, "a picture of 300 x 400"),
        ({"height": 200}, "a picture of 680 x 200"),
        ({"model": value_at_near_expiry(CALENDAR, [565.0], volatility=0.2)}, "nothing to draw"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        payoff_svg(CONDOR, **options)


def test_a_calendar_without_a_model_value_is_not_drawn():
    with pytest.raises(InvalidInput, match="use value_at_near_expiry"):
        payoff_svg(CALENDAR)


def test_a_credit_above_the_width_has_no_break_even_to_name():
    rich = at(vertical(long=option(570), short=option(560)), "1.00", "12.00")

    _, words = drawn(rich, spot=565)

    assert "net credit of 11.00 per share, 1,100.00 per contract" in words
    assert {"max gain1,100", "max loss0"} <= set(words)
