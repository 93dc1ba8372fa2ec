from datetime import UTC, date, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import GatewayRejected
from ibkeel.ibkr.client import hear_history, library
from ibkeel.ibkr.prices import bar_fields, bars_of
from ibkeel.model import BarSpec, Stock

EASTERN = "America/New_York"
UNSET = 1.7976931348623157e308
SPY = Stock("SPY")
SPEC = BarSpec(duration="3600 S", size="1 min")
FIRST = 1767623400  # 2026-01-05, 14:30 in UTC


def fields_of(**changes):
    bar = {"date": str(FIRST), "open": "1.0", "high": "2.0", "low": "0.5", "close": "1.5", "volume": "10"}
    return [*{**bar, **changes}.values(), "1.2", "7"]


def read(fields):
    return bars_of(fields, contract=SPY, spec=SPEC, timezone=EASTERN)


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("1767623400", datetime(2026, 1, 5, 14, 30, tzinfo=UTC)),
        ("999999999", datetime(2001, 9, 9, 1, 46, 39, tzinfo=UTC)),
        ("20260105", datetime(2026, 1, 5, 5, tzinfo=UTC)),
        ("20260105 09:30:00", datetime(2026, 1, 5, 14, 30, tzinfo=UTC)),
        ("20260105 09:30:00 US/Eastern", datetime(2026, 1, 5, 14, 30, tzinfo=UTC)),
        (date(2026, 1, 5), datetime(2026, 1, 5, 5, tzinfo=UTC)),
        (datetime(2026, 1, 5, 9, 30, tzinfo=ZoneInfo(EASTERN)), datetime(2026, 1, 5, 14, 30, tzinfo=UTC)),
    ],
)
def test_every_way_to_date_a_bar_is_read(written, at):
    assert read(fields_of(date=written))[0].at == at


@pytest.mark.parametrize("volume", ["-1", -1.0, UNSET, str(UNSET), "nan", float("nan"), "0"])
def test_a_bar_without_volume_has_none_of_it(volume):
    assert read(fields_of(volume=volume)).volume[0] == 0.0


@given(
    st.lists(
        st.tuples(*[st.floats(0.01, 1e6, allow_nan=False)] * 4, st.integers(0, 10**9)),
        min_size=1,
        max_size=50,
    )
)
def test_what_was_written_is_what_is_read(rows):
    fields = [
        text
        for number, (*prices, volume) in enumerate(rows)
        for text in (str(FIRST + 60 * number), *map(repr, prices), str(volume), "1.0", "3")
    ]

    bars = read(fields)

    assert bars.at.astype(np.int64).tolist() == [FIRST + 60 * number for number in range(len(rows))]
    columns = zip(bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    assert [tuple(map(float, row)) for row in columns] == [tuple(map(float, row)) for row in rows]


@pytest.mark.parametrize("changes", [{"open": "-"}, {"close": ""}, {"date": ""}, {"date": "soon"}])
def test_a_field_that_cannot_be_read_is_a_typed_error(changes):
    with pytest.raises(GatewayRejected):
        read(fields_of(**changes))


def test_bars_that_do_not_ascend_are_refused():
    with pytest.raises(GatewayRejected, match="ascend"):
        read(fields_of() + fields_of())


@pytest.mark.parametrize("low", ["nan", "inf", UNSET, str(UNSET)])
def test_a_price_that_is_no_number_is_refused_by_its_column(low):
    with pytest.raises(GatewayRejected, match=r"Bars\.low holds NaN"):
        read(fields_of(low=low))


def test_a_bar_of_the_library_gives_the_same_fields():
    bar = library.BarData("1767623400", 1.0, 2.0, 0.5, 1.5, 10.0, 1.2, 7)

    assert read(bar_fields(bar)) == read(fields_of())


@pytest.fixture
def ib():
    ib = SimpleNamespace(heard=[], decoded=[])
    ib.wrapper = SimpleNamespace(historicalDataEnd=lambda *ends: ib.heard.append(ends))
    ib.client = SimpleNamespace(decoder=SimpleNamespace(handlers={17: ib.decoded.append}))
    return ib


def hear(ib, fields, *, takes=True):
    taken = []
    hear_history(ib, lambda key, bars: takes and not taken.append((key, bars)))
    ib.client.decoder.handlers[17](fields)
    return taken


def test_an_answer_is_handed_over_whole_and_its_end_is_told(ib):
    assert hear(ib, ["17", "9", "from", "to", "1", *fields_of()]) == [(9, fields_of())]
    assert (ib.heard, ib.decoded) == ([(9, "from", "to")], [])


def test_an_answer_without_bars_is_one_too(ib):
    assert hear(ib, ["17", "9", "from", "to", "0"]) == [(9, [])]


@pytest.mark.parametrize(
    ("fields", "takes"),
    [
        (["17", "9", "from", "to", "1", *fields_of()], False),
        (["17", "9", "from", "to", "2", *fields_of()], True),
        (["17", "9", "from", "to", "1", *fields_of(), "and more"], True),
        (["17", "9"], True),
    ],
)
def test_what_is_not_ours_or_of_another_form_is_left_to_the_library(ib, fields, takes):
    assert hear(ib, fields, takes=takes) == []
    assert ib.decoded == [fields]
