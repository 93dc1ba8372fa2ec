"""Exit codes, and the one sentence that goes with each."""

import traceback
from enum import IntEnum
from pathlib import Path
from typing import Final

from ibkeel.errors import (
    ConnectionFailure,
    IbkeelError,
    InvalidInput,
    JournalError,
    RequestFailed,
    SafetyRefused,
    UnknownContract,
)
from ibkeel.telemetry import redact


class ExitCode(IntEnum):
    """What the script's end means to its caller."""

    SUCCESS = 0
    UNEXPECTED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    FOUND = 5
    INTERRUPTED = 130


_CODES: Final[tuple[tuple[type[Exception], ExitCode], ...]] = (
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
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)


def sentence(error: BaseException) -> str:
    """What to tell the user of an error, account ids and secrets masked."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, IbkeelError):
        return redact(f"{_named(error)}{error}")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return redact(
        f"{type(error).__name__}{place}: {error}\n"
        "This is a bug in ibkeel: please report this line and the command on the project's issue tracker."
    )


def _named(error: IbkeelError) -> str:
    """Errors of the venue lead with their type; a refused value explains itself."""
    return "" if isinstance(error, InvalidInput) else f"{type(error).__name__}: "
