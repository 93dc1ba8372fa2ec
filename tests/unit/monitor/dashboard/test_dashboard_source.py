"""A page's view comes from a bot that runs, else from what it wrote down, else it says that there is nothing."""

import http.client
import json
import stat
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.journal import Decision, Failure, Journal, RunEnded, RunStarted
from ibkeel.model import Direction, Reason, Signal
from ibkeel.monitor.board import Board
from ibkeel.monitor.dashboard import API_FILE, BoardApi, BotSource
from ibkeel.system import SystemClock
from ibkeel.telemetry import SessionChanged

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


@attrs.frozen
class Standing:
    """A clock that stands still."""

    def monotonic(self):
        return 0.0

    def now(self):
        return AT


@pytest.fixture
def source(tmp_path):
    return BotSource(tmp_path, tmp_path / "journal.sqlite", Standing())


def ready(board):
    board.on_event(SessionChanged(at=AT, before="syncing", after="ready", cause=""))


def test_a_bot_that_runs_is_asked_and_its_address_is_its_owners_alone(tmp_path, source):
    board = Board()
    ready(board)

    with BoardApi(board, Standing()).served(tmp_path):
        view = source.look()
        mode = stat.S_IMODE((tmp_path / API_FILE).stat().st_mode)

    assert view.origin == "bot"
    assert view.data["session"]["state"] == "ready"
    assert mode == 0o600
    assert not (tmp_path / API_FILE).exists()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}, {"Authorization": ""}], ids=str)
def test_the_api_tells_nothing_without_its_token(tmp_path, headers):
    board = Board()
    ready(board)

    with BoardApi(board, Standing()).served(tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/board", headers=headers)
        answer = connection.getresponse()
        told = answer.read()
        connection.close()

    assert answer.status == 401
    assert b"ready" not in told


def test_the_api_changes_nothing(tmp_path):
    with BoardApi(Board(), Standing()).served(tmp_path) as port:
        token = json.loads((tmp_path / API_FILE).read_text())["token"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("POST", "/board", body=b"{}", headers={"Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
        connection.close()

    assert status == 501


def test_a_bot_that_was_killed_is_replaced_by_its_journal(tmp_path, source):
    (tmp_path / API_FILE).write_text('{"host": "127.0.0.1", "port": 1, "token": "x", "pid": 1}')
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(RunStarted(at=AT, run="r1", session=date(2024, 3, 4), mode="PAPER", strategy="old"))
        journal.record(RunStarted(at=AT, run="r2", session=date(2024, 3, 5), mode="PAPER", strategy="scalp"))
        signal = Signal(direction=Direction.UP, confidence=0.5, reasons=(Reason("close", 1.0, "up"),))
        journal.record(Decision(at=AT, symbol="SPY", signal=signal, outcome="refused", reasons=("too late",)))
        journal.record(Failure(at=AT, symbol="QQQ", kind="RequestTimeout", message="account DU1234567"))

    view = source.look()

    assert view.origin == "journal"
    assert "does not answer" in view.note
    assert view.data["run"]["run"] == "r2"
    assert view.data["decisions"]["rows"][0]["reasons"] == ["too late"]
    assert "DU1234567" not in json.dumps(view.data)


def test_a_journal_that_grows_is_read_anew(tmp_path, source):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(RunStarted(at=AT, run="r1", session=date(2024, 3, 4), mode="PAPER", strategy="old"))
        before = source.look()
        journal.record(RunEnded(at=AT + timedelta(hours=1), run="r1", outcome="finished"))

        after = source.look()

    assert before.data["run"]["outcome"] == ""
    assert after.data["run"]["outcome"] == "finished"


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", '{"host": 1}', '{"host": "127.0.0.1", "port": "x", "token": "y"}']
)
def test_with_neither_bot_nor_journal_it_says_so(tmp_path, source, text):
    (tmp_path / API_FILE).write_text(text)

    view = source.look()

    assert view.origin == "none"
    assert "nothing to show" in view.note


def test_a_view_of_the_machines_clock_has_its_age():
    board = Board()
    ready(board)

    assert BoardApi(board, SystemClock()).text().startswith(b'{"at":"2024-03-05T15:00:00+00:00"')
