import asyncio
import functools
import threading
from datetime import UTC, datetime

import pytest

from ibkeel.clock import OffsetClock
from ibkeel.errors import CircuitOpen, InvalidInput, NoData, RequestTimeout
from ibkeel.guards import CircuitBreaker
from ibkeel.resilience import BreakerPolicy, BreakerState
from ibkeel.system import SystemClock


class Clock:
    def __init__(self):
        self.seconds = 100.0
        self.reads = 0

    def __call__(self):
        self.reads += 1
        return self.seconds


class Service:
    """Does what it is told: answers, raises, or waits to be let go."""

    def __init__(self):
        self.raises = None
        self.calls = 0
        self.may_end = asyncio.Event()

    def fetch(self):
        self.calls += 1
        if self.raises is not None:
            raise self.raises
        return 42

    async def fetch_async(self):
        return self.fetch()

    def begin(self):
        return self.fetch_async()

    async def fetch_slowly(self):
        self.calls += 1
        await self.may_end.wait()
        return self.fetch()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker("history", policy=BreakerPolicy(failures=2, open_seconds=10.0), clock=clock)


def trip(breaker, service, error=None):
    service.raises = error or RequestTimeout("no answer in 60 s")
    guarded = breaker(service.fetch)
    for _ in range(breaker.breaker.policy.failures):
        with pytest.raises(type(service.raises)):
            guarded()
    service.raises = None


def test_a_value_passes_through(breaker, service):
    assert breaker(service.fetch)() == 42
    assert breaker.call(service.fetch) == 42
    assert breaker.state is BreakerState.CLOSED


async def test_a_value_of_a_coroutine_passes_through(breaker, service):
    assert await breaker(service.fetch_async)() == 42
    assert await breaker.call_async(service.fetch_async) == 42


async def test_arguments_reach_the_function_by_every_way(breaker):
    def multiply(a, *, b):
        return a * b

    async def multiply_later(a, *, b):
        return a * b

    results = [
        breaker(multiply)(6, b=7),
        breaker.call(multiply, 6, b=7),
        await breaker(multiply_later)(6, b=7),
        await breaker.call_async(multiply_later, 6, b=7),
    ]

    assert results == [42] * 4


def test_an_open_circuit_says_what_why_and_for_how_long_and_calls_nobody(breaker, service, clock):
    trip(breaker, service)
    clock.seconds += 4.0

    with pytest.raises(
        CircuitOpen, match=r"history is not called for another 6\.0 s: RequestTimeout: no"
    ) as caught:
        breaker(service.fetch)()

    assert service.calls == 2
    assert (caught.value.service, caught.value.wait) == ("history", 6.0)
    assert caught.value.cause == "RequestTimeout: no answer in 60 s"


async def test_failures_of_coroutines_open_the_circuit_and_a_probe_that_answers_closes_it(
    breaker, service, clock
):
    guarded = breaker(service.fetch_async)
    service.raises = RequestTimeout("no answer in 60 s")
    for _ in range(2):
        with pytest.raises(RequestTimeout):
            await guarded()
    service.raises = None

    with pytest.raises(CircuitOpen) as caught:
        await guarded()
    clock.seconds += 10.0
    answer = await guarded()

    assert caught.value.cause == "RequestTimeout: no answer in 60 s"
    assert answer == 42
    assert breaker.state is BreakerState.CLOSED


async def test_a_calm_circuit_that_times_no_calls_reads_no_clock(breaker, service, clock):
    guarded, guarded_async = breaker(service.fetch), breaker(service.fetch_async)
    for state in ("new", "healed"):
        if state == "healed":
            breaker.open("a drill")
            breaker.close()
        before = clock.reads

        guarded()
        await guarded_async()

        assert clock.reads == before, state


def test_each_rejection_is_an_error_of_its_own_so_that_no_traceback_grows(breaker, service):
    trip(breaker, service)
    errors = []

    for _ in range(2):
        with pytest.raises(CircuitOpen) as caught:
            breaker(service.fetch)()
        errors.append(caught.value)

    assert errors[0] is not errors[1]
    assert errors[0].__cause__ is None


def test_no_data_proves_that_the_service_works(breaker, service):
    guarded = breaker(service.fetch)
    service.raises = RequestTimeout("no answer")
    with pytest.raises(RequestTimeout):
        guarded()
    service.raises = NoData("nothing for that range")

    with pytest.raises(NoData):
        guarded()

    assert breaker.breaker.failures == 0


def test_no_data_heals_an_open_circuit(breaker, service, clock):
    trip(breaker, service)
    clock.seconds += 10.0
    service.raises = NoData("nothing for that range")

    with pytest.raises(NoData):
        breaker(service.fetch)()

    assert breaker.state is BreakerState.CLOSED


def test_an_error_of_the_caller_counts_neither_way(breaker, service):
    guarded = breaker(service.fetch)
    for error in (RequestTimeout("no answer"), KeyError("mine")):
        service.raises = error
        with pytest.raises(type(error)):
            guarded()

    assert breaker.breaker.failures == 1


@pytest.mark.parametrize(
    "counts",
    [ValueError, (KeyError, ValueError), lambda error: "bad" in str(error)],
    ids=["type", "types", "function"],
)
def test_what_counts_is_chosen(clock, service, counts):
    breaker = CircuitBreaker("x", policy=BreakerPolicy(failures=2), counts=counts, clock=clock)

    trip(breaker, service, ValueError("bad"))

    assert breaker.state is BreakerState.OPEN


def test_being_rejected_by_an_inner_circuit_does_not_count_in_an_outer_one(breaker, service, clock):
    outer = CircuitBreaker("outer", policy=BreakerPolicy(failures=1), clock=clock)
    trip(breaker, service)

    with pytest.raises(CircuitOpen):
        outer(breaker(service.fetch))()

    assert outer.state is BreakerState.CLOSED


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_does_not_count(breaker, service, error):
    service.raises = error()
    for _ in range(3):
        with pytest.raises(error):
            breaker(service.fetch)()

    assert breaker.breaker.is_calm


async def test_cancelled_calls_do_not_count(breaker, service):
    guarded = breaker(service.fetch_slowly)
    for _ in range(5):
        task = asyncio.create_task(guarded())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert breaker.breaker.is_calm


async def test_a_cancelled_probe_does_not_wedge_the_circuit(breaker, service, clock):
    trip(breaker, service)
    clock.seconds += 10.0
    probe = asyncio.create_task(breaker(service.fetch_slowly)())
    await asyncio.sleep(1)

    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)

    assert breaker.state is BreakerState.OPEN
    assert breaker(service.fetch)() == 42
    assert breaker.state is BreakerState.CLOSED


async def test_of_twenty_tasks_one_is_the_probe(breaker, service, clock):
    trip(breaker, service)
    clock.seconds += 10.0
    service.calls = 0
    guarded = breaker(service.fetch_slowly)

    tasks = [asyncio.create_task(guarded()) for _ in range(20)]
    await asyncio.sleep(1)
    entered = service.calls
    service.may_end.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert entered == 1
    assert results.count(42) == 1
    assert sum(isinstance(result, CircuitOpen) for result in results) == 19


def test_of_eight_threads_one_is_the_probe(breaker, service, clock):
    trip(breaker, service)
    clock.seconds += 10.0
    may_end, start = threading.Event(), threading.Barrier(8)
    entered, rejected = [], []
    all_known = threading.Semaphore(0)

    def probe():
        entered.append(1)
        all_known.release()
        may_end.wait()

    def arrive():
        start.wait()
        try:
            breaker.call(probe)
        except CircuitOpen:
            rejected.append(1)
            all_known.release()

    threads = [threading.Thread(target=arrive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        assert all_known.acquire(timeout=10)
    may_end.set()
    for thread in threads:
        thread.join()

    assert (len(entered), len(rejected)) == (1, 7)
    assert breaker.state is BreakerState.CLOSED


def test_threads_are_not_serialised(breaker):
    """All four are inside at the same time, or the barrier breaks."""
    inside = threading.Barrier(4, timeout=10)
    threads = [threading.Thread(target=breaker.call, args=(inside.wait,)) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not inside.broken


def test_failures_in_many_threads_are_all_counted(clock):
    breaker = CircuitBreaker("x", policy=BreakerPolicy(failures=4001), clock=clock)

    def fail():
        raise ConnectionError("down")

    def fail_often():
        for _ in range(500):
            with pytest.raises(ConnectionError):
                breaker.call(fail)

    threads = [threading.Thread(target=fail_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert breaker.breaker.failures == 4000


async def test_a_success_from_before_the_trip_does_not_close_the_circuit(breaker, service):
    straggler = asyncio.create_task(breaker(service.fetch_slowly)())
    await asyncio.sleep(1)
    trip(breaker, service)

    service.may_end.set()

    assert await straggler == 42
    assert breaker.state is BreakerState.OPEN


def test_slow_answers_open_the_circuit(clock):
    policy = BreakerPolicy(slow_after=5.0, slow_limit=2, slow_window=4)
    breaker = CircuitBreaker("x", policy=policy, clock=clock)

    @breaker
    def crawl():
        clock.seconds += 5.0

    crawl()
    crawl()

    with pytest.raises(CircuitOpen) as caught:
        crawl()
    assert caught.value.cause == "too many calls were slow"


@pytest.mark.parametrize("seconds", [4.9, 5.0])
async def test_an_answer_that_is_an_error_is_slow_like_any_other(clock, seconds):
    """By every way in: as a decorator of a function and of a coroutine function, and around a block."""
    policy = BreakerPolicy(slow_after=5.0, slow_limit=3, slow_window=3)
    breaker = CircuitBreaker("x", policy=policy, clock=clock)

    def crawl():
        clock.seconds += seconds
        raise NoData("nothing for that range")

    async def crawl_later():
        crawl()

    with pytest.raises(NoData):
        breaker(crawl)()
    with pytest.raises(NoData):
        await breaker(crawl_later)()
    with pytest.raises(NoData), breaker.attempt():
        crawl()

    assert breaker.state is (BreakerState.OPEN if seconds >= 5.0 else BreakerState.CLOSED)


async def test_a_coroutine_is_timed_like_a_function(clock):
    policy = BreakerPolicy(slow_after=5.0, slow_limit=1, slow_window=1)
    breaker = CircuitBreaker("x", policy=policy, clock=clock)

    @breaker
    async def answer_after(seconds):
        clock.seconds += seconds

    await answer_after(4.9)
    state_after_a_fast_one = breaker.state
    await answer_after(5.0)

    assert state_after_a_fast_one is BreakerState.CLOSED
    assert breaker.state is BreakerState.OPEN


def test_what_a_block_waits_for_by_itself_is_not_counted_as_slow(clock):
    policy = BreakerPolicy(slow_after=5.0, slow_limit=1, slow_window=1)
    breaker = CircuitBreaker("x", policy=policy, clock=clock)

    with breaker.attempt() as attempt:
        clock.seconds += 60.0
        attempt.restart()
        clock.seconds += 4.9

    assert breaker.state is BreakerState.CLOSED


def test_fast_answers_leave_a_timed_circuit_calm(service, clock):
    breaker = CircuitBreaker("x", policy=BreakerPolicy(slow_after=5.0), clock=clock)

    breaker(service.fetch)()

    assert breaker.breaker.is_calm


async def test_a_block_is_guarded_whether_it_awaits_or_not(breaker, service):
    service.raises = ConnectionError("gone")

    async def fetch_in_a_block():
        with breaker.attempt():
            await asyncio.sleep(1)
            return service.fetch()

    for _ in range(2):
        with pytest.raises(ConnectionError):
            await fetch_in_a_block()

    with pytest.raises(CircuitOpen):
        await fetch_in_a_block()
    assert service.calls == 2


def test_a_block_that_works_heals_the_circuit(breaker, service, clock):
    trip(breaker, service)
    clock.seconds += 10.0

    with breaker.attempt():
        service.fetch()

    assert breaker.state is BreakerState.CLOSED


def test_jitter_is_asked_for_when_it_opens(clock, service):
    policy = BreakerPolicy(failures=1, open_seconds=10.0, spread=0.5)
    breaker = CircuitBreaker("x", policy=policy, clock=clock, jitter=lambda: 0.5)

    trip(breaker, service)

    assert breaker.breaker.wait(clock()) == 12.5


def test_jitter_is_asked_for_when_it_is_opened_by_hand(clock):
    policy = BreakerPolicy(open_seconds=10.0, spread=0.5)
    breaker = CircuitBreaker("x", policy=policy, clock=clock, jitter=lambda: 0.5)

    breaker.open("error 1300")

    assert breaker.breaker.wait(clock()) == 12.5


def test_unless_told_otherwise_an_opening_lasts_exactly_as_long_as_the_policy_says(breaker, service, clock):
    trip(breaker, service)

    assert breaker.breaker.wait(clock()) == 10.0


def test_a_probe_that_is_interrupted_is_not_named_as_the_cause(clock, service):
    seen = []
    breaker = CircuitBreaker(
        "x", policy=BreakerPolicy(failures=1, open_seconds=10.0), clock=clock, on_change=seen.append
    )
    trip(breaker, service, ConnectionError("down"))
    clock.seconds += 10.0
    service.raises = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        breaker.call(service.fetch)

    with breaker.attempt(), pytest.raises(CircuitOpen) as caught:
        breaker.call(service.fetch)

    assert [change.cause for change in seen[:3]] == ["ConnectionError: down", "", ""]
    assert caught.value.cause == "ConnectionError: down"


def test_after_a_cure_the_next_call_is_the_probe(breaker, service, clock):
    trip(breaker, service)
    clock.seconds += 1.0

    breaker.probe_next()

    assert breaker.breaker.wait(clock()) == 0.0
    assert breaker.call(service.fetch) == 42
    assert breaker.state is BreakerState.CLOSED


def test_every_change_of_state_is_told_with_its_cause(clock, service):
    seen = []
    breaker = CircuitBreaker(
        "x", policy=BreakerPolicy(failures=1, open_seconds=10.0), clock=clock, on_change=seen.append
    )
    trip(breaker, service, ConnectionError("down"))
    clock.seconds += 10.0
    breaker.call(service.fetch)
    breaker.open("error 1300")
    breaker.probe_next()
    breaker.close()

    story = [(change.before.value, change.after.state.value, change.cause) for change in seen]

    assert story == [
        ("closed", "open", "ConnectionError: down"),
        ("open", "half open", ""),
        ("half open", "closed", ""),
        ("closed", "open", "error 1300"),
        ("open", "open", ""),
        ("open", "closed", ""),
    ]
    assert {change.name for change in seen} == {"x"}
    assert [change.at for change in seen] == [100.0, *[110.0] * 5]


def test_a_generator_cannot_be_guarded_by_its_making(breaker):
    def numbers():
        yield 1

    async def slowly():
        yield 1

    for function in (numbers, slowly):
        with pytest.raises(InvalidInput, match="attempt"):
            breaker(function)


async def test_a_coroutine_function_is_known_in_any_dress(breaker, service):
    class Callable:
        async def __call__(self):
            return await service.fetch_async()

    with pytest.raises(InvalidInput, match="call_async"):
        breaker.call(service.fetch_async)
    assert await breaker(functools.partial(service.fetch_async))() == 42
    assert await breaker(Callable())() == 42


async def test_failures_of_an_object_whose_call_is_a_coroutine_function_are_counted(breaker):
    class Callable:
        async def __call__(self):
            raise ConnectionError("down")

    guarded = breaker(Callable())
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await guarded()

    assert breaker.state is BreakerState.OPEN


def test_a_guarded_function_keeps_its_name_and_arguments(breaker):
    @breaker
    def multiply(a, *, b):
        """Multiplies."""
        return a * b

    assert multiply(6, b=7) == 42
    assert (multiply.__name__, multiply.__doc__) == ("multiply", "Multiplies.")
    assert repr(breaker) == "<CircuitBreaker history: closed>"


@pytest.mark.parametrize(
    "counts", [[TimeoutError], None, "TimeoutError", TimeoutError(), {TimeoutError}], ids=str
)
def test_what_says_of_no_error_whether_it_counts_is_refused_before_the_first_one_comes(counts):
    with pytest.raises(InvalidInput, match="error types in a tuple"):
        CircuitBreaker("history", counts=counts)


def test_what_is_no_type_among_types_is_refused_before_the_first_error_comes():
    with pytest.raises(TypeError, match="must be a type"):
        CircuitBreaker("history", answers=(NoData, "NoData"))


def test_a_number_for_the_jitter_is_refused():
    with pytest.raises(InvalidInput, match="cannot be called"):
        CircuitBreaker("history", jitter=0.5)


@pytest.mark.parametrize("which", ["counts", "answers", "jitter"])
def test_what_a_breaker_asks_answers_at_once(which):
    """A coroutine is true whatever it would say: every error would count."""

    async def later(*_):
        return False

    with pytest.raises(InvalidInput, match="is async"):
        CircuitBreaker("history", **{which: later})


def test_what_cannot_be_called_is_not_guarded(breaker):
    with pytest.raises(InvalidInput, match="cannot be called"):
        breaker(property(lambda self: 42))


@pytest.mark.parametrize("times", [1, 3])
async def test_a_plain_function_that_returns_what_is_to_be_awaited_is_not_guarded(breaker, service, times):
    service.raises = TimeoutError()
    guarded = breaker(service.begin)

    for _ in range(times):
        with pytest.raises(InvalidInput, match=r"Service\.begin .*call_async"):
            guarded()
    with pytest.raises(InvalidInput, match="call_async"):
        breaker.call(asyncio.get_running_loop().create_future)

    for _ in range(2):
        with pytest.raises(TimeoutError):
            await breaker.call_async(service.begin)
    assert breaker.state is BreakerState.OPEN


class _Obliging:
    """Has every attribute that it is asked for, as a proxy of a remote server."""

    def __getattr__(self, name):
        return lambda: name


@pytest.mark.parametrize("result", [_Obliging(), asyncio.Future])
def test_a_result_that_only_looks_like_one_to_be_awaited_passes(breaker, result):
    assert breaker.call(lambda: result) is result


def test_a_probe_that_is_no_probe_is_followed_by_another(breaker, service, clock):
    trip(breaker, service)
    clock.seconds += 10.0
    service.raises = None

    with pytest.raises(InvalidInput, match="call_async"):
        breaker.call(service.fetch_async)
    with pytest.raises(InvalidInput, match="call_async"):
        breaker.call(service.begin)

    assert breaker.call(service.fetch) == 42
    assert breaker.state is BreakerState.CLOSED


def test_what_on_change_raises_is_logged_and_ends_no_call(service, clock, caplog):
    def fail(change):
        raise ZeroDivisionError(change.name)

    policy = BreakerPolicy(failures=1, open_seconds=10.0)
    breaker = CircuitBreaker("history", policy=policy, clock=clock, on_change=fail)

    trip(breaker, service, RequestTimeout("no answer"))
    clock.seconds += 10.0
    service.raises = None

    assert breaker.call(service.fetch) == 42
    assert breaker.state is BreakerState.CLOSED
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError] * 3


def test_an_attempt_is_no_decorator_for_of_a_coroutine_function_it_would_guard_nothing(breaker, service):
    with pytest.raises(TypeError, match="not callable"):
        breaker.attempt()(service.fetch_async)


LOST = TimeoutError("no answer")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ExceptionGroup("of a task group", [ValueError("x"), LOST]), BreakerState.OPEN),
        (ExceptionGroup("outer", [ExceptionGroup("inner", [KeyError("x"), LOST])]), BreakerState.OPEN),
        (
            BaseExceptionGroup("stopped", [KeyboardInterrupt(), asyncio.CancelledError(), LOST]),
            BreakerState.OPEN,
        ),
        (ExceptionGroup("both", [NoData("none"), LOST]), BreakerState.OPEN),
        (BaseExceptionGroup("cancelled", [asyncio.CancelledError()]), BreakerState.CLOSED),
        (ExceptionGroup("of the caller", [ValueError("x")]), BreakerState.CLOSED),
    ],
    ids=lambda value: value.args[0] if isinstance(value, BaseException) else str(value),
)
async def test_a_group_of_errors_counts_when_one_in_it_does(service, clock, error, state):
    service.raises = error
    breakers = [CircuitBreaker("history", policy=BreakerPolicy(failures=1), clock=clock) for _ in range(3)]

    with pytest.raises(type(error)):
        breakers[0].call(service.fetch)
    with pytest.raises(type(error)):
        await breakers[1].call_async(service.fetch_async)
    with pytest.raises(type(error)), breakers[2].attempt():
        service.fetch()

    assert [breaker.state for breaker in breakers] == [state] * 3
    causes = {breaker.cause for breaker in breakers}
    assert causes == ({"TimeoutError: no answer"} if state is BreakerState.OPEN else {""})


async def test_tasks_that_fail_together_fail_once(breaker):
    async def fail():
        raise LOST

    @breaker
    async def gather():
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await gather()

    assert (breaker.state, breaker.breaker.failures) == (BreakerState.CLOSED, 1)


def test_an_answer_in_a_group_of_errors_ends_a_row_of_failures(breaker, service):
    service.raises = LOST
    with pytest.raises(TimeoutError):
        breaker.call(service.fetch)
    service.raises = ExceptionGroup("a", [ValueError("x"), ExceptionGroup("b", [NoData("none")])])

    with pytest.raises(ExceptionGroup):
        breaker.call(service.fetch)

    assert breaker.breaker.failures == 0


def test_whoever_counts_groups_by_their_type_goes_on_doing_so(service, clock):
    policy = BreakerPolicy(failures=1)
    breaker = CircuitBreaker("history", policy=policy, counts=ExceptionGroup, clock=clock)
    service.raises = ExceptionGroup("of the caller", [ValueError("x")])

    with pytest.raises(ExceptionGroup):
        breaker.call(service.fetch)

    assert breaker.cause == "ExceptionGroup: of the caller (1 sub-exception)"


def by_code(error):
    return error.code > 0


@pytest.mark.parametrize("which", ["counts", "answers"])
def test_a_predicate_that_raises_hides_no_error_and_keeps_no_probe(service, clock, caplog, which):
    breaker = CircuitBreaker("history", policy=BreakerPolicy(failures=1), clock=clock, **{which: by_code})
    breaker.open("as an example")
    clock.seconds += 30.0
    service.raises = KeyError("not an error with a code")

    with pytest.raises(KeyError, match="not an error with a code"):
        breaker.call(service.fetch)

    (record,) = caplog.records
    assert (record.name, record.exc_info[0]) == ("ibkeel.guards.breaker", AttributeError)
    assert record.message == f"{by_code!r} raised, of <CircuitBreaker history: half open>"
    service.raises = None
    assert breaker.call(service.fetch) == 42
    assert breaker.state is BreakerState.CLOSED


def test_a_predicate_that_cannot_tell_of_one_error_is_asked_of_the_others(service, clock):
    breaker = CircuitBreaker("history", policy=BreakerPolicy(failures=1), clock=clock, counts=by_code)
    lost = RequestTimeout("no answer", code=504)
    service.raises = ExceptionGroup("both", [KeyError("x"), lost])

    with pytest.raises(ExceptionGroup):
        breaker.call(service.fetch)

    assert breaker.cause == "RequestTimeout: no answer"


def no_number():
    raise ZeroDivisionError


@pytest.mark.parametrize("jitter", [no_number, lambda: 1.5, lambda: "half", lambda: float("nan")])
def test_a_faulty_jitter_hides_no_error_and_no_result_and_lengthens_nothing(service, clock, caplog, jitter):
    policy = BreakerPolicy(failures=1, open_seconds=10.0)
    breaker = CircuitBreaker("history", policy=policy, clock=clock, jitter=jitter)

    trip(breaker, service)
    assert breaker.breaker.wait(clock.seconds) == 10.0
    clock.seconds += 10.0

    assert breaker.call(service.fetch) == 42
    assert breaker.state is BreakerState.CLOSED
    breaker.open("as an example")
    assert breaker.state is BreakerState.OPEN
    assert len(caplog.records) == 3


def test_a_clock_of_the_library_tells_the_time_as_a_function_does(service):
    clock = OffsetClock(SystemClock(), datetime(2026, 1, 5, 14, 30, tzinfo=UTC))
    breaker = CircuitBreaker("history", policy=BreakerPolicy(failures=1), clock=clock)
    service.raises = TimeoutError("no answer")

    with pytest.raises(TimeoutError):
        breaker.call(service.fetch)

    assert breaker.state is BreakerState.OPEN


def test_a_clock_that_tells_nothing_is_refused_before_the_first_failure():
    with pytest.raises(InvalidInput, match="cannot be called"):
        CircuitBreaker("history", clock=30.0)
