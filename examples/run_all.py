"""Runs every example here, as a reader would: `python examples/run_all.py`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CONSOLE = [sys.executable, "-c", "from ibkeel.cli import main; main()"]


@contextmanager
def simulated_gateway(port: int) -> Iterator[None]:
    """`ibkeel sim serve`, from the moment that it says where it listens."""
    server = subprocess.Popen(
        [*CONSOLE, "sim", "serve", "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        print(server.stdout.readline().strip())
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)


def run(path: Path, **environ: str) -> str:
    """One example in a process of its own; its output is shown and returned."""
    print(f"--- {path.relative_to(HERE)}", flush=True)
    done = subprocess.run(
        [sys.executable, str(path)],
        check=False,
        timeout=120,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )
    print(done.stdout, flush=True)
    if done.returncode:
        raise SystemExit(f"{path.name} ended with {done.returncode}")
    return done.stdout


def main() -> None:
    """Run all; the first that fails ends the run."""
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "journal.sqlite")
        bot = run(HERE / "reference_bot" / "bot.py", JOURNAL__PATH=journal, IBKEEL_JOURNAL__PATH=journal)
    assert "cycles" in bot
    with simulated_gateway(4902):
        client = run(HERE / "plain_ib_insync.py")
    assert "Filled" in client


if __name__ == "__main__":
    main()
