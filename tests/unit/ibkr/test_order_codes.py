import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.ibkr.order_codes import FATES, MODIFY_FATES, fate_of
from ibkeel.orders import ErrorFate


def test_the_tables_are_sorted():
    assert list(FATES) == sorted(FATES)
    assert list(MODIFY_FATES) == sorted(MODIFY_FATES)
    assert set(FATES.values()) == set(ErrorFate)


@given(
    st.integers(-1, 30_000).filter(lambda code: code not in FATES and not 2100 <= code < 2200), st.booleans()
)
def test_a_code_that_is_not_listed_never_means_that_an_order_is_dead(code, modifying):
    assert fate_of(code, modifying=modifying) is ErrorFate.UNCERTAIN


@given(st.integers(2100, 2199), st.booleans())
def test_a_notice_says_nothing_about_an_order(code, modifying):
    assert fate_of(code, modifying=modifying) is ErrorFate.NOTICE


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        (201, ErrorFate.REJECTED),
        (202, ErrorFate.CANCELLED),
        (399, ErrorFate.NOTICE),
        (10147, ErrorFate.UNCERTAIN),
        (10148, ErrorFate.CANCEL_REFUSED),
        (10311, ErrorFate.NOTICE),
        (10349, ErrorFate.NOTICE),
    ],
)
def test_the_codes_that_client_libraries_misread_are_read_as_documented(code, fate):
    assert fate_of(code) is fate


@pytest.mark.parametrize("code", [110, 321])
def test_a_refused_change_leaves_the_order_as_it_was(code):
    assert fate_of(code) is ErrorFate.REJECTED
    assert fate_of(code, modifying=True) is ErrorFate.NOTICE
