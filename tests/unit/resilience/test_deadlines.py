import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.resilience import Deadlines, RequestKind


@pytest.mark.parametrize("kind", RequestKind)
def test_every_kind_of_request_has_a_deadline(kind):
    assert 0 < Deadlines().of(kind) <= 60


def test_a_quote_may_take_longer_than_the_gateways_own_window():
    assert Deadlines().quote > 11


@given(st.floats(0, 600, exclude_min=True))
def test_one_deadline_may_serve_all(seconds):
    deadlines = Deadlines.all(seconds)

    assert {deadlines.of(kind) for kind in RequestKind} == {seconds}


@pytest.mark.parametrize("kind", RequestKind)
@pytest.mark.parametrize("seconds", [0, -1, 600.1, float("nan"), float("inf")])
def test_a_deadline_that_never_comes_is_refused(kind, seconds):
    with pytest.raises(InvalidInput, match=f"Deadlines.{kind.value} is"):
        Deadlines(**{kind.value: seconds})


@pytest.mark.parametrize("kind", RequestKind)
def test_a_kind_may_be_named_by_its_text(kind):
    assert Deadlines(quote=7.0).of(kind.value) == Deadlines(quote=7.0).of(kind)
