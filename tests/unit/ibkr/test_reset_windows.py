from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.ibkr.windows import (
    DEFAULT_WINDOWS,
    NEWER_PAGE,
    OLDER_PAGE,
    WEEKLY_LOGIN,
    WINDOWS_OF_REGION,
    ResetWindow,
    in_window,
    next_window,
    windows_of,
)

NEW_YORK = ZoneInfo("America/New_York")
ZURICH = ZoneInfo("Europe/Zurich")
HONG_KONG = ZoneInfo("Asia/Hong_Kong")


def window(begins, ends, *weekdays, timezone="America/New_York"):
    return ResetWindow(
        name="w", region="r", weekdays=weekdays or range(7), begins=begins, ends=ends, timezone=timezone,
        source="a test",
    )  # fmt: skip


def at(zone, *parts, fold=0):
    return datetime(*parts, tzinfo=zone, fold=fold)


def name_at(windows, *parts, zone=NEW_YORK, region="north america"):
    ours = [w for w in windows if w.region in {region, "everywhere"}]
    found = in_window(at(zone, *parts), ours)
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("when", "is_in"),
    [
        ((2026, 7, 7, 0, 14, 59), False),
        ((2026, 7, 7, 0, 15), True),
        ((2026, 7, 7, 1, 44, 59), True),
        ((2026, 7, 7, 1, 45), False),
        ((2026, 7, 5, 0, 30), True),  # Sunday
        ((2026, 7, 11, 0, 30), True),  # Saturday, but in the weekend's
    ],
)
def test_a_window_has_its_beginning_and_not_its_end(when, is_in):
    assert (in_window(at(NEW_YORK, *when), NEWER_PAGE) is not None) is is_in


@pytest.mark.parametrize(
    ("when", "name"),
    [
        ((2026, 7, 10, 22, 59), None),
        ((2026, 7, 10, 23, 0), "weekend reset"),
        ((2026, 7, 11, 2, 59), "weekend reset"),
        ((2026, 7, 11, 3, 0), None),
        ((2026, 7, 11, 23, 0), None),  # Saturday evening
        ((2026, 7, 9, 23, 50), "reset, North America"),  # Thursday
        ((2026, 7, 10, 0, 30), "reset, North America"),
        ((2026, 7, 10, 23, 50), "weekend reset"),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(when, name):
    assert name_at(OLDER_PAGE, *when) == name


@pytest.mark.parametrize(
    ("zone", "when", "newer", "older"),
    [
        (ZURICH, (2026, 7, 7, 6, 30), "reset, Europe", "reset, Europe"),
        (ZURICH, (2026, 7, 7, 7, 0), "reset, Europe", None),
        (ZURICH, (2026, 7, 7, 6, 0), None, "reset, Europe"),
        (HONG_KONG, (2026, 7, 7, 5, 0), "first reset, Asia Pacific", "first reset, Asia Pacific"),
        (HONG_KONG, (2026, 7, 7, 6, 0), "first reset, Asia Pacific", None),
        (HONG_KONG, (2026, 7, 7, 21, 10), "second reset, Asia Pacific", None),
        (HONG_KONG, (2026, 7, 7, 20, 30), "second reset, Asia Pacific", "second reset, Asia Pacific"),
    ],
)
def test_the_two_pages_contradict_each_other_and_both_are_known(zone, when, newer, older):
    region = "europe" if zone is ZURICH else "asia pacific"

    assert name_at(NEWER_PAGE, *when, zone=zone, region=region) == newer
    assert name_at(OLDER_PAGE, *when, zone=zone, region=region) == older


@pytest.mark.parametrize("when", [(2026, 7, 7, 23, 50), (2026, 7, 8, 0, 10), (2026, 7, 8, 1, 30)])
def test_the_default_is_what_either_page_allows_for_north_america(when):
    assert name_at(DEFAULT_WINDOWS, *when) == "reset, North America"


def test_each_region_has_its_resets_the_weekend_once_and_the_weekly_login():
    for region, windows in WINDOWS_OF_REGION.items():
        assert {w.region for w in windows} == {region, "everywhere"}
        assert [w.name for w in windows].count("weekend reset") == 1
        assert windows[-1] is WEEKLY_LOGIN
    assert WINDOWS_OF_REGION["north america"] is DEFAULT_WINDOWS


def test_every_window_says_where_it_is_written_down():
    windows = {*NEWER_PAGE, *OLDER_PAGE, WEEKLY_LOGIN, *DEFAULT_WINDOWS}

    assert all(w.source and w.name for w in windows)
    assert [w.name for w in windows if w.needs_login] == ["weekly login"]


def test_on_sunday_from_one_o_clock_on_a_person_must_log_in():
    assert not in_window(at(NEW_YORK, 2026, 7, 5, 0, 59), [WEEKLY_LOGIN])
    assert in_window(at(NEW_YORK, 2026, 7, 5, 1, 0), [WEEKLY_LOGIN]).needs_login


# When the clocks change: 8 March and 1 November 2026 in New York, 29 March in Zurich.


def hours(occurrence):
    return (occurrence.ends_at - occurrence.begins_at) / timedelta(hours=1)


def test_a_window_keeps_to_local_time_over_the_change():
    nightly = window(time(0, 15), time(1, 45))

    winter = nightly.next_occurrence(at(NEW_YORK, 2026, 3, 7, 12))
    summer = nightly.next_occurrence(at(NEW_YORK, 2026, 3, 8, 12))

    assert winter.begins_at == datetime(2026, 3, 8, 5, 15, tzinfo=UTC)
    assert summer.begins_at == datetime(2026, 3, 9, 4, 15, tzinfo=UTC)
    assert hours(winter) == hours(summer) == 1.5


def test_the_hour_that_the_clocks_repeat_is_in_it_both_times():
    nightly = window(time(0, 15), time(1, 45))

    occurrence = nightly.occurrence_at(at(NEW_YORK, 2026, 11, 1, 1, 30, fold=0))

    assert hours(occurrence) == 2.5
    assert nightly.occurrence_at(at(NEW_YORK, 2026, 11, 1, 1, 30, fold=1)) == occurrence
    assert nightly.occurrence_at(at(NEW_YORK, 2026, 11, 1, 1, 50, fold=1)) is None


@pytest.mark.parametrize(
    ("begins", "ends", "day", "expected"),
    [
        (time(23), time(3), (2026, 3, 7), 3.0),  # the hour from two to three is left out
        (time(23), time(3), (2026, 10, 31), 5.0),
        (time(2, 30), time(4), (2026, 3, 8), 0.5),  # half past two does not exist: half past three
        (time(1), time(1), (2026, 3, 7), 24.0),
        (time(1), time(1), (2026, 10, 31), 25.0),
    ],
)
def test_a_window_over_the_change_is_as_long_as_the_clocks_say(begins, ends, day, expected):
    over = window(begins, ends)

    occurrence = over.next_occurrence(at(NEW_YORK, *day))

    if begins == time(1):
        occurrence = over.occurrence_at(at(NEW_YORK, *day, 12))
    if begins == time(2, 30):
        assert occurrence.begins_at == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert hours(occurrence) == expected


def test_each_place_changes_its_clocks_on_its_own_day():
    monday = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)  # summer time in New York, not yet in Zurich
    later = monday + timedelta(days=14)
    america, europe = NEWER_PAGE[:1], NEWER_PAGE[1:2]

    assert in_window(monday, america)
    assert in_window(monday, europe)
    assert in_window(later, america)
    assert not in_window(later + timedelta(minutes=15), europe)
    assert in_window(later - timedelta(hours=1), europe)


# Which comes next.


def test_the_next_window_begins_after_now_even_when_one_is_open():
    now = at(NEW_YORK, 2026, 7, 7, 0, 15)

    found = next_window(now, NEWER_PAGE[:1])

    assert found.begins_at == at(NEW_YORK, 2026, 7, 8, 0, 15)


def test_the_next_of_several_is_the_soonest():
    found = next_window(at(NEW_YORK, 2026, 7, 10, 12), DEFAULT_WINDOWS)

    assert (found.window.name, found.begins_at) == ("weekend reset", at(NEW_YORK, 2026, 7, 10, 23))


def test_without_windows_there_is_never_one():
    now = datetime(2026, 7, 7, tzinfo=UTC)

    assert in_window(now, ()) is None
    assert next_window(now, ()) is None


ANY_WINDOW = st.builds(
    ResetWindow,
    name=st.just("w"),
    region=st.just("r"),
    weekdays=st.sets(st.integers(0, 6), min_size=1),
    begins=st.times(),
    ends=st.times(),
    timezone=st.sampled_from(["America/New_York", "Europe/Zurich", "Asia/Hong_Kong", "UTC"]),
    source=st.just("a test"),
)
INSTANT = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(ANY_WINDOW, INSTANT)
def test_an_instant_is_in_a_window_exactly_when_its_occurrence_says_so(any_window, now):
    found = any_window.occurrence_at(now)

    if found is not None:
        assert found.begins_at <= now < found.ends_at
        zone = ZoneInfo(any_window.timezone)
        assert found.ends_at - found.begins_at <= timedelta(hours=25)
        assert found.begins_at.astimezone(zone).weekday() in any_window.weekdays


@given(ANY_WINDOW, INSTANT)
def test_the_next_occurrence_is_later_and_within_a_week_and_a_day(any_window, now):
    coming = any_window.next_occurrence(now)

    assert now < coming.begins_at <= now + timedelta(days=8)
    if coming.begins_at < coming.ends_at:
        assert any_window.occurrence_at(coming.begins_at) is not None


@pytest.mark.parametrize("zone", ["America/Nowhere", "", "../etc/passwd"])
def test_a_time_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(InvalidInput, match="time zone"):
        window(time(1), time(2), timezone=zone)


@pytest.mark.parametrize("weekdays", [(7,), (-1, 3)])
def test_a_day_that_does_not_exist_is_refused(weekdays):
    with pytest.raises(InvalidInput, match="weekdays"):
        window(time(1), time(2), *weekdays)


def test_a_window_on_no_day_is_refused():
    with pytest.raises(InvalidInput, match="weekdays"):
        ResetWindow(
            name="w", region="r", weekdays=(), begins=time(1), ends=time(2), timezone="UTC", source=""
        )


def test_a_time_with_a_zone_of_its_own_is_refused():
    with pytest.raises(InvalidInput, match="zone of its own"):
        window(time(1, tzinfo=UTC), time(2))


@pytest.mark.parametrize("ask", [in_window, next_window])
def test_an_instant_without_a_time_zone_is_refused(ask):
    with pytest.raises(InvalidInput, match="no time zone"):
        ask(datetime(2026, 7, 7), DEFAULT_WINDOWS)


def test_the_windows_of_a_region_are_those_of_its_pages():
    for region, windows in WINDOWS_OF_REGION.items():
        assert windows_of(region) == windows


def test_a_gateways_own_restart_is_a_quarter_of_an_hour_of_every_day_before_the_rest():
    own, *others = windows_of("europe", "23:55 Europe/Zurich")

    assert tuple(others) == WINDOWS_OF_REGION["europe"]
    for day in range(5, 12):
        assert in_window(at(ZURICH, 2026, 1, day, 23, 55), [own])
        assert in_window(at(ZURICH, 2026, 1, day + 1, 0, 9, 59), [own])
        assert not in_window(at(ZURICH, 2026, 1, day, 23, 54, 59), [own])
        assert not in_window(at(ZURICH, 2026, 1, day + 1, 0, 10), [own])


@pytest.mark.parametrize(
    ("region", "restart"),
    [
        ("Europe", ""),
        ("", ""),
        ("europe", "23:55"),
        ("europe", "25:00 Europe/Zurich"),
        ("europe", "23:55 Europe/Zurich now"),
        ("europe", "23:55 Europe/Zuerich"),
        ("europe", "23:55+01:00 Europe/Zurich"),
    ],
)
def test_a_region_or_a_restart_that_there_is_not_is_refused_with_what_is_valid(region, restart):
    with pytest.raises(InvalidInput, match=r"valid|time zone of its own"):
        windows_of(region, restart)
