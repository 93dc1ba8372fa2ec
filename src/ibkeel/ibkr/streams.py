"""Streams of quotes: shared, carried over every outage, and ended by an error or by nobody."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from ibkeel.errors import (
    CompetingSession,
    ConnectionFailure,
    NotConnected,
    QuoteUnavailable,
    RequestFailed,
)
from ibkeel.guards import AsyncStream, Held
from ibkeel.ibkr.definitions import Definitions, key_of
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.pending import Outcome
from ibkeel.ibkr.requests import Pending, SubscribeAgain
from ibkeel.ibkr.services import Service, loop_time
from ibkeel.ibkr.ticks import GENERIC_TICKS, Restoration, Rhythm, Step, TickCollector, expects_ticks
from ibkeel.ibkr.translate import to_ib_contract
from ibkeel.model import ConId, Contract, Option, Quote
from ibkeel.resilience import RequestKind
from ibkeel.telemetry import StreamRestored

_FRESH: Final = 2.0  # seconds: a stream's quote that is younger answers a question for one


def to_read(contract: Contract) -> Any:
    """The library's contract; data requests only read it, while an order keeps one of its own."""
    return _made(*key_of(contract))


@lru_cache(maxsize=4096)
def _made(contract: Contract, _con_id: ConId | None) -> Any:
    """Its number stands beside it, for it plays no part in equality: another Gateway may give another."""
    return to_ib_contract(contract)


def subscribe(link: Link, definitions: Definitions, key: int, contract: Contract) -> None:
    """Ask for the ticks of a contract."""
    generic = GENERIC_TICKS if isinstance(contract, Option) else ""
    link.ib.client.reqMktData(key, to_read(definitions.best_known(contract)), generic, False, False, [])


class _Subscription:
    """One line, and everybody who listens to it."""

    def __init__(self, contract: Contract, collector: TickCollector) -> None:
        self.contract, self.collector = contract, collector
        self.listeners: list[asyncio.Event] = []
        self.pending: Pending | None = None
        self.task: asyncio.Task[None] | None = None
        self.rhythm = Rhythm()
        self.was_nudged = False
        self.was_told = False
        """Whether a person has heard of its trouble since it last ticked."""
        self.learning: asyncio.Task[None] | None = None
        self.restoration: Restoration | None = None
        self.timer: asyncio.TimerHandle | None = None

    def rest(self) -> None:
        """Watch it no more."""
        if self.timer is not None:
            self.timer.cancel()

    def tell(self) -> None:
        for listener in self.listeners:
            listener.set()


class Streams:
    """The streams of one session."""

    def __init__(
        self,
        link: Link,
        definitions: Definitions,
        *,
        usable: Callable[[], Awaitable[None]],
        reconnect: Callable[[str], None],
        alarm: Callable[[str, str], None],
    ) -> None:
        self._link, self._definitions = link, definitions
        self._usable, self._reconnect, self._alarm = usable, reconnect, alarm
        self._open: dict[Hashable, _Subscription] = {}
        link.on_outage = self._forget_prices

    def quotes(self, contract: Contract, ready: Callable[[], Awaitable[None]]) -> AsyncGenerator[Quote, None]:
        """A quote after every change, once it is `ready`; the first comes with the first price."""
        return AsyncStream(lambda: self._held(contract, ready))

    async def _held(self, contract: Contract, ready: Callable[[], Awaitable[None]]) -> Held[Quote]:
        await ready()
        self._definitions.refuse_known_bad(contract)
        changed = asyncio.Event()
        subscription = self._join(contract, changed)
        task = subscription.task

        async def following() -> Quote:
            while True:
                await changed.wait()
                changed.clear()
                if task is not None and task.done():
                    task.result()
                if subscription.collector.is_priced:
                    return subscription.collector.quote()

        try:
            yield following
        finally:
            await self._leave(subscription, changed)

    def fresh(self, contract: Contract) -> Quote | None:
        """The quote of a stream that is complete and has just ticked; none in a halt, whose end may never be told."""
        subscription = self._open.get(key_of(contract))
        if subscription is None or not subscription.collector.is_complete or subscription.restoration:
            return None
        quote = subscription.collector.quote()
        # By wall time, which alone goes on while the machine sleeps.
        is_fresh = abs((self._link.clock.now() - quote.at).total_seconds()) <= _FRESH
        return quote if is_fresh and not quote.is_halted else None

    def restore(self, must_send: bool) -> None:
        """The session is good again.

        Args:
            must_send: Whether the Gateway has forgotten the streams; else they are only watched.
        """
        now = loop_time()
        for subscription in self._open.values():
            begun = subscription.restoration or Restoration(since=now)
            subscription.restoration = begun.sent() if must_send else begun
            if must_send and subscription.pending is not None:
                subscription.pending.give_up(SubscribeAgain())
            self._watch(subscription)

    def _forget_prices(self) -> None:
        """After an outage one tick would make the other fields, from before it, look new."""
        for subscription in self._open.values():
            subscription.collector.forget()

    def _join(self, contract: Contract, changed: asyncio.Event) -> _Subscription:
        subscription = self._open.get(key_of(contract))
        if subscription is None:
            subscription = _Subscription(contract, TickCollector(contract, self._link.clock))
            self._open[key_of(contract)] = subscription
            subscription.task = asyncio.create_task(self._carry(subscription), name=f"stream of {contract}")
            subscription.task.add_done_callback(lambda _: subscription.tell())
        subscription.listeners.append(changed)
        if subscription.collector.is_priced:
            changed.set()
        return subscription

    async def _leave(self, subscription: _Subscription, changed: asyncio.Event) -> None:
        subscription.listeners.remove(changed)
        if subscription.listeners:
            return
        self._forget(subscription)
        tasks = [task for task in (subscription.learning, subscription.task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # One stream, from link to link.

    async def _carry(self, subscription: _Subscription) -> None:
        try:
            while True:
                await self._usable()
                asked_at = loop_time()
                try:
                    await self._subscribe(subscription)
                except SubscribeAgain as again:
                    # What ends each time before it ticks would be asked for as fast as the limits allow.
                    if again.args and subscription.rhythm.last < asked_at:
                        await self._rest(subscription, again, self._link.config.session.restore_deadline)
                except CompetingSession as error:
                    await self._rest(subscription, error, self._link.config.competing_session_wait)
                except NotConnected:
                    if not self._link.config.reconnect:
                        raise
                    subscription.restoration = subscription.restoration or Restoration(since=loop_time())
        finally:
            self._forget(subscription)

    async def _rest(self, subscription: _Subscription, error: Exception, seconds: float) -> None:
        subscription.collector.forget()  # whoever joins meanwhile is told of no price from before
        self._tell_once(subscription, f"{error}; it is asked for again every {seconds:g} s")
        await asyncio.sleep(seconds)

    def _forget(self, subscription: _Subscription) -> None:
        """Whoever comes next opens a line of its own; it may have done so already."""
        subscription.rest()
        key = key_of(subscription.contract)
        if self._open.get(key) is subscription:
            del self._open[key]

    async def _subscribe(self, subscription: _Subscription) -> None:
        contract, link = subscription.contract, self._link
        subscription.collector = TickCollector(contract, link.clock)

        def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
            if pending.delayed:
                subscription.collector.delayed()
            subscription.collector.on_message(message, args)
            if subscription.collector.is_priced:
                self._ticked(subscription)

        async with link.lines.lease(str(contract), link.request_id) as key:
            pending = link.requests.open(
                key,
                RequestKind.QUOTE,
                f"the stream of {contract}",
                cancel=lambda: link.ib.client.cancelMktData(key),
                heard=heard,
            )
            pending.is_stream = True
            subscription.pending = pending
            try:
                pending.outgoing = link.wire.sent_by(
                    lambda: subscribe(link, self._definitions, key, contract)
                )
                if subscription.restoration is None:
                    self._watch(subscription)
                await pending.future
            finally:
                subscription.pending = None
                link.requests.close(pending)

    def _ticked(self, subscription: _Subscription) -> None:
        subscription.rhythm.ticked(loop_time())
        subscription.was_told = subscription.was_nudged = False
        if subscription.restoration is not None:
            self._restored(subscription, subscription.restoration)
        subscription.tell()

    # Is it back?

    def _restored(self, subscription: _Subscription, restoration: Restoration) -> None:
        subscription.restoration = None
        self._watch(subscription)  # it may fall silent later
        link, at = self._link, self._link.clock.now()
        # Who reads streams alone asks for nothing else that shows it.
        outcome = Outcome(at=at, subject=f"the subscription to {subscription.contract}")
        link.requests.vitals.note(RequestKind.QUOTE, outcome, None)
        link.services[Service.MARKET_DATA].close()
        seconds = loop_time() - restoration.since
        link.observer.on_event(StreamRestored(at=at, subject=str(subscription.contract), seconds=seconds))

    def _watch(self, subscription: _Subscription) -> None:
        subscription.rest()
        wait = self._link.config.session.restore_deadline
        subscription.timer = asyncio.get_running_loop().call_later(wait, self._deadline, subscription)

    def _deadline(self, subscription: _Subscription) -> None:
        restoration, pending = subscription.restoration, subscription.pending
        if pending is not None:  # else it waits for its turn, as behind a competing session
            # What has ticked for a while, and was asked for again, ends by its silence alone.
            is_patient = subscription.was_nudged and subscription.rhythm.silence(0.0) < math.inf
            if restoration is None and not pending.was_heard and not is_patient:
                self._nudge(subscription, pending)
                return
            restoration = restoration or self._fell_silent(subscription)
            if restoration is not None and not self._go_on(subscription, restoration, pending):
                return
        self._watch(subscription)

    def _go_on(self, subscription: _Subscription, restoration: Restoration, pending: Pending) -> bool:
        """The next step towards a tick; false when it was the last."""
        subscription.restoration, step = restoration.step(
            has_ticked=subscription.rhythm.last > restoration.since,
            is_due=self._is_due(subscription, restoration),
        )
        match step:
            case Step.RESUBSCRIBE:
                pending.give_up(SubscribeAgain())
            case Step.RECONNECT if not self._others_tick(subscription):
                self._reconnect(f"the stream of {subscription.contract} does not tick")
            case Step.GIVE_UP:
                text = (
                    f"the stream of {subscription.contract} did not come back, not even on a new connection"
                )
                self._tell_once(subscription, text)
                pending.give_up(QuoteUnavailable(f"{text}; ask health() about its market data farm"))
                return False
        return True

    def _fell_silent(self, subscription: _Subscription) -> Restoration | None:
        """Whether a stream that nothing interrupted has been silent for longer than it ever is."""
        rhythm, least = subscription.rhythm, self._link.config.session.stream_silence
        if loop_time() - rhythm.last <= rhythm.silence(least):  # both are infinite until it has ticked
            return None
        silence = Restoration(since=rhythm.last, is_silence=True)
        return silence if self._is_due(subscription, silence) else None

    def _learn_hours(self, subscription: _Subscription) -> None:
        """Ask when its market is open: without that no silence means anything."""
        if subscription.learning is None or subscription.learning.done():
            subscription.learning = asyncio.create_task(
                self._ask_hours(subscription.contract), name=f"hours of {subscription.contract}"
            )

    async def _ask_hours(self, contract: Contract) -> None:
        with suppress(RequestFailed, ConnectionFailure):
            await self._definitions.qualify(contract, self._link.config.deadlines)

    def _others_tick(self, subscription: _Subscription) -> bool:
        """Whether the connection brings other streams their ticks: then a new one would mend nothing."""
        recent = loop_time() - self._link.config.session.restore_deadline
        return any(other.rhythm.last > recent for other in self._open.values() if other is not subscription)

    def _nudge(self, subscription: _Subscription, pending: Pending) -> None:
        """What has not said a word since it was asked for is asked for once more, and then given up."""
        if subscription.was_nudged:
            text = f"the stream of {subscription.contract} was asked for twice, and nothing came at all"
            pending.give_up(QuoteUnavailable(f"{text}; ask health() what is wrong"))
            return
        subscription.was_nudged = True
        pending.give_up(SubscribeAgain())
        self._watch(subscription)

    def _is_due(self, subscription: _Subscription, restoration: Restoration) -> bool:
        details = self._definitions.known(subscription.contract)
        if details is None and restoration.is_silence:
            self._learn_hours(subscription)
        patience = self._link.config.session.restore_deadline
        return expects_ticks(
            () if details is None else details.liquid_hours,
            self._link.clock.now(),
            # A silence begins with a tick, which does not say whether more were due.
            ticked_before=not restoration.is_silence
            and restoration.since - subscription.rhythm.last <= patience,
        )

    def _tell_once(self, subscription: _Subscription, text: str) -> None:
        if not subscription.was_told:
            subscription.was_told = True
            self._alarm(f"stream of {subscription.contract}", text)
