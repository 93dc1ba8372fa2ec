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


def test_a_bot_is_well_ends_in_order_by_sigterm_and_starts_again(config, state, environment):
    journal = state / "journal.sqlite"
    said = []

    for _ in range(2):
        with running("run", config, "--follow-gateway-clock", env=environment) as bot:
            assert "connected to" in bot.stderr.readline()
            bot.stderr.readline()  # which session it waits for: from here on it runs
            said.append(health(environment))
            bot.send_signal(signal.SIGTERM)
            rest = bot.stderr.read()
            assert bot.wait(timeout=20) == 130
            assert "Traceback" not in rest

    assert said == [(0, "the bot lives")] * 2
    assert health(environment)[0] == 1
    with Journal.open(journal, read_only=True) as opened:
        assert opened.count(RunStarted) == opened.count(RunEnded)


def test_a_state_directory_without_a_bot_is_not_well(environment):
    code, said = health(environment)

    assert code == 1
    assert said.startswith("no bot runs here")
