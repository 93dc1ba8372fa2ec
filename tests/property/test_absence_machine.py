"""An order that nobody answered for: that it left no trace is said only when it is so, and never of one to come."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ibkeel.orders import Reading, proof_of_absence

NAME = "ibk-20260105-r1-0001"
NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
BEFORE_MIDNIGHT = datetime(2026, 1, 6, 4, 58, tzinfo=UTC)  # of the venue's day, in New York
DAY_OVER = datetime(2026, 1, 6, 5, tzinfo=UTC)
ON_THE_WAY = 9  # seconds from a good session's Gateway to the venue's lists, at most


class Absence(RuleBasedStateMachine):
    """A Gateway that may lose an order, hold it while it is cut off, or be slow with it."""

    @initialize(
        start=st.sampled_from([NOON, BEFORE_MIDNIGHT]),
        is_lost=st.booleans(),
        is_cut_off=st.booleans(),
        delay=st.integers(0, ON_THE_WAY),
        is_filled=st.booleans(),
    )
    def send(self, start, is_lost, is_cut_off, delay, is_filled):
        self.sent_at = self.now = start
        self.is_lost, self.is_cut_off, self.is_filled = is_lost, is_cut_off, is_filled
        self.left = delay
        self.was_listed, self.is_good_since = False, start
        self.readings, self.was_ready = [], False

    @property
    def has_arrived(self):
        return not self.is_lost and self.left <= 0

    @rule(seconds=st.integers(1, 30))
    def time_goes_by(self, seconds):
        self.now += timedelta(seconds=seconds)
        if not self.is_cut_off:
            self.left -= seconds

    @rule()
    def the_link_to_the_venue_goes_or_comes(self):
        self.is_cut_off = not self.is_cut_off

    def _names(self):
        """A fill is listed on its own day only; a working order always."""
        is_listed = self.has_arrived and not (self.is_filled and self.now >= DAY_OVER)
        return [NAME] if is_listed and not self.is_cut_off else []

    @rule()
    def the_lists_are_read(self):
        names = self._names()
        self.was_listed |= bool(names)
        self.readings.append(Reading(at=self.now, was_ready=not self.is_cut_off, names=names))

    @rule()
    def the_lists_are_read_while_the_link_comes_and_goes(self):
        self.readings.append(Reading(at=self.now, was_ready=False, names=[]))

    def _proof(self):
        return proof_of_absence(NAME, sent_at=self.sent_at, readings=self.readings)

    @invariant()
    def only_an_order_that_never_arrives_is_said_to_be_absent(self):
        if self._proof():
            assert self.is_lost

    @invariant()
    def one_that_was_listed_once_is_never_absent(self):
        if self.was_listed:
            assert self._proof() is None

    @precondition(lambda self: self.is_lost and not self.is_cut_off)
    @rule()
    def a_lost_order_is_known_to_be_lost_by_two_readings_on_a_good_session(self):
        for _ in range(2):
            self.now += timedelta(seconds=10)
            self.the_lists_are_read()
        same_day = self.now < DAY_OVER or self.sent_at >= DAY_OVER
        assert (self._proof() is not None) is same_day


Absence.TestCase.settings = settings(stateful_step_count=15)
TestAbsence = Absence.TestCase
