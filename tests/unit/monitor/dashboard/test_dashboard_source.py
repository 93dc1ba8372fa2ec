"""A page's view comes from a bot that runs, else from what it wrote down, else it says that there is nothing."""

import http.client
import json
import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import pytest

from ibkeel.journal import (
    Decision,
    Failure,
    FillSeen,
    Intent,
    Journal,
    LossGuardKept,
    OrderUpdate,
    Purpose,
    RunEnded,
    RunStarted,
)
from ibkeel.model import (
    Bracket,
    Combo,
    ComboLeg,
    Direction,
    Execution,
    Option,
    OrderReport,
    OrderTicket,
    OrderType,
    OtherContract,
    Reason,
    Side,
    Signal,
    Stock,
)
from ibkeel.monitor.board import Board, Snapshot, snapshot_data
from ibkeel.monitor.dashboard import API_FILE, BoardApi, BotSource, recalled
from ibkeel.monitor.dashboard.source import orders_of_last_session
from ibkeel.risk import DailyLossGuard
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


@pytest.mark.parametrize("put", [os.replace, shutil.copyfile])
def test_a_journal_that_was_replaced_by_one_as_long_is_read_anew(tmp_path, source, put):
    seen = []
    for run in ("r1", "r2"):
        with Journal.open(tmp_path / run) as journal:
            journal.record(RunStarted(at=AT, run=run, session=date(2024, 3, 4), mode="PAPER", strategy="old"))
        put(tmp_path / run, tmp_path / "journal.sqlite")
        seen.append(source.look().data["run"]["run"])

    assert seen == ["r1", "r2"]


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


class Stranger(BaseHTTPRequestHandler):
    """Another program on the port of a bot that is gone."""

    said = b"{}"

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("said", [b"{}", b"[]", b"<html>", b'{"session": {}}', b""], ids=repr)
def test_another_program_on_a_dead_bots_port_is_not_believed(tmp_path, source, said):
    handler = type("Other", (Stranger,), {"said": said})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = {"host": "127.0.0.1", "port": server.server_port, "token": "x", "pid": 1}
        (tmp_path / API_FILE).write_text(json.dumps(address))

        view = source.look()

        server.shutdown()
        thread.join()

    assert view.origin == "none"
    assert view.data["session"]["state"]


def test_who_takes_the_port_of_a_bot_that_was_killed_is_not_believed_whatever_it_learned(tmp_path, source):
    class Impostor(Stranger):
        said = json.dumps(snapshot_data(Snapshot(), now=AT)).encode()

        def do_GET(self):
            self.heard.append(self.headers["Authorization"])
            super().do_GET()

    with BoardApi(Board(), Standing()).served(tmp_path):
        left = json.loads((tmp_path / API_FILE).read_text())
    Impostor.heard = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        (tmp_path / API_FILE).write_text(json.dumps({**left, "port": server.server_port}))

        view = source.look()

        server.shutdown()
        thread.join()

    assert view.origin == "none"
    assert "another program has the port" in view.note
    assert [left["proof"] in heard for heard in Impostor.heard] == [False]


def started(run, day):
    return RunStarted(at=AT, run=run, session=date(2024, 3, day), mode="PAPER", strategy="scalp")


def decided(symbol, outcome="refused"):
    signal = Signal(
        direction=Direction.UP, confidence=0.5, reasons=(Reason("rsi14", 44.3234, "DOWN below 40"),)
    )
    return Decision(at=AT, symbol=symbol, signal=signal, outcome=outcome)


def test_all_runs_of_the_last_session_are_recalled_and_none_of_an_earlier_one(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        for record in (
            started("r1", 4),
            decided("OLD"),
            started("r2", 5),
            decided("SPY"),
            started("r3", 5),
            decided("QQQ"),
        ):
            journal.record(record)

        snapshot = recalled(journal)

    assert snapshot.run.run == "r3"
    assert [row.symbol for row in snapshot.decisions.rows] == ["SPY", "QQQ"]


def test_of_a_run_of_weeks_the_last_session_alone_is_recalled(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(started("r1", 4))
        for day, symbol in ((4, "OLD"), (5, "SPY")):
            guard = DailyLossGuard(session=date(2024, 3, day), start_equity=100_000)
            journal.record(LossGuardKept(at=AT, guard=guard))
            journal.record(decided(symbol))

        snapshot = recalled(journal)

    assert snapshot.run.run == "r1"
    assert [row.symbol for row in snapshot.decisions.rows] == ["SPY"]


def test_a_run_that_takes_over_hears_of_the_orders_of_the_session_and_of_nothing_else(tmp_path):
    report = OrderReport(
        order_id=3, perm_id=9, client_id=7, client_order_id="r1-1", contract=Stock("SPY"), side="SELL", quantity=2.0,
        order_type="STP", stop_price="4", state="cancelled", at=AT,
    )  # fmt: skip
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        nothing = list(orders_of_last_session(journal))
        for record in (started("r1", 5), decided("SPY"), OrderUpdate(at=AT, report=report)):
            journal.record(record)

        board = Board()
        for event in orders_of_last_session(journal):
            board.on_event(event)

    (row,) = board.snapshot.orders.rows.values()
    assert nothing == []
    assert (row.side, row.quantity, row.subject, row.state) == ("SELL", 2, "SPY", "cancelled")
    assert board.snapshot.decisions.rows == ()


def test_a_run_that_takes_over_hears_of_what_can_be_read(tmp_path):
    report = OrderReport(
        order_id=3, perm_id=9, client_id=7, client_order_id="r1-1", contract=Stock("SPY"), side="SELL", quantity=2.0,
        order_type="STP", stop_price="4", state="cancelled", at=AT,
    )  # fmt: skip
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        for record in (
            started("r1", 5),
            OrderUpdate(at=AT, report=report),
            OrderUpdate(at=AT, report=report),
        ):
            journal.record(record)
        with closing(sqlite3.connect(journal.path)) as file:
            file.execute("UPDATE events SET data = '{}' WHERE seq = 2")
            file.commit()

        events = list(orders_of_last_session(journal))

    assert [event.client_order_id for event in events] == ["r1-1", "r1-1"]


def test_what_cannot_be_read_is_left_out_of_the_board(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record_all([started("r1", 5), decided("SPY"), decided("QQQ")])
        with closing(sqlite3.connect(journal.path)) as file:
            file.execute("UPDATE events SET data = '{}' WHERE seq = 2")
            file.commit()

        snapshot = recalled(journal)

    assert snapshot.run.run == "r1"
    assert [row.symbol for row in snapshot.decisions.rows] == ["QQQ"]


def test_why_nothing_was_asked_for_is_recalled_too(tmp_path):
    quiet = Signal(direction=Direction.NONE, reasons=(Reason("close", 4.0, "above 5"),))
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(started("r1", 5))
        journal.record(Decision(at=AT, symbol="SPY", signal=quiet, outcome="no_signal"))

        row = recalled(journal).decisions.symbols["SPY"]

    assert row.detail == "close 4 (above 5)"


def test_facts_are_recalled_in_the_words_in_which_a_bot_tells_them(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(started("r1", 5))
        journal.record(decided("SPY"))

        [row] = recalled(journal).decisions.rows

    assert row.facts == ("rsi14 44.3234 (DOWN below 40)",)


def test_of_a_long_journal_only_the_last_decisions_are_read(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(started("r1", 5))
        journal.record_all(decided(f"S{number}") for number in range(100))

        snapshot = recalled(journal, most=10)

    assert [row.symbol for row in snapshot.decisions.rows] == [f"S{number}" for number in range(90, 100)]
    assert snapshot.run.run == "r1"


def test_a_journal_of_no_run_gives_a_blank_board(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(decided("SPY"))

        assert recalled(journal) == Snapshot()


def test_orders_are_recalled_with_their_purpose_their_end_and_each_fill_once(tmp_path):
    entry = OrderTicket(
        contract=Stock("SPY"), side=Side.BUY, quantity=3, order_type=OrderType.LMT, limit_price="4.5"
    )
    order = Bracket(entry=entry, stop_loss="4", take_profit="6")
    intent = Intent(
        at=AT, symbol="SPY", client_order_id="r1-1", purpose=Purpose.ENTRY, order=order, reason="of DU1234567"
    )
    report = OrderReport(
        order_id=3, perm_id=9, client_id=7, client_order_id="r1-1", contract=Stock("SPY"), side="BUY", quantity=3.0,
        order_type="LMT", limit_price="4.5", state="filled", filled=3.0, at=AT,
    )  # fmt: skip
    fill = Execution(
        exec_id="e1", order_id=3, perm_id=9, account="DU1234567", contract=Stock("SPY"), side="BUY",
        quantity=3.0, price=4.4, at=AT, client_order_id="r1-1",
    )  # fmt: skip
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record_all([started("r1", 5), intent, OrderUpdate(at=AT, report=report)])
        journal.record_all([FillSeen(at=AT, execution=fill), FillSeen(at=AT, execution=fill)])

        orders = recalled(journal).orders

    (row,) = orders.rows.values()
    assert (row.purpose, row.side, row.quantity, row.subject) == ("entry", "BUY", 3, "SPY")
    assert (row.state, row.filled, row.reason, row.terms) == ("filled", 3.0, "of DU***67", "LMT 4.5")
    assert [(each.exec_id, each.price) for each in orders.fills] == [("e1", 4.4)]


def test_the_fill_of_a_combo_is_recalled_as_one_and_by_its_legs(tmp_path):
    combo = Combo("SPY", [ComboLeg(con_id=1, side="BUY"), ComboLeg(con_id=2, side="SELL")])
    entry = OrderTicket(contract=combo, side=Side.BUY, quantity=2, order_type=OrderType.LMT, limit_price=1)
    intent = Intent(
        at=AT, symbol="SPY", client_order_id="r1-1", purpose=Purpose.ENTRY, order=entry, reason=""
    )
    legs = [Option("SPY", date(2024, 3, 15), strike, "C") for strike in (500, 505)]
    fills = [
        Execution(
            exec_id=f"e{number}.01", order_id=3, perm_id=9, account="DU1234567", contract=contract, side=side,
            quantity=2, price=price, at=AT, client_order_id="r1-1",
        )
        for number, (contract, side, price) in enumerate(
            [(legs[0], "BUY", 3.0), (OtherContract("SPY", kind="BAG"), "BUY", 1.0), (legs[1], "SELL", 2.0)]
        )
    ]  # fmt: skip
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record_all([started("r1", 5), intent, *(FillSeen(at=AT, execution=each) for each in fills)])

        (row,) = recalled(journal).orders.rows.values()

        assert (row.quantity, row.filled, row.price) == (2, 2, 1.0)
        assert row.subject.startswith("SPY combo")

        tomorrow = attrs.evolve(started("r2", 5), session=date(2024, 3, 6))
        again = [attrs.evolve(each, exec_id=f"n{each.exec_id}") for each in (fills[1], fills[0], fills[2])]
        journal.record_all([tomorrow, *(FillSeen(at=AT, execution=each) for each in again)])

        (row,) = recalled(journal).orders.rows.values()

    assert (row.filled, row.price) == (2, 1.0)  # of an order that was placed the day before


async def test_the_view_of_a_page_is_that_of_the_journal(tmp_path, source):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(started("r1", 5))

    assert await source.view() == source.look()


def test_what_no_journal_keeps_is_not_known(tmp_path, source):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(started("r1", 5))

    assert source.look().data["money"]["positions_at"] is None
