"""S11: sizing returned at least one contract, even over the risk limit."""

from ibkeel.risk import SizeLimit, position_size


def test_zero_is_an_answer_when_one_contract_risks_too_much():
    size = position_size(equity=5_000, premium=10.0)

    assert size.quantity == 0
    assert size.binding.limit is SizeLimit.RISK
    assert size.explain().startswith("0 contracts")
