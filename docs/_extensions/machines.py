"""The state machines of the library, each read from the code that runs."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from drawing import Machine

from ibkeel.ibkr import SessionState
from ibkeel.ibkr.states import TRANSITIONS, SessionEvent
from ibkeel.model import ClientOrderId, ExecId, OrderState
from ibkeel.orders import STATUS, OrderTruth
from ibkeel.orders.evidence import (
    CancelRequested,
    CancelUnanswered,
    ErrorFate,
    ErrorSeen,
    Evidence,
    Filled,
    LinkLost,
    Sent,
    StatusSeen,
    Unlisted,
    Vanished,
)
from ibkeel.resilience import Breaker, BreakerPolicy, BreakerState, Outcome

__all__ = ["EVIDENCE", "MACHINES", "breaker", "order_moves", "order_truth", "session"]

_ON_REQUEST: Final = frozenset({SessionEvent.CONNECT_ASKED, SessionEvent.DISCONNECT_ASKED})


def session() -> Machine:
    """The session's table; of the arrows that a wish to disconnect makes, one is drawn: out of the box without a link."""
    without_link = ("CONNECTING", "RECONNECTING", "MAINTENANCE")
    moves: dict[tuple[str, str], tuple[str, ...]] = {}
    for (state, event), following in TRANSITIONS.items():
        is_drawn = event is not SessionEvent.DISCONNECT_ASKED or state.name in without_link
        if following is not state and is_drawn:
            pair = state.name, following.name
            moves[pair] = (*moves.get(pair, ()), str(event))
    return Machine(
        states=tuple(state.name for state in SessionState),
        moves=moves,
        boxes={
            "no link": without_link,
            "a link": ("SYNCING", "READY", "DEGRADED", "UPSTREAM_LOST"),
        },
        good=frozenset({"READY"}),
        bad=frozenset({"RECONNECTING", "UPSTREAM_LOST"}),
    )


def breaker() -> Machine:
    """A breaker that opens at the second failure, as it answers each outcome in each state."""
    shaky = _settled(Breaker(policy=BreakerPolicy(failures=2)), Outcome.FAILED)
    broken = _settled(shaky, Outcome.FAILED)
    probing, _ = broken.admit(broken.wait(0.0))
    tries = (
        (shaky, "failures in a row,", broken),
        (shaky, "or too many slow calls", broken),
        (broken, "its time is over, and somebody calls", probing),
        (probing, "the probe works", _settled(probing, Outcome.SUCCEEDED)),
        (probing, "the probe fails: open for longer", _settled(probing, Outcome.FAILED)),
        (probing, "the probe is cancelled: the next call is it", _settled(probing, Outcome.IGNORED)),
    )
    moves: dict[tuple[str, str], tuple[str, ...]] = {}
    for before, words, after in tries:
        pair = before.state.name, after.state.name
        moves[pair] = (*moves.get(pair, ()), words)
    states = tuple(state.name for state in BreakerState)
    return Machine(states=states, moves=moves, good=frozenset({"CLOSED"}), bad=frozenset({"OPEN"}))


def _settled(breaker: Breaker, outcome: Outcome) -> Breaker:
    return breaker.settle(breaker.generation, outcome, now=0.0)


EVIDENCE: Final[Mapping[str, Evidence]] = {
    "sent": Sent(),
    **{f"status {text}": StatusSeen(status=text) for text in sorted(STATUS)},
    "a fill of a part": Filled(exec_id=ExecId("part"), quantity=1),
    "a fill of all": Filled(exec_id=ExecId("all"), quantity=2),
    "201": ErrorSeen(fate=ErrorFate.REJECTED, code=201),
    "202": ErrorSeen(fate=ErrorFate.CANCELLED, code=202),
    "code that refuses an order": ErrorSeen(fate=ErrorFate.REJECTED, code=0),
    "code that refuses a cancel": ErrorSeen(fate=ErrorFate.CANCEL_REFUSED, code=0),
    "code nobody knows": ErrorSeen(fate=ErrorFate.UNCERTAIN, code=0),
    "a notice": ErrorSeen(fate=ErrorFate.NOTICE, code=0),
    "cancel sent": CancelRequested(),
    "cancel not answered": CancelUnanswered(),
    "link lost": LinkLost(),
    "not on the list": Unlisted(),
    "on no list, twice": Vanished(reason="on no list"),
    "on no list, and of a day that is over": Vanished(reason="on no list", may_have_filled=True),
}
"""One piece of each kind of evidence, by the words that the pictures use."""


def order_moves() -> Mapping[tuple[OrderState, OrderState], tuple[str, ...]]:
    """Every change of state that evidence can cause once an order was sent, found by giving it all."""
    intent = OrderTruth(client_order_id=ClientOrderId("one"), quantity=2)
    sent = intent.saw(EVIDENCE["sent"])
    moves: dict[tuple[OrderState, OrderState], set[str]] = defaultdict(set)
    moves[intent.state, sent.state].add("sent")
    reached, waiting = {_essence(sent)}, [sent]
    while waiting:
        truth = waiting.pop(0)
        for words, after in _after_each(truth):
            if after.state is not truth.state:
                moves[truth.state, after.state].add(words)
            if _essence(after) not in reached:
                reached.add(_essence(after))
                waiting.append(after)
    return {pair: tuple(words for words in EVIDENCE if words in found) for pair, found in moves.items()}


def _after_each(truth: OrderTruth) -> Iterator[tuple[str, OrderTruth]]:
    return ((words, truth.saw(evidence)) for words, evidence in EVIDENCE.items())


def _essence(truth: OrderTruth) -> tuple[object, ...]:
    """What decides how the next piece of evidence is taken."""
    return truth.state, truth.may_work, truth.is_inferred, truth.filled, len(truth.fills)


def order_truth() -> Machine:
    """The order's states; of the arrows out of an end that was inferred from silence one is drawn."""
    found = order_moves()
    moves = {(a.name, b.name): _shown(words) for (a, b), words in found.items() if not a.is_final}
    if any(a.is_final for a, _ in found):
        moves["CANCELLED", "UNKNOWN"] = ("it was taken for gone,", "and speaks again")
    return Machine(
        states=tuple(state.name for state in OrderState),
        moves=moves,
        boxes={"open": ("SENT", "ACKNOWLEDGED", "WORKING", "PARTIALLY_FILLED", "CANCELLING")},
        roads=frozenset({"open"}),
        good=frozenset({"FILLED"}),
        bad=frozenset({"UNKNOWN", "REJECTED"}),
    )


def _shown(words: tuple[str, ...]) -> tuple[str, ...]:
    """A status by its bare name, as the venue writes it: the picture would be too wide."""
    return tuple(word.removeprefix("status ") for word in words)


MACHINES: Final[Mapping[str, Callable[[], Machine]]] = {
    "session": session,
    "breaker": breaker,
    "order-truth": order_truth,
}
"""Each machine by the name of its picture."""
