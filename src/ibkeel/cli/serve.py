"""The simulated Gateway on a real port, on a day when its market is open."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from datetime import date, datetime, time, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.cli.sim_view import Company, accompany, recording
from ibkeel.clock import OffsetClock
from ibkeel.sim import FaultSeen, Scenario, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.transcripts.proxy import not_listening
from ibkeel.system import SystemClock

_NEW_YORK: Final = ZoneInfo("America/New_York")


@attrs.frozen(kw_only=True)
class ServeOptions:
    """What to serve.

    Args:
        host: Address to bind.
        port: Port to bind; 0 lets the system choose.
        seed: Of the market.
        day: Trading date; None lets the seed choose.
        start: Time of day in New York at which the simulated clock starts.
        scenario: What goes wrong; None: nothing.
        speed: Seconds of the simulated day in one of the machine's.
        company: Who watches.
    """

    host: str = "127.0.0.1"
    port: int = 4902
    seed: int = 7
    day: date | None = None
    start: time = time(11, 0)
    scenario: Scenario | None = None
    speed: float = 1.0
    company: Company = attrs.field(factory=Company)


def serve(options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Serve until interrupted, or told to end by SIGTERM.

    Args:
        options: What to serve.
        announce: Told, in one line each, what is served and where.

    Raises:
        ConfigurationError: The address cannot be bound, or the day is no session.
    """
    options.company.check()
    with contextlib.suppress(asyncio.CancelledError):  # by SIGTERM
        asyncio.run(_serve(options, announce))


async def _serve(options: ServeOptions, announce: Callable[[str], None]) -> None:
    _end_by_sigterm()
    market = SeededMarket(options.seed, options.day)
    start = datetime.combine(market.session_date, options.start, _NEW_YORK)
    clock = OffsetClock(SystemClock(), start, speed=options.speed)
    gateway = SimulatedGateway(
        market=market, seed=options.seed, clock=clock, scenario=options.scenario, speed=options.speed
    )
    notes = {"seed": options.seed, "date": market.session_date.isoformat()}
    with recording(gateway, options.company.record, notes, announce):
        await _listen(gateway, options, start, announce)


def _end_by_sigterm() -> None:
    """SIGTERM ends the service as Ctrl-C does, with its summary, where the system has such a signal."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows; a loop in another thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _listen(
    gateway: SimulatedGateway, options: ServeOptions, start: datetime, announce: Callable[[str], None]
) -> None:
    try:
        port = await gateway.start(options.host, options.port)
    except OSError as error:
        raise not_listening(options.host, options.port, error) from error
    announce(f"simulated Gateway on {options.host}:{port}, seed {options.seed}")
    announce(
        f"its clock began at {start:%Y-%m-%d %H:%M} New York; paper account, any client id; stop with Ctrl-C"
    )
    if options.speed != 1.0:
        announce(f"a minute of its day takes {60.0 / options.speed:g} s; use its time, not the machine's")
    if options.scenario is not None:
        announce(f"scenario {': '.join(filter(None, (options.scenario.name, options.scenario.title)))}")
    if options.company.web is not None:
        announce(f"watch it on http://127.0.0.1:{options.company.web}")
    try:
        await accompany(gateway, options.company, f"Simulated Gateway on {options.host}:{port}")
    finally:
        await gateway.stop()
        counters = gateway.counters
        announce(f"stopped: {counters.connections} connections, {counters.messages} messages")
        for seen in gateway.faults_seen:
            announce(_told(seen, start.tzinfo))


def _told(seen: FaultSeen, zone: tzinfo | None) -> str:
    """One strike in one line; times of day in New York."""
    text = f"{seen.at.astimezone(zone):%H:%M:%S} {seen.kind} {seen.detail}".rstrip()
    if seen.ended_at is None or seen.ended_at == seen.at:
        return text
    return f"{text} until {seen.ended_at.astimezone(zone):%H:%M:%S}"
