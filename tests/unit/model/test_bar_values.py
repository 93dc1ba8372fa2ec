import subprocess
import sys
from datetime import UTC, datetime, timedelta

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.model import BAR_SIZES, Bar, BarKind, Bars, BarSpec, Stock
from ibkeel.testing.strategies import bars

SPY = Stock("SPY")
START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
SPEC = BarSpec(duration="3600 S", size="1 min")
ROWS = [Bar(START + timedelta(minutes=n), 1.0 + n, 2.0 + n, 0.5 + n, 1.5 + n, 100.0) for n in range(4)]


def made(rows=ROWS, **changes):
    return attrs.evolve(Bars.from_rows(rows, contract=SPY, spec=SPEC), **changes)


def test_bars_are_columns_and_rows_alike():
    rows = made()

    assert list(rows) == ROWS
    assert (rows[0], rows[-1], len(rows)) == (ROWS[0], ROWS[-1], 4)
    assert rows.close.tolist() == [1.5, 2.5, 3.5, 4.5]
    assert rows.at.dtype == np.dtype("datetime64[s]")


@given(bars(SPY), st.slices(10))
def test_a_slice_of_bars_is_bars(rows, piece):
    if piece.step is not None and piece.step < 0:
        piece = slice(piece.start, piece.stop, -piece.step)

    assert list(rows[piece]) == list(rows)[piece]
    assert isinstance(rows[piece], Bars)


@given(bars(SPY))
def test_a_row_knows_its_instant_in_utc(rows):
    assert all(row.at.tzinfo is UTC for row in rows)
    assert rows == Bars.from_rows(list(rows), contract=SPY, spec=rows.spec)


def test_the_columns_are_read_only():
    closes = made().close

    with pytest.raises(ValueError, match="read-only"):
        closes[0] = 0.0


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_column_holds_finite_numbers_only(column, value):
    with pytest.raises(InvalidInput, match=f"Bars.{column} holds NaN or infinity"):
        made(**{column: [1.0, value, 3.0, 4.0]})


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_columns_are_equally_long(column):
    with pytest.raises(InvalidInput, match=rf"Bars.{column} has shape \(3,\)"):
        made(**{column: [1.0, 2.0, 3.0]})


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [0, 0, 1, 2]])
def test_bars_that_do_not_ascend_are_refused(order):
    with pytest.raises(InvalidInput, match="does not ascend"):
        made([ROWS[n] for n in order])


@pytest.mark.parametrize("at", [["2026-01-05", "NaT", "2026-01-06"], ["2026-01-05", "NaT"], ["NaT"]])
def test_an_instant_that_is_none_is_refused(at):
    column = [1.0] * len(at)

    with pytest.raises(InvalidInput, match="drop duplicates and NaT"):
        Bars(
            contract=SPY, spec=SPEC, at=at, open=column, high=column, low=column, close=column, volume=column
        )


@pytest.mark.parametrize("shape", [(), (1, 4), (4, 1)])
def test_columns_of_another_dimension_are_refused(shape):
    table = np.ones(shape)

    with pytest.raises(InvalidInput, match=r"valid: \(n_bars,\)"):
        Bars(
            contract=SPY,
            spec=SPEC,
            at=table.astype("datetime64[s]"),
            open=table,
            high=table,
            low=table,
            close=table,
            volume=table,
        )


def test_a_naive_row_is_refused():
    with pytest.raises(InvalidInput, match="no time zone"):
        made([ROWS[0]._replace(at=START.replace(tzinfo=None))])


def test_bars_that_differ_are_not_equal():
    rows = made()

    assert rows == made()
    assert rows != made(close=[1.5, 2.5, 3.5, 4.75])
    assert rows != made(timezone="UTC")
    assert rows != list(rows)
    with pytest.raises(TypeError, match="unhashable"):
        hash(rows)


def test_the_repr_says_what_and_from_when_to_when():
    assert repr(made()) == "<Bars SPY 1 min n=4 2026-01-05T14:30:00Z..2026-01-05T14:33:00Z>"
    assert repr(made([])) == "<Bars SPY 1 min n=0 empty>"


def test_bars_become_a_frame():
    pytest.importorskip("pandas")

    frame = made().to_pandas()

    assert frame.shape == (4, 5)
    assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
    assert str(frame.index.tz) == "UTC"
    assert frame.index[0].to_pydatetime() == START
    assert frame["close"].tolist() == made().close.tolist()


def test_a_frame_without_pandas_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(ImportError, match=r"pip install 'ibkeel\[pandas\]'"):
        made().to_pandas()


def test_a_frame_can_be_changed_and_the_bars_stay():
    pytest.importorskip("pandas")
    rows = made()

    frame = rows.to_pandas()
    frame["close"] = 0.0

    assert rows == made()


def test_pandas_is_imported_for_a_frame_only():
    code = "import sys, ibkeel.model; assert 'pandas' not in sys.modules"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "duration", ["", "1", "D", "0 D", "-1 D", "1  D", "1 d", "1 H", "1.5 D", "1 D ", "1234567 D", "86401 S"]
)
def test_a_duration_is_a_number_and_a_unit(duration):
    with pytest.raises(InvalidInput, match="duration"):
        BarSpec(duration=duration)


@pytest.mark.parametrize(
    ("asked", "instead"),
    [("172800 S", "2 D"), ("366 D", "2 Y"), ("53 W", "2 Y"), ("13 M", "2 Y"), ("69 Y", "68 Y")],
)
def test_what_is_longer_than_a_gateway_serves_is_answered_with_what_fits(asked, instead):
    with pytest.raises(InvalidInput, match=f"such as '{instead}'"):
        BarSpec(duration=asked, size="1 day")


@pytest.mark.parametrize("longest", ["86400 S", "365 D", "52 W", "12 M", "68 Y"])
def test_the_longest_spans_are_taken(longest):
    assert BarSpec(duration=longest, size="1 hour").duration == longest


@pytest.mark.parametrize("size", ["", "1 minute", "1 hours", "60", "5 min"])
def test_a_size_is_one_that_the_gateway_knows(size):
    with pytest.raises(InvalidInput, match=r"valid: 1 secs, 5 secs"):
        BarSpec(size=size)


@pytest.mark.parametrize(
    ("duration", "size"),
    [
        ("60 S", "2 mins"),
        ("3600 S", "1 day"),
        ("1 D", "1 secs"),
        ("1 W", "5 secs"),
        ("1 M", "10 secs"),
        ("1 Y", "30 secs"),
        ("1 D", "1 week"),
    ],
)
def test_a_step_that_the_gateway_refuses_is_refused_here(duration, size):
    with pytest.raises(InvalidInput, match="takes bars of"):
        BarSpec(duration=duration, size=size)


@pytest.mark.parametrize(
    ("duration", "size"),
    [("60 S", "1 secs"), ("1800 S", "30 mins"), ("3600 S", "1 hour"), ("14400 S", "3 hours"), ("86400 S", "8 hours"),
     ("1 D", "5 mins"), ("1 D", "1 day"), ("5 D", "1 day"), ("1 W", "1 day"), ("1 M", "1 day"), ("1 Y", "1 day")],
)  # fmt: skip
def test_a_usual_step_is_taken(duration, size):
    spec = BarSpec(duration=duration, size=size)

    assert spec.size_seconds == BAR_SIZES[size] <= spec.duration_seconds


def test_the_span_of_a_spec_is_told_in_seconds():
    spans = {
        text: BarSpec(duration=text, size="1 hour").duration_seconds for text in ("2 D", "1 W", "1 M", "1 Y")
    }

    assert spans == {"2 D": 172_800, "1 W": 604_800, "1 M": 2_592_000, "1 Y": 31_536_000}


def test_the_end_of_a_spec_is_aware():
    assert BarSpec(end=START).end == START
    with pytest.raises(InvalidInput, match="no time zone"):
        BarSpec(end=START.replace(tzinfo=None))


def test_the_kind_of_a_spec_may_be_given_as_text():
    assert BarSpec(kind="BID").kind is BarKind.BID
