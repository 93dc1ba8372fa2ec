"""The whole examination, in the order of cause and effect."""

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Final, Protocol

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, ConnectionFailure, IbkeelError, JournalError, RequestFailed
from ibkeel.journal import Journal
from ibkeel.model import Broker, Quote, mask_account
from ibkeel.model.checks import NEW_YORK
from ibkeel.monitor.doctor.looks import (
    Diagnosis,
    Finding,
    Seen,
    Verdict,
    fault,
    log_on_failed,
    look_at_data,
    look_at_health,
    look_at_orders,
    look_at_port,
    warning,
    well,
)
from ibkeel.runner import ExchangeCalendar, Session, SessionCalendar, session_now

_NOT_YET: Final = "install it with pip, or mend the setting; until then ibkeel run refuses to start"
_LIBRARIES: Final = ("ib_insync", "ib_async")
_FIRST: Final = (3, 11)
_LAST_TESTED: Final = (3, 13)
_WITHOUT_INSYNC: Final = (3, 14)


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@attrs.frozen(kw_only=True)
class Machine:
    """What is installed here.

    Args:
        python: Major and minor version.
        version_of: Tells a package's version, None when it is not installed.
    """

    python: tuple[int, int] = attrs.field(factory=lambda: sys.version_info[:2])
    version_of: Callable[[str], str | None] = _version_of


def look_at_machine(machine: Machine, journal: Path | None) -> Iterator[Finding]:
    """Python, the client library and the journal."""
    yield _python(machine)
    yield _library(machine)
    if journal is not None:
        yield _journal(journal)


def _python(machine: Machine) -> Finding:
    shown = ".".join(map(str, machine.python))
    own = machine.version_of("ibkeel") or "from a source tree"
    said = f"Python {shown} ({platform.python_implementation()}), ibkeel {own}"
    if machine.python < _FIRST:
        return fault("python", said, "install Python 3.11, 3.12 or 3.13")
    if machine.python > _LAST_TESTED:
        said += "; tested with 3.11 to 3.13"
    return well("python", said)


def _library(machine: Machine) -> Finding:
    found = {name: version for name in _LIBRARIES if (version := machine.version_of(name)) is not None}
    said = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) == len(_LIBRARIES):
        return fault(
            "library",
            f"both {said} are installed; they overwrite each other's eventkit folder, so one of them is broken",
            "pip uninstall ib_async eventkit aeventkit, then pip install --force-reinstall ib_insync (or the reverse)",
        )
    if not found:
        return fault("library", "no Interactive Brokers client is installed", "pip install ib_async")
    if machine.python >= _WITHOUT_INSYNC and "ib_insync" in found:
        shown = ".".join(map(str, machine.python))
        return fault(
            "library",
            f"{said} cannot be imported on Python {shown}: its event library asks for a loop that is not there",
            "pip uninstall ib_insync eventkit, then pip install ib_async, its maintained successor",
        )
    return well("library", said)


def _journal(path: Path) -> Finding:
    if not path.exists():
        return well("journal", f"{path} is not there yet; a bot makes it")
    try:
        with Journal.open(path, read_only=True) as journal:
            journal.check_integrity()
            said = f"{path} is whole: {journal.count()} records"
    except JournalError as error:
        return fault(
            "journal",
            str(error),
            "stop the bot, put the file aside for a look, and restore the last backup; without one begin with a "
            "new file: open, completed and executed orders are then read from the Gateway",
        )
    return well("journal", said)


class Patient(Broker, Protocol):
    """A broker that also tells what it waits for."""

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
        aliases: As `GatewayConfig` has them.
    """

    host: str = "127.0.0.1"
    port: int = 4002
    client_id: int = 1
    symbols: tuple[str, ...] = ("SPY",)
    sends_orders: bool = False
    journal: Path | None = None
    unmet: tuple[str, ...] = ()
    aliases: Mapping[str, str] = attrs.field(factory=dict, repr=False)


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
        note(fault("extras", said, _NOT_YET))
    session = _session(calendar, clock.now())
    note(_next_session(session, clock.now()))
    if any(row.check == "library" and row.verdict is Verdict.FAULT for row in findings):
        return Diagnosis(tuple(findings))
    for finding in await look_at_port(setup.host, setup.port):
        note(finding)
    if not any(row.verdict is Verdict.FAULT for row in findings if row.check in {"port", "handshake"}):
        await _look_inside(setup, open_broker(), _is_open(session, clock.now()), note)
    return Diagnosis(tuple(findings))


def _session(calendar: SessionCalendar | None, now: datetime) -> Session | None:
    try:
        return session_now(calendar or ExchangeCalendar(start=now.date() - timedelta(days=7)), now)
    except ConfigurationError:
        return None


def _is_open(session: Session | None, now: datetime) -> bool:
    return session is not None and session.is_open(now)


def _next_session(session: Session | None, now: datetime) -> Finding:
    if session is None:
        return Finding(check="session hours", verdict=Verdict.UNKNOWN, said="no calendar of the exchange")
    opens, closes = session.opens_at.astimezone(NEW_YORK), session.closes_at.astimezone(NEW_YORK)
    state = "is open" if _is_open(session, now) else "opens next"
    said = f"the exchange {state}: {opens:%A, %d %B %Y}, {opens:%H:%M} to {closes:%H:%M} New York"
    return well("session hours", said)


async def _look_inside(setup: Setup, broker: Patient, is_open: bool, note: Callable[[Finding], None]) -> None:
    try:
        await broker.connect()
    except IbkeelError as error:
        note(log_on_failed(error))
        return
    try:
        note(await _account(setup, broker))
        if await _is_answering(broker, note):
            seen = await look_at_data(broker, setup.symbols, is_open=is_open)
            for each in seen:
                note(each.finding)
            note(await look_at_orders(broker, setup.symbols[0], _quote(seen), sends=setup.sends_orders))
        note(well("pacing", broker.explain_pacing()))
    finally:
        await broker.disconnect()


async def _account(setup: Setup, broker: Broker) -> Finding:
    try:
        account = await broker.account()
    except (RequestFailed, ConnectionFailure) as error:
        said = f"the account could not be read: {error}"
        return Finding(check="account", verdict=Verdict.UNKNOWN, said=said)
    said = f"client id {setup.client_id} is logged on to {mask_account(account.account, setup.aliases)}"
    if account.currency == "USD":
        return well("account", said)
    remedy = "a size needs one currency, and ibkeel run buys options in USD: it will enter nothing"
    return warning("account", f"{said}, kept in {account.currency}", remedy)


async def _is_answering(broker: Patient, note: Callable[[Finding], None]) -> bool:
    """Whether there is a Gateway behind the socket, and servers behind the Gateway."""
    found = list(look_at_health(await broker.health()))
    for finding in found:
        note(finding)
    vital = {"upstream", "session", "round trip"}
    return not any(row.check in vital and row.is_problem for row in found)


def _quote(seen: list[Seen]) -> Quote | None:
    return next((each.quote for each in seen if each.quote is not None), None)
