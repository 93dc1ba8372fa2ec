"""A few seeds of whole bots over whole days, and what the judge must notice."""

import pytest
from benchmarks.days_plan import draw_plan
from benchmarks.days_stage import play


@pytest.mark.parametrize("seed", range(3))
def test_a_bot_comes_through_its_days(seed):
    outcome = play(draw_plan(seed))

    assert outcome.verdict.wrongs == dict.fromkeys(outcome.verdict.wrongs, ())
    assert outcome.cycles
