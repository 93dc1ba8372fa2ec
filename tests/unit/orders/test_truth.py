import pytest

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
    state_of_status,
)

S = OrderState
FRESH = OrderTruth(client_order_id="x", quantity=3)


def status(text, filled=None, reason=""):
    return StatusSeen(status=text, filled=filled, reason=reason)


def fill(name, quantity):
    return Filled(exec_id=name, quantity=quantity)


def error(fate, code=201):
    return ErrorSeen(fate=fate, code=code, text="said the venue")


def after(*evidence, truth=FRESH):
    for piece in evidence:
        truth = truth.saw(piece)
    return truth


def test_an_order_is_an_intent_until_it_was_sent():
    assert FRESH.state is S.INTENT
    assert after(Sent()).state is S.SENT


def test_the_usual_life_of_a_limit_order():
    truth = after(
        Sent(),
        status("PreSubmitted"),
        status("Submitted"),
        fill("a", 1),
        status("Submitted", 1),
        fill("b", 2),
    )

    assert (truth.state, truth.filled, truth.must_reconcile) == (S.FILLED, 3, False)


@pytest.mark.parametrize("text", sorted(STATUS))
def test_the_table_decides_what_a_status_means(text):
    filled = 3 if text == "Filled" else None

    assert after(Sent(), status(text, filled)).state is STATUS[text]


def test_a_status_nobody_knows_means_unknown_and_not_dead():
    assert state_of_status("Sleeping") is S.UNKNOWN
    assert after(Sent(), status("Sleeping")).state is S.UNKNOWN


@pytest.mark.parametrize(
    ("quantity", "asked", "told", "state", "size"),
    [
        (5, 3, status("Filled", 3), S.FILLED, 3),
        (5, 1, status("Filled", 1), S.FILLED, 1),
        (5, 3, status("Filled", 5), S.FILLED, 5),  # the change came too late
        (5, 3, status("Submitted", 3), S.PARTIALLY_FILLED, 5),  # it may have been refused
        (5, 3, status("Filled", 2), S.UNKNOWN, 5),
        (5, 0, status("Filled", 0), S.UNKNOWN, 5),
        (3, 5, status("Filled", 3), S.FILLED, 3),
        (3, 5, status("Submitted", 3), S.PARTIALLY_FILLED, 3),
        (3, 5, status("Filled", 5), S.FILLED, 5),
        (3, 5, fill("a", 3), S.PARTIALLY_FILLED, 3),
        (3, 5, fill("a", 5), S.FILLED, 5),
    ],
)
def test_while_a_change_is_under_way_an_order_may_be_of_either_size(quantity, asked, told, state, size):
    changing = OrderTruth(client_order_id="x", quantity=quantity, asked=asked)

    truth = after(Sent(), told, truth=changing)

    assert (truth.state, truth.quantity, truth.contradictions) == (state, size, ())
    if truth.state is S.FILLED:
        assert after(status("Filled", asked), truth=truth).quantity == size


def test_the_same_execution_twice_counts_once():
    truth = after(Sent(), fill("a", 1), fill("a", 1))

    assert (truth.filled, truth.state) == (1, S.PARTIALLY_FILLED)


def test_a_reported_quantity_and_executions_do_not_add_up_twice():
    truth = after(Sent(), status("Submitted", 2), fill("a", 1))

    assert (truth.filled, truth.state) == (2, S.PARTIALLY_FILLED)


def test_a_late_message_of_an_earlier_stage_changes_nothing():
    truth = after(Sent(), status("Submitted"))

    assert after(status("PreSubmitted"), Sent(), truth=truth) == truth


def test_filled_without_a_quantity_is_believed():
    assert after(Sent(), status("Filled")).state is S.FILLED


def test_filled_with_too_small_a_quantity_is_not_believed():
    truth = after(Sent(), status("Filled", 1))

    assert truth.state is S.UNKNOWN
    assert truth.must_reconcile


def test_cancelling_is_left_only_by_the_venue():
    truth = after(Sent(), status("Submitted"), CancelRequested(), status("Submitted"))

    assert truth.state is S.CANCELLING
    assert after(status("Cancelled"), truth=truth).state is S.CANCELLED


def test_a_partial_fill_while_cancelling_is_counted_and_a_full_one_ends_it():
    truth = after(Sent(), CancelRequested(), fill("a", 1))

    assert (truth.state, truth.filled) == (S.CANCELLING, 1)
    assert after(fill("b", 2), truth=truth).state is S.FILLED


def test_a_refused_cancel_says_nothing_about_the_order():
    truth = after(Sent(), CancelRequested(), error(ErrorFate.CANCEL_REFUSED, 10148))

    assert truth.state is S.UNKNOWN
    assert after(status("Filled", 3), truth=truth).state is S.FILLED
    assert after(status("Submitted"), truth=truth).state is S.WORKING


def test_a_cancel_without_an_answer_leaves_it_to_the_lists_whether_the_order_works():
    truth = after(Sent(), status("Submitted"), CancelRequested(), CancelUnanswered())

    assert truth.state is S.UNKNOWN
    assert after(status("Submitted"), truth=truth).state is S.WORKING
    assert after(status("Cancelled"), truth=truth).state is S.CANCELLED


def test_only_a_cancel_that_is_under_way_can_lack_an_answer():
    assert after(CancelUnanswered()).state is S.INTENT
    assert after(Sent(), status("Submitted"), CancelUnanswered()).state is S.WORKING
    assert after(Sent(), status("Cancelled"), CancelUnanswered()).state is S.CANCELLED


def test_a_lost_link_makes_every_open_order_unknown():
    assert after(Sent(), LinkLost()).state is S.UNKNOWN
    assert after(LinkLost()).state is S.INTENT
    assert after(Sent(), status("Cancelled"), LinkLost()).state is S.CANCELLED


def test_what_we_did_ourselves_does_not_end_unknown():
    assert after(Sent(), LinkLost(), Sent(), CancelRequested()).state is S.UNKNOWN


def test_a_partial_fill_does_not_end_unknown_but_the_whole_one_does():
    truth = after(Sent(), LinkLost(), fill("a", 1))

    assert truth.state is S.UNKNOWN
    assert after(fill("b", 2), truth=truth).state is S.FILLED


def test_a_working_order_found_after_a_drop_is_working_again():
    truth = after(Sent(), fill("a", 1), LinkLost(), status("Submitted", 1))

    assert truth.state is S.PARTIALLY_FILLED


@pytest.mark.parametrize(
    ("fate", "state"),
    [
        (ErrorFate.REJECTED, S.REJECTED),
        (ErrorFate.CANCELLED, S.CANCELLED),
        (ErrorFate.NOTICE, S.WORKING),
        (ErrorFate.UNCERTAIN, S.UNKNOWN),
    ],
)
def test_the_class_of_an_error_decides_what_it_does(fate, state):
    assert after(Sent(), status("Submitted"), error(fate)).state is state


@pytest.mark.parametrize("fate", [ErrorFate.REJECTED, ErrorFate.CANCELLED])
def test_a_code_that_refuses_a_new_order_does_not_end_one_that_works(fate):
    truth = after(Sent(), status("Submitted"), error(fate, 110))

    assert truth.state is S.UNKNOWN
    assert after(status("Submitted"), truth=truth).state is S.WORKING


@pytest.mark.parametrize("text", ["PendingSubmit", "ApiPending"])
def test_an_order_that_is_only_on_its_way_can_be_refused_by_a_code(text):
    assert after(Sent(), status(text), error(ErrorFate.REJECTED, 110)).state is S.REJECTED


@pytest.mark.parametrize(
    "life",
    [
        status("PreSubmitted"),
        status("Inactive"),
        status("PendingCancel"),
        status("Sleeping"),
        fill("a", 1),
        LinkLost(),
    ],
)
def test_an_order_that_may_work_is_never_refused_by_a_code(life):
    assert not after(Sent(), life, error(ErrorFate.REJECTED, 110)).state.is_final


def test_a_refusal_of_a_change_is_no_contradiction_to_a_fill():
    assert after(Sent(), status("Filled", 3), error(ErrorFate.REJECTED, 110)).contradictions == ()


@pytest.mark.parametrize("text", ["PreSubmitted", "Submitted"])
def test_a_refused_order_that_is_seen_at_work_must_be_reconciled(text):
    truth = after(Sent(), error(ErrorFate.REJECTED, 110), status(text))

    assert (truth.state, truth.must_reconcile) == (S.REJECTED, True)


def test_the_same_end_told_twice_is_no_contradiction():
    truth = after(Sent(), status("Cancelled"), error(ErrorFate.CANCELLED, 202), status("Cancelled"))

    assert truth.contradictions == ()


def test_an_uncertain_error_after_the_end_changes_nothing():
    truth = after(Sent(), status("Filled", 3))

    assert after(error(ErrorFate.CANCEL_REFUSED, 10148), truth=truth) == truth


@pytest.mark.parametrize(
    ("end", "piece"),
    [
        (status("Cancelled"), fill("a", 3)),
        (status("Cancelled"), status("Filled", 3)),
        (error(ErrorFate.REJECTED), fill("a", 1)),
        (status("Filled", 3), status("Cancelled")),
        (status("Filled", 3), error(ErrorFate.REJECTED)),
        (status("Filled", 3), fill("a", 4)),
    ],
)
def test_an_end_is_never_left_and_what_contradicts_it_is_kept(end, piece):
    ended = after(Sent(), end)

    truth = after(piece, piece, truth=ended)

    assert truth.state is ended.state
    assert len(truth.contradictions) >= 1
    assert truth.must_reconcile


def test_a_late_partial_fill_of_a_cancelled_order_is_counted():
    truth = after(Sent(), status("Cancelled"), fill("a", 1))

    assert (truth.state, truth.filled, truth.contradictions) == (S.CANCELLED, 1, ())


def test_a_reason_is_kept():
    assert after(Sent(), status("PreSubmitted", reason="trigger")).reason == "trigger"
    assert "201" in after(Sent(), error(ErrorFate.REJECTED)).reason


@pytest.mark.parametrize("text", ["PreSubmitted", "Submitted", "PendingCancel"])
def test_an_order_that_worked_and_is_on_no_list_of_open_ones_is_of_unknown_fate(text):
    truth = after(Sent(), status(text), Unlisted())

    assert truth.state is S.UNKNOWN
    assert "list of open orders" in truth.reason


@pytest.mark.parametrize("evidence", [(), (Sent(),), (Sent(), status("Filled", 3)), (Sent(), LinkLost())])
def test_an_order_that_nobody_said_to_work_need_not_be_listed(evidence):
    truth = after(*evidence)

    assert truth.saw(Unlisted()) == truth


@pytest.mark.parametrize("evidence", [(Sent(),), (Sent(), LinkLost())])
def test_an_order_that_provably_left_no_trace_is_over(evidence):
    truth = after(*evidence, Vanished(reason="not at the venue"))

    assert (truth.state, truth.reason, truth.is_inferred) == (S.CANCELLED, "not at the venue", True)


def test_what_left_no_trace_but_may_have_filled_works_no_more_and_lives_when_an_error_speaks_of_it():
    gone = after(Sent(), Vanished(reason="on no list", may_have_filled=True))

    assert (gone.state, gone.has_ended, gone.reason) == (S.UNKNOWN, True, "on no list")
    assert gone.saw(LinkLost()) == gone
    assert gone.saw(ErrorSeen(fate=ErrorFate.CANCEL_REFUSED, code=10147)).has_ended
    assert not gone.saw(ErrorSeen(fate=ErrorFate.UNCERTAIN, code=9)).has_ended
    assert not gone.saw(ErrorSeen(fate=ErrorFate.REJECTED, code=201)).is_inferred


def test_an_order_that_works_cannot_vanish():
    truth = after(Sent(), status("Submitted"))

    assert truth.saw(Vanished(reason="not at the venue")) == truth


def test_what_was_taken_for_gone_and_speaks_again_lives_and_is_reported():
    truth = after(Sent(), Vanished(reason="not at the venue"), status("Submitted"))

    assert truth.state is S.WORKING
    assert truth.contradictions == ("status Submitted, but it was taken for gone",)


def test_a_cancel_that_is_told_after_the_proof_confirms_it():
    truth = after(Sent(), Vanished(reason="not at the venue"), status("Cancelled"))

    assert (truth.state, truth.contradictions) == (S.CANCELLED, ())


def test_a_fill_of_an_order_taken_for_gone_counts():
    truth = after(Sent(), Vanished(reason="not at the venue"), fill("a", 3))

    assert (truth.state, truth.filled) == (S.FILLED, 3)
    assert truth.must_reconcile


def test_a_part_of_an_order_taken_for_gone_that_fills_says_that_it_is_not_gone():
    truth = after(Sent(), Vanished(reason="not at the venue"), fill("a", 1))

    assert (truth.state, truth.filled, truth.is_inferred) == (S.UNKNOWN, 1, False)


def test_an_order_for_one_that_fills_twice_is_a_contradiction():
    truth = after(Sent(), fill("a", 2), truth=OrderTruth(client_order_id="x", quantity=1))

    assert truth.contradictions == ("2 filled of 1 ordered",)


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ((fill("a", 4),), "4 filled of 3 ordered"),
        ((status("Cancelled"), fill("a", 3)), "3 filled, but the order is cancelled"),
        ((error(ErrorFate.REJECTED), fill("a", 1)), "1 filled, but the order is rejected"),
        ((status("Filled", 3), status("Cancelled")), "status Cancelled, but filled"),
        ((error(ErrorFate.REJECTED), status("Submitted")), "status Submitted, but rejected"),
        ((status("Filled", 3), error(ErrorFate.REJECTED)), "error 201: said the venue, but filled"),
        ((Vanished(reason="on no list"), fill("a", 1)), "fill a, but it was taken for gone"),
    ],
)
def test_a_contradiction_says_what_came_and_what_it_clashes_with(evidence, words):
    assert after(Sent(), *evidence).contradictions == (words,)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        ((LinkLost(),), "the connection ended"),
        ((status("Submitted"), Unlisted()), "not on the venue's list of open orders"),
        ((status("Submitted"), CancelRequested(), CancelUnanswered()), "a cancel was not answered"),
        ((status("Filled", 1),), "status Filled with 1 of 3"),
        ((status("Cancelled"),), "status Cancelled"),
        ((status("Cancelled", reason="by the exchange"),), "by the exchange"),
        ((status("Inactive"),), "status Inactive"),
        ((error(ErrorFate.UNCERTAIN, 999),), "error 999: said the venue"),
        ((LinkLost(), status("PreSubmitted", reason="trigger")), "trigger"),
        ((status("PreSubmitted", reason="trigger"), status("Submitted")), "trigger"),
    ],
)
def test_the_last_reason_is_kept_in_words(evidence, reason):
    assert after(Sent(), *evidence).reason == reason


def test_a_late_word_of_an_order_that_was_cancelled_is_no_contradiction():
    assert after(Sent(), status("Cancelled"), status("Submitted")).contradictions == ()
    assert after(Sent(), status("Filled", 3), status("PreSubmitted")).contradictions == ()


def test_an_order_that_spoke_again_is_not_taken_for_gone_any_more():
    truth = after(Sent(), Vanished(reason="on no list"), status("Submitted"), status("Cancelled"))

    assert (truth.state, truth.is_inferred) == (S.CANCELLED, False)
    assert after(status("Submitted"), truth=truth).state is S.CANCELLED


def test_parts_of_a_share_add_up_to_a_whole_order():
    truth = OrderTruth(client_order_id="x", quantity=0.8)

    ended = after(fill("a", 0.7), fill("b", 0.1), truth=truth)

    assert (ended.state, ended.contradictions) == (S.FILLED, ())


def test_an_order_for_an_amount_of_cash_is_filled_when_the_venue_says_so():
    truth = OrderTruth(client_order_id="x", quantity=0)

    half, whole = (
        after(fill("a", 0.3), truth=truth),
        after(fill("a", 0.3), status("Filled", 0.5), truth=truth),
    )

    assert (half.state, half.contradictions) == (S.PARTIALLY_FILLED, ())
    assert (whole.state, whole.contradictions) == (S.FILLED, ())


def test_an_end_that_was_inferred_and_then_told_is_inferred_no_more():
    gone = after(Sent(), Vanished(reason="on no list"))

    told = gone.saw(status("Cancelled", 0.0))

    assert (gone.is_inferred, told.is_inferred, told.state) == (True, False, S.CANCELLED)
