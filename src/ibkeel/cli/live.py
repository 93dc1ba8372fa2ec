"""The runner against a real Gateway, or any other that listens."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import attrs
import click
from rich.console import Console
from typing_extensions import override

from ibkeel.cli.app import ExitCode, cause_of, exit_code, sentence
from ibkeel.cli.bot_config import MonitoredBot, bot_of
from ibkeel.cli.news import News
from ibkeel.cli.notify import Notifier, supervised
from ibkeel.cli.paths import PATH, STATE, state_directory
from ibkeel.cli.screen import NEW_YORK, print_report, progress, web_address
from ibkeel.clock import Clock, OffsetClock
from ibkeel.errors import ConfigurationError, RequestFailed, UnknownContract
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode, in_window, windows_of
from ibkeel.journal import Journal, highest_order_id
from ibkeel.model import Grade, Stock, to_data
from ibkeel.monitor import Monitor
from ibkeel.monitor.alerts import Starts
from ibkeel.monitor.dashboard import BoardApi
from ibkeel.monitor.dashboard.source import orders_of_last_session
from ibkeel.monitor.doctor.looks import fetch_time
from ibkeel.monitor.report import DayReports
from ibkeel.orders import Interlock
from ibkeel.runner import (
    HALT_FILE,
    BotConfig,
    ConfigurationFile,
    ExchangeCalendar,
    FlattenRequests,
    Halt,
    LimitsSource,
    Progress,
    Runner,
    RunReport,
    Safety,
    Session,
    session_now,
)
from ibkeel.strategy import Strategy, default_registry
from ibkeel.system import SystemClock
from ibkeel.telemetry import Event, LoggingObserver, Observer, RunBegan

_FIGURES: Final = ("cycles", "signals", "intents", "orders", "orders_sent", "fills", "timeouts")
_PACE_AFTER: Final = 5.0
_LOGIN_PATIENCE: Final = 300.0  # seconds, as of a session that is lost in that window
_OFF_PACE: Final = 0.5  # the Gateway tells whole seconds


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
        limits: Where changed limits are read while the bot runs; None for nowhere.
        is_quiet: Whether nothing is announced of orders, fills, refusals and failures.
    """

    journal: Path
    halt: Path | None = None
    limits: LimitsSource | None = None
    sessions: int | None = None
    follow_gateway: bool = False
    is_quiet: bool = False
    announce: Callable[[str], None]
    progress: Callable[[Progress], None] | None = None


@click.command("run")
@click.argument("config", type=PATH)
@click.option("--sessions", type=click.IntRange(1), help="Stop after so many sessions.")
@click.option("--journal", type=PATH, help="Where the journal is.")
@click.option(
    "--follow-gateway-clock", "follow", is_flag=True, help="Take the time from the Gateway: for `sim serve`."
)
@STATE
@click.option("--quiet", is_flag=True, help="Tell nothing of orders, fills, refusals and failures.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def run_bot(
    config: Path,
    sessions: int | None,
    journal: Path | None,
    state: Path | None,
    *,
    follow: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the bot that a TOML file describes, against the Gateway that it names."""
    bot, folder = bot_of(config), state_directory(os.environ, state)
    path = journal or Path(bot.journal.path or folder / "journal.sqlite")
    with (
        progress(f"{bot.strategy.name} on {', '.join(bot.runner.symbols)}") as screen,
        ThreadPoolExecutor(1) as teller,  # a terminal that was stopped must not hold up the bot
    ):
        options = LiveOptions(
            journal=path,
            halt=folder / HALT_FILE,
            limits=ConfigurationFile(config, os.environ, bot),
            sessions=sessions,
            follow_gateway=follow,
            is_quiet=quiet,
            announce=lambda line: teller.submit(screen.announce, line),  # type: ignore[arg-type]  # returns more
            progress=screen.advance,
        )
        report = trade(bot, options)
    if as_json:
        click.echo(json.dumps(_report_data(report, path), indent=2))
    else:
        print_report(Console(), report)


def trade(config: MonitoredBot, options: LiveOptions) -> RunReport:
    """Run a bot until its sessions are over or it is interrupted."""
    strategy = default_registry().create(config.strategy.name, config.strategy.params)
    return asyncio.run(_trade(config, address_of(config, options.journal), strategy, options))


def address_of(config: BotConfig, journal: Path) -> IBKRConfig:
    """Where a bot's Gateway is, who the bot is there, and what may be sent."""
    gateway = config.gateway
    return IBKRConfig(
        host=gateway.host,
        port=gateway.port,
        client_id=gateway.client_id,
        orders=OrderMode(gateway.orders),
        live_account=gateway.live_account,
        aliases=gateway.aliases,
        reset_windows=windows_of(gateway.region, gateway.auto_restart),
        market_data_lines=gateway.market_data_lines,
        # What was sent lately counts at the Gateway also when the bot is new.
        pacing_store=str(journal.with_name("pacing.json")),
    )


async def interlock_of(config: BotConfig, broker: IBKRBroker) -> Interlock:
    """Whose money an order of a bot would move, as the Gateway itself says."""
    return Interlock(
        mode=config.gateway.orders,
        live_account=config.gateway.live_account,
        account=(await broker.account()).account,
        port=config.gateway.port,
    )


async def _trade(
    config: MonitoredBot, address: IBKRConfig, strategy: Strategy, options: LiveOptions
) -> RunReport:
    machine = SystemClock()
    theirs = await fetch_time(address.host, address.port) if options.follow_gateway else None
    clock = clock_of(machine, theirs, follow=options.follow_gateway)  # from the first event on
    monitor = Monitor(config.telemetry, config.alerts, clock, LoggingObserver())
    state = options.journal.parent if options.halt is None else options.halt.parent
    reports = DayReports(state / "reports", options.journal, monitor.board, clock, monitor)
    monitor.also(reports)
    if not options.is_quiet:
        monitor.also(News(options.announce))
    starts = None
    if monitor.alerter is not None:
        starts = Starts(
            state / "starts.json", monitor.alerter, config.alerts, clock=clock, tell=monitor.on_event
        )
    with BoardApi(monitor.board, clock).served(state):  # for `ibkeel monitor`
        async with (
            supervised(Notifier.of(os.environ, os.getpid())) as manager,
            monitor.watching(),
            reports.kept(),
            _told_of(starts, address, clock) as beginning,
            IBKRBroker(address, clock=clock, observer=monitor) as broker,
            monitor.examining(broker),
        ):
            if monitor.metrics_port is not None:
                page = web_address(config.telemetry.metrics_host, monitor.metrics_port)
                options.announce(f"metrics at {page}/metrics")
            await agree_on_time(broker, clock, follow=options.follow_gateway)
            unknown = await unknown_symbols(
                broker, config.runner.symbols, is_new=not options.journal.exists()
            )
            options.announce(f"connected to {address.host}:{address.port}; orders: {address.orders.value}")
            options.announce(waiting := _waiting_for(clock))
            manager.ready(waiting)
            with (
                Journal.open(options.journal) as journal,
                ThreadPoolExecutor(1, thread_name_prefix="ibkeel journal") as writer,
            ):
                for event in orders_of_last_session(journal):
                    monitor.board.on_event(event)
                broker.use_order_ids_above(highest_order_id(journal, address.client_id))
                runner = Runner(
                    broker,
                    strategy,
                    config.runner,
                    journal,
                    risk=config.risk,
                    clock=clock,
                    observer=monitor,
                    progress=options.progress,
                    mode=address.orders.value,
                    safety=Safety.of(
                        config.risk,
                        Halt(options.halt),
                        limits=config.limits,
                        interlock=await interlock_of(config, broker),
                        requests=None
                        if options.halt is None
                        else FlattenRequests(
                            options.halt.parent, port=address.port, client_id=address.client_id
                        ),
                    ),
                    limits=options.limits,
                    executor=writer,
                    announce=options.announce,
                )
                _halt_by_signal(runner)
                monitor.also(beginning)
                async with asyncio.TaskGroup() as beside:
                    looks = beside.create_task(_same_pace(broker, clock)) if options.follow_gateway else None
                    report = await runner.run(sessions=options.sessions, unknown=unknown)
                    if looks is not None:
                        looks.cancel()
                return report


class _Beginning(Observer):
    """Knows whether a run has begun: it has read and written its journal."""

    def __init__(self, starts: Starts | None) -> None:
        self._starts, self.has_begun = starts, False

    @override
    def on_event(self, event: Event) -> None:
        if isinstance(event, RunBegan):
            self.has_begun = True
            if self._starts is not None:
                self._starts.came()


@asynccontextmanager
async def _told_of(starts: Starts | None, address: IBKRConfig, clock: Clock) -> AsyncIterator[_Beginning]:
    """Have a person told when what is in the block ends in an error before its run has begun.

    In a reset window nobody is told, unless somebody must log in. What systemd does not start again is told at once.
    """
    beginning = _Beginning(starts)
    try:
        yield beginning
    except Exception as error:
        cause, window = cause_of(error), in_window(clock.now(), address.reset_windows)
        if starts is not None and not beginning.has_begun:
            if exit_code(cause) in {ExitCode.USAGE, ExitCode.REFUSED}:
                await starts.failed(f"{sentence(cause)}. Mend that, and start the bot by hand", is_final=True)
            elif window is None:
                await starts.failed(sentence(cause))
            elif window.needs_login:
                what = f"{window.name}, log in to the Gateway: "
                await starts.failed(what + sentence(cause), _LOGIN_PATIENCE)
        raise


async def unknown_symbols(
    broker: IBKRBroker, symbols: Sequence[str], *, is_new: bool
) -> Mapping[str, RequestFailed]:
    """The symbols that cannot be looked up, each with the reason.

    A new bot is refused for one of them. One that has traded may hold positions in the others: it is refused only
    when none can be looked up. None is while a farm is broken: the Gateway may then say of anything that there is
    no such contract.

    Raises:
        RequestFailed: The bot is refused.
    """

    async def ask(symbol: str) -> tuple[str, RequestFailed] | None:
        try:
            await broker.qualify(Stock(symbol))
        except RequestFailed as error:
            return symbol, error
        return None

    failed = dict(filter(None, await asyncio.gather(*map(ask, symbols))))
    if failed and (is_new or len(failed) == len(symbols)):
        tiers = (await broker.health()).checks
        if all(row.grade is Grade.OK for row in tiers if row.name.startswith(("session", "farm"))):
            # UnknownContract ends it for good: not while others of a bot that has traded may be answered for.
            raise min(failed.values(), key=lambda error: not is_new and isinstance(error, UnknownContract))
    return failed


def _halt_by_signal(runner: Runner) -> None:
    """From now on; the loop's end ends it."""
    number = getattr(signal, "SIGUSR1", None)
    if number is not None:
        asyncio.get_running_loop().add_signal_handler(number, runner.halt, "SIGUSR1")


def clock_of(machine: Clock, theirs: datetime | None, *, follow: bool) -> Clock:
    """The machine's, which is set at times and counts on while the machine sleeps; or one set to the Gateway's."""
    return OffsetClock(machine, theirs or machine.now()) if follow else machine


async def agree_on_time(broker: IBKRBroker, clock: Clock, *, follow: bool) -> None:
    """See that this machine and the Gateway mean the same day; else, and unless the Gateway is followed, refuse.

    Raises:
        RequestFailed: The Gateway did not tell its time, asked twice.
        ConnectionFailure: The same, for want of a session.
    """
    while (seen := (await broker.health()).check("clock")) is None:
        await broker.server_time()  # asks once more, and says why it does not come
    if seen.grade is not Grade.DOWN:
        return
    if not (follow and isinstance(clock, OffsetClock)):
        raise ConfigurationError(f"{seen.evidence}: {seen.remedy}")
    clock.show(await broker.server_time())


async def _same_pace(broker: IBKRBroker, clock: Clock) -> None:
    """Refuse a Gateway whose clock, which was read once, does not run as ours: the bot would live on another time."""
    began, theirs = clock.now(), await broker.server_time()
    await asyncio.sleep(_PACE_AFTER)
    ours = (clock.now() - began).total_seconds()
    pace = (await broker.server_time() - theirs).total_seconds() / ours
    if abs(pace - 1.0) > _OFF_PACE:
        raise ConfigurationError(
            f"the Gateway's clock runs {pace:.1f} times as fast as this machine's; --follow-gateway-clock reads "
            "the difference once: serve with --speed 1"
        )


def session_at(now: datetime) -> Session:
    """The session of the New York Stock Exchange that is open, or the next one."""
    return session_now(ExchangeCalendar(start=now.date() - timedelta(days=7)), now)


def _waiting_for(clock: Clock) -> str:
    now = clock.now()
    session = session_at(now)
    opens, closes = session.opens_at.astimezone(NEW_YORK), session.closes_at.astimezone(NEW_YORK)
    if now >= session.opens_at:
        return f"the session of {opens:%A, %d %B %Y} is open until {closes:%H:%M} New York; stop with Ctrl-C"
    return f"waiting for {opens:%A, %d %B %Y}, {opens:%H:%M} to {closes:%H:%M} New York; stop with Ctrl-C"


def _report_data(report: RunReport, path: Path) -> dict[str, Any]:
    return {
        **{name: getattr(report, name) for name in _FIGURES},
        "errors": len(report.errors),
        "held": None
        if report.held is None
        else [
            {"contract": str(row.contract), "quantity": row.signed_quantity, "reason": row.reason}
            for row in report.held
        ],
        "symbols": {name: attrs.asdict(row) for name, row in report.symbols.items()},
        "latencies": {name: to_data(row) for name, row in report.latencies.items()},
        "journal": str(path),
    }
