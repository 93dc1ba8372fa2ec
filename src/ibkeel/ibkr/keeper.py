"""Keeps the session: connects, connects again, and says what may be asked meanwhile.

What follows from what is decided by `ibkeel.ibkr.session`; here it is carried out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ibkeel.errors import (
    AccountMismatch,
    CircuitOpen,
    ClientIdInUse,
    ConnectionFailure,
    NotConnected,
    RequestFailed,
)
from ibkeel.guards import keep_running
from ibkeel.ibkr.codes import About, Farm, Reaction
from ibkeel.ibkr.connecting import should_try_again
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.notices import DataFarm, heard
from ibkeel.ibkr.services import Service, loop_time
from ibkeel.ibkr.session import Session, advice, alarm, next_wait
from ibkeel.ibkr.states import SessionEvent, SessionState
from ibkeel.ibkr.waiting import Waiters, gone
from ibkeel.ibkr.windows import in_window
from ibkeel.locks import ProcessLock
from ibkeel.resilience import BreakerState, Escalation
from ibkeel.telemetry import AlarmEnded, AlarmRaised, SessionChanged

_NO_SESSION: Final = "no session"
_FARM: Final = "data farm"


class Keeper:
    """Owns the session of one link.

    Args:
        link: The socket and its books.
        jitter: Draws a number in [0, 1) for the wait before another attempt.
        reconcile: Compares orders and fills with the venue, on every link but the first, and
            after 1101 and 1102.
        restore: Sends streams again, or watches that they go on; told which.
    """

    def __init__(
        self,
        link: Link,
        jitter: Callable[[], float],
        *,
        reconcile: Callable[[], Awaitable[None]],
        restore: Callable[[bool], None],
    ) -> None:
        self._link, self._jitter = link, jitter
        self._reconcile, self._restore = reconcile, restore
        self.session = Session(policy=link.config.session)
        self._waiters = Waiters()
        self._seeker: asyncio.Task[None] | None = None
        self._sync: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._failed: list[ConnectionFailure | AccountMismatch] = []
        self._askers = 0
        self._has_traded = self._was_good = False  # the latter since somebody was handed it
        self._alarms: dict[str, str] = {}
        config = link.config
        self._lock = ProcessLock(config.host, config.port, config.client_id) if config.exclusive else None
        link.on_closed = self._closed
        link.on_notice = self._noticed
        link.on_escalation = self._escalated
        link.trusts_definitions = self._trusts_definitions

    # Begin and end.

    def refusal(self) -> NotConnected:
        """Why nothing is sent now."""
        session, config = self.session, self._link.config
        cause = f" ({session.cause})" if session.cause else ""
        return NotConnected(
            f"the session with {config.host}:{config.port} is {session.state}{cause}; nothing was sent: {advice(session)}"
        )

    async def synced(self) -> None:
        """Wait while a sync is under way."""
        if self.session.state is SessionState.SYNCING:
            await self._waiters.until(lambda: self.session.state is not SessionState.SYNCING)

    async def connect(self) -> None:
        """Open the session and wait until it is good, or as good as it gets."""
        self._askers += 1
        try:
            if not self.session.has_link:
                await self._open()
            self._link.check_loop()
            await self.synced()
        except asyncio.CancelledError:
            if self._askers == 1 and not self._was_good:
                await gone(self.end("connect() was cancelled"))
            raise
        finally:
            self._askers -= 1
        if not self.session.has_link:
            ending = [] if self._askers or self._was_good else self.end(self.session.cause)
            failure = self.last_failure or self.refusal()
            await gone(ending)
            raise failure
        # Also where the Gateway lacks its servers: cancels pass, so whoever is handed a session counts on it.
        self._has_traded = self._was_good = True

    async def _open(self) -> None:
        if self.session.wants_link:
            self._link.check_loop()
        self._link.adopt_loop()
        if self._lock is not None and not getattr(asyncio.get_running_loop(), "network", None):
            self._lock.acquire()
        self._failed.clear()
        if not self.session.wants_link:
            self._was_good = False
            self._on(SessionEvent.CONNECT_ASKED)
        attempts = self._link.config.connect_backoff.attempts
        self._seek()
        self._hurry.set()
        await self._waiters.until(
            lambda: not self.session.wants_link or (attempts is not None and len(self._failed) >= attempts)
        )
        if self.session.wants_link:
            failure = self.last_failure or self.refusal()
            if not self._was_good:  # else it is sought for others too, and goes on without this caller
                self._on(SessionEvent.GIVEN_UP, cause=str(failure))
            raise failure

    @property
    def last_failure(self) -> ConnectionFailure | AccountMismatch | None:
        """Why the last attempt failed; None since one succeeded."""
        return self._failed[-1] if self._failed else None

    async def usable(self) -> None:
        """Wait until data may be asked for."""
        await self._waiters.until(lambda: self.session.may_request or not self._may_come_back())
        if not self.session.may_request:
            raise self.refusal()

    def _may_come_back(self) -> bool:
        return self.session.has_link or self.session.wants_link

    def end(self, cause: str = "the broker disconnected") -> list[asyncio.Task[None]]:
        """End the session at once, if there is one; returns what is still to unwind, to be waited for."""
        if self.session.state not in {SessionState.IDLE, SessionState.STOPPED}:
            self._on(SessionEvent.DISCONNECT_ASKED, cause=cause)
        tasks = [task for task in (self._seeker, self._sync) if task is not None and not task.done()]
        for task in tasks:
            if not task.cancelling():  # a second cancel would interrupt what closes a half-open session
                task.cancel()
        return tasks

    # The search for a link.

    def _seek(self) -> None:
        before = self._seeker
        if before is None or before.done() or before.cancelling():
            self._hurry = asyncio.Event()
            searching = keep_running(lambda: self._search(before), "no session is looked for", self._broke)
            self._seeker = asyncio.create_task(searching, name="ibkeel session")

    async def _search(self, before: asyncio.Task[None] | None) -> None:
        config = self._link.config
        if before is not None:
            await gone([before])  # of two attempts on one socket, one would close the other's
        while self.session.wants_link:
            self.look_at_calendar()
            wait = next_wait(
                self.session,
                config.reset_windows,
                self._link.clock.now(),
                now=loop_time(),
                jitter=self._jitter(),
                backoff=config.connect_backoff if self._failed and not self._was_good else None,
            )
            if wait is None:
                self._on(SessionEvent.GIVEN_UP, cause=self.session.cause)
                if self._was_good:  # else whoever connects is told
                    self.raise_alarm("session", f"gave up looking for a session: {self.session.cause}")
                return
            await self._pause(max(wait, self._held_back_for()))
            if self.session.wants_link:
                await self._attempt()

    def _held_back_for(self) -> float:
        """Seconds for which the breaker holds attempts back; those that somebody waits for pass."""
        return self._link.services[Service.CONNECT].breaker.wait(loop_time()) if self._was_good else 0.0

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return
        self._hurry.clear()

    async def _attempt(self) -> None:
        generation = self.session.generation
        breaker = self._link.services[Service.CONNECT]
        try:
            try:
                with breaker.attempt():
                    await self._link.open()
            except CircuitOpen:
                await self._link.open()
        except ClientIdInUse as error:
            self._missed(SessionEvent.ID_IN_USE, error, generation)
        except AccountMismatch as error:
            self._missed(SessionEvent.REFUSED_FOR_GOOD, error, generation)
        except ConnectionFailure as error:
            event = SessionEvent.ATTEMPT_FAILED if should_try_again(error) else SessionEvent.REFUSED_FOR_GOOD
            self._missed(event, error, generation)
        else:
            if breaker.state is not BreakerState.CLOSED:
                breaker.close()
            if generation != self.session.generation:
                self._link.drop("nobody wants this session any more", is_ours=True)
                return
            self._on(SessionEvent.HANDSHAKE_DONE)

    def _missed(
        self, event: SessionEvent, error: ConnectionFailure | AccountMismatch, generation: int
    ) -> None:
        self._failed.append(error)
        self._on(event, cause=str(error), generation=generation)
        if event is SessionEvent.REFUSED_FOR_GOOD and self._was_good:
            self.raise_alarm("session", f"the session cannot be resumed: {error}")

    # The comparison with the venue.

    def _begin_sync(self) -> None:
        if self._sync is not None:
            self._sync.cancel()
        syncing = keep_running(self._synchronise, "there is no session", self._broke)
        self._sync = asyncio.create_task(syncing, name="ibkeel sync")

    async def _synchronise(self) -> None:
        generation, must_resubscribe = self.session.generation, self.session.must_resubscribe
        try:
            async with asyncio.timeout(self.session.policy.sync_deadline):
                if self._has_traded:
                    await self._reconcile()
        except (RequestFailed, ConnectionFailure, TimeoutError) as error:
            cause = f"orders could not be compared with the venue: {type(error).__name__}: {error}"
            self._on(SessionEvent.SYNC_FAILED, cause=cause, generation=generation)
            return
        if generation != self.session.generation:
            return
        self._has_traded = True
        self._failed.clear()
        self._link.services.try_again()
        self._on(SessionEvent.SYNCED)
        self._restore(must_resubscribe)

    # What happens.

    def faulted(self, name: str, _: BaseException, words: str) -> None:
        """Tell a person of a fault of our own in what runs in the background."""
        self.raise_alarm(f"task {name}", words)

    def _broke(self, error: BaseException, words: str) -> None:
        """A fault of our own: a session that was good is sought anew."""
        self.faulted("session", error, words)
        if not self._was_good:  # nobody may wait for ever for what nobody does
            self.end(f"a fault in ibkeel ended the session: {type(error).__name__}: {error}")
            return
        task = asyncio.current_task()
        if task is not None and task is self._sync:  # the next link has a sync of its own
            task.cancel()
        self._failed.append(ConnectionFailure(words))
        if self._link.is_up and not self.session.has_link:
            self._link.drop(words, is_ours=False)
        self._on(SessionEvent.LINK_LOST, cause=words)

    def _closed(self, cause: str) -> None:
        self._on(SessionEvent.LINK_LOST, cause=cause)

    def _noticed(self, code: int, text: str) -> None:
        meaning = self._link.config.codes.find(code, text, About.SYSTEM)
        notice = heard(meaning, text)
        if meaning.reaction is Reaction.RECONCILE and self.session.may_request:
            self._on(SessionEvent.RESTORED_DATA_KEPT)  # which compares the orders, whichever it was about
        if notice is None:
            return
        event, farm = notice
        self._on(event, cause=f"{code}: {text}" if event in _TROUBLE else "", farm=farm)
        if event is SessionEvent.PORT_RESET:
            self.raise_alarm("session", f"the Gateway changed its port, set IBKRConfig.port: {text}")
        elif event is SessionEvent.FARM_WELL and self.session.may_request:
            if farm is not None:
                self._link.services.farm_is_well(farm.kind)
            self._restore(False)

    def _trusts_definitions(self) -> bool:
        return not any(farm.kind is Farm.DEFINITIONS for farm in self.session.farms)

    def probed(self, *, answered: bool, generation: int, cause: str = "") -> None:
        """A round trip to the Gateway ended; one that began in a session before says nothing."""
        event = SessionEvent.PROBE_ANSWERED if answered else SessionEvent.PROBE_FAILED
        self._on(event, cause=cause, generation=generation)

    def servers_answered(self, generation: int) -> None:
        """What only they know came back to who asked in that generation."""
        if generation == self.session.generation:
            self._link.notices.servers_answered()
            self._on(SessionEvent.RESTORED_DATA_KEPT)

    def reconnect(self, cause: str) -> None:
        """Drop the link and look for a new one, if there is one that could be at fault."""
        self._on(SessionEvent.BREAKER_RECONNECT, cause=cause)

    def _escalated(self, service: Service, escalation: Escalation, cause: str) -> None:
        if service is Service.CONNECT:
            return
        name = f"service {service}"
        if escalation is Escalation.RETRY:
            self._alarms.pop(name, None)
        elif escalation is Escalation.STOP:
            if name not in self._alarms:
                self.raise_alarm(name, f"{service} fails again and again, also on new connections: {cause}")
        else:
            self.reconnect(f"{service} keeps failing: {cause}")

    def look_at_calendar(self) -> None:
        """Note whether a reset window is open; to be called now and then."""
        window = in_window(self._link.clock.now(), self._link.config.reset_windows)
        self._become(self.session.observe_window(window, loop_time()))
        told = alarm(self.session, self._link.config.reset_windows, self._link.clock.now(), now=loop_time())
        name = _FARM if self.session.state is SessionState.DEGRADED else _NO_SESSION
        if told is None and not self.session.is_fresh(loop_time()):
            for each in (_FARM, _NO_SESSION):
                self._alarms.pop(each, None)
        elif told is not None and name not in self._alarms:
            self.raise_alarm(name, told)

    def raise_alarm(self, name: str, message: str, *, lasts: bool = False) -> None:
        """Tell the observer of something that a person should know."""
        self._alarms[name] = message
        now = self._link.clock.now()
        self._link.observer.on_event(AlarmRaised(at=now, name=name, message=message, lasts=lasts))

    def end_alarm(self, name: str, message: str) -> None:
        """Tell the observer that what an alarm was about is over."""
        self._link.observer.on_event(AlarmEnded(at=self._link.clock.now(), name=name, message=message))

    def _on(
        self,
        event: SessionEvent,
        *,
        cause: str = "",
        farm: DataFarm | None = None,
        generation: int | None = None,
    ) -> None:
        after = self.session.on(event, loop_time(), cause=cause, farm=farm, generation=generation)
        if after is not self.session:
            self._become(after)

    def _become(self, after: Session) -> None:
        before, self.session = self.session, after
        if after.state is not before.state:
            self._link.observer.on_event(
                SessionChanged(
                    at=self._link.clock.now(),
                    before=before.state.value,
                    after=after.state.value,
                    cause=after.cause,
                    window=after.window,
                )
            )
        if after.state is SessionState.STOPPED:
            self._hurry.set()
        if before.has_link and not after.has_link:
            self._link.drop(after.cause or "the session ended", is_ours=after.state is SessionState.STOPPED)
        if after.wants_link and self._link.config.reconnect and before.has_link:
            self._seek()
        elif after.wants_link and before.has_link:
            self._on(SessionEvent.GIVEN_UP, cause=after.cause)
        if after.state is SessionState.SYNCING and after.generation != before.generation:
            self._begin_sync()
        self._waiters.wake()
        if after.state is SessionState.STOPPED and self._lock is not None:
            self._lock.release()


_TROUBLE: Final = frozenset({SessionEvent.UPSTREAM_LOST, SessionEvent.FARM_BROKEN, SessionEvent.PORT_RESET})
