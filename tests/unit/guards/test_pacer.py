import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import ConfigurationError, InvalidInput, NotConnected, WrongLoopError
from ibkeel.guards import Pacer, gateway_rules
from ibkeel.resilience import Lane, Request, Rule
from ibkeel.virtual import DEFAULT_START, VirtualLoop, run_virtual

DATA = Request(kind="data")
ORDER = Request(kind="order", lane=Lane.OPENING)
HISTORY = Request(
    kind="history", lane=Lane.HISTORY, subject="SPY@SMART", feed="TRADES", identity="SPY 1 D 5 mins"
)


def messages(limit=2, **more):
    return Rule(name="messages", limit=limit, seconds=1.0, source="a test", **more)


def opens(limit):
    return Rule(name="open", limit=limit, seconds=None, source="a test")


class Wire:
    """What was sent, and when, in whole seconds."""

    def __init__(self):
        self.sent = []

    def send(self, what):
        self.sent.append((what, int(asyncio.get_running_loop().time())))

    def sender(self, what):
        return lambda: self.send(what)


class FixedClock:
    def __init__(self, now=datetime(2026, 1, 5, 14, 30, tzinfo=UTC)):
        self.seconds, self.wall = 1000.0, now

    def monotonic(self):
        return self.seconds

    def now(self):
        return self.wall


async def test_requests_leave_as_fast_as_the_limit_allows():
    pacer, wire = Pacer([messages()]), Wire()

    for number in range(5):
        pacer.submit(DATA, wire.sender(number))
    await asyncio.sleep(5)

    assert wire.sent == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2)]


async def test_whoever_acquires_waits_for_its_turn():
    pacer = Pacer([messages()])

    leases = await asyncio.gather(*(pacer.acquire(DATA) for _ in range(3)))

    assert all(lease.is_granted for lease in leases)
    assert [round(lease.waited, 3) for lease in leases] == [0.0, 0.0, 1.0]
    assert leases[0].request is DATA


async def test_the_time_waited_is_counted_from_asking():
    pacer = Pacer([messages(limit=1)])
    await asyncio.sleep(100)
    await pacer.acquire(DATA)
    await asyncio.sleep(0.5)

    lease = await pacer.acquire(DATA)

    assert round(lease.waited, 3) == 0.5


async def test_a_margin_lengthens_every_window():
    pacer = Pacer([messages(limit=1)], margin=0.25)
    await pacer.acquire(DATA)

    lease = await pacer.acquire(DATA)

    assert round(lease.waited, 3) == 1.25


@pytest.mark.parametrize(("figures", "seconds"), [({}, 5), ({"patience": 2.0}, 2)])
async def test_a_lane_is_passed_over_for_as_long_as_the_patience_lasts(figures, seconds):
    pacer, wire = Pacer([messages(limit=1)], **figures), Wire()
    pacer.submit(DATA, wire.sender("first"))
    pacer.submit(HISTORY, wire.sender("bars"))
    for number in range(20):
        pacer.submit(DATA, wire.sender(number))

    await asyncio.sleep(10)

    assert ("bars", seconds) in wire.sent


async def test_an_order_overtakes_queued_data_and_uses_the_reserve():
    pacer, wire = Pacer([messages(limit=3, order_reserve=1)]), Wire()
    for number in range(10):
        pacer.submit(DATA, wire.sender(number))

    pacer.submit(ORDER, wire.sender("order"))
    pacer.submit(ORDER, wire.sender("second order"))
    await asyncio.sleep(1.5)

    assert wire.sent[:4] == [(0, 0), (1, 0), ("order", 0), ("second order", 1)]


async def test_a_cancelled_request_leaves_the_queue():
    pacer = Pacer([messages(limit=1)])
    await pacer.acquire(DATA)
    cancelled = asyncio.create_task(pacer.acquire(DATA))
    behind = asyncio.create_task(pacer.acquire(DATA))
    await asyncio.sleep(0.5)

    cancelled.cancel()
    lease = await behind

    assert cancelled.cancelled()
    assert round(lease.waited, 3) == 1.0
    assert pacer.waiting() == 0


async def test_cancelling_at_the_moment_of_the_grant_gives_back_what_is_open():
    pacer = Pacer([opens(1)])
    first = await pacer.acquire(DATA)
    second = asyncio.create_task(pacer.acquire(DATA))
    await asyncio.sleep(1)
    third = asyncio.create_task(pacer.acquire(DATA))
    await asyncio.sleep(1)

    first.end()
    loop = asyncio.get_running_loop()
    loop.call_soon(second.cancel)
    await asyncio.sleep(1)

    assert second.cancelled()
    assert third.done()


async def test_a_submitted_request_can_be_taken_back():
    pacer, wire = Pacer([messages(limit=1)]), Wire()
    pacer.submit(DATA, wire.sender("first"))
    lease = pacer.submit(DATA, wire.sender("second"))

    waited_for = lease.waits_for
    lease.end()
    left = pacer.leases()
    await asyncio.sleep(5)

    assert left == ()
    assert waited_for == "messages (1 in 1 s)"
    assert lease.waited is None
    assert wire.sent == [("first", 0)]


async def test_what_counts_while_it_is_open_ends_with_its_block():
    pacer, wire = Pacer([opens(2)]), Wire()

    async def fetch(number):
        with await pacer.acquire(DATA):
            wire.send(number)
            await asyncio.sleep(10)

    await asyncio.gather(*(fetch(number) for number in range(5)))

    assert wire.sent == [(0, 0), (1, 0), (2, 10), (3, 10), (4, 20)]


async def test_a_sender_that_raises_does_not_stop_the_others():
    pacer, wire, reported = Pacer([messages(limit=1)]), Wire(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def fail():
        raise ConnectionError("gone")

    pacer.submit(DATA, wire.sender(0))
    pacer.submit(DATA, fail)
    pacer.submit(DATA, wire.sender(2))
    await asyncio.sleep(5)

    assert wire.sent == [(0, 0), (2, 2)]
    assert [str(error) for error in reported] == ["gone"]


async def test_a_sender_that_raises_at_once_holds_no_place():
    pacer, wire = Pacer([opens(1)]), Wire()

    def broken():
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        pacer.submit(DATA, broken)
    pacer.submit(DATA, wire.sender("next"))

    assert wire.sent == [("next", 0)]


async def test_those_granted_together_with_one_that_raises_still_go():
    pacer, wire, reported = Pacer([messages(limit=2)]), Wire(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def fail():
        raise ConnectionError("gone")

    for send in (wire.sender(0), wire.sender(1), fail, wire.sender(3)):
        pacer.submit(DATA, send)
    await asyncio.sleep(5)

    assert wire.sent == [(0, 0), (1, 0), (3, 1)]
    assert len(reported) == 1


async def test_one_timer_is_enough_for_a_long_queue():
    pacer = Pacer([messages(limit=50)])
    for _ in range(20_000):
        pacer.submit(DATA, lambda: None)

    await asyncio.sleep(10.5)

    assert pacer.waiting(Lane.QUOTES) == pacer.waiting() == 20_000 - 11 * 50
    assert pacer.timers_set <= 11
    pacer.close()


async def test_a_timer_is_set_for_each_window_and_none_for_those_who_join_the_queue():
    pacer = Pacer([messages(limit=1)])
    for _ in range(3):
        pacer.submit(DATA, lambda: None)

    at_once = pacer.timers_set
    await asyncio.sleep(1.5)

    assert (at_once, pacer.timers_set) == (1, 2)
    pacer.close()


async def test_it_counts_those_who_wait_by_lane():
    pacer = Pacer([messages(limit=1)])
    for request in (DATA, DATA, HISTORY, HISTORY):
        pacer.submit(request, lambda: None)

    counts = [pacer.waiting(lane) for lane in (None, Lane.CLOSING, Lane.QUOTES, Lane.HISTORY)]

    assert counts == [3, 0, 1, 2]
    pacer.close()


async def test_a_clock_of_ones_own_says_what_fits():
    clock = FixedClock()
    pacer = Pacer([messages(limit=1)], clock=clock)
    pacer.submit(DATA, lambda: None)

    standing = pacer.explain(DATA)
    clock.seconds += 1.0

    assert standing == "messages (1 in 1 s): 1 used, waits about 1.000 s, 0 ahead"
    assert pacer.submit(DATA, lambda: None).is_granted


def test_a_pacer_that_was_given_its_loop_works_between_two_runs_of_it():
    loop = VirtualLoop(DEFAULT_START)
    pacer = Pacer([messages(limit=1)], loop=loop)

    before = pacer.submit(DATA, lambda: None)
    lease = loop.run_until_complete(pacer.acquire(DATA))
    loop.close()

    assert before.is_granted
    assert round(lease.waited, 3) == 1.0


def test_a_pacer_that_was_given_its_loop_belongs_to_the_thread_of_it():
    loop, raised = VirtualLoop(DEFAULT_START), []
    pacer = Pacer([messages()], loop=loop)

    def submit():
        try:
            pacer.submit(DATA, lambda: None)
        except WrongLoopError as error:
            raised.append(str(error).partition(";")[0])

    elsewhere = threading.Thread(target=submit)
    elsewhere.start()
    elsewhere.join()
    loop.close()

    assert raised == ["no running event loop"]


async def test_a_pacer_that_was_given_another_loop_does_not_take_this_one():
    other = VirtualLoop(DEFAULT_START)
    pacer = Pacer([messages()], loop=other)

    with pytest.raises(WrongLoopError):
        pacer.submit(DATA, lambda: None)
    other.close()


async def test_a_limit_that_is_held_is_used_up_for_the_length_of_its_window():
    pacer = Pacer([messages(limit=5)])
    await asyncio.sleep(10)

    pacer.hold("messages")
    lease = await pacer.acquire(DATA)

    assert round(lease.waited, 3) == 1.0


def test_a_pacer_whose_loop_has_ended_does_not_work_outside_one():
    pacer = Pacer([messages()])

    async def first_use():
        pacer.submit(DATA, lambda: None)

    run_virtual(first_use())

    with pytest.raises(WrongLoopError, match="no running event loop"):
        pacer.submit(DATA, lambda: None)


def test_without_a_loop_nothing_can_be_asked_for():
    with pytest.raises(WrongLoopError, match="no running event loop"):
        Pacer([messages()]).submit(DATA, lambda: None)


@pytest.mark.parametrize("ask", [Pacer.saved, Pacer.used, Pacer.close])
def test_what_it_is_asked_after_its_run_says_where_to_ask(ask):
    with pytest.raises(
        WrongLoopError, match="call from a coroutine on the pacer's own, or make it with loop="
    ):
        ask(Pacer([messages()]))


async def test_closing_lets_nobody_wait_for_ever():
    pacer, wire = Pacer([messages(limit=1)]), Wire()
    pacer.submit(DATA, wire.sender("first"))
    pacer.submit(DATA, wire.sender("never"))
    waiting = asyncio.create_task(pacer.acquire(DATA))
    await asyncio.sleep(0.5)

    pacer.close()

    with pytest.raises(NotConnected, match="data was not sent: the pacer was closed"):
        await waiting
    await asyncio.sleep(5)
    assert wire.sent == [("first", 0)]
    assert pacer.waiting() == 0


async def test_a_pacer_belongs_to_one_loop():
    pacer = Pacer([messages()])
    pacer.submit(DATA, lambda: None)

    async def elsewhere():
        pacer.submit(DATA, lambda: None)

    with pytest.raises(WrongLoopError, match="another loop"):
        await asyncio.to_thread(asyncio.run, elsewhere())


async def test_it_explains_in_words():
    pacer = Pacer(gateway_rules())
    await pacer.acquire(HISTORY)

    assert pacer.explain(DATA) == "data could go now"
    assert pacer.explain(HISTORY) == (
        "identical history (1 in 15 s) for SPY 1 D 5 mins: 1 used, waits about 15.000 s, 0 ahead"
    )


async def test_it_explains_every_limit():
    pacer = Pacer([opens(1), messages(limit=1)])
    pacer.submit(DATA, lambda: None)

    assert pacer.explain(DATA) == (
        "open (1 open): 1 used, waits until one ends, 0 ahead; "
        "messages (1 in 1 s): 1 used, waits about 1.000 s, 0 ahead"
    )


async def test_a_place_that_another_request_keeps_is_named_only_where_nothing_else_holds_one_back():
    def slow(kind):
        return Rule(
            name=f"slow {kind}",
            limit=1,
            seconds=60.0,
            source="a test",
            key=lambda one: "" if one.kind == kind else None,
        )

    pacer = Pacer([messages(limit=1), slow("bars"), slow("ticks")])
    bars, ticks, depth = (Request(kind=kind, lane=Lane.HISTORY) for kind in ("bars", "ticks", "depth"))
    await pacer.acquire(bars)
    await pacer.acquire(ticks)
    await asyncio.sleep(9.0)
    pacer.submit(bars, lambda: None)  # keeps the place among the messages until the slow limit lets it go

    assert pacer.explain(bars) == "slow bars (1 in 60 s): 1 used, waits about 110.000 s, 1 ahead"
    assert pacer.explain(ticks) == "slow ticks (1 in 60 s): 1 used, waits about 51.000 s, 0 ahead"
    assert pacer.explain(depth) == "messages (1 in 1 s): 0 used, waits about 0.000 s, 0 ahead"
    pacer.close()


async def test_a_request_that_could_never_go_is_refused():
    pacer = Pacer([messages(limit=1, weight=lambda _: 2)])

    with pytest.raises(InvalidInput, match="weighs 2"):
        await pacer.acquire(DATA)


async def test_windows_survive_a_restart():
    clock = FixedClock()
    before = Pacer(gateway_rules(), clock=clock)
    before.submit(HISTORY, lambda: None)
    saved = json.loads(json.dumps(before.saved()))

    later = FixedClock(clock.wall + timedelta(seconds=9))
    after = Pacer(gateway_rules(), clock=later)
    after.restore(saved)

    assert "identical history (1 in 15 s)" in after.explain(HISTORY)
    assert "waits about 6.000 s" in after.explain(HISTORY)


async def test_windows_of_a_contract_are_found_again_after_a_restart():
    """Their key is a pair, which JSON turns into a list."""
    clock, bars = FixedClock(), [attrs.evolve(HISTORY, identity=str(number)) for number in range(6)]
    before = Pacer(gateway_rules(), clock=clock)
    for request in bars[:5]:
        before.submit(request, lambda: None)

    after = Pacer(gateway_rules(), clock=clock)
    after.restore(json.loads(json.dumps(before.saved())))

    assert "history of a contract (5 in 2 s) for SPY@SMART TRADES: 5 used" in after.explain(bars[5])


async def test_a_wall_clock_that_was_set_back_frees_nothing():
    clock = FixedClock()
    before = Pacer(gateway_rules(), clock=clock)
    before.submit(HISTORY, lambda: None)

    after = Pacer(gateway_rules(), clock=FixedClock(clock.wall - timedelta(hours=1)))
    after.restore(before.saved())

    assert "waits about 15.000 s" in after.explain(HISTORY)


@pytest.mark.parametrize(
    "saved", [{}, {"at": "soon", "entries": []}, {"at": "2026-01-05T00:00:00+00:00", "entries": [1]}]
)
async def test_stored_windows_that_cannot_be_read_are_refused(saved):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Pacer([messages()]).restore(saved)


async def test_a_pacer_says_how_much_of_each_limit_is_used_and_since_when_somebody_waits():
    pacer = Pacer([messages(2), opens(5)])
    await asyncio.sleep(7.0)
    leases = [pacer.submit(DATA, lambda: None) for _ in range(3)]
    await asyncio.sleep(0.4)

    used, waited = pacer.used(), [lease.waiting_for for lease in leases]
    pacer.close()

    assert [rule.name for rule in pacer.rules] == ["messages", "open"]
    assert used == {"messages": 2, "open": 2}
    assert waited == [0.0, 0.0, pytest.approx(0.4, abs=1e-3)]


def test_with_a_clock_of_its_own_too_it_refuses_another_thread_and_goes_on():
    sent, refused = [], []

    async def main():
        pacer = Pacer([messages(limit=1)], clock=asyncio.get_running_loop().clock)
        pacer.submit(DATA, lambda: sent.append("first"))

        def elsewhere():
            try:
                pacer.submit(DATA, lambda: sent.append("from another thread"))
            except RuntimeError as error:
                refused.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        pacer.submit(DATA, lambda: sent.append("second"))
        await asyncio.sleep(5)
        return pacer.waiting()

    waiting = run_virtual(main())

    assert sent == ["first", "second"]
    assert len(refused) == 1
    assert waiting == 0


def test_a_patience_that_is_no_number_is_refused():
    with pytest.raises(InvalidInput, match="patience nan"):
        Pacer([messages()], patience=float("nan"))


async def test_what_is_taken_back_by_one_that_was_granted_with_it_is_not_sent():
    pacer, sent, later = Pacer([messages(limit=2)]), [], []
    for _ in range(2):
        pacer.submit(DATA, lambda: None)
    pacer.submit(DATA, lambda: (sent.append("first"), later[0].end()))
    later.append(pacer.submit(DATA, lambda: sent.append("second")))

    await asyncio.sleep(5)

    assert sent == ["first"]
    assert pacer.waiting() == 0
