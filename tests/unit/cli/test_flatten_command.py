import asyncio
import json
from datetime import UTC, datetime

import pytest

from ibkeel.cli import flatten_command
from ibkeel.cli.app import run
from ibkeel.cli.flattening import FlattenOptions, Plan, ask_the_bot
from ibkeel.errors import AnotherProcess, ConfigurationError, GatewayMute, JournalInUse
from ibkeel.monitor.board import Board
from ibkeel.monitor.dashboard import BoardApi
from ibkeel.runner import Flattened, FlattenRequests, Leftover
from ibkeel.system import SystemClock
from ibkeel.telemetry import Connected, HeldPosition, PositionsSeen


@pytest.fixture
def bot(tmp_path, monkeypatch):
    """A bot's file with a state directory, and what stands in for the Gateway."""
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path))
    path = tmp_path / "bot.toml"

    def write(orders="PAPER", done=None):
        path.write_text(f"[gateway]\norders = '{orders}'\n")

        def directly(_config, _options):
            if done is None:
                raise AnotherProcess("a bot holds client id 1", pid=1, since=None)
            return done

        monkeypatch.setattr(flatten_command, "flatten_directly", directly)
        monkeypatch.setattr(flatten_command, "planned", lambda *_: Plan(entries=(), positions=()))
        return str(path)

    return write


def test_what_was_done_is_told_and_entries_stay_halted(bot, tmp_path, capsys):
    done = Flattened(cancelled=("ibk-1",), closed=("+2 SPY",), untouched=("+1 QQQ",))

    code = run(["flatten", bot(done=done), "--yes"])

    said = capsys.readouterr().out
    assert code == 0
    assert "cancelled ibk-1\nclosed +2 SPY\n" in said
    assert "did not open it: +1 QQQ" in said
    assert "ibkeel flatten" in (tmp_path / "halt").read_text()


def test_a_disk_that_takes_no_file_keeps_nobody_from_closing(bot, tmp_path, capsys):
    (tmp_path / "halt").mkdir()  # stands in the way of the file

    code = run(["flatten", bot(done=Flattened(closed=("+2 SPY",))), "--yes"])

    said = capsys.readouterr()
    assert code == 0
    assert said.out.endswith("flat; entries are NOT halted\n")
    assert "entries are not halted: cannot write" in said.err


def test_what_is_left_ends_with_5(bot, capsys):
    done = Flattened(left=(Leftover(contract="SPY", quantity=2.0, reason="too late"),))

    assert run(["flatten", bot(done=done), "--yes"]) == 5
    assert "still held: +2 SPY: too late" in capsys.readouterr().out


def test_an_entry_that_may_still_work_is_named_and_ends_with_5(bot, capsys):
    assert run(["flatten", bot(done=Flattened(uncancelled=("ibk-1: no answer",))), "--yes"]) == 5
    assert capsys.readouterr().out == "may still work: ibk-1: no answer\n"


def test_json_is_one_object(bot, capsys):
    run(["flatten", bot(done=Flattened(closed=("+2 SPY",))), "--yes", "--json"])

    assert json.loads(capsys.readouterr().out) == {
        "cancelled": [], "uncancelled": [], "closed": ["+2 SPY"], "left": [], "untouched": [], "failure": "", "is_flat": True,
        "by": "this command",
    }  # fmt: skip


@pytest.mark.parametrize("is_closed", [False, True])
def test_nobody_at_the_terminal_must_say_yes(bot, tmp_path, monkeypatch, capsys, is_closed):
    if is_closed:
        monkeypatch.setattr("sys.stdin", None)  # as Python has it where descriptor 0 is closed

    assert run(["flatten", bot(done=Flattened())]) == 2
    assert "--yes" in capsys.readouterr().err
    assert not (tmp_path / "halt").exists()


def test_a_person_who_says_no_is_obeyed(bot, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")

    assert run(["flatten", bot(done=Flattened())]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "halt").exists()


@pytest.fixture
def asked(bot, monkeypatch, capsys):
    """What a person was asked beside a bot that holds the session, and said no to."""
    questions = []

    def answer(question):
        questions.append(question)
        return "n"

    def is_held(*_):
        raise JournalInUse("the journal is written by 1", pid=1, since=None)

    def ask(*arguments):
        path = bot()
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("click.termui.visible_prompt_func", answer)
        monkeypatch.setattr(flatten_command, "planned", is_held)
        assert run(["flatten", path, *arguments]) == 130
        printed = capsys.readouterr()  # where an older click prints the question, before it asks
        return printed.out + printed.err + questions[0]

    return ask


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "close what it traded of what the account holds: +2 SPY,"), (("--all",), "close +2 SPY, -1 QQQ?")],
)
def test_beside_a_bot_that_runs_a_person_sees_what_is_held_before_saying_yes(
    asked, tmp_path, arguments, said
):
    board = Board()
    rows = [
        HeldPosition(subject=symbol, symbol=symbol, signed_quantity=held, average_price=1.0)
        for symbol, held in (("SPY", 2), ("QQQ", -1))
    ]
    board.on_event(PositionsSeen(at=datetime(2024, 3, 5, 15, 0, tzinfo=UTC), positions=tuple(rows)))

    with BoardApi(board, SystemClock()).served(tmp_path):
        question = asked(*arguments)

    assert said in question


def test_a_bot_that_does_not_answer_is_said_not_to_show_what_it_holds(asked):
    assert "does not answer" in asked()


def test_a_bot_that_has_read_no_positions_yet_is_not_said_to_hold_nothing(asked, tmp_path):
    with BoardApi(Board(), SystemClock()).served(tmp_path):
        question = asked("--all")

    assert "close what it holds (it has not read that yet)?" in question


@pytest.mark.parametrize(
    ("client_id", "said"), [(1, "close nothing?"), (2, "another bot of the state directory")]
)
def test_what_another_bot_of_the_state_directory_holds_is_not_shown(asked, tmp_path, client_id, said):
    board, now = Board(), datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
    board.on_event(
        Connected(at=now, host="127.0.0.1", port=4002, client_id=client_id, server_version=176, account="DU*")
    )
    board.on_event(PositionsSeen(at=now, positions=()))

    with BoardApi(board, SystemClock()).served(tmp_path):
        question = asked("--all")

    assert said in question


def test_the_state_directory_can_be_named(bot, tmp_path):
    other = tmp_path / "other"

    assert run(["flatten", bot(done=Flattened()), "--yes", "--state", str(other)]) == 0
    assert (other / "halt").exists()
    assert not (tmp_path / "halt").exists()


def test_in_dry_run_with_a_bot_nothing_is_asked_of_it(bot, tmp_path, capsys):
    assert run(["flatten", bot("DRY_RUN"), "--yes"]) == 4
    assert "nothing was sent" in capsys.readouterr().err
    assert not (tmp_path / "halt").exists()
    assert list(tmp_path.glob("flatten-*")) == []


def test_a_bot_that_runs_is_asked_and_its_answer_told(bot, monkeypatch, capsys):
    answer = Flattened(failure="NotConnected: no session")
    monkeypatch.setattr(flatten_command, "flatten_through_the_bot", lambda _: answer)

    assert run(["flatten", bot(), "--yes"]) == 5
    assert "could not be done: NotConnected" in capsys.readouterr().out


def test_a_bot_that_has_lost_the_gateway_is_asked_too(bot, monkeypatch, capsys):
    answer = Flattened(failure="NotConnected: no session")

    def directly(_config, _options):
        raise JournalInUse("the journal is written by 1", pid=1, since=None)

    path = bot()
    monkeypatch.setattr(flatten_command, "flatten_directly", directly)
    monkeypatch.setattr(flatten_command, "flatten_through_the_bot", lambda _: answer)

    assert run(["flatten", path, "--yes"]) == 5
    assert "could not be done: NotConnected" in capsys.readouterr().out


async def test_a_bot_that_fails_may_be_stopped(tmp_path):
    requests = FlattenRequests(tmp_path, port=4002, client_id=7)
    options = FlattenOptions(journal=tmp_path / "j", state=tmp_path, port=4002, client_id=7)

    waiting = asyncio.create_task(ask_the_bot(options))
    await asyncio.sleep(5)
    requests.answer(requests.take(), Flattened(failure="NotConnected: no session"))

    assert (await waiting).failure.startswith("NotConnected: no session. Stop it, which leaves its stops")


async def test_a_bot_that_does_not_answer_is_an_error_and_the_request_is_taken_back(tmp_path):
    options = FlattenOptions(journal=tmp_path / "j", state=tmp_path, port=4002, client_id=7)

    with pytest.raises(GatewayMute, match="did not answer within 90 s"):
        await ask_the_bot(options)

    assert list(tmp_path.glob("flatten-*")) == []


async def test_a_bot_that_cannot_be_asked_is_to_be_stopped_first(tmp_path):
    options = FlattenOptions(journal=tmp_path / "j", state=tmp_path / "nowhere", port=4002, client_id=7)

    with pytest.raises(ConfigurationError, match=r"cannot write .*Stop it, which leaves its stops in place"):
        await ask_the_bot(options)


async def test_an_answer_ends_the_wait(tmp_path):
    requests, before = FlattenRequests(tmp_path, port=4002, client_id=7), asyncio.get_running_loop().time()

    waiting = asyncio.create_task(
        ask_the_bot(
            FlattenOptions(journal=tmp_path / "j", state=tmp_path, port=4002, client_id=7, everything=True)
        )
    )
    await asyncio.sleep(5)
    asked = requests.take()
    requests.answer(asked, Flattened(closed=("+1 SPY",)))

    assert asked.everything
    assert (await waiting).closed == ("+1 SPY",)
    assert asyncio.get_running_loop().time() - before < 10
