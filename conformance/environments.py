"""An environment of its own for each client library, made on demand and kept."""

import subprocess
import sys
import threading
import venv
from pathlib import Path

__all__ = ["MissingClient", "python_of"]

_making = threading.Lock()


class MissingClient(Exception):
    """A client library could not be installed."""


def python_of(folder: Path, requirement: str) -> Path:
    """The interpreter of the environment that holds just this library.

    Raises:
        MissingClient: It could not be made.
    """
    place = folder / f"{requirement.replace('==', '-')}-py{sys.version_info.major}.{sys.version_info.minor}"
    python, ready = place / "bin" / "python", place / "ready"
    with _making:
        if not ready.exists():
            _make(place, python, requirement)
            ready.touch()
    return python


def _make(place: Path, python: Path, requirement: str) -> None:
    venv.create(place, clear=True, with_pip=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MissingClient(f"could not install {requirement}: {done.stderr.strip()[-200:]}")
