import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Direction, ExitPolicy, OptionWish, Reason, Signal, from_json, to_json


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"min_dte": 5, "max_dte": 4}, "OptionWish DTE 5 to 4; valid: min <= max"),
        ({"min_otm": 0.1, "max_otm": 0.05}, "OptionWish out of the money 0.1 to 0.05; valid: min <= max"),
        ({"min_dte": -1}, r"OptionWish\.min_dte is -1; valid: 0 or more"),
    ],
)
def test_a_wish_that_nothing_can_meet_is_refused(wish, told):
    with pytest.raises(InvalidInput, match=f"^{told}$"):
        OptionWish(**wish)


def test_a_wish_may_be_for_one_distance_alone_and_for_today():
    wish = OptionWish(min_dte=0, max_dte=0, min_otm=0.1, max_otm=0.1)

    assert (wish.min_dte, wish.max_dte, wish.min_otm, wish.max_otm) == (0, 0, 0.1, 0.1)


@pytest.mark.parametrize("fraction", [1.0, 1.5])
def test_a_stop_at_which_all_or_more_is_lost_is_refused(fraction):
    with pytest.raises(
        InvalidInput, match=rf"ExitPolicy\.stop_fraction is {fraction}; valid: above 0, below 1"
    ):
        ExitPolicy(stop_fraction=fraction)
    assert ExitPolicy(trail_period=20).stop_fraction is None


def test_a_wish_may_leave_an_end_open():
    assert OptionWish(min_dte=5).max_dte is None


def test_a_signal_comes_back_from_json_with_its_wish_and_its_exits():
    signal = Signal(
        direction=Direction.UP,
        confidence=0.5,
        reasons=(Reason("vix", 12.0, "complacency"),),
        wish=OptionWish(min_dte=30, max_otm=0.1),
        exits=ExitPolicy(stop_fraction=0.2, trail_period=20),
    )

    assert from_json(to_json(signal), Signal) == signal


def test_a_signal_that_was_written_without_wishes_is_read():
    text = '{"direction":"up","confidence":0.5,"reasons":[]}'

    assert from_json(text, Signal) == Signal(direction=Direction.UP, confidence=0.5)


def test_a_confidence_out_of_its_range_is_refused():
    assert Signal(direction=Direction.UP, confidence=1.0).confidence == 1.0
    with pytest.raises(InvalidInput, match="confidence"):
        Signal(direction=Direction.UP, confidence=1.01)


@pytest.mark.parametrize(("direction", "is_entry"), [("up", True), ("down", True), ("none", False)])
def test_only_nothing_is_no_entry(direction, is_entry):
    assert Signal(direction=Direction(direction)).is_entry is is_entry
    assert (Direction(direction).right is None) is not is_entry


def test_a_reason_reads_as_people_say_it():
    assert str(Reason("rsi14", 44.3234, "DOWN below 40")) == "rsi14 44.3234 (DOWN below 40)"
    assert str(Reason("vix", 12.0)) == "vix 12"
