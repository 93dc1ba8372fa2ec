from hypothesis import given
from hypothesis import strategies as st

from ibkeel.model import OrderState
from ibkeel.orders import (
    STATUS,
    CancelRequested,
    ErrorFate,
    ErrorSeen,
    Filled,
    LinkLost,
    OrderTruth,
    Sent,
    StatusSeen,
)

evidence = st.one_of(
    st.builds(Sent),
    st.builds(CancelRequested),
    st.builds(LinkLost),
    st.builds(
        StatusSeen,
        status=st.sampled_from([*sorted(STATUS), "Sleeping"]),
        filled=st.none() | st.integers(0, 4).map(float),
    ),
    st.builds(Filled, exec_id=st.sampled_from("abcd"), quantity=st.integers(1, 2).map(float)),
    st.builds(ErrorSeen, fate=st.sampled_from(ErrorFate), code=st.integers(100, 10400)),
)


@given(st.lists(evidence, max_size=12))
def test_whatever_arrives_ends_are_final_and_fills_never_shrink(pieces):
    truth = OrderTruth(client_order_id="x", quantity=3)

    for piece in pieces:
        before, truth = truth, truth.saw(piece)

        assert truth.filled >= before.filled
        assert len(truth.contradictions) >= len(before.contradictions)
        if before.state.is_final:
            assert truth.state is before.state
        if truth.state is OrderState.FILLED:
            assert truth.filled >= truth.quantity


@given(st.lists(evidence, max_size=8))
def test_the_same_evidence_at_once_again_changes_nothing(pieces):
    truth = OrderTruth(client_order_id="x", quantity=3)

    for piece in pieces:
        truth = truth.saw(piece)

        assert truth.saw(piece) == truth


@given(st.lists(evidence, max_size=8))
def test_only_the_venue_ends_unknown(pieces):
    truth = OrderTruth(client_order_id="x", quantity=3)

    for piece in pieces:
        before, truth = truth, truth.saw(piece)

        if before.state is OrderState.UNKNOWN and isinstance(piece, Sent | CancelRequested | LinkLost):
            assert truth.state is OrderState.UNKNOWN
