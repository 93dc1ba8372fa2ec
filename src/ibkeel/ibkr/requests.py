"""Every request ends, in exactly one way: with a value, or with one typed error."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol

from ibkeel.clock import Clock
from ibkeel.errors import (
    CircuitOpen,
    NotConnected,
    PacingExceeded,
    QuoteUnavailable,
    RequestFailed,
    RequestTimeout,
)
from ibkeel.ibkr.code_rows import ERROR_TABLE
from ibkeel.ibkr.codes import About, Effect, ErrorTable, Reaction
from ibkeel.ibkr.pending import LATE, NO_WAY, Heard, Outcome, Pending, SubscribeAgain, Vitals, Way
from ibkeel.ibkr.services import Services, is_answer
from ibkeel.ibkr.wire_pacing import Outgoing
from ibkeel.resilience import RequestKind
from ibkeel.telemetry import Observer, RequestEnded, RequestQueued, RequestSent, is_observed

__all__ = ["Pending", "Requests", "Sender", "SubscribeAgain"]

_REMEMBERED_SECONDS: Final = 600.0  # no deadline is longer, so no answer is much later
_SETTLES_AFTER: Final = 2.0  # an end that follows another does so at once
_OLD: Final = 10.0  # the same, before what is read then is too old to hold now
_OF_THE_MOMENT: Final = frozenset({RequestKind.QUOTE, RequestKind.ACCOUNT})
_OWED_SECONDS: Final = 30.0  # an answer that is later than that will not come any more
_REMEMBERED: Final = 4096
_MAY_RUN_ON: Final = frozenset({Reaction.RESUBSCRIBE, Reaction.WAIT_COMPETING})


class Sender(Protocol):
    """Where messages wait for their turn."""

    def sent_by(self, send: Callable[[], object]) -> Outgoing | None:
        """Call what writes a message; the message when it may have to wait."""
        ...


class Requests:
    """The requests of one connection that are under way, or wait for their turn, some seconds at most."""

    def __init__(
        self,
        clock: Clock,
        observer: Observer,
        wire: Sender,
        services: Services,
        *,
        patience: float,
        codes: ErrorTable = ERROR_TABLE,
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._is_observed = is_observed(observer)
        self._wire, self._services, self._patience, self._codes = wire, services, patience, codes
        self.vitals = Vitals()
        """What became of the requests."""
        self._open: dict[Hashable, Pending] = {}
        self._ended: deque[tuple[float, Hashable]] = deque()
        self._ended_set: set[Hashable] = set()
        self._owed: dict[str, float] = {}
        """When a question without an id was given up whose answer may yet come."""
        self.on_timeout: Callable[[], None] = lambda: None
        """Called when a request went unanswered."""
        self.on_open: Callable[[], object] = lambda: None
        """Called before a request is entered in the books."""
        self.on_reaction: Callable[[Reaction], None] = lambda _: None
        """Called with what the table says that the session is to do about an error, before it ends."""

    def __len__(self) -> int:
        return len(self._open)

    def get(self, key: Hashable) -> Pending | None:
        """The request of that key that is under way."""
        return self._open.get(key)

    def is_ours(self, key: Hashable) -> bool:
        """Whether we asked, now or lately: a late answer to an ended request is ours too."""
        return key in self._open or key in self._ended_set

    async def ask(
        self,
        key: Hashable,
        kind: RequestKind,
        what: str,
        *,
        deadline: float,
        send: Callable[[], None],
        cancel: Callable[[], None] | None = None,
        goes_on: bool = False,
        heard: Heard | None = None,
    ) -> Any:
        """Send a request and wait for its end.

        The circuit breaker of its service decides whether it is sent at all. The deadline runs
        from the moment when its bytes leave: what the limits hold back is not late.

        Args:
            key: Request id, or the name under which the answer comes.
            kind: Its kind.
            what: What is asked, for errors.
            deadline: Seconds until it is given up.
            send: Writes the request.
            cancel: Writes the server-side cancel; called whenever no answer came in, also when
                the caller was cancelled.
            goes_on: Whether the server goes on after the answer: the cancel is then written too.
            heard: Told of every message that names the request.

        Raises:
            CircuitOpen: Its service keeps failing; nothing was sent.
            PacingExceeded: Its turn did not come in time; nothing was sent.
            RequestTimeout: No answer within the deadline.
            RequestFailed: The Gateway refused; the type says why.
            NotConnected: The session ended.
        """
        breaker = self._services.of(kind)
        if breaker is None:
            pending = self.open(key, kind, what, cancel=cancel, goes_on=goes_on, heard=heard)
            return await self._outcome(pending, send, deadline)
        try:
            with breaker.attempt() as attempt:
                pending = self.open(key, kind, what, cancel=cancel, goes_on=goes_on, heard=heard)
                pending.attempt = attempt
                return await self._outcome(pending, send, deadline)
        except CircuitOpen as error:
            self._tell(kind, what, error)
            raise

    async def _outcome(self, pending: Pending, send: Callable[[], None], deadline: float) -> Any:
        loop, outgoing = asyncio.get_running_loop(), None
        error: BaseException | None = None
        began = sent = loop.time()
        # A timer and not asyncio.timeout: that costs twice as much, of what each request costs.
        deadline_timer: asyncio.TimerHandle | None = None
        try:
            outgoing = self._send(send, pending.what)
            if outgoing is not None and not outgoing.is_sent:
                self._tell_queued(pending, outgoing)
                await self._turn(outgoing, pending)
                sent = loop.time()
                pending.restart()
            self._tell_sent(pending, sent - began)
            due = sent + deadline
            deadline_timer = loop.call_at(due, self._expire, pending, deadline, due)
            return await pending.future
        except BaseException as failure:
            error = failure
            raise
        finally:
            if deadline_timer is not None:
                deadline_timer.cancel()
            if outgoing is not None and not outgoing.is_sent:
                outgoing.end()  # neither it nor its cancel leaves
                pending.cancel = None
            self._owe(pending, outgoing)
            self.close(pending)
            was_sent = outgoing is None or outgoing.is_sent
            way = Way(began, sent if was_sent else None, pending.heard_at, loop.time())
            self._tell(pending.kind, pending.what, error, way)

    def _expire(self, pending: Pending, deadline: float, due: float = math.inf) -> None:
        """The deadline has passed; an answer that came in the same turn of the loop still counts."""
        loop = asyncio.get_running_loop()
        if loop.time() - due > LATE:  # what came meanwhile is yet to be read
            loop.call_later(LATE, self._expire, pending, deadline)
            return
        pending.settle()
        if pending.future.done():
            return
        # What says something of itself, but no price, is served.
        if pending.kind is RequestKind.QUOTE and pending.was_heard:
            pending.give_up(
                QuoteUnavailable(
                    f"no answer to {pending.what} within {deadline:g} s: neither bid, ask nor last came; "
                    "is its market open, and is the account subscribed to its data?"
                )
            )
            return
        pending.give_up(
            RequestTimeout(
                f"no answer to {pending.what} within {deadline:g} s; {len(pending.rows)} messages of it had come. "
                "It was cancelled at the server; ask health() what is wrong before asking again"
            )
        )
        if pending.kind is not RequestKind.PROBE:
            self.on_timeout()

    def _owe(self, pending: Pending, outgoing: Outgoing | None) -> None:
        """Note that an answer without an id may still come for what is given up now."""
        was_sent = outgoing is None or outgoing.is_sent
        if isinstance(pending.key, str) and was_sent and not pending.is_answered:
            self._owed[pending.key] = asyncio.get_running_loop().time()

    def take_over(self, key: str) -> bool:
        """Whether an answer without an id may still come for a question given up; it counts for the one that follows."""
        return self._owed.pop(key, None) is not None

    def take_end(self, key: str, message: str, args: tuple[Any, ...]) -> None:
        """Hear the end of an answer that bears no id.

        It may be that of a question that was given up, whose rows then were the earlier answer's too:
        they are set aside, and count after all when no other end follows.
        """
        owed_since = self._owed.pop(key, None)
        pending = self._open.get(key)
        if pending is None:
            return
        if owed_since is None or (loop := asyncio.get_running_loop()).time() - owed_since > _OWED_SECONDS:
            pending.take(message, args)
            return
        rows = tuple(pending.rows)
        pending.rows.clear()

        def nothing_followed() -> None:
            if not pending.future.done() and not pending.rows:
                pending.rows[:] = rows
                pending.take(message, args)

        pending.settle = nothing_followed
        loop.call_later(_SETTLES_AFTER, nothing_followed)

    def _send(self, send: Callable[[], None], what: str) -> Outgoing | None:
        try:
            return self._wire.sent_by(send)
        except ConnectionError as error:
            raise NotConnected(f"{what}: the session ended before it was asked") from error

    async def _turn(self, outgoing: Outgoing, pending: Pending) -> None:
        limit = asyncio.timeout(self._patience)
        try:
            async with limit:
                await outgoing.sent(pending.future)
        except TimeoutError as late:
            if not limit.expired():
                raise
            raise PacingExceeded(
                f"{pending.what} waited {self._patience:g} s for its turn, behind the limit {outgoing.waits_for}; "
                "nothing was sent. Ask for less, ask later, or raise IBKRConfig.pacing_patience"
            ) from late

    def open(
        self,
        key: Hashable,
        kind: RequestKind,
        what: str,
        *,
        cancel: Callable[[], None] | None = None,
        goes_on: bool = False,
        heard: Heard | None = None,
    ) -> Pending:
        """Enter a request in the books; the caller sends it, awaits its future and closes it."""
        self.on_open()
        future = asyncio.get_running_loop().create_future()
        pending = Pending(
            key=key, kind=kind, what=what, future=future, heard=heard, cancel=cancel, goes_on=goes_on
        )
        self._open[key] = pending
        return pending

    def close(self, pending: Pending) -> None:
        """Take a request out of the books; the server is told when it still works on it."""
        answered = pending.future.done() and not pending.future.cancelled()
        # Looked at also when the caller has left, or the loop would report an error that nobody saw.
        is_value = answered and pending.future.exception() is None
        goes_on = pending.goes_on and is_value
        pending.future.cancel()
        self.forget(pending.key)
        self._cancel(pending, needed=goes_on or pending.is_given_up or not answered)

    @staticmethod
    def _cancel(pending: Pending, *, needed: bool) -> None:
        cancel, pending.cancel = pending.cancel, None
        if cancel is not None and needed:
            try:
                cancel()
            except ConnectionError:
                pending.rows.clear()  # the session is gone, and with it what there was to cancel

    def forget(self, key: Hashable) -> None:
        """Take a request out of the books; its late messages stay ours for a while."""
        self._open.pop(key, None)
        if key not in self._ended_set:
            now = self._clock.monotonic()
            while self._ended and (
                len(self._ended) >= _REMEMBERED or now - self._ended[0][0] > _REMEMBERED_SECONDS
            ):
                self._ended_set.discard(self._ended.popleft()[1])
            self._ended.append((now, key))
            self._ended_set.add(key)

    def _tell_queued(self, pending: Pending, outgoing: Outgoing) -> None:
        if self._is_observed:
            self._observer.on_event(
                RequestQueued(
                    at=self._clock.now(),
                    kind=pending.kind.value,
                    subject=pending.what,
                    rule=outgoing.waited_for,
                )
            )

    def _tell_sent(self, pending: Pending, queue_seconds: float) -> None:
        if self._is_observed:
            self._observer.on_event(
                RequestSent(
                    at=self._clock.now(),
                    kind=pending.kind.value,
                    subject=pending.what,
                    queue_seconds=queue_seconds,
                )
            )

    def _tell(self, kind: RequestKind, what: str, error: BaseException | None, way: Way = NO_WAY) -> None:
        now, name = self._clock.now(), "" if error is None else type(error).__name__
        code = error.code if isinstance(error, RequestFailed) else None
        is_no = isinstance(error, Exception) and is_answer(error)
        outcome = Outcome(at=now, subject=what, error=name, code=code, is_answer=is_no)
        self.vitals.note(kind, outcome, way.after_sending)
        if self._is_observed:
            self._observer.on_event(
                RequestEnded(
                    at=now,
                    kind=kind.value,
                    subject=what,
                    seconds=way.seconds,
                    error=name,
                    queue_seconds=way.queue_seconds,
                    wire_seconds=way.wire_seconds,
                    reply_seconds=way.reply_seconds,
                    code=code,
                    was_sent=way.sent_at is not None,
                )
            )

    def on_message(self, message: str, key: Hashable, *args: Any) -> bool:
        """Hand a message to the request it names; True when the request is ours."""
        pending = self._open.get(key)
        if pending is None:
            return self.is_ours(key)
        pending.take(message, args)
        return True

    def on_error(self, key: Hashable, code: int, text: str) -> bool:
        """End the request that an error names, if the error ends it; True when it is ours."""
        pending = self._open.get(key)
        if pending is None:
            return self.is_ours(key)
        meaning = self._codes.find(code, text, About.REQUEST)
        self.on_reaction(meaning.reaction)
        if meaning.reaction is Reaction.RESUBSCRIBE and pending.is_stream:
            pending.give_up(SubscribeAgain(f"{pending.what}: the Gateway said {code}, {text!r}"))
            return True
        if meaning.effect is Effect.DELAYED:
            pending.delayed = True
        if meaning.effect is Effect.ENDS:
            # What was deactivated holds its line, and may run on; only a cancel gives it back for sure.
            pending.is_given_up = meaning.reaction in _MAY_RUN_ON and pending.kind is RequestKind.QUOTE
            pending.fail(
                meaning.error(
                    f"{pending.what}: the Gateway said {meaning.words(text)}", code=code
                ).with_fault(meaning.counts)
            )
        return True

    def forget_ended(self) -> None:
        """A new session numbers its requests afresh, and owes nothing."""
        self._owed.clear()
        self._ended.clear()
        self._ended_set.clear()

    def lose_data(self, why: str) -> None:
        """The Gateway has forgotten every subscription: quotes that wait for one end; streams are asked for again."""
        for pending in list(self._open.values()):
            if pending.kind is RequestKind.QUOTE:
                if pending.outgoing is None or pending.outgoing.is_sent:
                    pending.cancel = None  # what has yet to leave was not forgotten
                if not pending.is_stream:
                    pending.fail(NotConnected(f"{pending.what}: {why}"))

    def ran_late(self, seconds: float) -> None:
        """What is read now may be so old; if that is too old, quotes and balances end, and streams are asked for again."""
        is_old = seconds >= _OLD
        for pending in list(self._open.values()):
            pending.restart()  # it says nothing of the service
            if is_old and pending.kind in _OF_THE_MOMENT:
                why = f"{pending.what}: this program did not run for about {seconds:.0f} s; ask again"
                pending.give_up(SubscribeAgain() if pending.is_stream else NotConnected(why))

    def fail_all(self, why: str) -> None:
        """End every request, and tell the server while it still listens."""
        for pending in list(self._open.values()):
            self._cancel(pending, needed=not pending.future.done())
            pending.fail(NotConnected(f"{pending.what}: {why}"))
