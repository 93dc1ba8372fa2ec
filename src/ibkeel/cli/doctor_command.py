"""`ibkeel doctor`: what is wrong with this set-up, in order, with a remedy for each."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.padding import Padding

from ibkeel.cli.app import ExitCode
from ibkeel.cli.bot_config import bot_of, tickers
from ibkeel.cli.paths import PATH, STATE, state_directory
from ibkeel.cli.screen import AS_JSON, host_name, plain
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.monitor.doctor import Diagnosis, Finding, Setup, Verdict, examine
from ibkeel.monitor.monitor import unmet
from ibkeel.resilience import Backoff
from ibkeel.system import SystemClock
from ibkeel.telemetry import redact

_MARKS: Final = {
    Verdict.OK: "[green]ok[/]     ",
    Verdict.WARNING: "[yellow]warning[/]",
    Verdict.FAULT: "[bold red]fault[/]  ",
    Verdict.UNKNOWN: "[dim]unknown[/]",
}
_WIDTH: Final = 14


@click.command()
@click.argument("config", type=PATH, required=False)
@click.option(
    "--host", callback=host_name, help="Of the Gateway. [default: the configuration's, or 127.0.0.1]"
)
@click.option("--port", type=click.IntRange(1, 65535), help="Of its API. [default: the same, or 4002]")
@click.option(
    "--client-id",
    type=click.IntRange(0),
    help="That is logged on with; one that no bot uses leaves a running bot alone.",
)
@click.option("--symbols", callback=tickers, help="Tickers with commas, whose data is asked for.")
@STATE
@click.option("--journal", type=PATH, help="The bot's journal.")
@AS_JSON
def doctor(
    config: Path | None,
    host: str | None,
    port: int | None,
    client_id: int | None,
    symbols: tuple[str, ...] | None,
    state: Path | None,
    journal: Path | None,
    *,
    as_json: bool,
) -> int:
    """Say what is wrong with this set-up, in order, and what to do about it.

    CONFIG is a bot's TOML file; without it the defaults are examined. Nothing is changed: no order is
    placed. Exits with 5 when something is wrong.
    """
    bot = bot_of(config)
    gateway = bot.gateway
    address = IBKRConfig(
        host=host or gateway.host,
        port=port or gateway.port,
        client_id=gateway.client_id if client_id is None else client_id,
        orders=OrderMode(gateway.orders),
        live_account=gateway.live_account,
        aliases=gateway.aliases,
        connect_backoff=Backoff(attempts=1),
        reconnect=False,
    )
    setup = Setup(
        host=address.host,
        port=address.port,
        client_id=address.client_id,
        symbols=symbols or bot.runner.symbols,
        sends_orders=address.orders is not OrderMode.DRY_RUN,
        journal=journal or Path(bot.journal.path or state_directory(os.environ, state) / "journal.sqlite"),
        unmet=unmet(bot.telemetry, bot.alerts),
        aliases=gateway.aliases,
    )
    console, clock = Console(), SystemClock()
    told = None if as_json else _printing(console)
    diagnosis = asyncio.run(examine(setup, lambda: IBKRBroker(address, clock=clock), clock, told=told))
    if as_json:
        click.echo(redact(json.dumps(diagnosis.as_data(), indent=2)))
    else:
        _print_cause(console, diagnosis)
    return ExitCode.SUCCESS if diagnosis.cause is None else ExitCode.FOUND


def _printing(console: Console) -> Callable[[Finding], None]:
    def told(finding: Finding) -> None:
        console.print(
            f"{_MARKS[finding.verdict]}  {finding.check:<{_WIDTH}} ", end="", highlight=False, soft_wrap=True
        )
        console.print(plain(redact(finding.said)), highlight=False, soft_wrap=True)

    return told


def _print_cause(console: Console, diagnosis: Diagnosis) -> None:
    console.print()
    if diagnosis.cause is None:
        console.print("[green]All is well.[/]")
        return
    for number, problem in enumerate(diagnosis.problems):
        lead = "Mend first" if number == 0 else "Then look at"
        console.print(f"[bold]{lead}: {problem.check}[/]", highlight=False)
        console.print(Padding(plain(redact(problem.remedy)), (0, 0, 0, 2)))
