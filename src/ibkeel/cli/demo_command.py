"""`ibkeel demo`: what to play, and what came of it."""

import json
import os
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, Final

import attrs
import click
from click.core import ParameterSource
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from ibkeel.cli.app import ExitCode
from ibkeel.cli.bot_config import tickers
from ibkeel.cli.demo import DemoOptions, DemoResult, play
from ibkeel.cli.paths import PATH, fresh_journal, state_directory
from ibkeel.cli.phases import PHASES, Phase
from ibkeel.cli.screen import AS_JSON, DATE, NEW_YORK, body, listed, plain, progress, table, told
from ibkeel.cli.sim_commands import chosen
from ibkeel.ibkr import OrderMode
from ibkeel.journal import Decision, Entry, FillSeen, Intent, Journal, Record
from ibkeel.options import PRESETS
from ibkeel.runner import RunReport
from ibkeel.sim.market import MOODS

_SHOWN_ORDERS: Final = 20


@click.command()
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=7,
    show_default=True,
    help="Of the simulated market; equal seeds give equal days.",
)
@click.option(
    "--symbols", callback=tickers, default="SPY,QQQ", show_default=True, help="Tickers with commas."
)
@click.option("--replay", type=PATH, help="Folder of recorded data to play instead.")
@click.option("--date", "day", type=DATE, help="Trading date, YYYY-MM-DD.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="standard",
    show_default=True,
    help="Which options will do.",
)
@click.option("--min-dte", type=click.IntRange(0), help="Fewest days to expiry.")
@click.option("--paper", is_flag=True, help="Send orders to the simulated venue; without it nothing is sent.")
@click.option(
    "--strategy",
    default="scalp",
    show_default=True,
    help="Name of a registered strategy, or names joined by `+`: the first decides, the others confirm.",
)
@click.option(
    "--market",
    type=click.Choice(list(MOODS)),
    help="What kind of seeded day. [default: one that is made for the strategy]",
)
@click.option("--scenario", help="What the Gateway suffers: a name of `ibkeel sim scenarios`, or a file.")
@click.option(
    "--phase",
    type=click.Choice(list(PHASES)),
    help="One of the phases of a first bot, in dry run, held against what must come of it.",
)
@click.option("--journal", type=PATH, help="Where the journal goes.")
@AS_JSON
def demo(**given: Any) -> int:
    """Play a trading day against the simulated Gateway, in seconds."""
    path = given["journal"] or state_directory(os.environ) / "demo.sqlite"
    phase = _phase(given["phase"])
    as_given = ("seed", "replay", "preset", "min_dte", "strategy", "market")
    options = DemoOptions(
        symbols=given["symbols"],
        journal=fresh_journal(path),
        day=given["day"].date() if given["day"] else None,
        orders=OrderMode.PAPER if given["paper"] else OrderMode.DRY_RUN,
        scenario=chosen(given["scenario"]),
        phase=phase,
        **{name: given[name] for name in as_given},
    )
    if phase is not None:
        symbols, name = phase.config.symbols, phase.strategy.name
        options = attrs.evolve(options, symbols=symbols, strategy=name, scenario=phase.scenario)
    with progress("playing the day") as screen:
        result = play(options, screen.advance)
    if given["as_json"]:
        click.echo(json.dumps(result.as_data(), indent=2))
    else:
        _print_demo(Console(), result)
    for each in result.missed:
        click.echo(f"ibkeel: phase {given['phase']} came to {each}", err=True)
    return ExitCode.FOUND if result.missed else ExitCode.SUCCESS


def _phase(name: str | None) -> Phase | None:
    """The phase of that name, with which go only the options that leave it what it is."""
    if name is None:
        return None
    context = click.get_current_context()
    typed = (
        key for key in context.params if context.get_parameter_source(key) is ParameterSource.COMMANDLINE
    )
    strange = sorted(set(typed) - {"phase", "seed", "journal", "as_json"})
    if strange:
        options = ", ".join(f"--{'date' if key == 'day' else key.replace('_', '-')}" for key in strange)
        raise click.UsageError(f"--phase says what is played; leave out {options}")
    return PHASES[name]


def _print_demo(console: Console, result: DemoResult) -> None:
    options, report = result.options, result.report
    source = f"recorded in {options.replay}" if options.replay else f"simulated, seed {options.seed}"
    lines = f"at most {result.max_open_lines} market data lines, {result.open_lines_at_end} left open"
    head = _facts(
        [
            ("session", f"{result.session_date:%A, %d %B %Y}, {source}"),
            (
                "strategy",
                f"{options.strategy} on {', '.join(options.symbols)}; orders: {options.orders.value}",
            ),
            ("time", f"{result.virtual_seconds / 3600:.1f} hours of market in {result.wall_seconds:.1f} s"),
            (
                "gateway",
                f"{result.requests:,} requests, {result.pacing_violations} pacing violations, {lines}",
            ),
            *([("found", ", ".join(f"{k} {v}" for k, v in result.found.items()))] if result.found else []),
        ]
    )
    colour = "yellow" if report.errors or report.held != () else "green"
    title = f"phase: {options.phase.what}" if options.phase else "ibkeel demo"
    console.print(Panel(head, title=title, title_align="left", border_style=colour))
    with Journal.open(options.journal, read_only=True) as journal:
        # By number, not by time: the venue stamps fills to the second.
        entries: tuple[Entry, ...] = (*journal.events(Intent), *journal.events(FillSeen))
        records = [entry.record for entry in sorted(entries, key=attrgetter("seq"))]
        silent = list(_without_signal(journal, report))
    console.print(Group(*body(report), *silent, *_faults(result), *_orders(records)))
    console.print(f"journal: {options.journal}", soft_wrap=True, highlight=False)
    console.print(
        f"read it: ibkeel journal show {options.journal}", soft_wrap=True, style="dim", highlight=False
    )


def _facts(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return table


def _without_signal(journal: Journal, report: RunReport) -> Iterator[RenderableType]:
    """Why a symbol had no signal: the facts of its last decision."""
    last = {entry.record.symbol: entry.record for entry in journal.events(Decision)}
    for symbol, row in report.symbols.items():
        decision = last.get(symbol)
        if not row.signals and decision is not None and decision.signal.reasons:
            yield plain(f"{symbol} had no signal; at the end: {listed(decision.signal.reasons)}")


def _faults(result: DemoResult) -> Iterator[RenderableType]:
    faults = result.faults
    if not faults:
        return
    yield f"the faults below explain {len(result.report.errors) - len(result.unexplained)} of the errors"
    shown = table("fault", "at", "noticed after", "well again after", title="What the Gateway suffered")
    for fault in faults[:_SHOWN_ORDERS]:
        at = f"{fault.at.astimezone(NEW_YORK):%H:%M:%S}"
        shown.add_row(fault.kind, at, _after(fault.detected_after), _after(fault.recovered_after))
    yield shown


def _after(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _orders(records: Iterable[Record]) -> Iterator[RenderableType]:
    rows = list(records)
    if not rows:
        return
    shown = table("time", "what", "order", title="Orders", justify="left")
    for record in rows[:_SHOWN_ORDERS]:
        shown.add_row(f"{record.at.astimezone(NEW_YORK):%H:%M:%S}", *map(plain, told(record)))
    if len(rows) > _SHOWN_ORDERS:
        shown.add_row("", "", f"and {len(rows) - _SHOWN_ORDERS} more in the journal")
    yield shown
