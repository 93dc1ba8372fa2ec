"""Knows what an order's gates need to be asked: counts, asks the broker, and asks them.

One shuts by hand: the kill switch. No entries until it is lifted; exits always pass.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, ConnectionFailure, GatesShut, RequestFailed, SafetyRefused
from ibkeel.model import (
    Chains,
    Contract,
    Grade,
    Health,
    Lifecycle,
    OrderPreview,
    OrderReport,
    Orders,
    OrderTicket,
    Quote,
)
from ibkeel.orders import (
    GateKind,
    GateRefusal,
    Interlock,
    OrderFacts,
    OrderLimits,
    SentOrder,
    TickLadder,
    check_order,
    venue_day,
)
from ibkeel.runner.schedule import LiquidHours, Session

_TOLD_OTHERWISE: Final = frozenset({"session", "order path"})
_UNSEEN: Final = ("server time", Grade.DEGRADED)  # our own limits kept the question: the clocks may differ
HALT_FILE: Final = "halt"
"""Name of the file in the state directory."""

_OWNER_ONLY: Final = 0o600


class Halt:
    """Whether entries are halted, by this process or by a file that another one made.

    Args:
        path: The file: halted while it is there, whoever made it, and after a restart too; None keeps
            the halt within this object.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._reason = ""

    @property
    def may_change(self) -> bool:
        """Whether another process can turn it."""
        return self._path is not None

    @property
    def reason(self) -> str:
        """Why entries are halted; empty when they are not."""
        if self._reason or self._path is None:
            return self._reason
        try:
            return self._path.read_text(encoding="utf-8").strip() or f"{self._path} is there"
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:  # it is there, or nobody can say
            return f"{self._path} cannot be read: {error}"

    def halt(self, reason: str, at: datetime) -> None:
        """Halt entries from now on, also after a restart where there is a file.

        Args:
            reason: Why, in words.
            at: When.

        Raises:
            ConfigurationError: The file cannot be made; this process is halted all the same.
        """
        self._reason = f"{reason}, since {at:%Y-%m-%d %H:%M:%S} UTC"
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._path}: {error.strerror}") from error
        with (
            contextlib.suppress(OSError),  # a full disk takes a file and no words, and the file halts
            os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream,
        ):
            stream.write(self._reason + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._reason = ""  # the file says it from here on, and whoever removes it lifts this halt too

    def lift(self) -> bool:
        """Let entries pass again; tells whether they were halted.

        Raises:
            ConfigurationError: The file cannot be removed.
        """
        was_halted, self._reason = bool(self.reason), ""
        if self._path is not None:
            try:
                with contextlib.suppress(FileNotFoundError):
                    self._path.unlink()
            except OSError as error:
                raise ConfigurationError(f"cannot remove {self._path}: {error.strerror}") from error
        return was_halted


@attrs.frozen(kw_only=True)
class Standing:
    """How things stand for one order, as far as the broker must be asked.

    Args:
        is_read_only: Whether the Gateway takes no orders.
        session_refusal: Why the session is not good enough; empty when it is.
        sick: What else is down, with its evidence; empty when nothing is.
        market_open: Whether the contract trades now.
        preview: The venue's answer to a what-if; None when it was not asked.
        preview_refusal: Why there is none, or why it was no.
    """

    is_read_only: bool = False
    session_refusal: str = ""
    sick: str = ""
    market_open: bool = True
    preview: OrderPreview | None = None
    preview_refusal: str = ""

    @property
    def is_well(self) -> bool:
        """Whether an order could be sent at all."""
        return not (self.is_read_only or self.session_refusal or self.sick)


_REMEMBERED: Final = 1000
_DEFAULT: Final = OrderLimits()
_STANDING: Final = Standing()
_OF_THE_MOMENT: Final = frozenset({GateKind.HALTED, GateKind.QUOTE_AGE})


class Doorkeeper:
    """Counts what leaves, and says what speaks against the next order.

    Args:
        clock: Wall time.
        limits: What an order must keep to.
        halt: The kill switch.
        interlock: Whose money an order moves; None when the broker sees to it.
        ticks: Price steps of what is traded; None leaves prices alone.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        limits: OrderLimits = _DEFAULT,
        halt: Halt | None = None,
        interlock: Interlock | None = None,
        ticks: TickLadder | None = None,
    ) -> None:
        self._clock, self._limits, self._interlock, self._ticks = clock, limits, interlock, ticks
        self.halt = halt or Halt()
        self._sent: deque[SentOrder] = deque(maxlen=_REMEMBERED)
        self._submitted = self._filled = 0
        self._is_closed = False

    def use(self, limits: OrderLimits) -> None:
        """Keep to other limits from now on; what was counted stays counted."""
        self._limits = limits

    def refusals(
        self,
        ticket: OrderTicket,
        quote: Quote | None,
        open_orders: Iterable[OrderReport] = (),
        standing: Standing = _STANDING,
    ) -> tuple[GateRefusal, ...]:
        """Every reason against an order now; none means that it may leave.

        Args:
            ticket: The order; of a bracket, its entry.
            quote: Of the contract itself.
            open_orders: Every order that works.
            standing: What a lookout saw of session, health, hours and margin.
        """
        facts = OrderFacts(
            now=self._clock.now(),
            ticket=ticket,
            quote=quote,
            ticks=self._ticks,
            halted=self.halt.reason,
            interlock=self._interlock,
            open_orders=open_orders,
            sent=self._sent,
            submitted=self._submitted,
            filled=self._filled,
            **attrs.asdict(standing, recurse=False),
        )
        return check_order(facts, self._limits)

    def check(
        self,
        ticket: OrderTicket,
        quote: Quote | None,
        open_orders: Iterable[OrderReport] = (),
        standing: Standing = _STANDING,
    ) -> None:
        """Refuse an order that a gate is shut for; arguments as of `refusals`.

        Raises:
            GatesShut: One is, or several; all are named.
        """
        found = self.refusals(ticket, quote, open_orders, standing)
        if found:
            raise GatesShut(ticket.contract, found)

    def check_halt(self, ticket: OrderTicket) -> None:
        """Refuse what opens a position while entries are halted.

        Raises:
            GatesShut: They are.
        """
        if self.halt.reason:
            found = tuple(row for row in self.refusals(ticket, None) if row.kind is GateKind.HALTED)
            raise GatesShut(ticket.contract, found)

    def last_look(
        self, ticket: OrderTicket, quote: Quote | None, ends_at: datetime | None = None
    ) -> Callable[[], None]:
        """What an entry is asked right before it leaves: a disk, a lookup and a limit may have held it up.

        Args:
            ticket: The order; of a bracket, its entry.
            quote: The one that the gates were asked with.
            ends_at: When the session's entries are withdrawn; None for never.

        Returns:
            To be called then; raises `GatesShut` when entries are halted or over, the run has ended, or the quote is
            too old by now.
        """

        def look() -> None:
            found = [row for row in self.refusals(ticket, quote) if row.kind in _OF_THE_MOMENT]
            now, over = self._clock.now(), ""
            if self._is_closed:
                over = "entries while the run goes on"
            elif ends_at is not None and now >= ends_at:
                over = f"entries of this session before {ends_at.isoformat()}"
            if over:
                found.append(GateRefusal(kind=GateKind.MARKET, value=now.isoformat(), limit=over))
            if found:
                raise GatesShut(ticket.contract, tuple(found))

        return look

    def begin_session(self) -> None:
        """Count messages and fills anew: efficiency is reckoned by the day."""
        self._submitted = self._filled = 0
        self._is_closed = False

    def close(self) -> None:
        """Let no entry leave that is still on its way: the run ends, and nobody would look after it."""
        self._is_closed = True

    def passed(self, ticket: OrderTicket) -> None:
        """An order is about to leave, or to be kept back in dry run."""
        self._sent.append(SentOrder(at=self._clock.now(), ticket=ticket))

    def sent(self, messages: int) -> None:
        """An order and its children left, in so many messages."""
        self._submitted += messages

    def changed(self) -> None:
        """A change or a cancel of an order left."""
        self._submitted += 1

    def filled(self) -> None:
        """An order filled."""
        self._filled += 1


class Asked(Chains, Orders, Lifecycle, Protocol):
    """Whom a lookout asks."""


class Lookout:
    """Looks before an entry leaves.

    Args:
        broker: Whom to ask.
        clock: Wall time.
        what_if: Whether the venue is asked for the order's margin too.
    """

    def __init__(self, broker: Asked, clock: Clock, *, what_if: bool = True) -> None:
        self._broker, self._clock, self._what_if = broker, clock, what_if

    def use(self, *, what_if: bool) -> None:
        """Ask the venue for an order's margin from now on, or no longer."""
        self._what_if = what_if

    async def standing(self, ticket: OrderTicket, session: Session | None = None) -> Standing:
        """How things stand for an order now.

        Args:
            ticket: The order; of a bracket, its entry.
            session: The session that is traded: what counts where the contract's own hours say nothing.

        Raises:
            RequestFailed: The contract's hours could not be read.
            ConnectionFailure: The same, for want of a session.
        """
        standing = _of_health(await self._broker.health())
        if not standing.is_well:
            return standing  # the rest would not be answered
        is_open = await self._is_open(ticket.contract, session)
        standing = attrs.evolve(standing, market_open=is_open)
        return await self._previewed(standing, ticket) if self._what_if and is_open else standing

    async def working(self) -> tuple[OrderReport, ...]:
        """Every order of the account that works, whoever sent it: its limits count them all.

        Raises:
            RequestFailed: They could not be read.
            ConnectionFailure: The same, for want of a session.
        """
        return await self._broker.all_open_orders()

    async def _is_open(self, contract: Contract, session: Session | None) -> bool:
        details, now = await self._broker.qualify(contract), self._clock.now()
        if LiquidHours(details.liquid_hours).covers(venue_day(now)):
            return any(row.opens_at <= now < row.closes_at for row in details.liquid_hours)
        return session is not None and session.is_open(now)

    async def _previewed(self, standing: Standing, ticket: OrderTicket) -> Standing:
        try:
            preview = await self._broker.preview(ticket)
        except SafetyRefused:  # a what-if travels as an order, and in dry run nothing does
            return standing
        except (RequestFailed, ConnectionFailure) as error:
            return attrs.evolve(standing, preview_refusal=f"{type(error).__name__}: {error}")
        return attrs.evolve(standing, preview=preview)


def _of_health(health: Health) -> Standing:
    down = {
        check.name: check.evidence
        for check in health.checks
        if check.grade is Grade.DOWN or (check.name, check.grade) == _UNSEEN
    }
    sick = [f"{name}: {evidence}" for name, evidence in down.items() if name not in _TOLD_OTHERWISE]
    return Standing(
        is_read_only=health.is_read_only,
        session_refusal=health.entry_refusal or down.get("session", ""),
        sick="; ".join(sick),
    )
