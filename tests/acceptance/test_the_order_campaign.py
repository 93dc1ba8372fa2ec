"""A few seeds of the order campaign, and each of its mistakes on a seed that notices it."""

import pytest
from benchmarks.campaign_cells import CELLS, DRAWN, IMPOSSIBLE
from benchmarks.campaign_mutants import MUTANTS, mutated
from benchmarks.campaign_plan import Phase, Trouble, draw_plan
from benchmarks.campaign_stage import play

NOTICED = {
    "no journal": (0, "lost_intents"),
    "resend on reconnect": (2, "double_sent"),
    "trust orderStatus": (1, "lost_intents"),
    "no id guard": (3, "double_sent"),
    "verifier off": (0, "unprotected"),
    "LMT stop": (0, "unprotected"),
    "exits through the breaker": (46, "exits_refused"),
    "one past zero": (0, "double_sent"),
}


def played(seed, mutant=None):
    with mutated(mutant):
        return play(draw_plan(seed, DRAWN))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_doubled_or_naked(seed):
    outcome = played(seed)

    assert outcome.verdict.wrongs == dict.fromkeys(outcome.verdict.wrongs, ())
    assert outcome.fills


def test_a_seed_is_played_twice_alike():
    first, second = (play(draw_plan(5, DRAWN), is_traced=True) for _ in range(2))

    assert first == second


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mistake_is_noticed(mutant):
    seed, count = NOTICED[mutant]

    assert played(seed, mutant).verdict.counts()[count]


def test_every_pair_of_trouble_and_phase_can_occur_or_has_its_reason():
    assert {*CELLS, *IMPOSSIBLE} == {(trouble, phase) for trouble in Trouble for phase in Phase}
    assert not {*CELLS} & {*IMPOSSIBLE}
    assert all(IMPOSSIBLE.values())
