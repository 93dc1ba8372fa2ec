import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.resilience import Backoff

BACKOFFS = st.builds(
    Backoff,
    first=st.floats(0.001, 1000),
    factor=st.floats(1, 1e6),
    cap=st.floats(0.001, 1000),
    attempts=st.integers(1, 10**6),
)
JITTER = st.floats(0, 1, exclude_max=True)


def test_waits_double_up_to_the_cap():
    backoff = Backoff(first=1, factor=2, cap=5, attempts=6)

    assert [backoff.wait(n) for n in range(1, 7)] == [1, 2, 4, 5, 5, None]


def test_waits_below_a_second_grow_to_the_cap_as_well():
    backoff = Backoff(first=0.5, factor=2, cap=10, attempts=9)

    assert [backoff.wait(n) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_jitter_shortens_a_wait_by_half_of_itself():
    assert Backoff(first=8).wait(1, jitter=0.5) == 6


@given(BACKOFFS, st.integers(1, 10**6), JITTER)
def test_a_wait_lies_between_half_and_all_of_what_is_due_and_below_the_cap(backoff, failures, jitter):
    wait = backoff.wait(failures, jitter=jitter)

    if failures >= backoff.attempts:
        assert wait is None
    else:
        due = backoff.wait(failures)
        assert due / 2 <= wait <= due <= backoff.cap


@given(BACKOFFS, st.integers(1, 1000))
def test_waits_never_grow_shorter(backoff, failures):
    now, later = backoff.wait(failures), backoff.wait(failures + 1)

    assert later is None or now <= later


def test_one_attempt_is_never_repeated():
    assert Backoff(attempts=1).wait(1) is None


@pytest.mark.parametrize(
    ("failures", "jitter"), [(0, 0.0), (-1, 0.0), (1, 1.0), (1, -0.1), (1, float("nan"))]
)
def test_what_makes_no_sense_is_refused(failures, jitter):
    with pytest.raises(InvalidInput, match="from 1, and 0 to below 1"):
        Backoff().wait(failures, jitter=jitter)


@pytest.mark.parametrize(
    "wrong",
    [{"first": 0}, {"first": -1}, {"factor": 0.5}, {"cap": 0}, {"attempts": 0}, {"attempts": True}, {"attempts": 1.5}, {"first": float("nan")},
     {"cap": float("nan")}, {"factor": float("inf")}, {"cap": float("inf")}],
)  # fmt: skip
def test_a_backoff_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput):
        Backoff(**wrong)
