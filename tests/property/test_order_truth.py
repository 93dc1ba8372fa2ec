from hypothesis import given
from hypothesis import strategies as st

from ibkeel.ibkr.code_rows import ERROR_TABLE
from ibkeel.ibkr.codes import About, Meaning
from ibkeel.model import OrderState
from ibkeel.orders import (
    STATUS,
    CancelRequested,
    CancelUnanswered,
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

evidence = st.one_of(
    st.builds(Sent),
    st.builds(CancelRequested),
    st.builds(CancelUnanswered),
    st.builds(LinkLost),
    st.builds(Unlisted),
    st.builds(
        StatusSeen,
        status=st.sampled_from([*sorted(STATUS), "Sleeping"]),
        filled=st.none() | st.integers(0, 4).map(float),
    ),
    st.builds(Filled, exec_id=st.sampled_from("abcd"), quantity=st.integers(1, 2).map(float)),
    st.builds(ErrorSeen, fate=st.sampled_from(ErrorFate), code=st.integers(100, 10400)),
)


asked = st.sampled_from([0.0, 2.0, 3.0, 4.0])  # by a change


@given(st.lists(evidence, max_size=12), asked)
def test_whatever_arrives_ends_are_final_and_fills_never_shrink(pieces, asked):
    truth = OrderTruth(client_order_id="x", quantity=3, asked=asked)

    for piece in pieces:
        before, truth = truth, truth.saw(piece)

        assert truth.filled >= before.filled
        assert len(truth.contradictions) >= len(before.contradictions)
        if before.state.is_final:
            assert truth.state is before.state
        if truth.state is OrderState.FILLED:
            assert truth.filled >= truth.quantity > 0


@given(st.lists(evidence, max_size=8), asked)
def test_the_same_evidence_at_once_again_changes_nothing(pieces, asked):
    truth = OrderTruth(client_order_id="x", quantity=3, asked=asked)

    for piece in pieces:
        truth = truth.saw(piece)

        assert truth.saw(piece) == truth


@given(st.lists(evidence, max_size=8))
def test_only_the_venue_ends_unknown(pieces):
    truth = OrderTruth(client_order_id="x", quantity=3)

    for piece in pieces:
        before, truth = truth, truth.saw(piece)

        if before.state is OrderState.UNKNOWN and isinstance(
            piece, Sent | CancelRequested | CancelUnanswered | LinkLost
        ):
            assert truth.state is OrderState.UNKNOWN


# Fates that only a row about a new order can have are refused by Meaning for the others.
rows_of_users = st.builds(
    Meaning,
    code=st.integers(100, 110),
    about=st.just(About.ORDER),
    pattern=st.sampled_from(["", "no"]),
    fate=st.sampled_from(ErrorFate),
) | st.builds(
    Meaning,
    code=st.integers(100, 110),
    about=st.just(About.CHANGE),
    fate=st.sampled_from([ErrorFate.NOTICE, ErrorFate.UNCERTAIN, ErrorFate.CANCEL_REFUSED]),
)
codes = (
    st.integers(100, 110) | st.sampled_from([row.code for row in ERROR_TABLE.rows]) | st.integers(1, 20_000)
)
signs_of_life = st.sampled_from(
    [
        StatusSeen(status="PreSubmitted"),
        StatusSeen(status="Submitted"),
        StatusSeen(status="Submitted", filled=1.0),
        StatusSeen(status="PendingCancel"),
        StatusSeen(status="Inactive"),
        Filled(exec_id="z", quantity=1.0),
        LinkLost(),
    ]
)


@given(
    rows_of_users,
    signs_of_life,
    st.lists(st.tuples(codes, st.text(max_size=3), st.sampled_from([About.ORDER, About.CHANGE])), max_size=6),
)
def test_no_code_but_201_and_202_kills_an_order_that_may_work_whatever_the_table_says(row, life, errors):
    table = ERROR_TABLE.with_rows(row)
    truth = OrderTruth(client_order_id="x", quantity=3).saw(Sent()).saw(life)

    for code, text, about in errors:
        if code not in {201, 202}:
            meaning = table.find(code, text, about)
            truth = truth.saw(ErrorSeen(fate=meaning.fate, code=code, text=text))

    assert not truth.state.is_final


@given(st.sampled_from(ErrorFate), codes, st.text(max_size=3))
def test_no_code_at_all_undoes_a_fill(fate, code, text):
    filled = (
        OrderTruth(client_order_id="x", quantity=3).saw(Sent()).saw(StatusSeen(status="Filled", filled=3.0))
    )

    truth = filled.saw(ErrorSeen(fate=fate, code=code, text=text))

    assert (truth.state, truth.filled) == (OrderState.FILLED, 3)


@given(st.lists(evidence, max_size=8), st.lists(evidence, max_size=4), st.booleans())
def test_an_order_taken_for_gone_comes_back_when_the_venue_speaks_of_it(pieces, more, may_have_filled):
    truth = OrderTruth(client_order_id="x", quantity=3)
    for piece in pieces:
        truth = truth.saw(piece)
    before = truth

    truth = truth.saw(Vanished(reason="on no list", may_have_filled=may_have_filled))

    assert truth.is_inferred is (before.state in {OrderState.SENT, OrderState.UNKNOWN})
    if truth.is_inferred:
        assert truth.state is (OrderState.UNKNOWN if may_have_filled else OrderState.CANCELLED)
        assert truth.has_ended
        alive = truth.saw(StatusSeen(status="Submitted"))
        assert alive.state in {OrderState.WORKING, OrderState.PARTIALLY_FILLED, OrderState.FILLED}
        assert alive.must_reconcile
        filled = truth.saw(Filled(exec_id="new", quantity=9.0))
        assert filled.state is OrderState.FILLED
        for piece in more:
            truth = truth.saw(piece)
        assert len(truth.contradictions) >= len(before.contradictions)
