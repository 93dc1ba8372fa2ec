"""Where peers live: in this environment, or in one of their own that is made on demand."""

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

__all__ = ["MissingPeer", "run_apart", "version"]

ROOT = Path(__file__).resolve().parent.parent


class MissingPeer(Exception):
    """A peer could not be installed, imported or run."""


def version(distribution: str) -> str:
    """Its version in this environment.

    Raises:
        MissingPeer: It is not installed.
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        raise MissingPeer(f"{distribution} is not installed; pip install -e '.[bench]'") from None


def run_apart(module: str, *, requirements: tuple[str, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a module in an environment with just those requirements, and this source tree.

    The environment is kept in the temporary folder and used again.

    Args:
        module: Prints one JSON object; gets `arguments` as JSON in its first argument.
        requirements: What to install.
        arguments: For the module.

    Raises:
        MissingPeer: The environment could not be made, or the module failed.
    """
    python = _environment(requirements)
    paths = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    done = subprocess.run(
        [python, "-m", module, json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MissingPeer(f"{module} failed: {done.stderr.strip().splitlines()[-1:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _environment(requirements: tuple[str, ...]) -> Path:
    tag = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"ibkeel-bench-{os.getuid()}-{tag}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, clear=True, with_pip=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *requirements],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MissingPeer(f"could not install {', '.join(requirements)}: {done.stderr.strip()[-200:]}")
        ready.touch()
    return python
