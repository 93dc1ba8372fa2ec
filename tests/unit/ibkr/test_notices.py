import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.ibkr.code_rows import ERROR_TABLE
from ibkeel.ibkr.codes import About
from ibkeel.ibkr.notices import Notices
from ibkeel.model import Grade
from ibkeel.telemetry import FarmChanged, GatewayNoticed, NullObserver
from ibkeel.virtual import DEFAULT_START


class Still:
    """A clock that stands still."""

    def monotonic(self):
        return 0.0

    def now(self):
        return DEFAULT_START


class Told:
    """Keeps what it was told."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


def heard(*notices):
    kept = Notices(Still(), NullObserver())
    for code, text in notices:
        kept.on_error(code, text)
    return {check.name: check.grade for check in kept.checks()}


@pytest.mark.parametrize(
    ("code", "grade"), [(1100, Grade.DOWN), (1101, Grade.OK), (1102, Grade.OK), (2110, Grade.DOWN)]
)
def test_the_last_word_on_the_link_upstream_counts(code, grade):
    assert heard((1100, "lost"), (code, "so it is now")) == {"upstream": grade}


def test_each_farm_has_a_grade_of_its_own():
    grades = heard(
        (2104, "Market data farm connection is OK:usfarm"),
        (2106, "HMDS data farm connection is OK:ushmds"),
        (2103, "Market data farm connection is broken:usfarm"),
    )

    assert grades == {"farm usfarm": Grade.DEGRADED, "farm ushmds": Grade.OK}


def test_the_notice_itself_is_the_evidence():
    notices = Notices(Still(), NullObserver())

    notices.on_error(1100, "lost")

    [check] = notices.checks()
    assert (check.evidence, check.at) == ("1100: lost", DEFAULT_START)


def test_a_person_is_told_what_to_do_as_long_as_something_is_amiss():
    notices = Notices(Still(), NullObserver())

    remedies = []
    for code in (1100, 1102):
        notices.on_error(code, "so it is now")
        remedies += [check.remedy for check in notices.checks()]

    assert remedies == [ERROR_TABLE.find(1100, "", About.SYSTEM).remedy, ""]
    assert remedies[0]


@pytest.mark.parametrize(
    ("text", "name"), [("broken: see below:usfarm", "farm usfarm"), ("broken:", "farm unnamed")]
)
def test_the_name_of_a_farm_stands_after_the_last_colon(text, name):
    assert heard((2103, text)) == {name: Grade.DEGRADED}


def test_the_observer_hears_of_every_notice_be_it_about_health_or_not():
    told = Told()
    notices = Notices(Still(), told)

    for code, text in ((1100, "lost"), (399, "order held")):
        notices.on_error(code, text)

    assert told.events == [
        GatewayNoticed(at=DEFAULT_START, code=1100, text="lost"),
        FarmChanged(at=DEFAULT_START, farm="upstream", before="", after="down", evidence="1100: lost"),
        GatewayNoticed(at=DEFAULT_START, code=399, text="order held"),
    ]


def test_the_observer_hears_of_a_farm_only_when_its_grade_changes():
    told = Told()
    notices = Notices(Still(), told)

    for code in (2103, 2103, 2104):
        notices.on_error(code, "news:usfarm")

    changes = [event for event in told.events if isinstance(event, FarmChanged)]
    assert [(row.farm, row.before, row.after) for row in changes] == [
        ("farm usfarm", "", "degraded"),
        ("farm usfarm", "degraded", "ok"),
    ]


def test_a_farm_that_comes_back_is_well_again():
    assert heard((2157, "broken:secdefnj"), (2158, "OK:secdefnj")) == {"farm secdefnj": Grade.OK}


@given(st.integers(-1, 20_000).filter(lambda code: not 1100 <= code < 2200), st.text())
def test_other_messages_say_nothing_about_health(code, text):
    assert heard((code, text)) == {}


def test_however_many_names_are_heard_a_hundred_are_kept_and_trouble_longest():
    many = [(2104, f"OK:farm{number}") for number in range(1000)]

    kept = heard((1100, "lost"), (2103, "broken:usfarm"), (2104, "OK:early"), *many, (2104, "OK:farm5"))

    assert len(kept) == 100
    assert (kept["upstream"], kept["farm usfarm"]) == (Grade.DOWN, Grade.DEGRADED)
    assert kept["farm farm5"] is kept["farm farm999"] is Grade.OK
    assert "farm early" not in kept


def test_of_more_than_a_hundred_in_trouble_the_link_upstream_is_kept():
    kept = heard((1100, "lost"), *((2103, f"broken:farm{number}") for number in range(1000)))

    assert len(kept) == 100
    assert kept["upstream"] is Grade.DOWN


def test_a_new_session_starts_without_notices():
    notices = Notices(Still(), NullObserver())
    notices.on_error(1100, "lost")

    notices.forget()

    assert notices.checks() == ()
