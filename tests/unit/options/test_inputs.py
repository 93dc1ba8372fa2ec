import numpy as np
import pytest

from ibkeel.model import Right
from ibkeel.options import implied_volatility, price


def test_a_chain_of_many_pieces_is_solved_like_its_rows_alone():
    strike = np.linspace(60, 160, 20_000)
    at = {"spot": 100.0, "years": 0.5, "right": "C"}
    value = price(0.25, strike=strike, **at)

    got = implied_volatility(value, strike=strike, **at).values

    for row in (0, 8191, 8192, 12_345, 19_999):
        assert got[row] == implied_volatility(value[row], strike=strike[row], **at).values


def test_the_result_has_the_shape_that_the_inputs_share():
    got = price(0.2, spot=100.0, strike=[[90.0], [110.0]], years=[0.1, 0.5, 1.0], right="P")

    assert got.shape == (2, 3)
    assert price([], spot=100.0, strike=[], years=1.0, right="C").shape == (0,)
    assert price(0.2, spot=100.0, strike=100.0, years=1.0, right="C").shape == ()


@pytest.mark.parametrize(
    "right",
    [
        [Right.CALL, Right.PUT],
        ["C", "P"],
        np.array(["C", "P"]),
        np.array(["C", "P"], dtype=object),
        np.array(["C", "P"], dtype="U4"),
        np.array(["C", "x", "P", "x"])[::2],
    ],
)
def test_rights_come_in_many_forms(right):
    got = price(0.2, spot=100.0, strike=80.0, years=1.0, right=right)

    assert got[0] - got[1] == pytest.approx(20.0)


@pytest.mark.parametrize("right", [["C", "X"], np.array(["C", "call"]), np.array(["", "P"])])
def test_a_right_that_is_neither_is_named(right):
    with pytest.raises(ValueError, match="valid: 'C' and 'P'"):
        price(0.2, spot=100.0, strike=80.0, years=1.0, right=right)
