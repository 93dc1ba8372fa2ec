"""Verdicts and latencies, as values."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.model import Grade, Health, HealthCheck, LatencySummary

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)


def check(name, grade):
    return HealthCheck(name=name, grade=grade, evidence="", at=AT)


def test_the_worst_verdict_counts_and_none_at_all_is_down():
    well, ill, gone = (check(grade.value, grade) for grade in (Grade.OK, Grade.DEGRADED, Grade.DOWN))

    assert Health(checks=(well,)).is_ok
    assert Health(checks=(well, ill)).grade is Grade.DEGRADED
    assert Health(checks=(gone, ill, well)).grade is Grade.DOWN
    assert Health(checks=()).grade is Grade.DOWN


def test_a_clock_that_is_off_leaves_the_connection_well():
    health = Health(checks=(check("transport", Grade.OK), check("clock", Grade.DOWN)))

    assert health.is_ok
    assert health.check("clock").grade is Grade.DOWN
    assert health.check("data") is None


def test_the_age_of_a_verdict_is_not_below_zero_when_a_clock_is_set_back():
    verdict = check("transport", Grade.OK)

    assert verdict.age(AT + timedelta(seconds=90)) == 90.0
    assert verdict.age(AT - timedelta(seconds=90)) == 0.0


def test_of_a_hundred_latencies_the_95th_is_the_95_percentile():
    hundred = [each / 1000 for each in range(1, 101)]
    random.Random(1).shuffle(hundred)

    found = LatencySummary.of(hundred)

    assert (found.count, found.p50, found.p95, found.p99, found.worst) == (100, 0.05, 0.095, 0.099, 0.1)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_percentiles_are_among_the_latencies_and_ascend(seconds):
    found = LatencySummary.of(seconds)

    assert {found.p50, found.p95, found.p99} <= set(seconds)
    assert min(seconds) <= found.p50 <= found.p95 <= found.p99 <= found.worst == max(seconds)


def test_no_latencies_are_refused():
    with pytest.raises(InvalidInput, match="at least one"):
        LatencySummary.of([])
