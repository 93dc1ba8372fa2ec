import pytest

from ibkeel.errors import InvalidInput
from ibkeel.options import PRESETS, SelectionRule, preset


def test_the_standard_preset_has_the_documented_figures():
    rule = preset("standard")

    assert (rule.strike_count, rule.expiry, rule.prefer) == (3, "weekly", "tightest")
    assert (rule.liquidity.min_volume, rule.liquidity.max_relative_spread) == (100, 0.02)
    assert rule.liquidity.max_absolute_spread == 0.10


def test_the_weekly_preset_looks_at_eleven_liquid_strikes():
    assert preset("weekly") == SelectionRule(strike_count=11)


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(InvalidInput, match=", ".join(PRESETS)):
        preset("wild")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"min_dte": -1}, "SelectionRule.min_dte is -1"),
        ({"min_dte": 8, "max_dte": 7}, "SelectionRule DTE range 8 to 7"),
        ({"min_otm": 0.2, "max_otm": 0.1}, "SelectionRule range out of the money 0.2 to 0.1"),
        ({"min_premium": 2, "max_premium": 1}, "SelectionRule range of the premium 2 to 1"),
        ({"strike_count": 0}, "SelectionRule.strike_count is 0"),
        ({"expiry_count": 0}, "SelectionRule.expiry_count is 0"),
        ({"min_otm": float("nan")}, "SelectionRule.min_otm is nan"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(fields, told):
    with pytest.raises(InvalidInput, match=f"^{told}; valid: "):
        SelectionRule(**fields)


def test_one_open_end_out_of_the_money_is_fine():
    assert SelectionRule(min_otm=0.2).max_otm is None
