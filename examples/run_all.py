"""Runs every example here, as a reader would: `python examples/run_all.py [ib_insync|ib_async]`."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CONSOLE = [sys.executable, "-c", "from ibkeel.cli import main; main()"]

# Examples that need nothing around them, and what each must say.
SAID = {
    "own_strategy.py": "outside",
    "wheel.py": "covered: nothing more is sold",
    "managed_condor.py": "stop, gain",
    "vix_hedge.py": "insurance is dear, nothing is bought",
    "follow_bars.py": "180 bars, 0 gaps, ",
    "scanner.py": " s at the Gateway, 0 limits passed",
    "alerts.py": "2 alerts delivered",
}


@contextmanager
def simulated_gateway() -> Iterator[int]:
    """`ibkeel sim serve` on a free port, from the moment that it listens there."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
    server = subprocess.Popen(
        [*CONSOLE, "sim", "serve", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # where it says that it listens, and what is wrong if it does not
        text=True,
    )
    try:
        assert server.stdout is not None
        print(server.stdout.readline().strip())
        yield port
    finally:
        server.terminate()
        server.wait(timeout=10)


def run(path: Path, *arguments: str, **environ: str) -> str:
    """One example in a process of its own; its output is shown and returned."""
    print(f"--- {path.parent.name}/{path.name}", flush=True)
    done = subprocess.run(
        [sys.executable, str(path), *arguments],
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


def aimed(path: Path, folder: Path, client: str, port: int) -> Path:
    """A copy of an example, with that client library and at that port."""
    text = path.read_text(encoding="utf-8")
    assert "4902" in text
    copy = folder / path.name
    copy.write_text(
        text.replace("4902", str(port)).replace("from ib_insync", f"from {client}"), encoding="utf-8"
    )
    return copy


def hold_to_the_contract(path: Path) -> None:
    """The tests that an example has in it."""
    print(f"--- pytest {path.name}", flush=True)
    # As a user would, without what this checkout asks pytest for.
    arguments = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", str(path)]
    subprocess.run(arguments, check=True, timeout=120)


def main(client: str) -> None:
    """Run all, the plain one with the client library of that name; the first that fails ends the run."""
    with tempfile.TemporaryDirectory() as folder:
        bot = run(HERE / "reference_bot" / "bot.py")
        limited = run(HERE / "reference_bot" / "bot.py", IBKEEL_LIMITS__MAX_NOTIONAL="1")
        picture = Path(folder) / "condor.svg"
        condor = run(HERE / "iron_condor.py", "--svg", str(picture))
        assert picture.read_text(encoding="utf-8").startswith("<svg")
        picked = run(HERE / "pick_by_delta.py")
        drawn = Path(folder) / "surface.svg"
        surface = run(HERE / "surface.py", "--svg", str(drawn))
        assert drawn.read_text(encoding="utf-8").startswith("<svg")
        hold_to_the_contract(HERE / "own_strategy.py")
        page = Path(folder) / "report.html"
        backtested = run(HERE / "backtest_day.py", "--html", str(page), IBKEEL_DATA="")
        assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
        for name, wanted in SAID.items():
            assert wanted in run(HERE / name)
        with simulated_gateway() as port:
            trade, blocking, hardened = (
                run(aimed(HERE / name, Path(folder), client, port), XDG_STATE_HOME=folder)
                for name in ("plain_ib_insync.py", "blocking_bot.py", "harden_existing.py")
            )
    assert "cycles" in bot
    assert " 0 fills" not in bot
    assert " 0 fills" in limited, "the limits of the file are the bot's"
    assert "initial margin" in condor
    assert "quotes in 2 waves" in picked
    assert "25-delta put" in surface
    assert "net profit" in backtested
    assert "Filled" in trade
    assert "NOSUCH: UnknownContract" in blocking
    assert "strictly, it is UnknownContract" in hardened


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ib_insync")
