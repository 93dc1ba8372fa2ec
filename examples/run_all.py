"""Runs every example here, as a reader would: `python examples/run_all.py [ib_insync|ib_async]`."""

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
        [*CONSOLE, "sim", "serve", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # where it says that it listens, and what is wrong if it does not
        text=True,
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
    print(f"--- {path.parent.name}/{path.name}", flush=True)
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


def main(client: str) -> None:
    """Run all, the plain one with the client library of that name; the first that fails ends the run."""
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "journal.sqlite")
        bot = run(HERE / "reference_bot" / "bot.py", JOURNAL__PATH=journal, IBKEEL_JOURNAL__PATH=journal)
        plain = Path(folder) / f"plain_{client}.py"
        plain.write_text(
            (HERE / "plain_ib_insync.py").read_text().replace("from ib_insync", f"from {client}")
        )
        with simulated_gateway(4902):
            trade = run(plain)
    assert "cycles" in bot
    assert "Filled" in trade


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ib_insync")
