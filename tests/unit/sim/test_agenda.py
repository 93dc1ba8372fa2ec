"""The queue in time, and the window that counts."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.client import Agenda
from ibkeel.sim.counters import SlidingWindow

START = datetime(2026, 1, 5, tzinfo=UTC)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans())))
def test_actions_run_by_instant_then_by_the_order_of_adding(entries):
    agenda, ran = Agenda(), []
    for number, (second, cancelled) in enumerate(entries):
        ticket = agenda.add(
            START + timedelta(seconds=second), lambda _now, each=(second, number): ran.append(each)
        )
        if cancelled:
            ticket.cancel()

    while (due := agenda.pop_due(START + timedelta(seconds=9))) is not None:
        due.run(due.at)

    kept = [(second, n) for n, (second, cancelled) in enumerate(entries) if not cancelled]
    assert ran == sorted(kept)
    assert agenda.next_at() is None


def test_nothing_is_due_before_its_time():
    agenda = Agenda()
    agenda.add(START, lambda _now: None)

    assert agenda.pop_due(START - timedelta(microseconds=1)) is None
    assert agenda.next_at() == START


def test_a_ticket_runs_once():
    ran = []
    ticket = Agenda().add(START, ran.append)

    ticket.run(START)
    ticket.run(START)

    assert ran == [START]
    assert ticket.is_cancelled


@given(st.lists(st.integers(0, 30)), st.integers(1, 5))
def test_a_window_admits_what_a_plain_count_admits(gaps, limit):
    window, times, now = SlidingWindow(limit, 10.0), [], 0

    for gap in gaps:
        now += gap
        times.append(now)
        assert window.record(now) == (sum(now - each < 10 for each in times) <= limit)
