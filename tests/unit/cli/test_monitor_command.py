"""`ibkeel monitor`: once as JSON or text, and what it refuses."""

import io
import json
import os
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from rich.console import Console

from ibkeel.cli.app import run
from ibkeel.cli.screen import web_address
from ibkeel.journal import Journal, RunStarted
from ibkeel.monitor.board import Board, snapshot_data
from ibkeel.monitor.dashboard import BoardApi, View
from ibkeel.monitor.dashboard.terminal import screen
from ibkeel.runner import HALT_FILE, Halt
from ibkeel.system import SystemClock
from ibkeel.telemetry import (
    ConnectionLost,
    DecisionMade,
    LossGuardRead,
    OrderChanged,
    OrderFilled,
    RunBegan,
    ServiceChanged,
    SessionChanged,
    TradingDayClosed,
    TradingDayOpened,
)
from ibkeel.virtual import virtual_process

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture
def shown(state):
    board = Board()
    loss = LossGuardRead(
        at=AT, allowed=True, loss=float("nan"), limit=0.15, tripped=False, reason="not known"
    )
    for event in (
        RunBegan(at=AT, run="r1", mode="PAPER", strategy="scalp", symbols=("SPY",)),
        SessionChanged(at=AT, before="connecting", after="reconnecting", cause="half-open"),
        ConnectionLost(at=AT, cause="[red]socket[/] of DU1234567"),
        ServiceChanged(at=AT, service="history", before="closed", after="open", cause="[bold]RequestTimeout"),
        loss,
    ):
        board.on_event(event)
    with BoardApi(board, SystemClock()).served(state):
        yield state


def test_a_bot_that_runs_is_shown_once_where_there_is_no_terminal(shown, capsys):
    assert run(["monitor"]) == 0
    told = capsys.readouterr().out

    assert "r1 scalp PAPER" in told
    assert "reconnecting" in told
    assert "[bold]RequestTimeout" in told
    assert "positions: not known" in told
    assert "DU1234567" not in told


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_pipe_that_lacks_a_character_gets_a_question_mark_in_its_place(encoding, state):
    board = Board()
    for name in ("working", "working-for-longer-than-there-is-room-for-in-a-table-of-this-width-and-on"):
        board.on_event(OrderChanged(at=AT, client_order_id="a-b-d" * 20, state=name, filled=0.0))

    with BoardApi(board, SystemClock()).served(state):
        done = subprocess.run(
            [sys.executable, "-m", "ibkeel", "monitor"],
            check=False,
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "60"},
        )

    assert (done.returncode, done.stderr) == (0, b"")
    assert "?" in done.stdout.decode(encoding)


def test_times_are_those_of_new_york_and_what_is_not_is_said_to_be_none(state, capsys):
    board = Board()
    for event in (
        LossGuardRead(at=AT, allowed=True, loss=-0.0033, limit=0.15, tripped=False),
        DecisionMade(at=AT, signal_id="s", symbol="SPY", outcome="no_signal", reasons=("close 4 (above 5)",)),
        OrderFilled(
            at=AT, client_order_id="a-b-c", exec_id="e", subject="QQQ", side="SELL", quantity=3.0, price=1.0
        ),
        OrderChanged(at=AT, client_order_id="a-b-d", state="working", filled=0.0),
    ):
        board.on_event(event)

    with BoardApi(board, SystemClock()).served(state):
        run(["monitor"])
    told = " ".join(capsys.readouterr().out.split())

    for words in (
        "at (New York)",
        "10:00:00 c SELL 3 QQQ filled",
        "10:00:00 d - working",
        "10:00:00 SPY no signal close 4 (above 5)",
        "daily loss none; limit 15 %",
        "Gateway - ",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("age", "is_marked"), [(timedelta(seconds=2), False), (timedelta(seconds=301), True)]
)
def test_a_bot_in_which_nothing_happens_any_more_does_not_look_live(age, is_marked):
    board, opens = Board(), AT - timedelta(hours=7)
    board.on_event(
        TradingDayOpened(at=AT, day=AT.date(), opens_at=opens, closes_at=opens + timedelta(hours=6))
    )
    board.on_event(TradingDayClosed(at=AT, day=AT.date(), held=0))
    console = Console(
        width=120, record=True, file=io.StringIO(), color_system="truecolor", force_terminal=True
    )

    console.print(screen(View(origin="bot", data=snapshot_data(board.snapshot, now=AT + age)), ""))

    head = console.export_text(clear=False, styles=True).splitlines()[0]
    assert "2024-03-05 (over), cycle 0" in head
    assert f"last event {age.total_seconds():.0f} s ago" in head
    assert ("\x1b[1;31m  last event" in head) is is_marked


def test_as_json_it_is_one_object_that_everybody_reads(shown, capsys):
    Halt(shown / HALT_FILE).halt("news of DU1234567", AT)

    assert run(["monitor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)

    assert (told["origin"], told["note"]) == ("bot", "")
    assert told["session"]["state"] == "reconnecting"
    assert told["guard"]["loss"]["loss"] is None
    assert told["halted"].startswith("news of DU***67")


def test_in_a_terminal_the_board_is_drawn_anew_until_interrupted(state, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Journal.open(state / "journal.sqlite") as journal:
        journal.record(RunStarted(at=AT, run="r7", session=date(2024, 3, 5), mode="PAPER", strategy="whale"))
    Halt(state / HALT_FILE).halt("news", AT)

    with virtual_process(AT, seconds=5):
        code = run(["monitor"])

    drawn = capsys.readouterr().out
    assert code == 130
    assert drawn.count("r7 whale PAPER") > 1
    assert "entries are halted: news" in drawn


def test_without_a_bot_its_journal_is_shown_and_what_no_journal_knows_is_not_made_up(state, capsys):
    with Journal.open(state / "journal.sqlite") as journal:
        journal.record(RunStarted(at=AT, run="r7", session=date(2024, 3, 5), mode="PAPER", strategy="whale"))

    assert run(["monitor"]) == 0
    told = capsys.readouterr().out

    assert "no bot runs: this is what its journal says" in " ".join(told.split())
    assert "r7 whale" in told
    assert "positions: not known" in told


def test_another_folder_may_be_named_and_may_be_empty(tmp_path, capsys):
    assert run(["monitor", "--state", str(tmp_path), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["origin"] == "none"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "without a token"),
        (["--host", "0.0.0.0", "--token", "short"], "16 characters"),
    ],
)
def test_a_page_that_others_can_reach_is_not_served_without_a_token(state, capsys, options, words):
    assert run(["monitor", "--web", *options]) == 2

    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "http://127.0.0.1:8765"), ("::1", "http://[::1]:8765")]
)
def test_an_address_is_written_as_a_browser_reads_it(host, address):
    assert web_address(host, 8765) == address


def test_a_host_that_cannot_be_a_name_is_a_mistake_of_the_configuration(state, capsys):
    options = ["--host", "a..b", "--token", "correct horse battery staple"]

    assert run(["monitor", "--web", *options]) == 2

    assert "cannot listen on a..b:8765; it is no address of this machine" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(state, capsys):
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]

        assert run(["monitor", "--web", "--port", str(port)]) == 2

    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("token", [None, "correct horse battery staple"])
def test_that_a_page_without_a_token_is_open_to_the_machine_is_said(state, capsys, token):
    with socket.create_server(("127.0.0.1", 0)) as door:
        run(
            ["monitor", "--web", "--port", str(door.getsockname()[1]), *(["--token", token] if token else [])]
        )

    assert ("open to every user of this machine" in capsys.readouterr().err) is (token is None)
