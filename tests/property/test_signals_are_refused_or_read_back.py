"""Whatever a strategy puts into a signal is refused when it is made, or read back as it was."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.journal import Decision, Journal, Look
from ibkeel.model import Direction, ExitPolicy, OptionWish, Quote, Reason, Signal, Stock

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
QUOTE = Quote(contract=Stock("SPY"), at=AT, bid=1.0, ask=1.1)

numbers = (
    st.floats()
    | st.integers()
    | st.booleans()
    | st.decimals()
    | st.floats(width=32).map(np.float32)
    | st.integers(-(2**63), 2**63 - 1).map(np.int64)
    | st.booleans().map(np.bool_)
)
texts = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(["\ud83d", "\x00", "😀"])
anything = numbers | texts | st.none() | st.binary(max_size=3) | st.just(np.array([1.0])) | st.just(object())
few = st.one_of(st.none(), st.integers(0, 90), st.integers(0, 90).map(np.int64), anything)
fractions = st.one_of(
    st.none(), st.floats(0.01, 0.9), st.floats(0.125, 0.875, width=32).map(np.float32), anything
)


def made(make):
    """What is made, or None when it is refused with its own error."""
    try:
        return make()
    except InvalidInput:
        return None


def reasons():
    return st.tuples(texts, numbers | anything, texts | anything).map(lambda row: made(lambda: Reason(*row)))


def kept(signal):
    """The signal of a look, and of a decision, as a journal gives them back."""
    look = Look(
        at=AT, symbol="SPY", cycle=1, outcome="no_signal", seconds=0.0, quote=QUOTE, quoted_at=AT, signal=signal, decided_at=AT
    )  # fmt: skip
    decision = Decision(at=AT, symbol="SPY", signal=signal, outcome="no_signal")
    with Journal.in_memory() as journal:
        journal.record_all((look, decision))
        return [entry.record.signal for entry in journal.events(Decision)]


@given(texts, anything, texts)
def test_a_reason_is_refused_or_read_back(name, value, rule):
    reason = made(lambda: Reason(name, value, rule))

    if reason is not None:
        signal = Signal(direction=Direction.NONE, reasons=(reason,))
        assert kept(signal) == [signal, signal]


@given(
    st.sampled_from(Direction) | st.sampled_from(["up", "none", "long"]),
    st.floats(0, 1) | st.floats(0, 1, width=32).map(np.float32) | st.decimals(0, 1) | anything,
    st.lists(reasons(), max_size=2) | st.tuples(reasons()) | anything,
    st.dictionaries(st.sampled_from(["min_dte", "max_dte"]), few),
    st.dictionaries(st.sampled_from(["stop_fraction", "take_profit_fraction"]), fractions),
    st.dictionaries(st.sampled_from(["trail_period", "min_dte", "ends_with_session"]), few | numbers),
)
def test_a_signal_is_refused_or_read_back(direction, confidence, why, wish, premium, time):
    signal = made(
        lambda: Signal(
            direction=direction,
            confidence=confidence,
            reasons=why,
            wish=OptionWish(**wish),
            exits=ExitPolicy(**premium, **time),
        )
    )

    if signal is not None:
        assert kept(signal) == [signal, signal]


def test_both_ends_are_reached():
    assert made(lambda: Reason("rsi14", Decimal(1))) == Reason("rsi14", 1.0)
    assert made(lambda: Reason("rsi14", float("nan"))) is None
