"""Does the README hold for one who has the wheel alone? `python .ci/as_printed.py dist/ibkeel-*.whl`.

In an empty environment and folder, far from the source tree: installs the wheel, times how long it takes until the
demo has printed its summary, and runs every Python block of the README as it is printed, but for the port, which is a free
one, against `ibkeel sim serve`.
"""

import os
import re
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"
PATIENCE = 120.0  # seconds for any one command
SAID = re.compile(r"to the summary it took (\d+) s")
# The README's figure is of one machine; it must be of the right size on any.
TOLERANCE = 4.0
PORT = "4902"  # of the README


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def is_test(block: str) -> bool:
    return "\ndef test_" in block


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, **around(folder), check=False, capture_output=True, timeout=PATIENCE, encoding="utf-8"
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def around(folder: Path) -> dict[str, Any]:
    """Another program of this machine may hold the lock of a client id in the folder for state of its user."""
    return {"cwd": folder, "env": {**os.environ, "XDG_STATE_HOME": str(folder / "state")}}


def free_port() -> str:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return str(door.getsockname()[1])


@contextmanager
def served(folder: Path, ibkeel: Path, port: str) -> Iterator[None]:
    """`ibkeel sim serve --port 4902`, as the README has it run in another terminal."""
    command = [str(ibkeel), "sim", "serve", "--port", port]
    server = subprocess.Popen(command, **around(folder), stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        if not (said := server.stderr.readline()).startswith("simulated Gateway on"):
            raise SystemExit(f"the simulated Gateway does not listen on port {port}: {said}")
        yield
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE)


def main(wheel: Path) -> None:
    """Install, demo, snippets."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "alone")], check=True)
        programs = folder / "alone" / Path(sysconfig.get_path("scripts")).name
        python, ibkeel = programs / "python", programs / "ibkeel"

        began = time.perf_counter()
        run(folder, str(python), "-m", "pip", "install", "--quiet", f"{wheel.resolve()}[bot]")
        summary = run(folder, str(ibkeel), "demo", "--journal", "journal.sqlite")
        took = time.perf_counter() - began
        assert "flat: nothing is held" in summary, summary
        print(f"from `pip install` to the demo's summary: {took:.1f} s")
        check_said(took)

        tests = [block for block in blocks() if is_test(block)]
        scripts = [block for block in blocks() if not is_test(block)]
        assert tests
        assert scripts
        assert PORT in "".join(scripts)
        port = free_port()
        with served(folder, ibkeel, port):
            for block in scripts:
                print(run(folder, str(python), "-c", block.replace(PORT, port)), end="")
        run(folder, str(python), "-m", "pip", "install", "--quiet", f"{wheel.resolve()}[testing]")
        for index, block in enumerate(tests):
            (folder / f"test_{index}.py").write_text(block, encoding="utf-8")
            print(run(folder, str(python), "-m", "pytest", "-q", f"test_{index}.py"), end="")


def check_said(took: float) -> None:
    """The time that the README states is not of another world."""
    said = SAID.search(README.read_text(encoding="utf-8"))
    if said is None:
        raise SystemExit("the README does not say how long it took from `pip install` to the summary")
    if took > TOLERANCE * float(said[1]):
        raise SystemExit(
            f"the README says {said[1]} s from `pip install` to the summary; it took {took:.0f} s"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
