"""Between an `IB` object and its wire: paces, keeps the ledger, types failures, refuses foreign loops."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import (
    IbkeelError,
    NoData,
    NotConnected,
    OrderRefused,
    OrderRejected,
    PacingExceeded,
    RequestTimeout,
    WrongLoopError,
)
from ibkeel.guards import Pacer
from ibkeel.ibkr.client import Tap, end_request, is_waited_for, loop_of, take_queue, when_given_up
from ibkeel.ibkr.code_rows import ERROR_TABLE
from ibkeel.ibkr.codes import About, Effect, Reaction
from ibkeel.ibkr.config import IBKRConfig, OrderMode, check_account
from ibkeel.ibkr.sent_ledger import Failure, Scope, Sent, SentLedger
from ibkeel.ibkr.wire_pacing import WirePacer, rules_of
from ibkeel.ibkr.wire_table import ENDINGS, KINDS, MESSAGES, SUBSCRIPTIONS, WAITS_UNDER, Reading, read
from ibkeel.orders import ErrorFate
from ibkeel.resilience import RequestKind
from ibkeel.telemetry import Observer, RequestEnded, redact

_NO_REQUEST: Final = -1
_A_MOMENT: Final = 0.1
_ORDER_CALLS: Final = frozenset({"placeOrder", "cancelOrder", "exerciseOptions", "reqGlobalCancel"})
_ACCOUNT_AT: Final = {"placeOrder": 23, "exerciseOptions": 16}  # where among its fields
_CANCELS: Final = {message.cancels: message.name for message in MESSAGES.values() if message.cancels}

STRICT_SCOPE: Final[ContextVar[Scope | None]] = ContextVar("ibkeel_strict_scope", default=None)
"""The strict block that the running code is in."""


def _ends_a_request(code: int, text: str) -> bool:
    return ERROR_TABLE.find(code, text, About.REQUEST).effect is Effect.ENDS


class WireGuard:
    """Everything that an `IB` object sends and hears passes here; without a rule for orders these are left alone."""

    def __init__(
        self,
        ib: Any,
        tap: Tap,
        config: IBKRConfig,
        *,
        orders: OrderMode | None,
        observer: Observer,
        clock: Clock,
        on_failure: Callable[[Failure], object],
        on_reset: Callable[[], None],
    ) -> None:
        Pacer(rules_of(config, config.order_reserve))  # the library would swallow what it raises
        self._ib, self._tap, self._config, self._orders = ib, tap, config, orders
        self._observer, self._clock, self._on_reset = observer, clock, on_reset
        self._on_failure = on_failure
        self.ledger = SentLedger()
        self.wire: WirePacer | None = None
        self._pass_on: Callable[[str], None] = ib.client.sendMsg
        self._forget: Callable[[], None] = ib.client.reset
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._expired: dict[int, IbkeelError] = {}
        for message, hearer in self._hearers().items():
            tap.hear(message, hearer)
        ib.client.sendMsg, ib.client.reset = self._send, self._reset
        for text in take_queue(ib.client):
            self._send(text)

    def _hearers(self) -> dict[str, Callable[..., bool | None]]:
        return {
            **{message: self._ender(name) for message, name in ENDINGS.items()},
            "connectionClosed": self._end_strict,
            "error": self._on_error,
            "historicalData": self._on_row,
            "historicalDataEnd": self._on_history_end,
        }

    def release(self) -> None:
        """Give the object its own sending back; what still waits for its turn is not sent."""
        for sent in self.ledger.unanswered():
            if sent.is_waiting and (key := _waits_under(sent)) is not None:
                end_request(self._ib.wrapper, key, _given_up(sent))
        if self.wire is not None:
            self.wire.release()
            self.wire = None
        for name in ("sendMsg", "reset"):
            vars(self._ib.client).pop(name, None)

    # What leaves.

    def _send(self, text: str) -> None:
        if not text:  # the library's timer, which would go on with its queue
            return
        wire = self.bind()
        reading = read(text)
        self._refuse_orders(reading, text)
        name, key = reading.message.cancels, reading.key
        if name and name != "placeOrder" and key is not None:
            self._cancel(wire, text, name, key)
            return
        scope = STRICT_SCOPE.get()
        if scope is not None:
            scope = scope.of(self.ledger)
        sent = Sent(reading=reading, scope=scope, asked_at=self._now())
        self.ledger.enter(sent)
        sent.outgoing = wire.sent_by(lambda: self._pass_on(text))
        if scope is not None:
            self._set_deadline(sent)
        if key is not None:
            when_given_up(self._ib.wrapper, key, lambda: self._abandoned(sent, key))

    def bind(self) -> WirePacer:
        """Belong to whoever comes first in a session, and refuse all others."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is None:
            self._loop, self._thread = running or loop_of(self._ib), threading.get_ident()
            if self.wire is not None and running is not None:
                self.wire.begin()
        elif self._thread != threading.get_ident() or running not in {None, self._loop}:
            raise WrongLoopError(
                "this IB object was connected on another thread or event loop, and only there its socket is read: the "
                "answer to a request from here would never be seen. Call it where it was connected "
                "(loop.call_soon_threadsafe, asyncio.run_coroutine_threadsafe), or connect another object here"
            )
        if self.wire is None:
            self.wire = self._pace(self._loop)
        return self.wire

    def _pace(self, loop: asyncio.AbstractEventLoop) -> WirePacer:
        config = self._config
        wire = WirePacer(
            self._ib,
            self._tap,
            rules_of(config, config.order_reserve),
            clock=self._clock,
            observer=self._observer,
            ends=_ends_a_request,
            margin=config.pacing_margin,
            loop=loop,
        )
        self._pass_on, self._ib.client.sendMsg = self._ib.client.sendMsg, self._send
        return wire

    def _refuse_orders(self, reading: Reading, text: str) -> None:
        if self._orders is None or reading.message.name not in _ORDER_CALLS:
            return
        if self._orders is OrderMode.DRY_RUN:
            raise OrderRefused(
                "orders is DRY_RUN, so nothing is sent; harden(ib, orders='PAPER') would send it"
            )
        accounts: list[str] = self._ib.client.getAccounts()
        place = _ACCOUNT_AT.get(reading.message.name)
        named = text.split("\0")[place] if place else self._config.live_account
        if named in accounts:
            accounts = [named]
        for account in accounts:
            check_account(attrs.evolve(self._config, port=self._ib.client.port), account)

    def _cancel(self, wire: WirePacer, text: str, name: str, key: int) -> None:
        """A cancel of what has ended would be answered by error 300; the library sends such ones."""
        if self.ledger.has_ended(key, name):
            if (error := self._expired.pop(key, None)) is not None:
                raise error
            return
        sent = self.ledger.end(key, name)
        wire.sent_by(lambda: self._pass_on(text))
        if sent is None or name != "reqHistoricalData" or not sent.is_one_answer:
            return
        # The library gives history up and returns an empty list: nobody else cancels what is unanswered.
        error = _given_up(sent)
        self._note(sent, error)
        if sent.scope is not None:
            raise error

    def _set_deadline(self, sent: Sent) -> None:
        if self._loop is not None and _waits_under(sent) is not None:
            self._loop.call_later(self._patience(sent), self._expire, sent)

    def _patience(self, sent: Sent) -> float:
        """Seconds left for its answer; what the limits hold back is not late."""
        allowed = self._config.deadlines.of(KINDS.get(sent.name, RequestKind.DEFINITIONS))
        return allowed if sent.is_waiting else allowed - (self._now() - sent.left_at)

    def _abandoned(self, sent: Sent, key: int) -> None:
        """Its caller gave it up; where the library did so itself, it sends the cancel, and goes first."""

        def call_off() -> None:
            if self.ledger.get(key) is sent:
                self._call_off(sent, key)

        loop_of(self._ib).call_later(_A_MOMENT, call_off)

    def _expire(self, sent: Sent) -> None:
        number, key = sent.reading.key, _waits_under(sent)
        asked = self.ledger.named.get(sent.name) if number is None else self.ledger.get(number, sent.name)
        if key is None or asked is not sent or not is_waited_for(self._ib.wrapper, key):
            return
        if self._patience(sent) > _A_MOMENT:
            self._set_deadline(sent)
            return
        error = _given_up(sent)
        self._note(sent, error)
        if number is not None:
            self._call_off(sent, number)
            if sent.name == "reqHistoricalData":
                # The library swallows any TimeoutError here, ours too, and writes a cancel: that one raises it.
                self._expired[number] = error
        end_request(self._ib.wrapper, key, error)

    def _call_off(self, sent: Sent, key: int) -> None:
        self.ledger.end(key, sent.name)
        if self.wire is None:
            return
        if sent.is_waiting and sent.outgoing is not None:
            sent.outgoing.end()
            return
        if not sent.reading.message.is_open:
            return
        call = _CANCELS[sent.name]
        self._ib.client.sendMsg, send = self._pass_on, self._ib.client.sendMsg
        try:
            getattr(self._ib.client, call)(key)
        finally:
            self._ib.client.sendMsg = send

    def _reset(self) -> None:
        self._end_strict()
        self._expired.clear()
        self._loop = None
        self._on_reset()
        self._forget()

    def _end_strict(self) -> None:
        """The library fails those who wait with a bare error, or leaves them waiting after its `disconnect`."""
        for sent in self.ledger.forget():
            key = _waits_under(sent)
            if sent.scope is not None and key is not None:
                end_request(self._ib.wrapper, key, NotConnected(f"{sent}: the session ended meanwhile"))

    # What comes.

    def _ender(self, name: str) -> Callable[..., None]:
        def ended(key: int, *_: Any) -> None:
            self.ledger.end(key, name)

        return ended

    def _on_row(self, key: int, *_: Any) -> None:
        sent = self.ledger.get(key)
        if sent is not None:
            sent.rows += 1

    def _on_history_end(self, key: int, *_: Any) -> None:
        sent = self.ledger.get(key, "reqHistoricalData")
        if sent is None or not sent.is_one_answer:
            return
        self.ledger.end(key)
        if sent.rows == 0:
            self._fail(sent, NoData(f"{sent}: the Gateway sent no bars"))

    def _on_error(self, key: int, code: int, text: str, *_: object) -> None:
        sent = self.ledger.get(key)
        if sent is None:
            if ERROR_TABLE.find(code, text, About.SYSTEM).reaction is Reaction.RESTORED_DATA_LOST:
                self._lose_subscriptions()
            return
        if sent.name == "placeOrder" and not is_waited_for(self._ib.wrapper, key):
            self._on_order_error(sent, code, text)
            return
        meaning = ERROR_TABLE.find(code, text, About.REQUEST)
        if (
            sent.name == "cancelOrder"
            and ERROR_TABLE.find(code, text, About.ORDER).fate is ErrorFate.CANCELLED
        ):
            return
        if meaning.effect is Effect.ENDS:
            self.ledger.end(key, wants_cancel=meaning.reaction is Reaction.RESUBSCRIBE)
            self._fail(
                sent, meaning.error(f"{sent}: the Gateway said {meaning.words(redact(text))}", code=code)
            )

    def _lose_subscriptions(self) -> None:
        """The Gateway has forgotten them: they hold no line any more, and nobody else asks again."""
        open_now = self.ledger.open.items()
        lost = {key: sent for key, sent in open_now if sent.name in SUBSCRIPTIONS and not sent.is_waiting}
        for key in lost:
            self.ledger.end(key)
        if self.wire is not None:
            self.wire.lose_subscriptions()
        for sent in lost.values():
            self._fail(sent, NotConnected(f"{sent}: the Gateway lost its data subscriptions; ask again"))

    def _on_order_error(self, sent: Sent, code: int, text: str) -> None:
        if ERROR_TABLE.find(code, text, About.ORDER).fate is ErrorFate.REJECTED:
            self._note(sent, OrderRejected(f"{sent}: the Gateway said {code}, {redact(text)!r}", code=code))

    def _fail(self, sent: Sent, error: IbkeelError) -> None:
        self._note(sent, error)
        key = sent.reading.key
        if sent.scope is None or key is None:
            return
        if not end_request(self._ib.wrapper, key, error):
            sent.scope.left.append(error)

    def _now(self) -> float:
        return 0.0 if self._loop is None else self._loop.time()

    def _note(self, sent: Sent, error: IbkeelError) -> None:
        now, key = self._clock.now(), sent.reading.key
        failure = Failure(at=now, request_id=_NO_REQUEST if key is None else key, call=sent.name, error=error)
        self.ledger.failures.append(failure)
        self._observer.on_event(
            RequestEnded(
                at=now,
                kind=sent.name,
                subject=str(sent),
                seconds=self._now() - sent.asked_at,
                error=type(error).__name__,
            )
        )
        try:
            self._on_failure(failure)
        except Exception as fault:  # noqa: BLE001 - the program's own: the library must hear the message all the same
            told = {"message": "on_failure of harden() raised", "exception": fault}
            loop_of(self._ib).call_exception_handler(told)


def _waits_under(sent: Sent) -> int | str | None:
    """What the library keeps the answer's future under."""
    return WAITS_UNDER.get(sent.name) if sent.reading.key is None else sent.reading.key


def _given_up(sent: Sent) -> IbkeelError:
    if sent.outgoing is not None and sent.is_waiting:
        return PacingExceeded(
            f"{sent} waited for its turn, behind the limit {sent.outgoing.waits_for}, until it was given up; nothing "
            "was sent. Ask for less, or ask later"
        )
    return RequestTimeout(
        f"no answer to {sent} in time; {sent.rows} messages of it had come. It was cancelled at the server; ask "
        "health() what is wrong before asking again"
    )
