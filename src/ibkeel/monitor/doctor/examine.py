"""The whole examination, in the order of cause and effect."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, ConnectionFailure, IbkeelError, RequestFailed
from ibkeel.model import Broker, Quote, mask_account
from ibkeel.monitor.doctor.findings import Diagnosis, Finding, Verdict
from ibkeel.monitor.doctor.machine import Machine, look_at_machine
from ibkeel.monitor.doctor.port import look_at_port
from ibkeel.monitor.doctor.session import (
    Seen,
    log_on_failed,
    look_at_clock,
    look_at_data,
    look_at_health,
    look_at_orders,
)
from ibkeel.runner import ExchangeCalendar, Session, SessionCalendar, session_now

_NEW_YORK: Final = ZoneInfo("America/New_York")

_NOT_YET: Final = "install it with pip, or mend the setting; until then ibkeel run refuses to start"


class Patient(Broker, Protocol):
    """A broker that also tells the Gateway's time and what it waits for."""

    async def server_time(self) -> datetime:
        """The Gateway's own clock, aware, in UTC, to the second."""
        ...

    def explain_pacing(self) -> str:
        """What waits for its turn now, in words."""
        ...


@attrs.frozen(kw_only=True)
class Setup:
    """What is examined.

    Args:
        host: Of the Gateway.
        port: Of its API.
        client_id: That is logged on with.
        symbols: Whose data is asked for.
        sends_orders: Whether the bot's configuration lets orders leave.
        journal: The bot's journal; None leaves it out.
        unmet: What keeps the bot's metrics and alerts from being set up, in words.
    """

    host: str = "127.0.0.1"
    port: int = 4002
    client_id: int = 1
    symbols: tuple[str, ...] = ("SPY",)
    sends_orders: bool = False
    journal: Path | None = None
    unmet: tuple[str, ...] = ()


async def examine(
    setup: Setup,
    open_broker: Callable[[], Patient],
    clock: Clock,
    *,
    machine: Machine | None = None,
    calendar: SessionCalendar | None = None,
    told: Callable[[Finding], None] | None = None,
) -> Diagnosis:
    """Look at everything, from this machine to the data of each symbol.

    Nothing is changed: no order is placed (a what-if is asked for when the configuration would send
    orders) and no stream stays open. What cannot be looked at because of an earlier fault is left out.

    Args:
        setup: What to look at.
        open_broker: Makes a broker that tries once and is not connected yet.
        clock: This machine's.
        machine: What is installed; by default asked of the system.
        calendar: Trading days; by default those of the New York Stock Exchange.
        told: Called with each finding as it is made.
    """
    findings: list[Finding] = []

    def note(finding: Finding) -> None:
        findings.append(finding)
        if told is not None:
            told(finding)

    for finding in look_at_machine(machine or Machine(), setup.journal):
        note(finding)
    for said in setup.unmet:
        note(Finding(check="extras", verdict=Verdict.FAULT, said=said, remedy=_NOT_YET))
    session = _session(calendar, clock.now())
    note(_next_session(session, clock.now()))
    if any(row.check == "library" and row.verdict is Verdict.FAULT for row in findings):
        return Diagnosis(tuple(findings))
    for finding in await look_at_port(setup.host, setup.port):
        note(finding)
    if not any(row.verdict is Verdict.FAULT for row in findings if row.check in {"port", "handshake"}):
        await _look_inside(setup, open_broker(), clock, _is_open(session, clock.now()), note)
    return Diagnosis(tuple(findings))


def _session(calendar: SessionCalendar | None, now: datetime) -> Session | None:
    try:
        return session_now(calendar or ExchangeCalendar(start=now.date() - timedelta(days=7)), now)
    except ConfigurationError:
        return None


def _is_open(session: Session | None, now: datetime) -> bool:
    return session is not None and session.opens_at <= now < session.closes_at


def _next_session(session: Session | None, now: datetime) -> Finding:
    if session is None:
        return Finding(check="session hours", verdict=Verdict.UNKNOWN, said="no calendar of the exchange")
    opens, closes = session.opens_at.astimezone(_NEW_YORK), session.closes_at.astimezone(_NEW_YORK)
    state = "is open" if _is_open(session, now) else "opens next"
    said = f"the exchange {state}: {opens:%A, %d %B %Y}, {opens:%H:%M} to {closes:%H:%M} New York"
    return Finding(check="session hours", verdict=Verdict.OK, said=said)


async def _look_inside(
    setup: Setup, broker: Patient, clock: Clock, is_open: bool, note: Callable[[Finding], None]
) -> None:
    try:
        await broker.connect()
    except IbkeelError as error:
        note(log_on_failed(error))
        return
    try:
        note(await _account(setup, broker))
        if await _is_answering(broker, clock, note):
            seen = await look_at_data(broker, setup.symbols, is_open=is_open)
            for each in seen:
                note(each.finding)
            note(await look_at_orders(broker, setup.symbols[0], _quote(seen), sends=setup.sends_orders))
        note(Finding(check="pacing", verdict=Verdict.OK, said=broker.explain_pacing()))
    finally:
        await broker.disconnect()


async def _account(setup: Setup, broker: Broker) -> Finding:
    try:
        account = mask_account((await broker.account()).account)
    except (RequestFailed, ConnectionFailure) as error:
        return Finding(
            check="account", verdict=Verdict.UNKNOWN, said=f"the account could not be read: {error}"
        )
    said = f"client id {setup.client_id} is logged on to {account}"
    return Finding(check="account", verdict=Verdict.OK, said=said)


async def _is_answering(broker: Patient, clock: Clock, note: Callable[[Finding], None]) -> bool:
    """Whether there is a Gateway behind the socket, and servers behind the Gateway."""
    found = list(look_at_health(await broker.health()))
    for finding in found:
        note(finding)
    if any(row.check in {"upstream", "session", "round trip"} and row.is_problem for row in found):
        return False
    asked = clock.now()
    try:
        server_time = await broker.server_time()
    except (RequestFailed, ConnectionFailure) as error:
        note(
            Finding(check="clock", verdict=Verdict.UNKNOWN, said=f"the Gateway's time did not come: {error}")
        )
        return False
    note(look_at_clock(server_time, asked, clock))
    return True


def _quote(seen: list[Seen]) -> Quote | None:
    return next((each.quote for each in seen if each.quote is not None), None)
