"""Instants as clients and the Gateway write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import WireError
from ibkeel.sim.wire import clock_text, compact, parse_instant, zoned

ZONE = "US/Eastern"
AT = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "20260105 15:30:00 UTC",
        "20260105-15:30:00",
        "20260105 10:30:00 US/Eastern",
        "20260105 10:30:00",
        "20260105  10:30:00",
    ],
)
def test_every_dialect_names_the_same_instant(text):
    assert parse_instant(text, ZONE) == AT


def test_an_empty_end_means_now():
    assert parse_instant(" ", ZONE) is None


@pytest.mark.parametrize(
    "text",
    ["yesterday", "20260105", "20261305 10:00:00", "20260105 10:00:00 Moon",
     "20260105 10:00:00 America", "20260105 10:00:00 " + "A" * 5000, "20260105 10:00:00 ../x", "9" * 5000,
     "00010101 00:00:00 Asia/Tokyo", "00010102-00:00:00", "99991231 23:59:59 US/Pacific", "99991231-00:00:00"],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(WireError) as refused:
        parse_instant(text, ZONE)

    assert len(str(refused.value)) < 200


def test_old_clients_get_no_zone_name():
    assert zoned(AT, ZONE, 176) == "20260105 10:30:00 US/Eastern"
    assert zoned(AT, ZONE, 173) == "20260105  10:30:00"
    assert clock_text(AT, ZONE) == "10:30"
    assert compact(None) == ""


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from([ZONE, "UTC", "Asia/Tokyo"]),
    st.sampled_from([173, 174, 200]),
)
def test_what_the_gateway_writes_it_reads_back(naive, zone, version):
    at = naive.replace(microsecond=0, tzinfo=UTC)

    read = parse_instant(zoned(at, zone, version), zone)

    # An hour that happens twice has no name of its own on this wire.
    assert abs((read - at).total_seconds()) in {0.0, 3600.0}
