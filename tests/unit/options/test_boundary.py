import numpy as np
import pytest

from ibkeel.options.boundary import PutTerms, early_premium, grid

ONE = np.ones(1)


def test_a_finer_grid_changes_little():
    share = np.linspace(0.85, 1.4, 12)
    terms = PutTerms(deviation=0.3 * np.ones(12), rate=0.05 * np.ones(12), dividend=0.02 * np.ones(12))

    coarse, now = early_premium(share, terms, grid(nodes=6, points=8, sweeps=4, last_points=16))

    fine, really = early_premium(share, terms, grid(nodes=16, points=32, sweeps=20, last_points=64))
    assert coarse[~really] == pytest.approx(fine[~really], abs=5e-6)
    assert now.tolist() == really.tolist()


@pytest.mark.parametrize("dividend", [0.0, 0.02, 0.1, 0.3])
def test_both_conditions_lead_to_the_same_boundary(dividend, monkeypatch):
    terms = PutTerms(deviation=0.25 * ONE, rate=0.1 * ONE, dividend=dividend * ONE)
    fine = grid(nodes=12, points=24, sweeps=30, last_points=48)
    found = []
    for steep in (0.0, np.inf):
        monkeypatch.setattr("ibkeel.options.boundary._STEEP", steep)
        found.append(early_premium(1.05 * ONE, terms, fine)[0][0])

    assert found[0] == pytest.approx(found[1], abs=2e-5)


def test_the_ceiling_is_where_dividend_and_interest_balance():
    terms = PutTerms(deviation=np.ones(2), rate=np.full(2, 0.02), dividend=np.array([0.01, 0.08]))

    assert terms.ceiling.tolist() == [1.0, 0.25]
