"""Which client library there is, and its import: nothing else, so that it costs nothing else."""

import asyncio
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

from ibkeel.errors import ConfigurationError

_KNOWN: Final = ("ib_insync", "ib_async")
_FIRST_WITHOUT_INSYNC: Final = (3, 14)


def choose_library(installed: Callable[[str], bool], version: tuple[int, int]) -> str:
    """Name of the client library to use; ib_insync cannot be imported on Python 3.14."""
    found = [name for name in _KNOWN if installed(name)]
    if version >= _FIRST_WITHOUT_INSYNC and "ib_async" in found:
        return "ib_async"
    if not found or (version >= _FIRST_WITHOUT_INSYNC and found == ["ib_insync"]):
        raise ConfigurationError(
            "no Interactive Brokers client for this Python: pip install ib_async"
            + ("" if version >= _FIRST_WITHOUT_INSYNC else " (or ib_insync)")
        )
    if len(found) == len(_KNOWN):
        warnings.warn(
            "both ib_insync and ib_async are installed; they overwrite each other's eventkit folder, so one "
            "of them is broken: `ibkeel doctor` says what mends it. ibkeel uses ib_insync",
            RuntimeWarning,
            stacklevel=2,
        )
    return found[0]


def import_with_loop(name: str, importer: Callable[[str], ModuleType] = import_module) -> ModuleType:
    """Import a library that asks for the current loop while it is imported.

    There may be none: on 3.14, in another thread, and once `asyncio.run` has ended. So one is lent to it and taken away
    again.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return importer(name)
        finally:
            asyncio.set_event_loop(None)
            loop.close()
    return importer(name)


def _import() -> ModuleType:
    version = sys.version_info[:2]
    name = choose_library(lambda package: find_spec(package) is not None, version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on 3.12 and 3.13 asking only warns
        return (
            import_module(name) if _has_loop() and version < _FIRST_WITHOUT_INSYNC else import_with_loop(name)
        )


def _has_loop() -> bool:
    """Whether this thread has a loop, or is given one for asking."""
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        return False
    return True


library: Final[Any] = _import()
"""The module `ib_insync` or `ib_async`."""

LIBRARY: Final = library.__name__
"""Its name."""
