"""The commands: each reads its options, calls one function and prints what it returns."""

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import attrs
import click
from click.core import ParameterSource
from rich.console import Console

from ibkeel import __version__
from ibkeel.cli import demo as demonstration
from ibkeel.cli.backtest_command import backtest, sweep_settings
from ibkeel.cli.bot_config import MonitoredBot, tickers
from ibkeel.cli.chain_command import chain
from ibkeel.cli.config_command import config
from ibkeel.cli.doctor_command import doctor
from ibkeel.cli.exits import ExitCode, cause_of, exit_code, sentence
from ibkeel.cli.flatten_command import flatten, halt_entries
from ibkeel.cli.journal_commands import journal
from ibkeel.cli.journal_commands import report as day_report
from ibkeel.cli.live import LiveOptions, trade
from ibkeel.cli.monitor_command import monitor
from ibkeel.cli.paths import fresh_journal, state_directory
from ibkeel.cli.phases import PHASES, Phase
from ibkeel.cli.screen import progress
from ibkeel.cli.sim_commands import chosen, sim
from ibkeel.cli.tables import print_demo, print_report
from ibkeel.errors import ConfigurationError
from ibkeel.ibkr import OrderMode
from ibkeel.model import to_data
from ibkeel.options import PRESETS
from ibkeel.runner import HALT_FILE, ConfigurationFile, Held, RunReport, load_config_as
from ibkeel.sim.market import MOODS
from ibkeel.telemetry import RedactingFilter

_DATE = click.DateTime(formats=["%Y-%m-%d"])
_CLOCK = click.DateTime(formats=["%H:%M"])
_PATH = click.Path(path_type=Path)
_PORT = click.IntRange(0, 65535)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the script.

    Args:
        arguments: What was typed; None reads `sys.argv`.

    Returns:
        The exit code.
    """
    try:
        ended = commands.main(args=arguments, prog_name="ibkeel", standalone_mode=False)
        _flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        return _told(KeyboardInterrupt())
    except (BrokenPipeError, SystemExit):  # SystemExit is rich's word for a broken pipe
        _drop_output()  # whoever read it has enough
        return ExitCode.SUCCESS
    except BaseException as error:  # noqa: BLE001 - the last place where an error can become a sentence
        return _told(_of_output(cause_of(error)))
    return ended if isinstance(ended, int) else ExitCode.SUCCESS


def _flush(more: str = "") -> None:
    output: TextIO | None = sys.stdout  # None where whoever called closed it
    if output is not None:
        output.write(more)
        output.flush()


def _drop_output() -> None:
    """What is left to flush must not raise again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_output(error: BaseException) -> BaseException:
    """The same error; as one of ours when it is the output that takes no more, which a second try tells."""
    if isinstance(error, OSError):
        try:
            _flush("\n")  # without a buffer there is nothing else left to write
        except OSError as full:
            _drop_output()
            return ConfigurationError(f"cannot write the output: {(full.strerror or str(full)).lower()}")
    return error


def _told(error: BaseException) -> int:
    click.echo(f"ibkeel: {sentence(error)}", err=True)
    return exit_code(error)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ibkeel")
@click.option("-v", "--verbose", count=True, help="Log to the error stream; twice for every request.")
def commands(verbose: int) -> None:
    """Keeps Interactive Brokers bots upright."""
    _log_to_stderr(verbose)


@commands.command()
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
@click.option("--replay", type=_PATH, default=None, help="Folder of recorded data to play instead.")
@click.option("--date", "day", type=_DATE, default=None, help="Trading date, YYYY-MM-DD.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="standard",
    show_default=True,
    help="Which options will do.",
)
@click.option("--min-dte", type=click.IntRange(0), default=None, help="Fewest days to expiry.")
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
    default=None,
    help="What kind of seeded day. [default: one that is made for the strategy]",
)
@click.option(
    "--scenario", default=None, help="What the Gateway suffers: a name of `ibkeel sim scenarios`, or a file."
)
@click.option(
    "--phase",
    type=click.Choice(list(PHASES)),
    default=None,
    help="One of the phases of a first bot, in dry run, held against what must come of it.",
)
@click.option("--journal", type=_PATH, default=None, help="Where the journal goes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def demo(**given: Any) -> int:
    """Play a trading day against the simulated Gateway, in seconds."""
    path = given["journal"] or state_directory(os.environ) / "demo.sqlite"
    phase = _phase(given["phase"])
    options = demonstration.DemoOptions(
        symbols=given["symbols"],
        journal=fresh_journal(path),
        seed=given["seed"],
        replay=given["replay"],
        day=given["day"].date() if given["day"] else None,
        preset=given["preset"],
        min_dte=given["min_dte"],
        orders=OrderMode.PAPER if given["paper"] else OrderMode.DRY_RUN,
        strategy=given["strategy"],
        market=given["market"],
        scenario=chosen(given["scenario"]),
        phase=phase,
    )
    if phase is not None:
        symbols, name = phase.config.symbols, phase.strategy.name
        options = attrs.evolve(options, symbols=symbols, strategy=name, scenario=phase.scenario)
    with progress("playing the day") as screen:
        result = demonstration.play(options, screen.advance)
    if given["as_json"]:
        click.echo(json.dumps(result.as_data(), indent=2))
    else:
        print_demo(Console(), result)
    for each in result.missed:
        click.echo(f"ibkeel: phase {given['phase']} came to {each}", err=True)
    return ExitCode.FOUND if result.missed else ExitCode.SUCCESS


@commands.command("run")
@click.argument("config", type=_PATH)
@click.option("--sessions", type=click.IntRange(1), default=None, help="Stop after so many sessions.")
@click.option("--journal", type=_PATH, default=None, help="Where the journal is.")
@click.option(
    "--follow-gateway-clock", "follow", is_flag=True, help="Take the time from the Gateway: for `sim serve`."
)
@click.option("--state", type=_PATH, default=None, help="The bot's state directory.")
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
    bot = load_config_as(MonitoredBot, config, os.environ)
    configured = Path(bot.journal.path) if bot.journal.path else None
    folder = state_directory(os.environ, state)
    path = journal or configured or folder / "journal.sqlite"
    with progress(f"{bot.strategy.name} on {', '.join(bot.runner.symbols)}") as screen:
        options = LiveOptions(
            journal=path,
            halt=folder / HALT_FILE,
            limits=ConfigurationFile(config, os.environ, bot),
            sessions=sessions,
            follow_gateway=follow,
            is_quiet=quiet,
            announce=screen.announce,
            progress=screen.advance,
        )
        report = trade(bot, options)
    if as_json:
        click.echo(json.dumps(_report_data(report, path), indent=2))
    else:
        print_report(Console(), report)


commands.add_command(backtest)
commands.add_command(chain)
commands.add_command(config)
commands.add_command(doctor)
commands.add_command(flatten)
commands.add_command(halt_entries)
commands.add_command(journal)
commands.add_command(monitor)
commands.add_command(day_report)
commands.add_command(sim)
commands.add_command(sweep_settings)


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


def _log_to_stderr(verbose: int) -> None:
    """Without `-v` nothing is logged: the client libraries would write beside our own sentences."""
    root = logging.getLogger()
    if not verbose:
        root.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(RedactingFilter())
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)


def _report_data(report: RunReport, path: Path) -> dict[str, Any]:
    return {
        "cycles": report.cycles,
        "signals": report.signals,
        "intents": report.intents,
        "orders": report.orders,
        "orders_sent": report.orders_sent,
        "fills": report.fills,
        "timeouts": report.timeouts,
        "errors": len(report.errors),
        "held": None if report.held is None else [_held_data(row) for row in report.held],
        "symbols": {name: attrs.asdict(row) for name, row in report.symbols.items()},
        "latencies": {name: to_data(row) for name, row in report.latencies.items()},
        "journal": str(path),
    }


def _held_data(held: Held) -> dict[str, Any]:
    return {"contract": str(held.contract), "quantity": held.signed_quantity, "reason": held.reason}
