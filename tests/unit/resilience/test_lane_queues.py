import attrs

from ibkeel.resilience.lanes import Lane, LaneQueue, Patience


@attrs.define(eq=False)
class Item:
    lane: Lane
    number: int
    asked_at: float = 0.0
    is_waiting: bool = True


def drained(queue, now=0.0, *, patience=None):
    order = []
    while (first := queue.first(now)) is not None:
        queue.take(first)
        first.is_waiting = False
        if patience is not None:
            patience.served(first.lane, now)
        order.append(first.number)
    return order


def filled(items, patience):
    queue = LaneQueue(patience)
    for item in items:
        queue.add(item)
    return queue


def test_the_urgent_go_first_and_equals_in_order_of_arrival():
    items = [Item(Lane.HISTORY, 0), Item(Lane.QUOTES, 1), Item(Lane.CLOSING, 2), Item(Lane.QUOTES, 3)]

    queue = filled(items, Patience(5.0))

    assert len(queue) == 4
    assert drained(queue) == [2, 1, 3, 0]
    assert len(queue) == 0


def test_the_order_of_arrival_holds_for_whoever_joins_late():
    queue = filled([Item(Lane.QUOTES, 5), Item(Lane.QUOTES, 2)], Patience(5.0))

    assert drained(queue) == [2, 5]


def test_whoever_stops_waiting_is_passed_over():
    items = [Item(Lane.QUOTES, number) for number in range(3)]
    queue = filled(items, Patience(5.0))

    items[0].is_waiting = False
    queue.gone()

    assert len(queue) == 2
    assert drained(queue) == [1, 2]


def test_those_who_are_gone_take_no_room():
    items = [Item(Lane.QUOTES, number) for number in range(1000)]
    queue = filled(items, Patience(5.0))

    for item in items[1:]:
        item.is_waiting = False
        queue.gone()

    assert sum(len(lane) for lane in queue._lanes) <= 3
    assert drained(queue) == [0]


def test_a_lane_that_was_passed_over_too_long_goes_once():
    patience = Patience(5.0)
    history = [Item(Lane.HISTORY, 0), Item(Lane.HISTORY, 1)]
    quotes = [Item(Lane.QUOTES, number, asked_at=5.0) for number in (2, 3)]

    in_time = drained(filled(history + quotes, patience), 4.999)
    for item in history + quotes:
        item.is_waiting = True
    overdue = drained(filled(history + quotes, patience), 5.0, patience=patience)

    assert in_time == [2, 3, 0, 1]
    assert overdue == [0, 2, 3, 1]


def test_nobody_goes_before_a_closing_order():
    patience = Patience(5.0)
    items = [Item(Lane.HISTORY, 0), Item(Lane.CLOSING, 1, asked_at=100.0)]

    assert drained(filled(items, patience), 100.0, patience=patience) == [1, 0]


def test_those_ahead_of_a_newcomer_are_its_equals_and_the_more_urgent():
    queue = filled([Item(Lane.CLOSING, 0), Item(Lane.QUOTES, 1), Item(Lane.HISTORY, 2)], Patience(5.0))

    assert queue.ahead(Item(Lane.CLOSING, 9)) == 1
    assert queue.ahead(Item(Lane.QUOTES, 9)) == 2
    assert queue.ahead(Item(Lane.HISTORY, 9)) == 3


def test_slots_in_reserve_are_for_orders():
    assert [lane.name for lane in Lane if lane.is_order] == ["CLOSING", "OPENING"]
