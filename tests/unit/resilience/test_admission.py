import itertools
import math

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.resilience import Admission, Lane, Request, Rule, Usage

DATA = Request(kind="data")
ORDER = Request(kind="order", lane=Lane.OPENING)
CANCEL = Request(kind="cancel", lane=Lane.CLOSING)


def messages(limit=3, **more):
    return Rule(name="messages", limit=limit, seconds=1.0, source="a test", **more)


def per_subject(limit=1, seconds=10.0):
    return Rule(
        name="per subject",
        limit=limit,
        seconds=seconds,
        source="a test",
        key=lambda request: request.subject or None,
    )


def opens(limit):
    return Rule(name="open", limit=limit, seconds=None, source="a test")


def run(admission, until, *, step=1.0, start=0.0):
    """Advance in steps; who came at which time."""
    came, now = [], start
    while now <= until:
        came += [(now, ticket) for ticket in admission.advance(now)]
        now += step
    return came


def test_what_fits_goes_at_once_and_the_rest_when_the_window_has_room():
    admission = Admission([messages()])

    tickets = [admission.ask(DATA, 0.0) for _ in range(5)]
    came = admission.advance(1.0)

    assert [ticket.is_waiting for ticket in tickets] == [False] * 5
    assert came == tickets[3:]
    assert [ticket.granted_at for ticket in tickets] == [0.0, 0.0, 0.0, 1.0, 1.0]


def test_it_says_when_to_come_back():
    admission = Admission([messages(limit=1)])
    admission.ask(DATA, 5.0)

    nothing_to_do = admission.next_at()
    admission.ask(ORDER, 5.25)

    assert nothing_to_do is None
    assert admission.next_at() == 6.0


def test_orders_overtake_data_and_cancels_overtake_orders():
    admission = Admission([messages()])
    for _ in range(3):
        admission.ask(DATA, 0.0)
    late = [admission.ask(request, 0.5) for request in (DATA, ORDER, CANCEL)]

    came = admission.advance(1.0)

    assert came == late[::-1]


def test_slots_in_reserve_let_an_order_pass_a_full_window():
    admission = Admission([messages(limit=5, order_reserve=2, closing_reserve=1)])
    data = [admission.ask(DATA, 0.0) for _ in range(4)]

    orders = [admission.ask(ORDER, 0.0) for _ in range(2)]
    cancel = admission.ask(CANCEL, 0.0)

    assert [ticket.is_waiting for ticket in data] == [False, False, False, True]
    assert [ticket.is_waiting for ticket in orders] == [False, True]
    assert not cancel.is_waiting


def test_a_request_with_a_limit_of_its_own_is_overtaken_but_keeps_its_place():
    admission = Admission([per_subject(), messages(limit=1)])
    admission.ask(history("SPY"), 0.0)
    held = admission.ask(history("SPY"), 0.0)
    others = [admission.ask(history(f"S{place}"), 0.0) for place in range(20)]

    came = run(admission, 30.0)

    assert [now for now, ticket in came if ticket is held] == [10.0]
    assert [now for now, ticket in came if ticket in others] == [*range(1, 10), *range(11, 22)]


def history(subject):
    return Request(kind="history", lane=Lane.HISTORY, subject=subject)


def test_all_or_nothing_is_counted():
    """A request that waits for one limit uses up nothing of another."""
    admission = Admission([per_subject(), messages(limit=2)])
    admission.ask(history("SPY"), 0.0)
    admission.ask(history("SPY"), 0.0)

    other = admission.ask(DATA, 0.0)

    assert not other.is_waiting


def test_many_who_wait_for_a_narrow_limit_do_not_crowd_a_broad_one():
    admission = Admission([per_subject(limit=2, seconds=5.0), messages(limit=4)])
    for _ in range(100):
        admission.ask(history("SPY"), 0.0)

    tickets = [admission.ask(DATA, float(now)) for now in range(1, 4)]

    assert not any(ticket.is_waiting for ticket in tickets)


def test_no_lane_starves_but_for_orders_that_close():
    admission = Admission([messages(limit=1)], patience=5.0)
    bars = admission.ask(history("SPY"), 0.0)
    for now in range(40):
        admission.ask(DATA, float(now))
        admission.ask(ORDER, float(now))
        admission.advance(float(now))

    assert bars.granted_at is not None
    assert bars.granted_at <= 6.0


def test_a_lane_that_was_passed_over_gets_a_turn_and_no_more():
    admission = Admission([messages(limit=1)], patience=5.0)
    old = [admission.ask(history("SPY"), 0.0) for _ in range(20)]
    for now in range(1, 40):
        admission.ask(DATA, now - 0.5)
        admission.advance(float(now))

    turns = [ticket.granted_at for ticket in old if ticket.granted_at is not None]

    assert len(turns) == 1 + 39 // 5
    assert all(later - earlier >= 5.0 for earlier, later in itertools.pairwise(turns))


@pytest.mark.parametrize("lane", [Lane.CLOSING, Lane.OPENING, Lane.PROBE, Lane.QUOTES])
def test_a_claim_of_data_does_not_hold_back_what_is_more_urgent(lane):
    """Data of the subject waits for a message with a claim on the subject; the urgent goes before."""
    admission = Admission([per_subject(limit=1, seconds=10.0), messages(limit=1)])
    admission.ask(DATA, 0.0)
    claimant = admission.ask(history("SPY"), 0.0)
    urgent = admission.ask(Request(kind="urgent", lane=lane, subject="SPY"), 0.5)
    held_by = urgent.waits_for

    came = run(admission, 15.0)

    assert held_by == "messages (1 in 1 s)"
    assert came == [(1.0, urgent), (11.0, claimant)]


def test_no_more_go_on_to_a_full_window_than_there_is_room_where_they_come_from():
    """Else a long queue would be carried to and fro each time that orders fill the window."""
    admission = Admission([messages(limit=10, order_reserve=5)])
    for _ in range(10):
        admission.ask(ORDER, 0.5)
    for _ in range(1000):
        admission.ask(DATA, 0.5)

    whole = next(gate for gate in admission._gates.values() if gate.tier.limit == 10)

    assert len(whole.queue) == 5


def test_cancels_are_never_overtaken():
    admission = Admission([messages(limit=1)], patience=2.0)
    cancels = [admission.ask(CANCEL, 0.0) for _ in range(10)]
    admission.ask(DATA, 0.0)

    came = run(admission, 9.0)

    assert [ticket for _, ticket in came] == cancels[1:]


def test_whoever_withdraws_is_not_let_through():
    admission = Admission([messages(limit=1)])
    first, second, third = (admission.ask(DATA, 0.0) for _ in range(3))

    assert admission.withdraw(second, 0.5)

    assert admission.advance(1.0) == [third]
    assert not admission.withdraw(second, 1.0)
    assert not admission.withdraw(first, 1.0)
    assert admission.waiting == [0] * len(Lane)


def test_no_time_is_named_for_those_whom_only_an_end_lets_on():
    """Two go on to what is open and keep the places of the subject, for which the third waits."""
    admission = Admission([per_subject(limit=2, seconds=10.0), opens(1)])
    for _ in range(2):
        admission.release(admission.ask(history("SPY"), 0.0), 0.0)
    admission.ask(DATA, 0.0)
    waits = [admission.ask(history("SPY"), 0.0) for _ in range(3)]

    came = admission.advance(10.0)

    assert came == []
    assert [ticket.waits_for for ticket in waits] == ["open (1 open)"] * 2 + ["per subject (2 in 10 s)"]
    assert admission.next_at() is None


def test_those_who_withdrew_take_no_room_in_the_queue():
    admission = Admission([messages(limit=1)])
    admission.ask(DATA, 0.0)
    tickets = [admission.ask(DATA, 0.0) for _ in range(100)]

    for ticket in tickets[1:]:
        admission.withdraw(ticket, 0.5)

    assert len(tickets[0].gate.queue) == 1


def test_a_place_that_was_kept_is_given_up_with_its_owner():
    """Two for the same subject wait for a message: the second stands behind the claim of the first."""
    admission = Admission([per_subject(limit=1, seconds=10.0), messages(limit=1)])
    admission.ask(DATA, 0.0)
    claimant, behind = (admission.ask(history("SPY"), 0.0) for _ in range(2))

    admission.withdraw(claimant, 0.5)
    came = run(admission, 1.0)

    assert [ticket for _, ticket in came] == [behind]


def test_a_place_that_was_given_up_is_free_at_once_though_another_is_about_to_end():
    """Data waits a little longer only if it waits in any case."""
    admission, now = Admission([per_subject(limit=2, seconds=10.0), messages(limit=1)]), 10.0 - 1e-5
    admission.ask(history("SPY"), 0.0)
    admission.ask(DATA, 9.5)
    claimant, _ = (admission.ask(history("SPY"), 9.6) for _ in range(2))

    admission.withdraw(claimant, now)

    assert admission.next_at() == now


@pytest.mark.parametrize(("lane", "at"), [(Lane.QUOTES, 1.00001), (Lane.PROBE, 1.0), (Lane.OPENING, 1.0)])
def test_one_wake_up_serves_data_whose_times_are_close_but_the_urgent_do_not_wait_for_it(lane, at):
    admission = Admission([messages(limit=2)])
    for now in (0.0, 0.00001):
        admission.ask(DATA, now)

    admission.ask(Request(kind="first", lane=lane), 0.5)
    admission.ask(DATA, 0.5)

    assert admission.next_at() == at


def test_whoever_is_overtaken_at_the_last_moment_goes_in_the_next_window():
    admission = Admission([messages(limit=1)])
    admission.ask(DATA, 0.0)
    overtaken = admission.ask(DATA, 0.0)

    order = admission.ask(ORDER, 1.0)

    assert not order.is_waiting
    assert admission.advance(1.0) == []
    assert admission.next_at() == 2.0
    assert admission.advance(2.0) == [overtaken]


def test_what_is_open_lets_the_next_in_when_it_ends():
    admission = Admission([opens(1)])
    first, second = admission.ask(DATA, 0.0), admission.ask(DATA, 0.0)

    too_early = admission.advance(1e6)
    not_by_time = admission.next_at()
    admission.release(first, 1e6)
    admission.release(first, 1e6)

    assert too_early == []
    assert not_by_time is None
    assert admission.advance(1e6) == [second]
    assert admission.ask(DATA, 1e6).is_waiting


def test_a_margin_lengthens_every_window():
    admission = Admission([messages(limit=1)], margin=0.25)
    admission.ask(DATA, 0.0)
    admission.ask(DATA, 0.0)

    assert admission.next_at() == 1.25


def test_weight_is_counted_and_a_heavy_request_is_not_overtaken_by_lighter_ones():
    heavy = Request(kind="data", feed="BID_ASK")
    admission = Admission([messages(limit=2, weight=lambda request: 2 if request.feed else 1)])
    admission.ask(DATA, 0.0)

    waits = admission.ask(heavy, 0.0)
    light = admission.ask(DATA, 0.0)

    assert waits.is_waiting
    assert light.is_waiting
    assert admission.advance(1.0) == [waits]


def test_a_request_that_could_never_be_sent_is_refused():
    admission = Admission([messages(limit=3, order_reserve=1, weight=lambda _: 3)])

    with pytest.raises(InvalidInput, match=r"weighs 3; valid: 1 up to the limit of messages \(2 in 1 s\)"):
        admission.ask(DATA, 0.0)


@pytest.mark.parametrize("figures", [{"margin": -1.0}, {"margin": math.inf}, {"patience": 0.0}])
def test_figures_that_make_no_sense_are_refused(figures):
    with pytest.raises(InvalidInput, match="valid"):
        Admission([messages()], **figures)


@pytest.mark.parametrize("figures", [{"margin": 0.0}, {"patience": 0.001}])
def test_figures_at_the_edge_are_valid(figures):
    admission = Admission([messages(limit=1)], **figures)

    assert not admission.ask(DATA, 0.0).is_waiting


def test_unless_told_otherwise_a_lane_is_passed_over_for_five_seconds():
    admission = Admission([messages(limit=1)])
    admission.ask(DATA, 0.0)
    bars = admission.ask(history("SPY"), 0.0)
    for now in range(1, 10):
        admission.ask(DATA, now - 0.5)
        admission.advance(float(now))

    assert bars.granted_at == 5.0


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(InvalidInput, match="same name"):
        Admission([messages(), messages()])


def test_it_explains_what_a_request_would_wait_for():
    admission = Admission([per_subject(), messages(limit=1)])
    request = history("SPY")
    admission.ask(request, 0.0)
    admission.ask(request, 0.0)

    narrow, broad = admission.explain(request, 0.5)

    assert str(narrow) == "per subject (1 in 10 s) for SPY: 1 used, waits about 19.500 s, 1 ahead"
    assert str(broad) == "messages (1 in 1 s): 1 used, waits about 0.500 s, 0 ahead"
    assert admission.explain(DATA, 2.0) == ()


def test_it_explains_that_only_an_end_helps():
    admission = Admission([opens(1)])
    admission.ask(DATA, 0.0)

    [wait] = admission.explain(DATA, 0.0)

    assert str(wait) == "open (1 open): 1 used, waits until one ends, 0 ahead"


def test_a_ticket_says_what_it_waits_for():
    admission = Admission([messages(limit=1)])
    first, second = admission.ask(DATA, 0.0), admission.ask(DATA, 0.0)

    assert (first.waits_for, second.waits_for) == ("", "messages (1 in 1 s)")


def test_what_was_sent_still_counts_after_a_restart():
    before = Admission([per_subject(), messages(limit=2), opens(5)])
    before.ask(history("SPY"), 100.0)

    after = Admission([per_subject(), messages(limit=2), opens(5)])
    after.put_back(before.usage(104.0), 0.0)

    assert before.usage(104.0) == [Usage(rule="per subject", limit=1, key="SPY", age=4.0, weight=1)]
    assert after.ask(history("SPY"), 0.0).is_waiting
    assert after.next_at() == 6.0


def test_entries_of_rules_that_are_gone_are_left_out():
    admission = Admission([messages(limit=1)])

    admission.put_back([Usage(rule="other", limit=1, key="", age=0.0, weight=1)], 0.0)

    assert not admission.ask(DATA, 0.0).is_waiting


@pytest.mark.parametrize("sent", [0, 3, 4])
def test_a_limit_that_was_reached_by_the_receivers_count_holds_all_but_what_closes(sent):
    admission = Admission([messages(limit=5, order_reserve=2, closing_reserve=1)])
    for _ in range(sent):
        admission.ask(ORDER, 0.0)

    admission.fill("messages", 0.5)

    waits = [admission.ask(request, 0.5).is_waiting for request in (DATA, ORDER, CANCEL)]
    assert waits == [True, True, False]
    assert len(run(admission, 1.5, start=1.0, step=0.25)) == 2


def test_without_slots_for_what_closes_a_limit_that_was_reached_holds_all():
    admission = Admission([messages(limit=5)])

    admission.fill("messages", 0.0)

    assert admission.ask(CANCEL, 0.0).is_waiting
    assert admission.next_at() == 1.0


def test_a_limit_that_was_reached_holds_for_a_whole_window_whatever_was_sent_before():
    admission = Admission([messages(limit=2)])
    for _ in range(3):
        admission.ask(DATA, 0.0)

    admission.fill("messages", 0.5)

    assert admission.usage(0.5) == [Usage(rule="messages", limit=2, key="", age=0.0, weight=2)]
    assert run(admission, 1.49, start=1.0, step=0.01) == []
    assert len(run(admission, 1.6, start=1.5, step=0.1)) == 1


def test_a_limit_on_what_is_open_is_left_alone():
    """What is open ends by itself, whatever the receiver counted."""
    admission = Admission([opens(1)])

    admission.fill("open", 0.0)

    assert not admission.ask(DATA, 0.0).is_waiting


def test_a_limit_of_no_known_name_is_left_alone():
    admission = Admission([messages(limit=1)])

    admission.fill("no such rule", 0.0)

    assert not admission.ask(DATA, 0.0).is_waiting


def test_what_a_request_touches_is_worked_out_once():
    asked = []
    admission = Admission([messages(key=lambda request: asked.append(request) or "")])

    for _ in range(5):
        admission.ask(history("SPY"), 0.0)

    assert asked == [history("SPY")]


def test_of_what_requests_touch_no_more_is_kept_than_helps():
    admission, kept = Admission([messages()]), []

    for number in range(1000):
        admission.ask(history(f"S{number}"), 0.0)
        kept.append(len(admission._paths))

    assert max(kept) == 256


def test_windows_in_which_nothing_counts_are_forgotten():
    admission = Admission([per_subject(limit=1, seconds=1.0), messages(limit=100)])

    for number in range(5000):
        admission.ask(history(f"S{number}"), number / 10)

    assert len(admission._gates) < 200


def test_windows_that_nobody_waits_for_any_more_are_forgotten():
    admission = Admission([per_subject(limit=9, seconds=1.0), opens(1)])
    admission.ask(DATA, 0.0)
    for number in range(500):
        for ticket in [admission.ask(history(f"S{number}"), float(number)) for _ in range(2)]:
            admission.withdraw(ticket, float(number))

    assert len(admission._gates) <= 64


def test_windows_are_forgotten_by_whoever_asks_for_an_explanation():
    admission = Admission([per_subject(limit=1, seconds=1.0)])
    for number in range(63):
        admission.ask(history(f"S{number}"), 0.0)

    for number in range(63, 200):
        admission.explain(history(f"S{number}"), 5.0)

    assert len(admission._gates) <= 64


def test_windows_are_looked_through_each_time_that_their_number_has_doubled():
    admission, numbers = Admission([per_subject(limit=1, seconds=1.0)]), []
    for number in range(64 + 200):
        admission.ask(history(f"S{number}"), 0.0 if number <= 64 else float(number))
        numbers.append(len(admission._gates))

    peaks = [many for many, then in itertools.pairwise(numbers) if then < many]

    assert peaks == [128, 64, 64]


def test_a_window_is_kept_as_long_as_one_of_several_waits_for_it():
    """Else the one that is left would be counted in a window that nobody looks at."""
    admission = Admission([per_subject(limit=2, seconds=1.0), opens(1)])
    first = admission.ask(DATA, 0.0)
    gone, left = (admission.ask(history("SPY"), 0.0) for _ in range(2))
    admission.withdraw(gone, 5.0)
    for number in range(500):
        admission.explain(history(f"S{number}"), 5.0)

    for ticket in (first, left):
        admission.release(ticket, 5.0)
        admission.advance(5.0)
    admission.release(admission.ask(history("SPY"), 5.0), 5.0)

    assert left.granted_at == 5.0
    assert admission.ask(history("SPY"), 5.0).is_waiting


def test_a_window_that_somebody_will_need_is_not_forgotten():
    admission = Admission([per_subject(limit=1, seconds=1.0), opens(1)])
    first = admission.ask(DATA, 0.0)
    waits = [admission.ask(history("SPY"), 0.0) for _ in range(2)]
    for number in range(500):
        admission.explain(history(f"S{number}"), 5.0)

    admission.release(first, 5.0)
    came = admission.advance(5.0)
    admission.release(waits[0], 5.0)
    newcomer = admission.ask(history("SPY"), 5.0)

    assert came == waits[:1]
    assert newcomer.is_waiting
    assert run(admission, 6.0, start=6.0) == [(6.0, waits[1])]


def test_a_backlog_behind_spread_grants_needs_few_wake_ups():
    admission = Admission([messages(limit=50)])
    for place in range(50):
        admission.ask(DATA, place / 50)
    for _ in range(5000):
        admission.ask(DATA, 1.0 - 1 / 64)

    now, wakes, sent = 1.0 - 1 / 64, 0, 0
    while (at := admission.next_at()) is not None and at < 21.0:
        now, wakes = at, wakes + 1
        sent += len(admission.advance(now))

    assert wakes <= 20 * 12
    assert sent >= 20 * 50 * 0.99
