"""The commands `ibkeel backtest` and `ibkeel sweep`, and what they show."""

import json
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import click
from rich.console import Console
from rich.table import Table

from ibkeel.backtest import (
    BacktestReport,
    BacktestSettings,
    Figures,
    MarketTrial,
    RecordedData,
    SeededData,
    Sweep,
    SweepRow,
    Trade,
    sweep,
)
from ibkeel.backtest.play import RUN
from ibkeel.backtest.report import figure_text
from ibkeel.cli.app import ExitCode
from ibkeel.cli.bot_config import bot_of, tickers
from ibkeel.cli.paths import PATH, fresh_journal, page_path
from ibkeel.cli.screen import AS_JSON, DATE, NEW_YORK, bar, part_of, plain, table, unbroken
from ibkeel.errors import ConfigurationError
from ibkeel.journal import Journal
from ibkeel.options import PRESETS
from ibkeel.strategy import default_registry

F = TypeVar("F", bound=Callable[..., Any])

_FIGURES: Final = tuple(field.name for field in attrs.fields(Figures))
_WORDS: Final[dict[str, object]] = {"true": True, "false": False, "none": None}

_SHOWN: Final = 20
_FEW: Final = ("net_profit", "total_return", "max_drawdown", "trades", "win_rate", "profit_factor")


def _what_to_play(command: F) -> F:
    options = (
        click.argument("config", type=PATH, required=False),
        click.option("--replay", type=PATH, help="Folder of recorded data; needs --date."),
        click.option("--date", "day", type=DATE, help="First trading date, YYYY-MM-DD."),
        click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of the market."),
        click.option("--sessions", type=click.IntRange(1), default=1, show_default=True, help="How many."),
        click.option("--symbols", callback=tickers, help="Tickers with commas. [default: the file's]"),
        click.option("--strategy", help="Name of a strategy. [default: the file's]"),
        click.option("--preset", type=click.Choice(list(PRESETS)), help="Which options will do."),
        click.option("--min-dte", type=click.IntRange(0), help="Fewest days to expiry."),
        click.option(
            "--cash",
            type=click.FloatRange(0.0, min_open=True),
            default=100_000.0,
            show_default=True,
            help="Dollars at the start.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_what_to_play
@click.option("--html", type=PATH, help="Write the report to this file; only an earlier report is replaced.")
@click.option("--journal", type=PATH, help="Keep the journal; only an earlier backtest's is replaced.")
@AS_JSON
def backtest(**given: Any) -> None:
    """Run a bot over past or simulated sessions: the same runner, rules and strategies as live.

    CONFIG is a bot's TOML file; without it the defaults count. Its section [gateway] is not used.
    """
    trial = _trial(given)
    path, page = given["journal"], given["html"]
    if page is not None:
        page_path(page)  # before the work, not after it
    with (
        nullcontext() if path is None else Journal.open(fresh_journal(path, RUN)) as journal,
        bar(f"{trial.strategy.name} on {', '.join(trial.runner.symbols)}") as advance,
    ):
        report = trial.run(
            journal, lambda now: advance(part_of(now), f"{now.session.day}, cycle {now.cycles}")
        )
    if page is not None:
        report.save_html(page_path(page))  # --journal may have named the same file
    if given["as_json"]:
        click.echo(report.to_json())
    else:
        print_backtest(unbroken(Console()), report, page)


@click.command("sweep")
@_what_to_play
@click.option(
    "--set",
    "sets",
    multiple=True,
    required=True,
    metavar="KEY=A,B",
    help="Values of a setting, such as risk.stop_fraction=0.1,0.2; may be repeated.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option(
    "--sort",
    "figure",
    type=click.Choice(_FIGURES),
    default="net_profit",
    show_default=True,
    help="Highest first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, in the order of the grid.")
def sweep_settings(**given: Any) -> int:
    """Run a backtest with every combination of settings."""
    trial, workers = _trial(given), given["workers"]
    grid: dict[str, tuple[object, ...]] = {}
    for key, values in map(_values, given["sets"]):
        grid[key] = (*grid.get(key, ()), *values)
    with (
        nullcontext() if workers == 1 else _processes(workers) as executor,
        bar("combinations") as advance,
    ):
        done = sweep(
            trial,
            grid,
            executor=executor,
            progress=lambda count, total: advance(count / total, f"{count} of {total}"),
        )
    if given["as_json"]:
        click.echo(json.dumps(done.as_data(), indent=2, allow_nan=False))
    else:
        print_sweep(unbroken(Console()), done, given["figure"])
    return ExitCode.SUCCESS if any(row.figures is not None for row in done.rows) else ExitCode.FOUND


def print_backtest(console: Console, report: BacktestReport, page: Path | None) -> None:
    """Print a report's figures and trades, and where its page is."""
    console.print(f"[bold]{report.title}[/bold]", highlight=False)
    rows = _table("figure", "value")
    for field in attrs.fields(Figures):
        rows.add_row(
            field.name.replace("_", " "), figure_text(field.name, getattr(report.figures, field.name))
        )
    for name, value in report.counts.items():
        rows.add_row(name, f"{value:,}")
    console.print(rows)
    _print_trades(console, report.trades)
    for title, told in (("still held", report.held), ("failed", report.errors)):
        for row in told[:_SHOWN]:
            console.print(f"{title}: {row}", highlight=False, markup=False)
    console.print(
        f"The whole report with its pictures: {page or '--html PATH'}", highlight=False, markup=False
    )


def _print_trades(console: Console, trades: Sequence[Trade]) -> None:
    if not trades:
        why = "with --journal PATH, `ibkeel journal show PATH` tells why each entry was refused"
        console.print(f"No trades; {why}.", highlight=False)
        return
    rows = _table("trade", "quantity", "entered", "at", "left", "at", "by", "profit")
    for trade in trades[:_SHOWN]:
        rows.add_row(
            plain(trade.name),
            f"{trade.quantity:+g}",
            f"{trade.entered_at.astimezone(NEW_YORK):%m-%d %H:%M:%S}",
            f"{trade.entry_price:.2f}",
            "-" if trade.left_at is None else f"{trade.left_at.astimezone(NEW_YORK):%m-%d %H:%M:%S}",
            "-" if trade.exit_price is None else f"{trade.exit_price:.2f}",
            trade.cause or "held",
            f"{trade.profit:+,.2f}",
        )
    console.print(rows)
    if len(trades) > _SHOWN:
        console.print(f"{len(trades) - _SHOWN} more trades are in the JSON and on the page.")


def print_sweep(console: Console, done: Sweep, figure: str) -> None:
    """Print a sweep's rows, the highest value of a figure first; failures last, with their reason."""
    keys = list(done.rows[0].settings) if done.rows else []
    names = list(dict.fromkeys((figure, *_FEW)))
    heads = (key.replace(".", ".\n").replace("_", "_\n") for key in keys)
    rows = _table(*heads, *(name.replace("_", "\n") for name in names))
    for row in sorted(done.rows, key=lambda row: _rank(row, figure)):
        settings = [str(row.settings[key]) for key in keys]
        cells = ["-"] * len(names)
        if row.figures is not None:
            cells = [figure_text(name, getattr(row.figures, name)) for name in names]
        rows.add_row(*settings, *cells)
    console.print(rows)
    for row in done.rows:
        if row.error:
            named = ", ".join(f"{key}={row.settings[key]}" for key in keys)
            console.print(f"{named}: {row.error}", highlight=False, markup=False)


def _processes(number: int) -> ProcessPoolExecutor:
    """Processes that begin afresh: one that is copied from this one may inherit locks of its threads.

    Ctrl-C ends each without a word: this one tells of it.
    """
    return ProcessPoolExecutor(
        number,
        mp_context=get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_DFL),
    )


def _trial(given: dict[str, Any]) -> MarketTrial:
    bot = bot_of(given["config"])
    day = given["day"].date() if given["day"] else None
    name = bot.strategy.name if given["strategy"] is None else given["strategy"]
    params = bot.strategy.params if name == bot.strategy.name else {}
    if given["replay"] is None:
        data: SeededData | RecordedData = SeededData(seed=given["seed"], day=day)
    elif day is None:
        raise ConfigurationError("--replay needs --date, the recorded day to play, such as 2015-12-24")
    elif given["sessions"] > 1:
        raise ConfigurationError("--sessions is for simulated markets: a recorded day stands alone")
    else:
        data = RecordedData(folder=given["replay"], day=day)
    return MarketTrial(
        strategy=default_registry().create(name, params),
        data=data,
        runner=attrs.evolve(bot.runner, **_changes(given)),
        risk=bot.risk,
        limits=bot.limits,
        settings=BacktestSettings(cash=given["cash"], sessions=given["sessions"]),
    )


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    names = ("symbols", "preset", "min_dte")
    return {name: given[name] for name in names if given[name] is not None}


def _values(text: str) -> tuple[str, tuple[object, ...]]:
    """`risk.stop_fraction=0.1,0.2` as key and numbers, or BadParameter."""
    key, sign, values = text.partition("=")
    if not sign or not values.strip():
        raise click.BadParameter(f"{text!r} is no setting with values; valid: risk.stop_fraction=0.1,0.2")
    return key.strip(), tuple(_value(part.strip()) for part in values.split(","))


def _value(text: str) -> object:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _rank(row: SweepRow, figure: str) -> tuple[bool, float]:
    value = getattr(row.figures, figure, None)
    return value is None, -(value or 0.0)


def _table(*columns: str) -> Table:
    made = table(*columns)
    made.padding = (0, 1, 0, 0)  # a terminal of 80 columns has room for a sweep of two settings
    return made
