import attrs
import pytest

from ibkeel.resilience.pacing import Lane, LaneQueue, Patience


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


def leave(queue, *items):
    for item in items:
        item.is_waiting = False
        queue.gone()


def kept(queue):
    return sum(len(lane) for lane in queue._lanes)


def test_those_who_are_gone_are_dropped_when_they_are_more_than_half():
    items = [Item(Lane.QUOTES, number) for number in range(4)]
    queue = filled(items, Patience(5.0))

    leave(queue, items[3], items[2])
    at_half = kept(queue)
    leave(queue, items[1])

    assert (at_half, kept(queue)) == (4, 1)


def test_the_order_of_arrival_holds_among_those_who_are_left():
    items = {number: Item(Lane.QUOTES, number) for number in (0, 5, 1, 6, 7, 2, 3)}
    queue = filled(items.values(), Patience(5.0))

    leave(queue, *(items[number] for number in (0, 6, 7, 3)))

    assert kept(queue) == 3
    assert drained(queue) == [1, 2, 5]


def test_those_who_were_dropped_are_not_counted_again():
    items = [Item(Lane.QUOTES, number) for number in range(7)]
    queue = filled(items[:4], Patience(5.0))
    leave(queue, *items[1:4])
    for item in items[4:]:
        queue.add(item)

    leave(queue, items[6], items[5])

    assert kept(queue) == 4


@pytest.mark.parametrize(("number", "needed"), [(4, 3), (5, 3)])
def test_those_who_came_to_the_front_and_were_dropped_are_not_counted_again(number, needed):
    items = [Item(Lane.QUOTES, place) for place in range(number + 1)]
    queue = filled(items, Patience(5.0))
    leave(queue, items[0])
    queue.first(0.0)

    leave(queue, *items[:-needed:-1])
    too_few = kept(queue)
    leave(queue, items[-needed])

    assert (too_few, kept(queue)) == (number, number - needed)


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

    assert queue.ahead(Lane.CLOSING) == 1
    assert queue.ahead(Lane.QUOTES) == 2
    assert queue.ahead(Lane.HISTORY) == 3


def test_those_who_stopped_waiting_are_ahead_of_nobody():
    items = [Item(Lane.QUOTES, number) for number in range(3)]
    queue = filled(items, Patience(5.0))

    items[2].is_waiting = False
    queue.gone()

    assert queue.ahead(Lane.QUOTES) == 2
