"""Whatever is asked, cancelled and ended, in whatever order: the limits hold and nobody is lost.

Time is in whole seconds. The model counts what a receiver would see, and knows nothing of queues.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ibkeel.resilience import Admission, Lane, Request, Rule

MESSAGES = 6
ORDER_RESERVE = 2
CLOSING_RESERVE = 1
HISTORY = 5
SAME = 2
OPEN = 3


def is_history(request):
    return request.kind == "history"


RULES = (
    Rule(
        name="same",
        limit=1,
        seconds=7.0,
        source="t",
        key=lambda request: request.identity or None if is_history(request) else None,
    ),
    Rule(
        name="subject",
        limit=SAME,
        seconds=2.0,
        source="t",
        key=lambda request: request.subject if is_history(request) else None,
        weight=lambda request: 2 if request.feed == "BID_ASK" else 1,
    ),
    Rule(
        name="history",
        limit=HISTORY,
        seconds=10.0,
        source="t",
        key=lambda request: "" if is_history(request) else None,
        weight=lambda request: 2 if request.feed == "BID_ASK" else 1,
    ),
    Rule(
        name="open",
        limit=OPEN,
        seconds=None,
        source="t",
        key=lambda request: "" if is_history(request) else None,
    ),
    Rule(
        name="messages",
        limit=MESSAGES,
        seconds=1.0,
        source="t",
        order_reserve=ORDER_RESERVE,
        closing_reserve=CLOSING_RESERVE,
    ),
)

lanes = st.sampled_from(Lane)
histories = st.builds(
    Request,
    kind=st.just("history"),
    lane=st.just(Lane.HISTORY),
    subject=st.sampled_from(["SPY", "QQQ"]),
    feed=st.sampled_from(["TRADES", "BID_ASK"]),
    identity=st.sampled_from(["a", "b", ""]),
)
messages = st.builds(Request, kind=st.just("other"), lane=lanes)


def weight(request):
    return 2 if request.feed == "BID_ASK" else 1


class PacingMachine(RuleBasedStateMachine):
    """Asks, waits, cancels and ends at will."""

    tickets = Bundle("tickets")

    def __init__(self):
        super().__init__()
        self.now = 0
        self.admission = Admission(RULES, patience=3.0)
        self.received = []
        self.open = set()
        self.waiting = []
        self.order = {}

    def note(self, ticket):
        assert ticket.granted_at == self.now
        self.received.append((self.now, ticket))
        self.open.add(ticket)

    def advance(self):
        for ticket in self.admission.advance(self.now):
            self.waiting.remove(ticket)
            self.note(ticket)

    @rule(target=tickets, request=st.one_of(histories, messages))
    def ask(self, request):
        ticket = self.admission.ask(request, self.now)
        self.order[ticket] = len(self.order)
        if ticket.is_waiting:
            self.waiting.append(ticket)
        else:
            self.note(ticket)
        return ticket

    @rule(request=st.one_of(histories, messages), number=st.integers(2, 12))
    def ask_many(self, request, number):
        for _ in range(number):
            self.ask(request)

    @rule(seconds=st.integers(1, 12), with_steps=st.booleans())
    def wait(self, seconds, with_steps):
        if with_steps:
            for _ in range(seconds):
                self.now += 1
                self.advance()
        else:
            self.now += seconds
            self.advance()

    @rule(ticket=consumes(tickets))
    def withdraw(self, ticket):
        was_waiting = ticket in self.waiting

        assert self.admission.withdraw(ticket, self.now) == was_waiting

        if was_waiting:
            self.waiting.remove(ticket)
        self.advance()

    @rule(ticket=tickets)
    def end(self, ticket):
        self.admission.release(ticket, self.now)
        self.open.discard(ticket)
        self.advance()

    @rule()
    def end_all(self):
        for ticket in sorted(self.open, key=self.order.get):
            self.admission.release(ticket, self.now)
        self.open.clear()
        self.advance()

    @rule()
    def restart(self):
        """Those who wait are gone; what was sent still counts."""
        for ticket in self.waiting:
            self.admission.withdraw(ticket, self.now)
        self.waiting.clear()
        usage = self.admission.usage(self.now)
        self.admission = Admission(RULES, patience=3.0)
        self.admission.put_back(usage, self.now)
        self.open.clear()

    def within(self, seconds):
        return [ticket for at, ticket in self.received if at > self.now - seconds]

    @invariant()
    def the_receiver_sees_no_limit_exceeded(self):
        """Checked at every step, so every window that ends at some event is looked at."""
        second = self.within(1)
        assert len(second) <= MESSAGES
        assert sum(ticket.lane >= Lane.OPENING for ticket in second) <= MESSAGES - CLOSING_RESERVE
        assert sum(ticket.lane >= Lane.PROBE for ticket in second) <= MESSAGES - ORDER_RESERVE
        assert sum(weight(t.request) for t in self.within(10) if is_history(t.request)) <= HISTORY
        subjects = Counter()
        for ticket in self.within(2):
            if is_history(ticket.request):
                subjects[ticket.request.subject] += weight(ticket.request)
        assert max(subjects.values(), default=0) <= SAME
        repeats = Counter(t.request.identity for t in self.within(7) if t.request.identity)
        assert max(repeats.values(), default=0) <= 1
        assert sum(is_history(ticket.request) for ticket in self.open) <= OPEN

    @invariant()
    def who_waits_is_counted(self):
        by_lane = Counter(ticket.lane for ticket in self.waiting)
        assert self.admission.waiting == [by_lane[lane] for lane in Lane]
        assert all(ticket.is_waiting for ticket in self.waiting)

    @invariant()
    def nobody_waits_for_nothing(self):
        """A message that waits could not have gone: its second is full for its lane."""
        plain = [ticket for ticket in self.waiting if not is_history(ticket.request)]
        second = self.within(1)
        for ticket in plain:
            data = sum(other.lane >= Lane.PROBE for other in second)
            opening = sum(other.lane >= Lane.OPENING for other in second)
            full = len(second) >= MESSAGES
            full |= ticket.lane >= Lane.OPENING and opening >= MESSAGES - CLOSING_RESERVE
            full |= ticket.lane >= Lane.PROBE and data >= MESSAGES - ORDER_RESERVE
            assert full

    @invariant()
    def equals_go_in_order(self):
        last = {}
        for _, ticket in self.received:
            assert last.get(ticket.request, -1) < self.order[ticket]
            last[ticket.request] = self.order[ticket]

    def teardown(self):
        """Given time, and the ends of what is open, everybody goes."""
        for _ in range(40 * (len(self.waiting) + 1)):
            self.end_all()
            if not self.waiting:
                break
            self.now += 1
            self.advance()
            self.the_receiver_sees_no_limit_exceeded()
        assert not self.waiting
        assert self.admission.next_at() is None or self.admission.next_at() >= self.now


TestPacing = PacingMachine.TestCase
TestPacing.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
