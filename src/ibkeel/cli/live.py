"""The runner against a real Gateway, or any other that listens."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.cli.demo import qualified
from ibkeel.cli.serve import OffsetClock
from ibkeel.errors import ConfigurationError
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.journal import Journal, highest_order_id
from ibkeel.runner import BotConfig, ExchangeCalendar, Halt, Progress, Runner, RunReport, Safety, session_now
from ibkeel.strategy import Strategy, default_registry
from ibkeel.system import SystemClock
from ibkeel.telemetry import LoggingObserver

__all__ = ["LiveOptions", "trade"]

_NEW_YORK: Final = ZoneInfo("America/New_York")
_CLOSE_ENOUGH: Final = timedelta(seconds=60)


@attrs.frozen(kw_only=True)
class LiveOptions:
    """How to run.

    Args:
        journal: Where the journal is; the windows of the limits are kept beside it.
        sessions: How many sessions; None never ends by itself.
        follow_gateway: Take the time of day from the Gateway, as a rehearsal on a simulated one needs.
        announce: Told, in one line each, what is connected and what is waited for.
        progress: Called after each cycle.
        halt: The file that halts entries while it is there; None for none.
    """

    journal: Path
    halt: Path | None = None
    sessions: int | None = None
    follow_gateway: bool = False
    announce: Callable[[str], None]
    progress: Callable[[Progress], None] | None = None


def trade(config: BotConfig, options: LiveOptions) -> RunReport:
    """Run a bot until its sessions are over or it is interrupted.

    Args:
        config: The whole bot.
        options: How to run it.

    Raises:
        UnknownStrategy: No strategy has that name.
        ConnectionFailure: There is no Gateway to talk to.
        SafetyRefused: Port, account and order mode do not fit together.
        UnknownContract: The Gateway does not know a symbol.
        ConfigurationError: The clocks disagree, and nobody said which one to follow.
    """
    strategy = default_registry().create(config.strategy.name, config.strategy.params)
    gateway = config.gateway
    address = IBKRConfig(
        host=gateway.host,
        port=gateway.port,
        client_id=gateway.client_id,
        orders=OrderMode(gateway.orders),
        live_account=gateway.live_account,
        # What was sent lately counts at the Gateway also when the bot is new.
        pacing_store=str(options.journal.with_name("pacing.json")),
    )
    return asyncio.run(_trade(config, address, strategy, options))


async def _trade(
    config: BotConfig, address: IBKRConfig, strategy: Strategy, options: LiveOptions
) -> RunReport:
    observer, machine = LoggingObserver(), SystemClock()
    clock = OffsetClock(machine, machine.now())
    async with IBKRBroker(address, clock=clock, observer=observer) as broker:
        await _agree_on_time(broker, clock, options)
        await qualified(broker, config.runner.symbols)
        options.announce(f"connected to {address.host}:{address.port}; orders: {address.orders.value}")
        options.announce(_waiting_for(clock))
        with (
            Journal.open(options.journal) as journal,
            ThreadPoolExecutor(1, thread_name_prefix="ibkeel journal") as writer,
        ):
            broker.use_order_ids_above(highest_order_id(journal, address.client_id))
            runner = Runner(
                broker,
                strategy,
                config.runner,
                journal,
                risk=config.risk,
                clock=clock,
                observer=observer,
                progress=options.progress,
                mode=address.orders.value,
                safety=Safety.of(config.risk, Halt(options.halt)),
                executor=writer,
            )
            with _halted_by_signal(runner):
                return await runner.run(sessions=options.sessions)


@contextmanager
def _halted_by_signal(runner: Runner) -> Iterator[None]:
    """SIGUSR1 halts entries, where there is such a signal."""
    number = getattr(signal, "SIGUSR1", None)
    if number is None:
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, runner.halt, "SIGUSR1")
    try:
        yield
    finally:
        loop.remove_signal_handler(number)


async def _agree_on_time(broker: IBKRBroker, clock: OffsetClock, options: LiveOptions) -> None:
    theirs = await broker.server_time()
    if abs(theirs - clock.now()) <= _CLOSE_ENOUGH:
        return
    if not options.follow_gateway:
        raise ConfigurationError(
            f"the Gateway's clock says {theirs:%Y-%m-%d %H:%M} UTC, this machine's {clock.now():%Y-%m-%d %H:%M} UTC: set "
            "the clocks, or rehearse on a simulated Gateway with --follow-gateway-clock"
        )
    clock.show(theirs)


def _waiting_for(clock: OffsetClock) -> str:
    now = clock.now()
    session = session_now(ExchangeCalendar(start=now.date() - timedelta(days=7)), now)
    opens, closes = session.opens_at.astimezone(_NEW_YORK), session.closes_at.astimezone(_NEW_YORK)
    if now >= session.opens_at:
        return f"the session of {opens:%A, %d %B %Y} is open until {closes:%H:%M} New York; stop with Ctrl-C"
    return f"waiting for {opens:%A, %d %B %Y}, {opens:%H:%M} to {closes:%H:%M} New York; stop with Ctrl-C"
