"""What a strategy says is journaled: numbers of numpy's become Python's, and what is no data is refused."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Direction, ExitPolicy, OptionWish, Reason, Signal

HALF_A_PAIR = "\ud83d"


@pytest.mark.parametrize(
    "value",
    [44, True, np.float32(44.5), np.float64(44.5), np.int64(44), np.bool_(True), Decimal("44.5"), Fraction(89, 2)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_fact_of_any_kind_of_number_is_a_float(value):
    reason = Reason("rsi14", value)

    assert type(reason.value) is float
    assert reason.value == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), r"Reason\('rsi14'\) is NaN; leave a fact out that is not known yet"),
        (np.float32("nan"), r"Reason\('rsi14'\) is NaN; leave a fact out"),
        (Decimal("nan"), r"Reason\('rsi14'\) is NaN; leave a fact out"),
        (None, r"Reason\('rsi14'\) is None; leave a fact out"),
        (float("inf"), r"Reason\('rsi14'\) is inf; valid: a finite number"),
        (-np.inf, r"Reason\('rsi14'\) is -inf; valid: a finite number"),
        (10**400, r"valid: a finite number"),
        (Decimal("sNaN"), r"valid: a finite number"),
        (44 + 0j, r"valid: a finite number"),
        ("44", r"Reason\('rsi14'\) is '44'; valid: a finite number"),
        (np.array([44.0]), r"valid: a finite number"),
        (object(), r"valid: a finite number"),
    ],
)
def test_a_fact_that_is_no_number_is_refused_by_its_name(value, words):
    with pytest.raises(InvalidInput, match=words):
        Reason("rsi14", value)


@pytest.mark.parametrize("text", [HALF_A_PAIR, "rsi \udc80", 14, None, b"rsi14"])
def test_a_text_that_no_file_can_hold_is_refused(text):
    with pytest.raises(InvalidInput, match=r"Reason\.name is .*; valid: text that UTF-8 can hold"):
        Reason(text, 44.0)
    with pytest.raises(InvalidInput, match=r"Reason\.rule is .*; valid: text that UTF-8 can hold"):
        Reason("rsi14", 44.0, text)


def test_a_text_of_any_alphabet_is_kept_and_one_of_numpys_becomes_plain():
    reason = Reason(np.str_("größe 😀"), 1.0, "ä ≤ ö")

    assert (reason.name, reason.rule) == ("größe 😀", "ä ≤ ö")
    assert type(reason.name) is str


@pytest.mark.parametrize(
    "reasons",
    [
        ("because",),
        "because",
        Reason("rsi14", 44.0),
        None,
        ({1: object()},),
        (Reason("rsi14", 44.0), None),
        7,
    ],
)
def test_what_are_no_reasons_is_refused(reasons):
    with pytest.raises(InvalidInput, match=r"Signal\.reasons is .*; valid: Reason values in a tuple"):
        Signal(direction=Direction.NONE, reasons=reasons)


def test_reasons_may_come_in_a_list():
    reason = Reason("rsi14", 44.0)

    assert Signal(direction=Direction.NONE, reasons=[reason]).reasons == (reason,)


@pytest.mark.parametrize("confidence", [np.float32(0.5), np.float64(0.5), Decimal("0.5")])
def test_a_confidence_of_any_kind_of_number_is_a_float(confidence):
    assert type(Signal(direction=Direction.UP, confidence=confidence).confidence) is float


@pytest.mark.parametrize("confidence", [float("nan"), np.float32("nan"), None, "0.5", 1.5, -np.inf])
def test_a_confidence_that_is_no_number_from_0_to_1_is_refused(confidence):
    with pytest.raises(InvalidInput, match=r"Signal\.confidence is .*; valid: 0 to 1"):
        Signal(direction=Direction.UP, confidence=confidence)


def test_a_direction_may_be_its_word():
    assert Signal(direction="none").direction is Direction.NONE
    assert not Signal(direction="none").is_entry


def test_another_word_is_no_direction():
    with pytest.raises(InvalidInput, match="'long' is not a valid Direction; valid: 'up', 'down', 'none'"):
        Signal(direction="long")


@pytest.mark.parametrize("part", ["wish", "exits"])
def test_only_a_wish_is_a_wish_and_only_exits_are_exits(part):
    with pytest.raises(InvalidInput, match=rf"Signal\.{part} is None; valid: "):
        Signal(direction=Direction.UP, **{part: None})


def test_limits_of_numpys_become_plain():
    wish = OptionWish(min_dte=np.int64(3), max_dte=np.float64(9.0), min_otm=np.float32(0.25), max_otm=1)
    exits = ExitPolicy(
        stop_fraction=np.float32(0.25),
        take_profit_fraction=Decimal("0.5"),
        trail_period=np.int8(9),
        min_dte=2.0,
        ends_with_session=np.bool_(True),
    )

    assert wish == OptionWish(min_dte=3, max_dte=9, min_otm=0.25, max_otm=1.0)
    assert [type(value) for value in (wish.min_dte, wish.max_dte, wish.min_otm)] == [int, int, float]
    assert exits == ExitPolicy(
        stop_fraction=0.25, take_profit_fraction=0.5, trail_period=9, min_dte=2, ends_with_session=True
    )
    kinds = [type(value) for value in (exits.stop_fraction, exits.trail_period, exits.ends_with_session)]
    assert kinds == [float, int, bool]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (OptionWish, "min_dte", "3"),
        (OptionWish, "min_dte", 3.5),
        (OptionWish, "max_dte", float("nan")),
        (OptionWish, "max_dte", True),
        (OptionWish, "min_otm", float("inf")),
        (OptionWish, "max_otm", 10**400),
        (ExitPolicy, "stop_fraction", float("nan")),
        (ExitPolicy, "stop_fraction", "0.2"),
        (ExitPolicy, "take_profit_fraction", 0),
        (ExitPolicy, "trail_period", 2.5),
        (ExitPolicy, "trail_period", 0),
        (ExitPolicy, "min_dte", np.bool_(True)),
        (ExitPolicy, "ends_with_session", "yes"),
    ],
)
def test_a_limit_that_is_no_number_of_its_kind_is_refused_by_its_name(kind, field, value):
    with pytest.raises(InvalidInput, match=rf"{kind.__name__}\.{field} is .*; valid: "):
        kind(**{field: value})
