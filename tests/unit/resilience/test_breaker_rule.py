import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.resilience import Breaker, BreakerPolicy, BreakerState, Escalation, Outcome

POLICY = BreakerPolicy(failures=2, open_seconds=10.0, growth=2.0, longest_open=30.0)


def fail(breaker, now, *, jitter=0.0):
    breaker, ticket = breaker.admit(now)
    return breaker.settle(ticket, Outcome.FAILED, now=now, jitter=jitter)


def succeed(breaker, now, *, seconds=0.0):
    breaker, ticket = breaker.admit(now)
    return breaker.settle(ticket, Outcome.SUCCEEDED, now=now, seconds=seconds)


def opened(now=0.0):
    return fail(fail(Breaker(policy=POLICY), now), now)


def test_failures_in_a_row_open_it():
    breaker = fail(Breaker(policy=POLICY), 0.0)

    breaker = fail(breaker, 1.0)

    assert breaker.state is BreakerState.OPEN
    assert breaker.until == 11.0


def test_a_success_between_starts_the_count_again():
    breaker = fail(Breaker(policy=POLICY), 0.0)

    breaker = fail(succeed(breaker, 1.0), 2.0)

    assert breaker.state is BreakerState.CLOSED
    assert breaker.failures == 1


def test_what_says_nothing_leaves_the_count_alone():
    breaker = fail(Breaker(policy=POLICY), 0.0)
    _, ticket = breaker.admit(1.0)

    after = breaker.settle(ticket, Outcome.IGNORED, now=1.0)

    assert after == breaker


@pytest.mark.parametrize(("now", "passes"), [(0.0, False), (9.999, False), (10.0, True)])
def test_an_open_one_lets_a_call_pass_when_its_time_is_over(now, passes):
    breaker = opened()

    _, ticket = breaker.admit(now)

    assert (ticket is not None) is passes


def test_only_one_probe_passes():
    breaker, probe = opened().admit(10.0)

    breaker, second = breaker.admit(10.0)

    assert probe is not None
    assert second is None
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_probe_that_works_closes_it_and_forgets():
    breaker, probe = opened().admit(10.0)

    breaker = breaker.settle(probe, Outcome.SUCCEEDED, now=11.0)

    assert breaker.state is BreakerState.CLOSED
    assert (breaker.failures, breaker.openings, breaker.until) == (0, 0, None)


def test_each_probe_that_fails_opens_it_for_longer_up_to_the_longest():
    breaker, lasted = opened(), []
    for _ in range(4):
        lasted.append(
            breaker.wait(now := breaker.until - breaker.policy.open_for(breaker.openings, jitter=0.0))
        )
        assert now is not None
        breaker = fail(breaker, breaker.until)

    assert lasted == [10.0, 20.0, 30.0, 30.0]


def test_a_cancelled_probe_lets_the_next_call_be_the_probe():
    breaker, probe = opened().admit(10.0)

    breaker = breaker.settle(probe, Outcome.IGNORED, now=12.0)
    again = breaker.settle(probe, Outcome.FAILED, now=12.0)
    unprobed = breaker
    breaker, next_probe = breaker.admit(12.0)
    breaker, after_it = breaker.admit(12.0)

    assert next_probe is not None
    assert next_probe != probe
    assert after_it is None
    assert again == unprobed
    assert breaker.openings == 1


def test_a_probe_that_never_ends_is_given_up():
    breaker, lost = opened().admit(10.0)

    breaker, probe = breaker.admit(10.0 + POLICY.probe_seconds)
    stale = breaker.settle(lost, Outcome.FAILED, now=200.0)

    assert probe is not None
    assert stale == breaker


def test_a_slow_call_from_before_the_trip_changes_nothing():
    breaker = Breaker(policy=POLICY)
    breaker, straggler = breaker.admit(0.0)
    breaker = fail(fail(breaker, 1.0), 1.0)

    after = breaker.settle(straggler, Outcome.SUCCEEDED, now=5.0)

    assert after == breaker


def test_a_slow_call_from_before_the_trip_does_not_pass_for_the_probe():
    breaker, straggler = Breaker(policy=POLICY).admit(0.0)
    breaker = fail(fail(breaker, 1.0), 1.0)
    breaker, probe = breaker.admit(11.0)

    after = breaker.settle(straggler, Outcome.SUCCEEDED, now=12.0)

    assert probe is not None
    assert after == breaker


def test_every_change_of_state_makes_older_results_stale():
    story = [opened()]
    for change in (
        lambda breaker: breaker.admit(10.0)[0],
        lambda breaker: breaker.settle(breaker.generation, Outcome.IGNORED, now=10.0),
        lambda breaker: breaker.admit(10.0)[0],
        lambda breaker: breaker.closed(),
        lambda breaker: breaker.opened(10.0),
    ):
        story.append(change(story[-1]))

    generations = [breaker.generation for breaker in story]

    assert generations == sorted(set(generations))


@pytest.mark.parametrize(("now", "seconds"), [(0.0, 10.0), (9.5, 0.5), (10.0, 0.0), (11.0, 0.0)])
def test_an_open_one_says_how_long_to_wait(now, seconds):
    assert opened().wait(now) == seconds
    assert Breaker().wait(now) == 0.0


def test_jitter_lengthens_an_opening_by_failures_and_by_a_failed_probe():
    breaker = Breaker(policy=BreakerPolicy(failures=1, open_seconds=10.0, growth=2.0, spread=0.25))

    breaker = fail(breaker, 0.0, jitter=0.5)
    first_until = breaker.until
    breaker = fail(breaker, 100.0, jitter=0.5)

    assert first_until == 11.25
    assert breaker.until == 122.5


def test_a_call_that_was_not_timed_is_not_slow():
    breaker, ticket = Breaker(policy=BreakerPolicy(slow_after=0.5)).admit(0.0)

    after = breaker.settle(ticket, Outcome.SUCCEEDED, now=9.0)

    assert after.is_calm


@pytest.mark.parametrize(
    "figures",
    [
        {"slow_limit": 20, "slow_window": 20},
        {"open_seconds": 10.0, "longest_open": 10.0},
        {"growth": 1.0},
        {"growth": 1.5},
        {"spread": 0.0},
    ],
)
def test_figures_at_the_edge_are_valid(figures):
    policy = BreakerPolicy(**figures)

    assert {name: getattr(policy, name) for name in figures} == figures


def test_slow_calls_open_it_by_their_share_of_the_last_ones():
    policy = BreakerPolicy(slow_after=2.0, slow_limit=2, slow_window=3)
    breaker = succeed(Breaker(policy=policy), 0.0, seconds=2.0)

    apart = succeed(succeed(succeed(breaker, 1.0), 2.0), 3.0, seconds=2.0)
    near = succeed(succeed(breaker, 1.0), 2.0, seconds=2.5)

    assert apart.state is BreakerState.CLOSED
    assert near.state is BreakerState.OPEN


def test_a_probe_that_answers_slowly_has_failed():
    breaker = Breaker(policy=BreakerPolicy(slow_after=2.0, open_seconds=1.0)).opened(0.0)
    breaker, probe = breaker.admit(1.0)

    breaker = breaker.settle(probe, Outcome.SUCCEEDED, now=4.0, seconds=3.0)

    assert breaker.state is BreakerState.OPEN
    assert breaker.openings == 2


def test_without_a_limit_no_call_is_slow():
    breaker = succeed(Breaker(), 0.0, seconds=1e6)

    assert breaker.is_calm


def test_it_is_calm_only_when_nothing_is_remembered():
    slow = BreakerPolicy(slow_after=1.0)

    assert Breaker().is_calm
    assert not fail(Breaker(), 0.0).is_calm
    assert not succeed(Breaker(policy=slow), 0.0, seconds=1.0).is_calm
    assert not opened().is_calm


def test_failed_probes_escalate():
    policy = BreakerPolicy(failures=1, reconnect_at=2, stop_at=3)
    breaker, advice = Breaker(policy=policy), []
    for _ in range(4):
        advice.append(breaker.escalation)
        breaker = breaker.opened(0.0)

    assert advice == [Escalation.RETRY, Escalation.RETRY, Escalation.RECONNECT, Escalation.STOP]


@pytest.mark.parametrize("is_probed", [False, True], ids=["open", "half open"])
def test_after_a_cure_the_next_call_is_the_probe_and_a_cure_that_does_not_help_leads_on(is_probed):
    breaker = fail(opened(), 10.0)
    assert (breaker.openings, breaker.until) == (2, 30.0)
    lost = None
    if is_probed:
        breaker, lost = breaker.admit(30.0)

    cured = breaker.probed_next(31.0)
    probed, probe = cured.admit(31.0)

    assert cured.state is BreakerState.OPEN
    assert probe not in {None, lost}
    assert probed.admit(31.0)[1] is None
    again = probed.settle(probe, Outcome.FAILED, now=32.0)
    assert (again.openings, again.until) == (3, 62.0)


def test_a_cure_of_what_works_changes_nothing():
    breaker = fail(Breaker(policy=POLICY), 0.0)

    assert breaker.probed_next(1.0) is breaker


def test_closing_by_hand_makes_older_results_stale():
    breaker, probe = opened().admit(10.0)

    closed = breaker.closed()

    assert closed.state is BreakerState.CLOSED
    assert closed.settle(probe, Outcome.FAILED, now=11.0) == closed


@given(openings=st.integers(1, 5000), jitter=st.floats(0, 1, exclude_max=True))
def test_an_opening_never_lasts_shorter_than_the_first_nor_much_longer_than_the_longest(openings, jitter):
    policy = BreakerPolicy(open_seconds=5.0, growth=3.0, longest_open=60.0, spread=0.5)

    seconds = policy.open_for(openings, jitter=jitter)

    assert 5.0 <= seconds <= 90.0
    assert seconds >= policy.open_for(openings, jitter=0.0)
    assert policy.open_for(openings + 1, jitter=jitter) >= seconds


@pytest.mark.parametrize(
    "figures",
    [
        {"failures": 0},
        {"failures": True},
        {"open_seconds": 0.0},
        {"open_seconds": math.inf},
        {"growth": 0.5},
        {"spread": -0.1},
        {"spread": math.inf},
        {"slow_after": 0.0},
        {"slow_after": math.inf},
        {"probe_seconds": math.inf},
        {"slow_limit": 3, "slow_window": 2},
        {"open_seconds": 10.0, "longest_open": 5.0},
    ],
)
def test_figures_that_make_no_sense_are_refused(figures):
    with pytest.raises(InvalidInput):
        BreakerPolicy(**figures)


def test_a_refusal_names_the_figure_what_came_and_what_is_valid():
    with pytest.raises(InvalidInput, match=r"^BreakerPolicy\.failures is 0; valid: a whole number from 1$"):
        BreakerPolicy(failures=0)


@pytest.mark.parametrize(("openings", "jitter"), [(0, 0.0), (1, 1.0), (1, -0.1)])
def test_openings_from_one_and_jitter_below_one(openings, jitter):
    with pytest.raises(InvalidInput, match="valid: from 1"):
        BreakerPolicy().open_for(openings, jitter=jitter)
