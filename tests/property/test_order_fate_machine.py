"""One order, a venue with a book of its own, and between them a wire that doubles, delays, reorders and drops."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ibkeel.model import OrderState
from ibkeel.orders import (
    CancelRequested,
    ErrorFate,
    ErrorSeen,
    Filled,
    LinkLost,
    OrderTruth,
    Sent,
    StatusSeen,
    Unlisted,
    Vanished,
)

QUANTITY = 3
ENDS = {"Filled": OrderState.FILLED, "Cancelled": OrderState.CANCELLED, "Rejected": OrderState.REJECTED}
REJECTED = ErrorSeen(fate=ErrorFate.REJECTED, code=201, text="no")
CANCELLED = ErrorSeen(fate=ErrorFate.CANCELLED, code=202)
CANCEL_REFUSED = ErrorSeen(fate=ErrorFate.CANCEL_REFUSED, code=10148)
NOTICE = ErrorSeen(fate=ErrorFate.NOTICE, code=399)
NEW_CODE = ErrorSeen(fate=ErrorFate.UNCERTAIN, code=19999)
LISTED = {
    OrderState.ACKNOWLEDGED,
    OrderState.WORKING,
    OrderState.PARTIALLY_FILLED,
    OrderState.CANCELLING,
}
LIES = (
    REJECTED,
    CANCELLED,
    StatusSeen(status="Submitted"),
    StatusSeen(status="Cancelled", filled=0.0),
    StatusSeen(status="Filled", filled=float(QUANTITY)),
    Filled(exec_id="lie", quantity=2.0),
)


class Book:
    """The venue's own record of the order, written without a look at the code under test."""

    def __init__(self):
        self.status = None  # never heard of
        self.executions = []

    @property
    def filled(self):
        return float(sum(quantity for _, quantity in self.executions))

    @property
    def is_live(self):
        return self.status in {"PreSubmitted", "Submitted", "PendingCancel"}

    def fill(self, quantity):
        """Trade a part; what the venue says of it."""
        name = f"e{len(self.executions)}"
        self.executions.append((name, quantity))
        if self.filled == QUANTITY:
            self.status = "Filled"
        elif self.status != "PendingCancel":
            self.status = "Submitted"
        return [Filled(exec_id=name, quantity=float(quantity)), self.report()]

    def report(self):
        return StatusSeen(status=self.status, filled=self.filled)


class Told:
    """What anybody can know who heard the same, kept as plain sets and numbers."""

    def __init__(self):
        self.executions, self.reported, self.ends, self.statuses = {}, 0.0, [], set()
        self.is_dark = False

    @property
    def filled(self):
        return max(self.reported, sum(self.executions.values()))

    def hear(self, piece):
        if isinstance(piece, Filled):
            self.executions[piece.exec_id] = piece.quantity
        elif isinstance(piece, StatusSeen):
            self.reported = max(self.reported, piece.filled or 0.0)
            self.statuses.add(piece.status)
            self.is_dark = False
            if piece.status in ENDS:
                self.ends.append(ENDS[piece.status])
        elif piece in (REJECTED, CANCELLED):
            self.ends.append(ENDS["Rejected" if piece is REJECTED else "Cancelled"])
        elif piece is not NOTICE:
            self.is_dark = True
        if self.filled >= QUANTITY:
            self.ends.append(OrderState.FILLED)


class OrderFate(RuleBasedStateMachine):
    """What we believe never runs ahead of what the venue did and we were told."""

    @initialize(is_lost=st.booleans())
    def begin(self, is_lost):
        self.truth = OrderTruth(client_order_id="x", quantity=QUANTITY)
        self.book, self.told = Book(), Told()
        self.is_lost, self.was_sent, self.asked_to_cancel = is_lost, False, False
        self.on_the_way, self.delivered = [], []
        self.was_lied_to = False
        self.past = []

    def _hear(self, piece):
        self.past.append(self.truth)
        self.told.hear(piece)
        self.truth = self.truth.saw(piece)

    def _say(self, *pieces):
        self.on_the_way.extend(pieces)

    @precondition(lambda self: not self.was_sent)
    @rule()
    def send(self):
        self.was_sent = True
        self.truth = self.truth.saw(Sent())
        if not self.is_lost:
            self.book.status = "Arrived"

    @precondition(lambda self: self.book.status == "Arrived")
    @rule(is_accepted=st.booleans())
    def the_venue_takes_or_refuses_it(self, is_accepted):
        self.book.status = "PreSubmitted" if is_accepted else "Rejected"
        self._say(self.book.report() if is_accepted else REJECTED)

    @precondition(lambda self: self.book.status == "PreSubmitted")
    @rule()
    def it_works(self):
        self.book.status = "Submitted"
        self._say(self.book.report())

    @precondition(lambda self: self.book.is_live)
    @rule(data=st.data())
    def it_fills(self, data):
        left = QUANTITY - int(self.book.filled)
        self._say(*self.book.fill(data.draw(st.integers(1, left))))

    @precondition(lambda self: self.was_sent and not self.asked_to_cancel)
    @rule()
    def we_ask_to_cancel(self):
        self.asked_to_cancel = True
        self.truth = self.truth.saw(CancelRequested())
        if self.book.is_live:
            self.book.status = "PendingCancel"
            self._say(self.book.report())
        elif self.book.status in ENDS:
            self._say(CANCEL_REFUSED)

    @precondition(lambda self: self.book.is_live)
    @rule()
    def the_venue_cancels_asked_or_not(self):
        self.book.status = "Cancelled"
        self._say(self.book.report(), CANCELLED)

    @precondition(lambda self: self.on_the_way)
    @rule(data=st.data(), fate=st.sampled_from(["arrives", "arrives twice", "is lost"]))
    def a_message(self, data, fate):
        piece = self.on_the_way.pop(data.draw(st.integers(0, len(self.on_the_way) - 1)))
        if fate == "is lost":
            return
        self.delivered.append(piece)
        self._hear(piece)
        if fate == "arrives twice":
            once = self.truth
            self._hear(piece)
            assert self.truth == once

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def an_old_message_comes_again(self, data):
        self._hear(data.draw(st.sampled_from(self.delivered)))

    @rule(piece=st.sampled_from([NOTICE, NEW_CODE]))
    def a_code_that_says_nothing(self, piece):
        if self.was_sent:
            self._hear(piece)

    @rule()
    def the_link_ends(self):
        self.on_the_way.clear()
        self.delivered.clear()
        self.truth = self.truth.saw(LinkLost())
        self.told.is_dark |= self.was_sent

    @precondition(lambda self: self.was_sent and self.book.status != "Arrived")
    @rule()
    def the_lists_are_read(self):
        """Of a refused order no list says that it was refused."""
        for name, quantity in self.book.executions:
            self._hear(Filled(exec_id=name, quantity=float(quantity)))
        if self.book.is_live or self.book.status in {"Filled", "Cancelled"}:
            self._hear(self.book.report())
            if not self.was_lied_to:
                self.agree()
            return
        self.told.is_dark |= self.truth.state in LISTED
        self.truth = self.truth.saw(Unlisted())

    def agree(self):
        """With the lists in hand nothing is unknown, and nothing is behind the venue but an ask to cancel."""
        assert self.truth.filled == self.book.filled
        assert not self.truth.contradictions
        if self.book.status in ENDS:
            assert self.truth.state is ENDS[self.book.status]
        else:
            assert self.truth.state is not OrderState.UNKNOWN
            assert not self.truth.state.is_final

    @precondition(lambda self: self.was_sent and self.book.status is None and not self.was_lied_to)
    @rule()
    def it_is_proved_to_have_left_no_trace(self):
        self.the_lists_are_read()
        self.truth = self.truth.saw(Vanished(reason="on no list"))
        assert self.truth.state is OrderState.CANCELLED
        assert self.truth.is_inferred

    @precondition(lambda self: self.was_sent)
    @rule(piece=st.sampled_from(LIES))
    def the_wire_lies(self, piece):
        before = self.truth
        claims = Told()
        claims.hear(piece)
        self.was_lied_to = True
        self._hear(piece)
        if before.state.is_final and not before.is_inferred and claims.ends:
            clash = set(claims.ends) - {before.state}
            assert not clash or self.truth.must_reconcile

    @invariant()
    def nothing_is_forgotten(self):
        for before, after in zip(self.past[-1:], [self.truth], strict=False):
            assert after.filled >= before.filled
            assert after.contradictions[: len(before.contradictions)] == before.contradictions
            assert not before.state.is_final or before.is_inferred or after.state is before.state

    @invariant()
    def an_end_is_claimed_only_when_it_was_told(self):
        if self.truth.state.is_final and not self.truth.is_inferred:
            assert self.truth.state in self.told.ends

    @invariant()
    def what_was_told_is_known(self):
        assert self.truth.filled == self.told.filled
        if self.told.ends:
            assert self.truth.state.is_final or self.truth.contradictions

    @invariant()
    def what_is_believed_is_what_the_venue_did(self):
        if self.was_lied_to:
            return
        assert self.truth.filled <= self.book.filled
        if self.truth.state.is_final and not self.truth.is_inferred:
            assert self.truth.state is ENDS.get(self.book.status)
        if self.truth.state is OrderState.CANCELLING:
            assert self.asked_to_cancel
        if self.truth.state in {OrderState.WORKING, OrderState.ACKNOWLEDGED}:
            assert self.told.statuses

    @invariant()
    def nobody_pretends_to_know_in_the_dark(self):
        if self.told.is_dark and self.was_sent and not self.truth.state.is_final:
            assert self.truth.state is OrderState.UNKNOWN
            assert self.truth.must_reconcile


OrderFate.TestCase.settings = settings(stateful_step_count=40)
TestOrderFate = OrderFate.TestCase
