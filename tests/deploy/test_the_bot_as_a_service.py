"""The command of the container and of the unit, as a plain process: its health, its end, its restart."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from ibkeel.journal import Journal, RunEnded, RunStarted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGTERM")

CONSOLE = [sys.executable, "-c", "from ibkeel.cli import main; main()"]
HEALTHCHECK = Path(__file__).parents[2] / "deploy" / "healthcheck.py"


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(state):
    """What the image sets, but for its paths."""
    return {**os.environ, "IBKEEL_STATE": str(state), "IBKEEL_LOCKS": str(state / "locks")}


@contextmanager
def running(*arguments, **more):
    process = subprocess.Popen([*CONSOLE, *map(str, arguments)], stderr=subprocess.PIPE, text=True, **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def config(tmp_path):
    with running("sim", "serve", "--port", "0") as server:
        port = server.stderr.readline().split(":")[1].split(",")[0]
        path = tmp_path / "bot.toml"
        path.write_text(f"[gateway]\nport = {port}\n[runner]\nsymbols = ['SPY']\n", encoding="utf-8")
        yield path


def health(environment):
    done = subprocess.run(
        [sys.executable, "-I", HEALTHCHECK],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.long
def test_a_bot_is_well_starts_again_after_a_kill_and_ends_in_order_by_sigterm(config, state, environment):
    said, codes = [], []

    for ending in (signal.SIGKILL, signal.SIGTERM):
        with running("-v", "run", config, "--follow-gateway-clock", env=environment) as bot:
            told = iter(bot.stderr.readline, "")
            assert any("TradingDayOpened" in line for line in told)  # from here on it runs
            said.append(health(environment))
            bot.send_signal(ending)
            assert "Traceback" not in bot.stderr.read()
            codes.append(bot.wait(timeout=20))
        said.append(health(environment)[0])

    assert said == [(0, "the bot lives"), 1] * 2
    assert codes == [-signal.SIGKILL, 130]
    with Journal.open(state / "journal.sqlite", read_only=True) as opened:
        assert (opened.count(RunStarted), opened.count(RunEnded)) == (2, 1)


def test_a_state_directory_without_a_bot_is_not_well(environment):
    code, said = health(environment)

    assert code == 1
    assert said.startswith("no bot runs here")
