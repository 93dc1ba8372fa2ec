"""The commands: each reads its options, calls one function and prints what it returns; and the exit codes.

An error becomes one sentence here, and an exit code.
"""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum
from importlib import import_module
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TextIO

import click
from typing_extensions import override

from ibkeel import __version__
from ibkeel.errors import (
    ConfigurationError,
    ConnectionFailure,
    IbkeelError,
    InvalidInput,
    JournalError,
    RequestFailed,
    SafetyRefused,
    UnknownContract,
)
from ibkeel.telemetry import RedactingFilter, redact

_MOST_LINES: Final = 20_000  # of a log that nobody reads: they would fill the memory of a bot that trades on


class ExitCode(IntEnum):
    """What the script's end means to its caller."""

    SUCCESS = 0
    UNEXPECTED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    FOUND = 5
    INTERRUPTED = 130


_CODES: Final[tuple[tuple[type[BaseException], ExitCode], ...]] = (
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (InvalidInput, ExitCode.USAGE),
    (JournalError, ExitCode.USAGE),
    (UnknownContract, ExitCode.USAGE),
    (ConnectionFailure, ExitCode.UNREACHABLE),
    (RequestFailed, ExitCode.UNREACHABLE),
    (SafetyRefused, ExitCode.REFUSED),
)


def cause_of(error: BaseException) -> BaseException:
    """The first error of a group, however deep; any other error is its own cause."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def exit_code(error: BaseException) -> ExitCode:
    """The exit code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)


def sentence(error: BaseException) -> str:
    """What to tell the user of an error, account ids and secrets masked."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, InvalidInput):
        return redact(str(error))  # a refused value explains itself
    if isinstance(error, IbkeelError):
        return redact(f"{type(error).__name__}: {error}")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return redact(
        f"{type(error).__name__}{place}: {error}\n"
        "This is a bug in ibkeel: please report this line and the command on the project's issue tracker."
    )


_HOMES: Final = {
    "backtest": "backtest_command backtest",
    "chain": "chain_command chain",
    "config": "bot_config config",
    "demo": "demo_command demo",
    "doctor": "doctor_command doctor",
    "flatten": "flatten_command flatten",
    "halt": "flatten_command halt_entries",
    "journal": "journal_commands journal",
    "monitor": "monitor_command monitor",
    "report": "journal_commands report",
    "run": "live run_bot",
    "sim": "sim_commands sim",
    "sweep": "backtest_command sweep_settings",
}
"""Where each command is; it is imported when it is typed, since all of them take a second."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the script, on `sys.argv` or on other arguments; the exit code."""
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
    except BaseException as error:  # noqa: BLE001 - the last place where an error can become a sentence
        cause = cause_of(error)
        if isinstance(cause, OSError) and isinstance(cause.__context__, KeyboardInterrupt):
            return _told(cause.__context__)
        if isinstance(cause, BrokenPipeError | SystemExit):  # SystemExit is rich's word for a broken pipe
            _drop_output(sys.stdout)  # whoever read it has enough
            return ExitCode.SUCCESS
        return _told(_of_surroundings(cause))
    return ended if isinstance(ended, int) else ExitCode.SUCCESS


def _flush(more: str = "") -> None:
    output: TextIO | None = sys.stdout  # None where whoever called closed it
    if output is not None:
        output.write(more)
        output.flush()


def _drop_output(stream: TextIO) -> None:
    """What is left to flush must not raise again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _of_surroundings(error: BaseException) -> BaseException:
    """The same error; as one of ours when the folder is gone, or when the output takes no more: a second try tells."""
    if isinstance(error, FileNotFoundError) and error.filename is None:  # of `getcwd`
        return ConfigurationError("the folder in which this was typed is gone; change to one that is there")
    if isinstance(error, OSError):
        try:
            _flush("\n")  # without a buffer there is nothing else left to write
        except OSError as full:
            _drop_output(sys.stdout)
            return ConfigurationError(f"cannot write the output: {(full.strerror or str(full)).lower()}")
    return error


def _told(error: BaseException) -> int:
    try:
        click.echo(f"ibkeel: {sentence(error)}", err=True)
    except OSError:  # nobody reads it any more; the code still tells
        _drop_output(sys.stderr)
    return exit_code(error)


class _Commands(click.Group):
    """A group that imports a command when it is asked for."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_HOMES)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # What is no name is compared with all of them.
        for name in (cmd_name,) if cmd_name in _HOMES else _HOMES:
            if name not in self.commands:
                module, command = _HOMES[name].split()
                self.add_command(getattr(import_module(f"ibkeel.cli.{module}"), command))
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ibkeel")
@click.option("-v", "--verbose", count=True, help="Log to the error stream; twice for every request.")
def commands(verbose: int) -> None:
    """Keeps Interactive Brokers bots upright."""
    _log_to_stderr(verbose)


def _log_to_stderr(verbose: int) -> None:
    """Without `-v` nothing is logged: the client libraries would write beside our own sentences."""
    root = logging.getLogger()
    if not verbose:
        root.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(RedactingFilter())
    lines: SimpleQueue[logging.LogRecord] = SimpleQueue()
    listener = QueueListener(lines, handler)
    listener.start()
    click.get_current_context().call_on_close(listener.stop)
    waits = QueueHandler(lines)
    waits.addFilter(lambda _: lines.qsize() < _MOST_LINES)
    root.addHandler(waits)
    root.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
