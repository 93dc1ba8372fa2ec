"""`ibkeel demo --phase`: what a first bot went through, and what must come of it."""

import json
import os

import attrs
import pytest

from ibkeel.cli.app import run
from ibkeel.cli.demo import DemoOptions, play
from ibkeel.cli.phases import PHASES

NIGHTLY = pytest.mark.skipif(
    not os.environ.get("IBKEEL_NIGHTLY"), reason="takes more than 5 s: nox -s nightly"
)
QUICK = ("1",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else NIGHTLY) for name in PHASES if name != "2"]
)
def test_a_phase_comes_to_what_it_must(name, tmp_path):
    phase = PHASES[name]
    options = DemoOptions(symbols=phase.config.symbols, journal=tmp_path / "phase.sqlite", phase=phase)

    result = play(options)

    assert result.missed == ()
    assert result.report.timeouts == 0
    assert result.max_open_lines <= 100


def test_the_command_plays_a_phase_and_says_so(tmp_path, capsys):
    code = run(["demo", "--phase", "2", "--json", "--journal", os.fspath(tmp_path / "two.sqlite")])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (told["cycles"], told["symbols"], told["orders_sent"]) == (3, ["SPY", "QQQ", "AAPL"], 0)


def test_a_phase_that_comes_to_something_else_is_told_and_ends_with_5(tmp_path, capsys, monkeypatch):
    longer = attrs.evolve(PHASES["2"], cycles=4)
    monkeypatch.setattr("ibkeel.cli.demo_command.PHASES", {"2": longer})

    code = run(["demo", "--phase", "2", "--journal", os.fspath(tmp_path / "two.sqlite")])

    assert code == 5
    assert "phase 2 came to cycles: 3, not 4" in capsys.readouterr().err


def test_a_phase_takes_no_option_that_would_make_it_another(tmp_path, capsys):
    code = run(["demo", "--phase", "1", "--symbols", "SPY", "--date", "2025-03-12"])

    assert code == 2
    assert "leave out --date, --symbols" in capsys.readouterr().err
