"""Whatever interrupts a stream, it either ticks again or somebody hears of it, and no step is taken twice."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ibkeel.ibkr.ticks import Restoration, Step

ORDER = (Step.RESUBSCRIBE, Step.RECONNECT, Step.GIVE_UP)


class RestorationMachine(RuleBasedStateMachine):
    """A stream that was interrupted, deadlines that pass, and a Gateway that may or may not serve it."""

    @initialize(since=st.floats(0, 1e6))
    def interrupted(self, since):
        self.since = since
        self.restoration = Restoration(since=since)
        self.has_ticked = False
        self.taken = []  # what was done about it, in order
        self.was_sent_for_us = False  # by a new link or lost data

    @rule()
    def tick(self):
        self.has_ticked = True

    @rule()
    @precondition(lambda self: not self.has_ticked)
    def new_link(self):
        self.restoration = self.restoration.sent()
        self.was_sent_for_us = True

    @rule(is_due=st.booleans())
    def deadline(self, is_due):
        before = self.restoration
        self.restoration, step = before.step(has_ticked=self.has_ticked, is_due=is_due)

        if self.has_ticked:
            assert (step, self.restoration) == (Step.RESTORED, before)
        elif not is_due:
            assert (step, self.restoration) == (Step.WAIT, before)
        else:
            assert step in ORDER
            self.taken.append(step)

    @invariant()
    def no_remedy_is_tried_twice_and_none_out_of_order(self):
        remedies = [step for step in self.taken if step is not Step.GIVE_UP]
        assert remedies == sorted(set(remedies), key=ORDER.index)

    @invariant()
    def it_is_given_up_only_after_a_new_connection(self):
        if Step.GIVE_UP in self.taken:
            assert Step.RECONNECT in self.taken[: self.taken.index(Step.GIVE_UP)]

    @invariant()
    def what_was_sent_by_the_session_is_not_sent_again_for_nothing(self):
        if self.was_sent_for_us and Step.RESUBSCRIBE in self.taken:
            assert self.taken[0] is Step.RESUBSCRIBE  # it had been, before the session did

    @invariant()
    def it_knows_since_when(self):
        assert self.restoration.since == self.since

    def teardown(self):
        """Three deadlines that find a tick due are enough, whatever came before."""
        if getattr(self, "restoration", None) is None or self.has_ticked:
            return
        for _ in range(3):
            self.deadline(is_due=True)
        assert self.taken[-1] is Step.GIVE_UP


TestRestoration = RestorationMachine.TestCase
TestRestoration.settings = settings(max_examples=60, stateful_step_count=20)
