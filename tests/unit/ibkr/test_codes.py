from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import (
    AmbiguousContract,
    GatewayRejected,
    NoData,
    NotEntitled,
    PacingExceeded,
    RequestFailed,
    UnknownContract,
)
from ibkeel.ibkr.codes import MEANINGS, Effect, classify


@pytest.mark.parametrize("row", MEANINGS, ids=lambda row: f"{row.code} {row.pattern}".strip())
def test_every_row_has_a_source_and_says_what_follows(row):
    assert row.source
    assert row.pattern == row.pattern.lower()
    assert issubclass(row.error, RequestFailed)
    assert classify(row.code, f"before {row.pattern} after") == row


def test_no_row_occurs_twice():
    counts = Counter((row.code, row.pattern) for row in MEANINGS)

    assert set(counts.values()) == {1}


def test_the_rows_are_sorted_and_those_that_match_all_come_last_of_their_code():
    codes = [row.code for row in MEANINGS]

    assert codes == sorted(codes)
    for code in codes:
        assert [row.pattern for row in MEANINGS if row.code == code][:-1].count("") == 0


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (100, "Max rate of messages per second has been exceeded", PacingExceeded),
        (101, "Max number of tickers has been reached", PacingExceeded),
        (
            162,
            "Historical Market Data Service error message:HMDS query returned no data: SPY@SMART Trades",
            NoData,
        ),
        (162, "Historical data request pacing violation", PacingExceeded),
        (162, "Trading TWS session is connected from a different IP address", NotEntitled),
        (162, "No market data permissions for ISLAND STK", NotEntitled),
        (162, "API historical data query cancelled: 12", GatewayRejected),
        (200, "No security definition has been found for the request", UnknownContract),
        (200, "The contract description specified for SPY is ambiguous", AmbiguousContract),
        (321, "Error validating request.-'bX' : cause - something", GatewayRejected),
        (354, "Requested market data is not subscribed.", NotEntitled),
        (420, "Invalid Real-time Query:Historical data request pacing violation", PacingExceeded),
        (10197, "No market data during competing live session", NotEntitled),
        (99999, "a code that nobody has seen", GatewayRejected),
    ],
)
def test_a_code_ends_a_request_with_the_error_that_it_means(code, text, error):
    meaning = classify(code, text)

    assert meaning.effect is Effect.ENDS
    assert meaning.error is error


@pytest.mark.parametrize(
    ("code", "effect"), [(10167, Effect.DELAYED), (10090, Effect.NONE), (165, Effect.NONE)]
)
def test_some_codes_leave_the_request_running(code, effect):
    assert (
        classify(code, "Requested market data is not subscribed. Displaying delayed market data.").effect
        is effect
    )


@given(st.integers(2100, 2199), st.text())
def test_a_notice_ends_no_request(code, text):
    assert classify(code, text).effect is Effect.NONE


@given(st.integers(-1, 20_000), st.text())
def test_every_code_has_a_meaning(code, text):
    meaning = classify(code, text)

    assert meaning.code == code
    assert meaning.source


def test_every_effect_is_used():
    assert {row.effect for row in MEANINGS} == set(Effect)
