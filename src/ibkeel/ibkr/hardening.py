"""`harden`: pacing, a ledger, typed errors and a probe for an `IB` object that a program has already."""

import asyncio
import inspect
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from types import TracebackType
from typing import Any, Final, TypeVar, cast

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import GatewayRejected, IbkeelError, InvalidInput, NotConnected
from ibkeel.ibkr.client import Tap, forget_tickers, loop_of
from ibkeel.ibkr.config import IBKRConfig, OrderMode
from ibkeel.ibkr.health import clock_check
from ibkeel.ibkr.notices import Notices
from ibkeel.ibkr.pulse import LEAST_GAP, Beat, instant
from ibkeel.ibkr.sent_ledger import Failure, Scope
from ibkeel.ibkr.wire_guard import STRICT_SCOPE, WireGuard
from ibkeel.model import Grade, Health, HealthCheck
from ibkeel.system import SystemClock
from ibkeel.telemetry import NullObserver, Observer, unfailing

__all__ = ["Failure", "Hardened", "harden"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_NO_REQUEST: Final = -1


def harden(
    ib: Any,
    *,
    config: IBKRConfig | None = None,
    orders: OrderMode | str | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
    on_failure: Callable[[Failure], object] | None = None,
) -> "Hardened":
    """Attach pacing, a ledger, typed errors and a probe to an `IB` object of ib_insync or ib_async.

    What the object returns stays the same; what it sends leaves within the limits, orders and
    cancels first. Failures that the library turns into an empty list are in `Hardened.failures`,
    and are raised within `Hardened.strict`.

    Args:
        ib: The object, connected or not.
        config: Limits, deadlines and, for LIVE, the account; host, port and client id are not used.
        orders: Which orders may leave; None leaves orders alone.
        observer: Told of waits, notices and failures.
        clock: Wall time; None means the machine's.
        on_failure: Called with each failure, on the loop that hears of it.

    Raises:
        InvalidInput: It is hardened already, or is no such object.

    Examples:
        ```python
        ib = IB()
        hardened = harden(ib)
        ib.connect("127.0.0.1", 4002, clientId=7)
        with hardened.strict():
            bars = ib.reqHistoricalData(contract, "", "1 D", "5 mins", "TRADES", True)
        ```
    """
    if not hasattr(ib, "wrapper") or not hasattr(ib, "client"):
        raise InvalidInput(f"cannot harden {ib!r}; valid: an IB object of ib_insync or ib_async")
    if "sendMsg" in vars(ib.client):
        raise InvalidInput("this IB object is hardened already, or belongs to a broker; release it first")
    config = config or IBKRConfig()
    if orders is not None:
        config = attrs.evolve(config, orders=orders)
    return Hardened(
        ib,
        config,
        orders=None if orders is None else config.orders,
        observer=unfailing(observer or NullObserver(), lambda: loop_of(ib)),
        clock=clock or SystemClock(),
        on_failure=on_failure or _nothing,
    )


def _nothing(_: Failure) -> None:
    pass


class Strict:
    """A block, entered once; or, as a decorator, one around each call, to the end of what it awaits."""

    def __init__(self, block: Callable[[], AbstractContextManager[None]]) -> None:
        self._block = block
        self._entered: AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        if self._entered is not None:
            raise InvalidInput("this strict() block was entered already; ask for another by strict()")
        self._entered = self._block()
        self._entered.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered is not None:
            self._entered.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Make every call strict.

        Raises:
            InvalidInput: It is a generator. When it is called: the same, of what it returns.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise _no_generator(function)

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with self._block():
                return await function(*args, **kwargs)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._block():
                result = function(*args, **kwargs)
            if inspect.isgenerator(result) or inspect.isasyncgen(result):
                raise _no_generator(function)
            return self(_itself)(result) if inspect.iscoroutine(result) else result

        return cast("F", wraps(function)(call_async) if inspect.iscoroutinefunction(function) else call)


async def _itself(coroutine: Awaitable[T]) -> T:
    return await coroutine


def _no_generator(function: object) -> InvalidInput:
    return InvalidInput(
        f"{function!r} is a generator, between whose items others run; write `with hardened.strict():` inside it, around "
        "what asks, with no yield in it"
    )


class Hardened:
    """What `harden` attached to an `IB` object.

    The object belongs to the thread and the loop on which it connects: a message from another one
    raises WrongLoopError, for the answer to it would never be read.
    """

    def __init__(
        self,
        ib: Any,
        config: IBKRConfig,
        *,
        orders: OrderMode | None,
        observer: Observer,
        clock: Clock,
        on_failure: Callable[[Failure], object],
    ) -> None:
        self.ib = ib
        self._config, self._clock = config, clock
        self._notices = Notices(clock, observer)
        self._is_attached = True
        self._askers: set[asyncio.Future[Beat]] = set()
        self._asked_at = -math.inf
        self._last: Beat | None = None
        self._tap = Tap(ib.wrapper)
        self._guard = WireGuard(
            ib,
            self._tap,
            config,
            orders=orders,
            observer=observer,
            clock=clock,
            on_failure=on_failure,
            on_reset=self._on_reset,
        )
        self._tap.hear("error", self._on_error)
        self._tap.hear("currentTime", self._on_time)

    def release(self) -> None:
        """Give the object back as it was; what still waits for its turn is not sent."""
        self._is_attached = False
        self._guard.release()
        self._tap.remove()

    def _check_attached(self) -> None:
        if not self._is_attached:
            raise InvalidInput(
                "this IB object was released, so nothing is heard or raised here; harden() it again"
            )

    # What is known.

    @property
    def counts(self) -> Mapping[str, int]:
        """Messages that left, by the library's name of the call."""
        return Counter() if self._guard.wire is None else self._guard.wire.counts

    @property
    def waiting(self) -> tuple[str, ...]:
        """What waits for its turn, in words, in the order of asking."""
        return () if self._guard.wire is None else self._guard.wire.waiting()

    @property
    def open_lines(self) -> Mapping[int, str]:
        """Market data lines that are out: request id and what it is for."""
        return self._guard.ledger.lines

    @property
    def open_requests(self) -> Mapping[int, str]:
        """Subscriptions and requests that count until they end: id and name of the call."""
        return {key: sent.name for key, sent in self._guard.ledger.open.items()}

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The latest 4,096 requests that failed, oldest first."""
        return tuple(self._guard.ledger.failures)

    def last_error(self, request_id: int | None = None) -> IbkeelError | None:
        """The latest typed error, of one request or of all; None when there was none."""
        for failure in reversed(self._guard.ledger.failures):
            if request_id in {None, failure.request_id}:
                return failure.error
        return None

    def trim(self) -> int:
        """Let the library forget the tickers of snapshots and streams that have ended.

        It keeps them for the whole session, and `ib.tickers()` with them.

        Returns:
            How many were forgotten.
        """
        return forget_tickers(self.ib.wrapper, self._guard.ledger.ended_lines())

    # Failures as exceptions.

    def strict(self) -> Strict:
        """Raise what fails among the requests that are sent within the block, or the function that it decorates.

        A request that somebody waits for raises there and then, and has a deadline; the failure of
        one that nobody waits for, such as a subscription, is raised where the block ends.

        Raises:
            RequestTimeout: No answer within the deadline; it was cancelled at the server.
            NoData: A request for history brought no rows.
            RequestFailed: The Gateway refused; the type says why.
            InvalidInput: The object was released; or a generator is decorated.
        """
        return Strict(self._strict)

    @contextmanager
    def _strict(self) -> Iterator[None]:
        self._check_attached()
        scope = Scope(self._guard.ledger, STRICT_SCOPE.get())
        token = STRICT_SCOPE.set(scope)
        try:
            yield
        finally:
            STRICT_SCOPE.reset(token)
            scope.is_over = True
        if scope.left:
            first, *others = scope.left
            for other in others:
                first.add_note(f"also failed: {other}")
            raise first

    async def checked(self, call: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await one of the object's methods, strictly.

        Examples:
            ```python
            details = await hardened.checked(ib.reqContractDetailsAsync, contract)
            ```
        """
        with self.strict():
            return await call(*args, **kwargs)

    async def health(self) -> Health:
        """Make a round trip and say how things stand, and how far the clocks differ; several callers share one.

        In a program that does not await: `ib.run(hardened.health())`.

        Raises:
            WrongLoopError: Called from a loop that does not own the connection.
            InvalidInput: The object was released.
        """
        self._check_attached()
        if not self.ib.isConnected():
            return Health(checks=(self._check("socket", Grade.DOWN, "no session"),))
        socket = self._check("socket", Grade.OK, "a session is open")
        began = asyncio.get_running_loop().time()
        try:
            beat = await self._round_trip()
        except (TimeoutError, ConnectionError, GatewayRejected) as error:
            evidence = str(error) or f"no answer within {self._config.deadlines.probe:g} s"
            probe = self._check("server time", Grade.DOWN, evidence)
            return Health(checks=(socket, probe, *self._notices.checks()))
        took = asyncio.get_running_loop().time() - began
        said = f"the Gateway said {beat.server_time:%H:%M:%S} UTC in {took:.3f} s"
        probe, clock = self._check("server time", Grade.OK, said), clock_check(beat, self._clock.now())
        return Health(checks=(socket, probe, clock, *self._notices.checks()), round_trip=took)

    def _check(self, name: str, grade: Grade, evidence: str) -> HealthCheck:
        return HealthCheck(name=name, grade=grade, evidence=evidence, at=self._clock.now())

    async def _round_trip(self) -> Beat:
        self._guard.bind()
        loop, patience = asyncio.get_running_loop(), self._config.deadlines.probe
        if self._last is not None and loop.time() - self._last.at < LEAST_GAP:
            return self._last
        if not self._askers or loop.time() - self._asked_at >= patience:
            self.ib.client.reqCurrentTime()
            self._asked_at = loop.time()
        asker: asyncio.Future[Beat] = loop.create_future()
        self._askers.add(asker)
        try:
            async with asyncio.timeout(patience):
                return await asker
        finally:
            self._askers.discard(asker)

    def _on_time(self, epoch: int) -> None:
        now, sent = asyncio.get_running_loop().time(), self._guard.ledger.named.get("reqCurrentTime")
        took = 0.0 if sent is None else now - sent.asked_at
        try:
            self._last = Beat(at=now, received_at=self._clock.now(), server_time=instant(epoch), seconds=took)
        except GatewayRejected as error:
            self._fail_askers(error)
            return
        for asker in self._askers:
            if not asker.done():
                asker.set_result(self._last)

    def _on_error(self, key: int, code: int, text: str, *_: object) -> None:
        if key == _NO_REQUEST:
            self._notices.on_error(code, text)

    def _on_reset(self) -> None:
        self._notices.forget()
        self._last, self._asked_at = None, -math.inf
        self._fail_askers(NotConnected("the session ended"))

    def _fail_askers(self, error: Exception) -> None:
        for asker in self._askers:
            if not asker.done():
                asker.set_exception(error)
