"""Pacing for asyncio, over the rules in `ibkeel.resilience`; its windows survive a restart as plain values."""

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, NotConnected, WrongLoopError
from ibkeel.resilience import Admission, Lane, Request, Rule, Ticket, Usage
from ibkeel.system import SystemClock


class Lease:
    """A place at a `Pacer`: waiting, granted, or ended.

    As a context manager it ends with its block. A request that only counts in windows of time need
    not be ended; one that counts while it is open must be.
    """

    def __init__(self, pacer: "Pacer", ticket: Ticket, on_grant: Callable[[], object]) -> None:
        self._pacer, self._ticket, self._on_grant = pacer, ticket, on_grant
        self._turn: asyncio.Future[None] | None = None

    @property
    def request(self) -> Request:
        """What was asked for."""
        return self._ticket.request

    @property
    def is_granted(self) -> bool:
        """Whether its turn has come, be it over or not."""
        return self._ticket.granted_at is not None

    @property
    def waited(self) -> float | None:
        """Seconds from asking to the grant; None as long as there is none."""
        granted_at = self._ticket.granted_at
        return None if granted_at is None else granted_at - self._ticket.asked_at

    @property
    def waiting_for(self) -> float:
        """Seconds that it has waited by now; 0 once it was granted."""
        return 0.0 if self.is_granted else self._pacer._now() - self._ticket.asked_at

    @property
    def waits_for(self) -> str:
        """The limit that holds it back now; empty when none does."""
        return self._ticket.waits_for

    def end(self) -> None:
        """Stop waiting, or give back what counts while it is open; again does nothing."""
        self._pacer._end(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Pacer:
    """Lets requests go as fast as the rules allow, and no faster.

    Within a lane whoever asked first goes first, save those whom a rule of their own holds back;
    an urgent lane goes before the others. It belongs to the loop on which it is first used, and
    keeps one timer there.

    Args:
        rules: The limits, from the narrowest to the broadest; see `gateway_rules`.
        margin: Seconds added to every window: at least what the time from a grant to the receiver's
            clock varies by.
        patience: Seconds after which a lane that was passed over goes once before the others.
        clock: Replaces the loop's time, and the machine's wall time in `saved`.
        loop: The loop to belong to, when requests may also come while it does not run; by default
            the one on which it is first used.

    Raises:
        InvalidInput: Two rules have the same name, or a figure is out of range.

    Examples:
        >>> import asyncio
        >>> from ibkeel.resilience import Request, Rule
        >>> async def main() -> list[bool]:
        ...     pacer = Pacer([Rule(name="messages", limit=2, seconds=1.0, source="an example")])
        ...     leases = [pacer.submit(Request(kind="quote"), lambda: None) for _ in range(3)]
        ...     pacer.close()
        ...     return [lease.is_granted for lease in leases]
        >>> asyncio.run(main())
        [True, True, False]
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        margin: float = 0.0,
        patience: float = 5.0,
        clock: Clock | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._admission = Admission(rules, margin=margin, patience=patience)
        self._clock = clock
        self._wall: Clock = clock or SystemClock()
        self._loop = loop
        self._thread = None if loop is None else threading.get_ident()
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._waiting: dict[Ticket, Lease] = {}
        self.timers_set = 0

    async def acquire(self, request: Request) -> Lease:
        """Wait for the turn of a request; cancelling gives the place up.

        Returns:
            The lease, to be ended when the request counts while it is open.

        Raises:
            InvalidInput: The request weighs more than a limit, so it could never be sent.
            NotConnected: The pacer was closed meanwhile.
            WrongLoopError: The pacer belongs to another loop.
        """
        lease = self.submit(request, lambda: None)
        if lease.is_granted:
            return lease
        turn: asyncio.Future[None] = self._own_loop().create_future()

        def come() -> None:
            if not turn.done():
                turn.set_result(None)

        lease._turn, lease._on_grant = turn, come
        try:
            await turn
        except asyncio.CancelledError:
            lease.end()
            raise
        if not lease.is_granted:
            raise NotConnected(f"{request.kind} was not sent: the pacer was closed while it waited")
        return lease

    def submit(self, request: Request, send: Callable[[], object]) -> Lease:
        """Send when the turn of a request comes: now, or later from the loop.

        Args:
            request: What the rules look at.
            send: Called once, with nothing held; not at all when the lease is ended before. What it raises
                at once is raised here, and the lease has ended.

        Raises:
            InvalidInput: The request weighs more than a limit, so it could never be sent.
            WrongLoopError: The pacer belongs to another loop.
        """
        now = self._now()
        ticket = self._admission.ask(request, now)
        lease = Lease(self, ticket, send)
        if ticket.is_waiting:
            self._waiting[ticket] = lease
            self._arm(now)
        else:
            try:
                send()
            except BaseException:
                lease.end()  # nobody else ever has it to end
                raise
        return lease

    def explain(self, request: Request) -> str:
        """Say in words what such a request would wait for, and about how long."""
        waits = self._admission.explain(request, self._now())
        # A place that somebody keeps for later is told of only where nothing else holds it back.
        held = [wait for wait in waits if wait.seconds > 0 or wait.ahead]
        return "; ".join(map(str, held or waits)) or f"{request.kind} could go now"

    def waiting(self, lane: Lane | None = None) -> int:
        """How many wait, in one lane or in all."""
        return sum(self._admission.waiting) if lane is None else self._admission.waiting[lane]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The limits."""
        return self._admission.rules

    def used(self) -> dict[str, int]:
        """Weight that counts now, by name of the limit, in the fullest of its windows."""
        return self._admission.used(self._now())

    def leases(self) -> tuple[Lease, ...]:
        """Those that wait, in the order of asking."""
        return tuple(self._waiting.values())

    def saved(self) -> dict[str, Any]:
        """The windows, fit for JSON, for `restore` after a restart."""
        usage = self._admission.usage(self._now())
        entries = [[use.rule, use.limit, use.key, use.age, use.weight] for use in usage]
        return {"at": self._wall.now().astimezone(UTC).isoformat(), "entries": entries}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Count what was sent before a restart; to be called before the first request.

        Raises:
            ConfigurationError: It is not what `saved` gives.
        """
        self._admission.put_back(_from_plain(saved, self._wall.now()), self._now())

    def hold(self, rule: str) -> None:
        """Count a limit as used up from now on, save the slots for closing orders.

        Args:
            rule: Its name; one that is not there is left alone.
        """
        self._admission.fill(rule, self._now())

    def close(self) -> None:
        """Give up everybody who waits: `acquire` raises, and what was submitted is never sent."""
        now = self._now()
        for ticket, lease in self._waiting.items():
            self._admission.withdraw(ticket, now)
            if lease._turn:
                lease._on_grant()
        self._waiting.clear()
        self._disarm()

    def _end(self, lease: Lease) -> None:
        now = self._now()
        ticket = lease._ticket
        if not self._admission.withdraw(ticket, now):
            self._admission.release(ticket, now)
        self._waiting.pop(ticket, None)
        self._arm(now)

    def _advance(self) -> None:
        self._disarm()
        now = self._now()
        granted = deque(self._waiting.pop(ticket) for ticket in self._admission.advance(now))
        self._arm(now)
        self._go(granted)

    def _go(self, granted: deque[Lease]) -> None:
        """Send in order; should one raise, the loop reports it and the others still go."""
        try:
            while granted:
                lease = granted.popleft()
                if lease._ticket.is_open:  # one before it may have ended it
                    lease._on_grant()
        finally:
            if granted:
                self._own_loop().call_soon(self._go, granted)

    def _arm(self, now: float) -> None:
        """One timer, for the earliest; a timer that is too early costs less than another one."""
        due = self._admission.next_at()
        if due is None or due >= self._due:
            return
        self._disarm()
        self._due = due
        self._timer = self._own_loop().call_later(max(0.0, due - now), self._advance)
        self.timers_set += 1

    def _disarm(self) -> None:
        self._due = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now(self) -> float:
        loop = self._own_loop()  # also with a clock: what comes from elsewhere could never be woken
        return loop.time() if self._clock is None else self._clock.monotonic()

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            # Between two runs of the loop that it was given, in the same thread, it works too.
            if self._loop is None or self._thread != threading.get_ident():
                raise WrongLoopError(
                    "no running event loop; call from a coroutine on the pacer's own, or make it with loop="
                ) from None
            return self._loop
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise WrongLoopError("the pacer belongs to another loop; make one for each, or call from its own")
        return running


def _from_plain(plain: Mapping[str, Any], now: datetime) -> list[Usage]:
    """What `Pacer.saved` gave, be it through JSON, with ages as of now; ConfigurationError for anything else.

    Should the wall clock have been set back meanwhile, no time counts as passed.
    """
    try:
        passed = max(0.0, (now - datetime.fromisoformat(plain["at"])).total_seconds())
        return [
            Usage(rule=rule, limit=limit, key=_key(key), age=float(age) + passed, weight=int(weight))
            for rule, limit, key, age, weight in plain["entries"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"stored pacing windows cannot be read ({error}); delete them, and send nothing for 10 minutes"
        ) from error


def _key(key: Any) -> Any:
    """JSON turns tuples into lists, which cannot be keys."""
    return tuple(_key(part) for part in key) if isinstance(key, list) else key
