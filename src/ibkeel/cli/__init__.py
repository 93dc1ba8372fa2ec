"""The console script."""

import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

__all__ = ["main"]

_EXTRA: Final = ("click", "rich", "platformdirs")
_USAGE: Final = 2
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the console script and exit with its code.

    Args:
        arguments: What was typed after `ibkeel`; None reads `sys.argv`.
    """
    try:
        for name in _EXTRA:  # a command may need them, which is imported later
            import_module(name)
        from ibkeel.cli.app import run  # what it needs comes with an extra
        from ibkeel.cli.notify import interrupted_by_sigterm  # as late as the other
    except KeyboardInterrupt:  # loading takes a second, in which somebody may think better of it
        sys.stderr.write("\nibkeel: interrupted\n")
        sys.exit(_INTERRUPTED)
    except ModuleNotFoundError as missing:
        if missing.name not in _EXTRA:
            raise
        sys.stderr.write(f"ibkeel needs {missing.name}; install it with: pip install 'ibkeel[bot]'\n")
        sys.exit(_USAGE)
    if arguments is None:  # this process is ours
        interrupted_by_sigterm()
        _write_what_it_can()
    sys.exit(run(arguments))


def _write_what_it_can() -> None:
    """A terminal or a pipe whose encoding lacks a character gets a question mark in its place."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
