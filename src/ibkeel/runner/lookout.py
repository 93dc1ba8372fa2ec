"""Asks the broker what an entry's gates need to know: session, health, market hours and margin."""

from datetime import datetime
from typing import Final, Protocol

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, RequestFailed, SafetyRefused
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
)
from ibkeel.runner.schedule import NEW_YORK, LiquidHours, Session

_TOLD_OTHERWISE: Final = frozenset({"session", "order path"})


class Asked(Chains, Orders, Lifecycle, Protocol):
    """Whom a lookout asks."""


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
        if LiquidHours(details.liquid_hours).covers(now.astimezone(NEW_YORK).date()):
            return any(row.opens_at <= now < row.closes_at for row in details.liquid_hours)
        return session is not None and _within(session, now)

    async def _previewed(self, standing: Standing, ticket: OrderTicket) -> Standing:
        try:
            preview = await self._broker.preview(ticket)
        except SafetyRefused:  # a what-if travels as an order, and in dry run nothing does
            return standing
        except (RequestFailed, ConnectionFailure) as error:
            return attrs.evolve(standing, preview_refusal=f"{type(error).__name__}: {error}")
        return attrs.evolve(standing, preview=preview)


def _within(session: Session, now: datetime) -> bool:
    return session.opens_at <= now < session.closes_at


def _of_health(health: Health) -> Standing:
    down = {check.name: check.evidence for check in health.checks if check.grade is Grade.DOWN}
    sick = [f"{name}: {evidence}" for name, evidence in down.items() if name not in _TOLD_OTHERWISE]
    return Standing(
        is_read_only=health.is_read_only,
        session_refusal=health.entry_refusal or down.get("session", ""),
        sick="; ".join(sick),
    )
