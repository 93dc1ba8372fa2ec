"""Pacing at the wire: every message of an `IB` object waits for its turn here, and is counted."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, NotConnected, PacingExceeded
from ibkeel.guards import LEAST_LINES, Lease, Pacer, gateway_rules
from ibkeel.ibkr.client import Tap, frame_writer, replace_sender
from ibkeel.ibkr.config import IBKRConfig
from ibkeel.ibkr.wire_table import ENDINGS, OPEN_MESSAGES, SUBSCRIPTIONS, Reading, read
from ibkeel.locks import replace_file
from ibkeel.resilience import Lane, Request, Rule
from ibkeel.telemetry import BudgetUse, Observer, PacingHeld, PacingWaited, QueueState

_NO_REQUEST: Final = -1


def rules_of(config: IBKRConfig, reserve: int) -> tuple[Rule, ...]:
    """The limits of one connection that keeps so many messages for orders."""
    limits = gateway_rules(
        lines=max(LEAST_LINES, config.market_data_lines),
        share=config.market_data_lines,
        order_reserve=reserve,
        closing_reserve=min(1, reserve),
        pace_long_bars=config.pace_long_bars,
    )
    return (*config.pacing_rules, *limits)


class PacingStore:
    """A small file, replaced whole each time, readable by its owner alone; made with its folder when first written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None when nothing was."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"the pacing windows in {self._path} cannot be read: {error}") from error
        try:
            saved: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise ConfigurationError(
                f"{self._path} holds no pacing windows ({error}); delete it, and send nothing for 10 minutes"
            ) from error
        return saved

    def save(self, saved: dict[str, Any]) -> None:
        """Replace what was saved."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._path}: {error}") from error
        replace_file(self._path, saved)


class Outgoing:
    """One message on its way: waiting, written, or given up."""

    def __init__(self, wire: "WirePacer", text: str, reading: Reading, ends: "Outgoing | None") -> None:
        self._wire, self._text, self.reading, self._ends = wire, text, reading, ends
        self._turn: asyncio.Future[None] | None = None
        self._lease: Lease | None = None
        self.is_sent = False
        """Whether its bytes left."""
        self.waited_for = ""
        """The limit that held it back first; empty when none did."""

    @property
    def waited(self) -> float | None:
        """Seconds until its turn came; None before."""
        return None if self._lease is None else self._lease.waited

    @property
    def waits_for(self) -> str:
        """The limit that holds it back now, or did so last, which need not be the first."""
        return (self._lease.waits_for if self._lease else "") or self.waited_for

    def submit(self, pacer: Pacer) -> None:
        """Ask for its turn, which may come at once."""
        self._lease = pacer.submit(self.reading.request, self)
        self.waited_for = self._lease.waits_for

    def __call__(self) -> None:
        """Its turn has come."""
        self.is_sent = True
        if self.reading.message.kind == "order":
            self._wire.drop(self)
        self._wire.write(self._text, self.reading)
        if self._ends is not None:
            self._ends.end()
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)
        if self._lease is not None and self._lease.waited:
            self._wire.left_late(self.reading)
            self._wire.tell(self.waited_for, self._lease.waited)

    def end(self) -> None:
        """Stop waiting, or count no longer as open; again does nothing."""
        self._wire.drop(self)
        if self._lease is not None:
            self.waited_for = self.waits_for
            self._lease.end()
        if self._turn is not None and not self._turn.done():
            self._turn.cancel()

    async def sent(self, wanted: "asyncio.Future[Any]") -> None:
        """Wait until its bytes have left; cancelling does not take it back, `end` does.

        Args:
            wanted: The answer; should it be there before the question was asked, the wait ends with it.
        """
        if self.is_sent:
            return
        self._turn = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._turn, wanted}, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            await wanted
        if not self.is_sent:
            raise NotConnected("the session ended while the request waited for its turn; nothing was sent")


class WirePacer:
    """Lets the messages of one `IB` object leave as fast as the limits allow, and no faster.

    It stands where the client library turns a message into bytes, so what the library sends by
    itself, and what a program sends past the adapter, is paced and counted with the rest. The
    library's own queue, which knows no priorities, is not used any more.

    A cancel of something that still waits takes that back, and neither leaves; a cancel never
    overtakes the order that it names.

    Args:
        ib: The library's object.
        tap: Hears the answers that end what counts while it is open.
        rules: The limits.
        margin: Seconds added to each window, for what sending varies by.
        clock: Stamps what the observer is told.
        observer: Told of each wait.
        ends: Whether a message code ends the request that it names.
        loop: The loop to belong to, when messages are also written while it does not run.
    """

    def __init__(
        self,
        ib: Any,
        tap: Tap,
        rules: Iterable[Rule],
        *,
        clock: Clock,
        observer: Observer,
        ends: Callable[[int, str], bool],
        margin: float = 0.0,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._client = ib.client
        self._clock, self._observer, self._ends = clock, observer, ends
        self._make = partial(Pacer, tuple(rules), margin=margin)
        self._pacer = self._make(loop=loop)
        self._loop = loop
        self._saved: dict[str, Any] | None = None
        self.counts: Counter[str] = Counter()
        """Messages that left, by the library's name of the call."""
        self.on_late_order: Callable[[int], None] = lambda _: None
        """Called with its id when the bytes of an order leave that had to wait."""
        self._open: dict[tuple[str, int], Outgoing] = {}
        self._lane: Lane | None = None
        self._has_turn = False
        self._last: Outgoing | None = None
        self._frame = frame_writer(self._client)
        self._restore = replace_sender(self._client, send=self._send, reset=self._forget)
        for message, name in ENDINGS.items():
            tap.hear(message, self._ender(name))
        tap.hear("error", self._on_error)

    def release(self) -> None:
        """Give the library its own sending back; what waits is given up."""
        self._forget()
        self._restore()

    def begin(self) -> None:
        """Belong to the loop that runs; windows of an earlier loop go on counting."""
        running = asyncio.get_running_loop()
        if self._loop is running:
            return
        if self._loop is not None:
            self._pacer, self._open = self._make(loop=running), {}
            if self._saved is not None:
                self._pacer.restore(self._saved)
        self._loop = running

    @contextmanager
    def lane(self, lane: Lane, *, has_turn: bool = False) -> Iterator[None]:
        """Give what is written inside, without awaiting, another urgency than the message tells.

        `has_turn` tells that the turn of the first order inside has come, as `turn_of_order` says.
        """
        before, self._lane, self._has_turn = self._lane, lane, has_turn
        try:
            yield
        finally:
            self._lane, self._has_turn = before, False

    async def turn_of_order(self, lane: Lane, patience: float) -> None:
        """Wait until an order may leave, which is then to be written at once, in `lane(..., has_turn=True)`."""
        request = Request(kind="order", lane=lane)
        try:
            async with asyncio.timeout(patience):
                await self._pacer.acquire(request)
        except TimeoutError as late:
            raise PacingExceeded(
                f"an order waited {patience:g} s for its turn: {self.explain(request)}; nothing was sent. Ask for "
                "less, ask later, or raise IBKRConfig.pacing_patience"
            ) from late

    def sent_by(self, send: Callable[[], object]) -> Outgoing | None:
        """The message that a call wrote, be it waiting or sent; None when it wrote none."""
        self._last = None
        send()
        return self._last

    def holds_order(self, order_id: int) -> bool:
        """Whether an order, or a change of it, still waits for its turn here."""
        outgoing = self._open.get(("placeOrder", order_id))
        return outgoing is not None and not outgoing.is_sent

    def explain(self, request: Request) -> str:
        """Say in words what such a request would wait for, and about how long."""
        return self._pacer.explain(request)

    def waiting(self) -> tuple[str, ...]:
        """What waits now, in words, in the order of asking."""
        return tuple(
            f"{lease.request.kind}{' of ' if lease.request.subject else ''}{lease.request.subject} waits for "
            f"{lease.waits_for}"
            for lease in self._pacer.leases()
        )

    def queues(self) -> tuple[str, ...]:
        """Who waits, by kind: how many, and for what and about how long one more of them would."""
        last = {lease.request.kind: lease.request for lease in self._pacer.leases()}
        counts = Counter(lease.request.kind for lease in self._pacer.leases())
        return tuple(
            f"{counts[kind]} of {kind} wait; one more: {self.explain(request)}"
            for kind, request in last.items()
        )

    def lose_subscriptions(self) -> None:
        """The Gateway has forgotten what it was subscribed to: it counts no longer, and needs no cancel."""
        for (name, _), outgoing in list(self._open.items()):
            if name in SUBSCRIPTIONS and outgoing.is_sent:
                outgoing.end()

    def hold(self, rule: str) -> None:
        """The Gateway counted more than we did by a limit, such as `messages`: let a window pass; closing orders go on."""
        self._pacer.hold(rule)
        self._observer.on_event(PacingHeld(at=self._clock.now(), rule=rule))

    def budgets(self) -> tuple[BudgetUse, ...]:
        """How much of each limit is used, in the fullest of its windows."""
        used = self._pacer.used()
        return tuple(
            BudgetUse(rule=rule.name, used=used.get(rule.name, 0), limit=rule.limit, seconds=rule.seconds)
            for rule in self._pacer.rules
        )

    def states(self) -> tuple[QueueState, ...]:
        """Who waits, by kind: how many, and since when and for what the first of them."""
        leases = self._pacer.leases()
        counts = Counter(lease.request.kind for lease in leases)
        first = {lease.request.kind: lease for lease in reversed(leases)}
        return tuple(
            QueueState(kind=kind, waiting=counts[kind], oldest=lease.waiting_for, waits_for=lease.waits_for)
            for kind, lease in first.items()
        )

    def saved(self) -> dict[str, Any]:
        """The windows, fit for JSON, for `restore` after a restart."""
        return self._pacer.saved()

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Count what was sent before a restart; ConfigurationError when it is not what `saved` gives."""
        self._pacer.restore(saved)

    # What the library writes.

    def _send(self, text: str) -> None:
        if not text:
            return
        reading = read(text, self._lane)
        if reading.message.name == "reqGlobalCancel":
            self._cancel_waiting_orders()
        ended = self._open.get((reading.message.cancels, reading.key)) if reading.key is not None else None
        if ended is not None and not ended.is_sent:
            if reading.message.name != "cancelOrder":
                self._take_back(ended)
                return
            reading = read(text, ended.reading.request.lane)
        self._last = outgoing = Outgoing(self, text, reading, ended)
        if reading.key is not None and (reading.message.is_open or reading.message.kind == "order"):
            self._open[reading.message.name, reading.key] = outgoing
        if self._has_turn and reading.message.name == "placeOrder":
            self._has_turn = False
            outgoing()
        else:
            outgoing.submit(self._pacer)

    def _cancel_waiting_orders(self) -> None:
        """They leave after the cancel of all: each is followed by its own."""
        for name, order_id in list(self._open):
            if name == "placeOrder" and self.holds_order(order_id):
                self._client.cancelOrder(order_id, "")

    def _take_back(self, outgoing: Outgoing) -> None:
        self._last = None
        outgoing.end()

    def drop(self, outgoing: Outgoing) -> None:
        """What has ended is in the books no more."""
        reading = outgoing.reading
        if reading.key is not None and self._open.get((reading.message.name, reading.key)) is outgoing:
            del self._open[reading.message.name, reading.key]

    def write(self, text: str, reading: Reading) -> None:
        """Put a message whose turn has come on the wire."""
        self.counts[reading.message.name] += 1
        if reading.message.cancels and reading.key is not None:
            self._open.pop((reading.message.cancels, reading.key), None)
        self._frame(text)

    def left_late(self, reading: Reading) -> None:
        """The bytes of a message that had to wait have left."""
        if reading.message.name == "placeOrder" and reading.key is not None:
            self.on_late_order(reading.key)

    def tell(self, rule: str, seconds: float) -> None:
        """A message was held back."""
        self._observer.on_event(PacingWaited(at=self._clock.now(), rule=rule, seconds=seconds))

    def _forget(self) -> None:
        """The session ended: what waits is given up, what was open is not any more."""
        try:
            self._saved = self._pacer.saved()
            outgoing, self._open = list(self._open.values()), {}
            for message in outgoing:
                message.end()
            self._pacer.close()
        except RuntimeError:
            pass  # from another thread: the loop resets it again when it hears of the end; without one nothing waits

    # What ends a request.

    def _ender(self, name: str) -> Callable[..., None]:
        def ender(key: int, *_: Any) -> None:
            outgoing = self._open.get((name, key))
            if outgoing is not None and not outgoing.reading.goes_on:
                self._take_back(outgoing)

        return ender

    def _on_error(self, key: int, code: int, text: str, *_: object) -> None:
        if key == _NO_REQUEST or not self._ends(code, text):
            return
        for message in OPEN_MESSAGES:
            outgoing = self._open.get((message, key))
            if outgoing is not None:
                self._take_back(outgoing)
