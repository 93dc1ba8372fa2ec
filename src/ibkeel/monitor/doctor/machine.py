"""What is wrong with this machine: Python, the client library, the journal. Nothing is sent."""

import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import attrs

from ibkeel.errors import JournalError
from ibkeel.journal import Journal
from ibkeel.monitor.doctor.findings import Finding, Verdict

_LIBRARIES: Final = ("ib_insync", "ib_async")
_FIRST: Final = (3, 11)
_LAST_TESTED: Final = (3, 13)
_WITHOUT_INSYNC: Final = (3, 14)


def _version_of(package: str) -> str | None:
    """The version of an installed package; None when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@attrs.frozen(kw_only=True)
class Machine:
    """What is installed here.

    Args:
        python: Major and minor version.
        version_of: Tells a package's version, None when it is not installed.
    """

    python: tuple[int, int] = attrs.field(factory=lambda: sys.version_info[:2])
    version_of: Callable[[str], str | None] = _version_of


def look_at_machine(machine: Machine, journal: Path | None) -> Iterator[Finding]:
    """Python, the client library and the journal."""
    yield _python(machine)
    yield _library(machine)
    if journal is not None:
        yield _journal(journal)


def _python(machine: Machine) -> Finding:
    shown = ".".join(map(str, machine.python))
    own = machine.version_of("ibkeel") or "from a source tree"
    said = f"Python {shown} ({platform.python_implementation()}), ibkeel {own}"
    if machine.python < _FIRST:
        return Finding(
            check="python", verdict=Verdict.FAULT, said=said, remedy="install Python 3.11, 3.12 or 3.13"
        )
    if machine.python > _LAST_TESTED:
        said += "; tested with 3.11 to 3.13"
    return Finding(check="python", verdict=Verdict.OK, said=said)


def _library(machine: Machine) -> Finding:
    found = {name: version for name in _LIBRARIES if (version := machine.version_of(name)) is not None}
    said = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) == len(_LIBRARIES):
        return _library_fault(
            f"both {said} are installed; they overwrite each other's eventkit folder, so one of them is broken",
            "pip uninstall ib_async eventkit aeventkit, then pip install --force-reinstall ib_insync (or the reverse)",
        )
    if not found:
        return _library_fault("no Interactive Brokers client is installed", "pip install ib_async")
    if machine.python >= _WITHOUT_INSYNC and "ib_insync" in found:
        shown = ".".join(map(str, machine.python))
        return _library_fault(
            f"{said} cannot be imported on Python {shown}: its event library asks for a loop that is not there",
            "pip uninstall ib_insync eventkit, then pip install ib_async, its maintained successor",
        )
    return Finding(check="library", verdict=Verdict.OK, said=said)


def _library_fault(said: str, remedy: str) -> Finding:
    return Finding(check="library", verdict=Verdict.FAULT, said=said, remedy=remedy)


def _journal(path: Path) -> Finding:
    if not path.exists():
        return Finding(check="journal", verdict=Verdict.OK, said=f"{path} is not there yet; a bot makes it")
    try:
        with Journal.open(path, read_only=True) as journal:
            journal.check_integrity()
            said = f"{path} is whole: {journal.count()} records"
    except JournalError as error:
        return Finding(
            check="journal",
            verdict=Verdict.FAULT,
            said=str(error),
            remedy="stop the bot, put the file aside for a look, and restore the last backup; without one begin with a new "
            "file: open, completed and executed orders are then read from the Gateway",
        )
    return Finding(check="journal", verdict=Verdict.OK, said=said)
