"""A seed of whole bots over whole days, and a mistake that the judge must notice."""

import pytest
from benchmarks.campaign_mutants import mutated
from benchmarks.days_plan import draw_plan
from benchmarks.days_stage import play

pytestmark = pytest.mark.long


def test_a_bot_comes_through_its_days():
    outcome = play(draw_plan(1))

    assert outcome.verdict.wrongs == dict.fromkeys(outcome.verdict.wrongs, ())
    assert outcome.cycles
    assert outcome.fills


def test_a_bot_that_does_not_look_after_its_orders_is_noticed():
    with mutated("verifier off"):
        outcome = play(draw_plan(0))

    assert outcome.verdict.counts()["excess"]
