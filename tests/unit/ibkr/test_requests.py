import asyncio
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import NoData, NotConnected, NotEntitled, PacingExceeded, RequestTimeout
from ibkeel.ibkr.pending import Way
from ibkeel.ibkr.requests import Requests
from ibkeel.ibkr.services import Services
from ibkeel.resilience import Deadlines, RequestKind
from ibkeel.telemetry import NullObserver, RequestEnded, RequestQueued, RequestSent
from ibkeel.virtual import run_virtual, virtual_clock


class Straight:
    """A sender without limits."""

    def sent_by(self, send):
        send()


class Desk:
    """Requests, what was written to the server, and what the observer heard."""

    def __init__(self):
        clock = virtual_clock()
        self.services = Services(
            {},
            Deadlines(),
            clock=clock,
            observer=NullObserver(),
            jitter=lambda: 0.0,
            on_escalation=lambda *_: None,
        )
        self.requests = Requests(clock, self, Straight(), self.services, patience=60.0)
        self.wire = []
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    async def ask(self, key=1, *, deadline=10.0, heard=None):
        return await self.requests.ask(
            key,
            RequestKind.HISTORY,
            f"question {key}",
            deadline=deadline,
            send=partial(self.wire.append, ("ask", key)),
            cancel=partial(self.wire.append, ("cancel", key)),
            heard=heard or self.heard,
        )

    @staticmethod
    def heard(pending, message, args):
        if message == "end":
            pending.finish(pending.rows)
        else:
            pending.rows.append(args[0])

    @property
    def outcomes(self):
        return [(event.subject, event.error) for event in self.ends]

    @property
    def ends(self):
        return [event for event in self.events if isinstance(event, RequestEnded)]


async def asked(desk, **options):
    """A request that is under way."""
    task = asyncio.create_task(desk.ask(**options))
    await asyncio.sleep(0)
    return task


async def test_rows_and_an_end_are_the_answer():
    desk = Desk()
    task = await asked(desk)

    ours = [desk.requests.on_message("row", 1, value) for value in "ab"] + [
        desk.requests.on_message("end", 1)
    ]

    assert await task == ["a", "b"]
    assert ours == [True, True, True]
    assert desk.wire == [("ask", 1)]
    assert desk.outcomes == [("question 1", "")]
    assert len(desk.requests) == 0


async def test_no_answer_ends_in_a_time_out_and_a_cancel():
    desk = Desk()

    with pytest.raises(RequestTimeout, match=r"no answer to question 1 within 10 s; 0 messages"):
        await desk.ask()

    assert asyncio.get_running_loop().time() == pytest.approx(10, abs=0.01)
    assert desk.wire == [("ask", 1), ("cancel", 1)]
    assert desk.outcomes == [("question 1", "RequestTimeout")]


async def test_half_an_answer_ends_in_a_time_out_that_says_so():
    desk = Desk()
    task = await asked(desk)

    desk.requests.on_message("row", 1, "a")

    with pytest.raises(RequestTimeout, match="1 messages of it had come"):
        await task


async def test_an_answer_that_comes_late_changes_nothing_and_stays_ours():
    desk = Desk()
    with pytest.raises(RequestTimeout):
        await desk.ask()

    late = [desk.requests.on_message("row", 1, "a"), desk.requests.on_message("end", 1)]
    late.append(desk.requests.on_error(1, 162, "API historical data query cancelled: 1"))

    assert late == [True, True, True]
    assert len(desk.requests) == 0


async def test_an_answer_that_comes_twice_counts_once():
    desk = Desk()
    task = await asked(desk)

    desk.requests.on_message("row", 1, "a")
    desk.requests.on_message("end", 1)
    desk.requests.on_message("row", 1, "b")
    desk.requests.on_message("end", 1)
    desk.requests.on_error(1, 162, "no data")

    assert await task == ["a"]


async def test_an_error_that_ends_a_request_is_typed_and_needs_no_cancel():
    desk = Desk()
    task = await asked(desk)

    desk.requests.on_error(1, 162, "HMDS query returned no data: SPY")

    with pytest.raises(NoData, match="question 1: the Gateway said 162") as failure:
        await task
    assert failure.value.code == 162
    assert desk.wire == [("ask", 1)]


async def test_the_first_end_counts():
    desk = Desk()
    task = await asked(desk)

    desk.requests.on_error(1, 354, "not subscribed")
    desk.requests.on_error(1, 100, "too fast")
    desk.requests.on_message("end", 1)

    with pytest.raises(NotEntitled):
        await task


async def test_what_goes_on_after_its_answer_is_told_to_stop():
    desk = Desk()
    task = asyncio.create_task(
        desk.requests.ask(
            1,
            RequestKind.QUOTE,
            "a quote",
            deadline=1,
            send=list,
            cancel=partial(desk.wire.append, "cancel"),
            goes_on=True,
            heard=desk.heard,
        )
    )
    await asyncio.sleep(0)

    desk.requests.on_message("end", 1)

    assert await task == []
    assert desk.wire == ["cancel"]


async def test_a_notice_leaves_the_request_running():
    desk = Desk()
    task = await asked(desk)

    desk.requests.on_error(1, 2106, "farm is OK")
    desk.requests.on_message("end", 1)

    assert await task == []


async def test_delayed_data_are_noted_on_the_request():
    desk = Desk()
    task = await asked(desk, heard=lambda pending, *_: pending.finish(pending.delayed))

    desk.requests.on_error(1, 10167, "Displaying delayed market data.")
    desk.requests.on_message("row", 1)

    assert await task is True


async def test_a_caller_that_is_cancelled_sends_the_servers_cancel():
    desk = Desk()
    task = await asked(desk)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.wire == [("ask", 1), ("cancel", 1)]
    assert desk.outcomes == [("question 1", "CancelledError")]


async def test_a_callers_shorter_patience_sends_the_servers_cancel():
    desk = Desk()

    with pytest.raises(TimeoutError) as gave_up:
        async with asyncio.timeout(2):
            await desk.ask()

    assert not isinstance(gave_up.value, RequestTimeout)
    assert desk.wire == [("ask", 1), ("cancel", 1)]


async def test_the_end_of_the_session_ends_every_request():
    desk = Desk()
    tasks = [await asked(desk, key=key) for key in (1, 2, 3)]

    desk.requests.fail_all("the Gateway closed the connection")

    for key, task in enumerate(tasks, 1):
        with pytest.raises(NotConnected, match=f"question {key}: the Gateway closed"):
            await task
    assert len(desk.requests) == 0


async def test_a_request_that_cannot_be_sent_leaves_the_books():
    desk = Desk()

    def refuse():
        raise ConnectionError("Not connected")

    with pytest.raises(NotConnected, match="a quote: the session ended"):
        await desk.requests.ask(1, RequestKind.QUOTE, "a quote", deadline=1, send=refuse)

    assert len(desk.requests) == 0


async def test_a_time_out_that_is_not_ours_stays_what_it_is():
    desk = Desk()

    def refuse():
        raise TimeoutError("of somebody else")

    with pytest.raises(TimeoutError, match="of somebody else") as failure:
        await desk.requests.ask(1, RequestKind.QUOTE, "a quote", deadline=1, send=refuse)

    assert not isinstance(failure.value, RequestTimeout)


async def test_a_cancel_that_finds_no_connection_hides_nothing():
    desk = Desk()

    def no_connection():
        raise ConnectionError("Not connected")

    with pytest.raises(RequestTimeout):
        await desk.requests.ask(1, RequestKind.QUOTE, "a quote", deadline=1, send=list, cancel=no_connection)


async def test_what_nobody_asked_for_is_not_ours():
    requests = Desk().requests

    assert not requests.on_message("row", 99, "a")
    assert not requests.on_error(99, 200, "No security definition")
    assert not requests.is_ours(99)


async def test_the_memory_of_ended_requests_is_bounded():
    desk = Desk()
    for key in range(5000):
        desk.requests.forget(key)

    ours = [key for key in range(5000) if desk.requests.is_ours(key)]

    assert ours == list(range(5000 - 4096, 5000))


async def test_a_name_that_is_asked_for_again_is_answered_again():
    desk = Desk()

    for _ in range(3):
        task = await asked(desk, key="positions")
        desk.requests.on_message("end", "positions")
        assert await task == []


ENDS = st.sampled_from(["end", "error 162", "error 100", "session", "cancel", "nothing"])
OUTCOMES = (type(None), NoData, PacingExceeded, NotConnected, RequestTimeout)


def happen(desk, task, what):
    match what.split():
        case ["end"]:
            desk.requests.on_message("end", 1)
        case ["error", code]:
            desk.requests.on_error(1, int(code), "no data")
        case ["session"]:
            desk.requests.fail_all("over")
        case ["cancel"]:
            task.cancel()


@given(st.lists(st.tuples(st.integers(0, 12), ENDS), min_size=1, max_size=4))
def test_whatever_happens_a_request_ends_in_just_one_way(happenings):
    async def main():
        desk = Desk()
        task = await asked(desk)
        for seconds, what in happenings:
            await asyncio.sleep(seconds)
            happen(desk, task, what)
        await asyncio.wait([task])
        return desk, task

    desk, task = run_virtual(main())

    assert len(desk.ends) == 1
    assert len(desk.requests) == 0
    assert task.cancelled() or isinstance(task.exception(), OUTCOMES)
    needs_cancel = task.cancelled() or isinstance(task.exception(), RequestTimeout | NotConnected)
    assert desk.wire.count(("cancel", 1)) <= 1
    assert ("cancel", 1) not in desk.wire or needs_cancel


class Held:
    """A message whose turn comes after a while."""

    waits_for = waited_for = "messages (2 in 1 s)"

    def __init__(self, seconds):
        self.seconds, self.is_sent = seconds, False

    async def sent(self, wanted):
        await asyncio.sleep(self.seconds)
        self.is_sent = True

    def end(self):
        self.is_sent = False


async def test_a_request_is_told_when_it_waits_when_it_leaves_and_when_it_ends():
    desk = Desk()
    desk.requests._wire = type("Slow", (), {"sent_by": staticmethod(lambda send: Held(2.0))})()
    task = await asked(desk)
    await asyncio.sleep(5)
    desk.requests.on_message("row", 1, "a")
    await asyncio.sleep(1)
    desk.requests.on_message("end", 1)

    await task

    queued, sent, ended = desk.events
    assert (type(queued), queued.rule) == (RequestQueued, "messages (2 in 1 s)")
    assert (type(sent), sent.queue_seconds) == (RequestSent, pytest.approx(2.0, abs=1e-4))
    figures = (ended.seconds, ended.queue_seconds, ended.wire_seconds, ended.reply_seconds)
    assert figures == pytest.approx((6.0, 2.0, 3.0, 1.0), abs=1e-3)
    assert ended.was_sent


async def test_a_request_that_never_left_is_told_as_such():
    desk = Desk()
    desk.requests._wire = type("Stuck", (), {"sent_by": staticmethod(lambda send: Held(3600.0))})()

    with pytest.raises(PacingExceeded):
        await desk.ask()

    queued, ended = desk.events
    assert (type(queued), ended.error, ended.was_sent) == (RequestQueued, "PacingExceeded", False)
    assert (ended.queue_seconds, ended.wire_seconds, ended.reply_seconds) == (ended.seconds, 0.0, 0.0)


async def test_a_refusal_bears_the_gateways_code():
    desk = Desk()
    task = await asked(desk)

    desk.requests.on_error(1, 162, "Historical Market Data Service error message:HMDS query returned no data")

    with pytest.raises(NoData):
        await task
    assert (desk.ends[0].error, desk.ends[0].code) == ("NoData", 162)


@given(st.floats(0, 100), st.none() | st.floats(0, 100), st.none() | st.floats(0, 100), st.floats(0, 100))
def test_the_parts_of_a_way_are_its_whole(asked_at, to_sending, to_hearing, to_the_end):
    sent_at = None if to_sending is None else asked_at + to_sending
    heard_at = None if sent_at is None or to_hearing is None else sent_at + to_hearing
    way = Way(asked_at, sent_at, heard_at, max(asked_at, sent_at or 0, heard_at or 0) + to_the_end)

    parts = (way.queue_seconds, way.wire_seconds, way.reply_seconds)

    assert min(parts) >= 0
    assert sum(parts) == pytest.approx(way.seconds)


async def test_an_answer_that_comes_in_the_turn_of_the_deadline_counts():
    desk, loop = Desk(), asyncio.get_running_loop()
    task = await asked(desk, deadline=10.0)
    loop.call_at(loop.time() + 10.0 - 1e-9, desk.requests.on_message, "end", 1)

    assert await task == []
