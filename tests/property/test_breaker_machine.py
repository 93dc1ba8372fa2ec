"""Whatever the order of waits, calls and outcomes, the promises of the breaker hold.

Time is in whole seconds. The model keeps a list of what happened and derives the state from it.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ibkeel.resilience import Breaker, BreakerPolicy, BreakerState, Outcome

FAILURES = 3
OPEN_FOR = (8, 16, 32)
PROBE = 20
SLOW_AFTER = 5
SLOW_LIMIT, SLOW_WINDOW = 2, 4

POLICY = BreakerPolicy(
    failures=FAILURES,
    open_seconds=OPEN_FOR[0],
    longest_open=OPEN_FOR[-1],
    probe_seconds=PROBE,
    slow_after=SLOW_AFTER,
    slow_limit=SLOW_LIMIT,
    slow_window=SLOW_WINDOW,
)


class BreakerMachine(RuleBasedStateMachine):
    """Calls overlap; each ends when it likes, or never."""

    def __init__(self):
        super().__init__()
        self.now = 0
        self.breaker = Breaker(policy=POLICY)
        self.in_flight = []  # (ticket, era in which it began, started at)
        self.era = 0  # rises when the model says that the state changed
        self.shut_until = None  # None: closed
        self.probe_until = None
        self.openings = 0
        self.row = 0
        self.lately = []

    def turn(self):
        self.era += 1
        self.row, self.lately = 0, []

    def trip(self):
        self.turn()
        self.openings += 1
        self.probe_until = None
        self.shut_until = self.now + OPEN_FOR[min(self.openings, len(OPEN_FOR)) - 1]

    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def call(self):
        blocked_until = self.shut_until if self.probe_until is None else self.probe_until

        self.breaker, ticket = self.breaker.admit(self.now)

        if blocked_until is None:
            assert ticket is not None
        elif self.now < blocked_until:
            assert ticket is None
            return
        else:
            assert ticket is not None
            self.turn()
            self.probe_until = self.now + PROBE
        self.in_flight.append((ticket, self.era, self.now))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def finish(self, data, outcome):
        place = data.draw(st.integers(0, len(self.in_flight) - 1))
        ticket, era, started = self.in_flight.pop(place)
        seconds = self.now - started
        before = self.breaker

        self.breaker = before.settle(ticket, outcome, now=self.now, seconds=seconds)

        if era != self.era:
            assert self.breaker == before
        elif self.probe_until is not None:
            self.probed(outcome, seconds)
        elif outcome is not Outcome.IGNORED:
            self.counted(outcome, seconds)

    def probed(self, outcome, seconds):
        if outcome is Outcome.IGNORED:
            self.turn()
            self.shut_until, self.probe_until = self.now, None
        elif outcome is Outcome.FAILED or seconds >= SLOW_AFTER:
            self.trip()
        else:
            self.turn()
            self.openings, self.shut_until, self.probe_until = 0, None, None

    def counted(self, outcome, seconds):
        self.row = self.row + 1 if outcome is Outcome.FAILED else 0
        self.lately = [*self.lately, seconds >= SLOW_AFTER][-SLOW_WINDOW:]
        if self.row >= FAILURES or sum(self.lately) >= SLOW_LIMIT:
            self.trip()

    @rule()
    def open_by_hand(self):
        self.breaker = self.breaker.opened(self.now)
        self.trip()

    @rule()
    def ask_for_a_probe(self):
        self.breaker = self.breaker.probed_next(self.now)
        if self.shut_until is not None:
            self.turn()
            self.shut_until, self.probe_until = self.now, None

    @rule()
    def close_by_hand(self):
        self.breaker = self.breaker.closed()
        self.turn()
        self.openings, self.shut_until, self.probe_until = 0, None, None

    @invariant()
    def it_is_in_the_state_that_the_story_gives(self):
        if self.probe_until is not None:
            expected = BreakerState.HALF_OPEN
        else:
            expected = BreakerState.CLOSED if self.shut_until is None else BreakerState.OPEN
        assert self.breaker.state is expected
        assert self.breaker.openings == self.openings

    @invariant()
    def at_most_one_probe_is_awaited(self):
        current = [ticket for ticket, _, _ in self.in_flight if ticket == self.breaker.generation]
        assert self.breaker.state is not BreakerState.HALF_OPEN or len(current) <= 1

    @invariant()
    def a_calm_one_is_not_changed_by_a_fast_success(self):
        if self.breaker.is_calm:
            breaker, ticket = self.breaker.admit(self.now)
            assert breaker.settle(ticket, Outcome.SUCCEEDED, now=self.now) == self.breaker


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
