"""S11: sizing returned at least one contract, even over the risk limit."""

import math

from ibkeel.risk import SizeLimit, position_size


def test_zero_is_an_answer_when_one_contract_risks_too_much():
    size = position_size(equity=5_000, premium=10.0)

    assert size.quantity == 0
    assert size.binding.limit is SizeLimit.RISK
    assert size.explain().startswith("0 contracts")


def test_the_model_of_what_was_there_risked_more_than_it_was_allowed():
    def seed(equity, premium, *, risk=0.01, stop=0.20):
        return max(1, math.floor(equity * risk / (premium * stop * 100)))

    allowed = 5_000 * 0.01

    assert seed(5_000, 10.0) * 10.0 * 0.20 * 100 > allowed
    assert position_size(equity=5_000, premium=10.0).quantity * 10.0 * 0.20 * 100 <= allowed
