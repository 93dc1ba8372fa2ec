import builtins
import json
import logging
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import click
import pyarrow.parquet
import pytest
import time_machine
from tests.disks import files_of_at_most

import ibkeel
from ibkeel.cli import main
from ibkeel.cli.app import ExitCode, _log_to_stderr, cause_of, commands, exit_code, run, sentence
from ibkeel.cli.paths import fresh_journal, state_directory
from ibkeel.cli.screen import progress
from ibkeel.errors import (
    AccountMismatch,
    ConfigurationError,
    GatewayUnreachable,
    InvalidInput,
    JournalError,
    RequestTimeout,
    UnknownContract,
    UnknownStrategy,
)
from ibkeel.journal import Failure, Journal, RunEnded, RunStarted
from ibkeel.monitor.board import Board
from ibkeel.monitor.dashboard import BoardApi
from ibkeel.system import SystemClock
from ibkeel.telemetry import Connected, RunBegan


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def demo(path, *more):
    return run(["demo", "--symbols", "SPY", "--journal", str(path), "--json", *more])


def day(path, *more):
    """A day as its reader meets it: its exit code, what it printed, and its journal."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = demo(path, *more)
    return code, out.getvalue(), err.getvalue(), path


def exported(path):
    stream = StringIO()
    with Journal.open(path, read_only=True) as journal:
        journal.export_jsonl(stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def dry_day(tmp_path_factory):
    """Seed 7, in dry run; nobody writes to its journal."""
    return day(tmp_path_factory.mktemp("dry") / "j.sqlite")


@pytest.fixture(scope="module")
def paper_day(tmp_path_factory):
    """Seed 7, with orders; nobody writes to its journal."""
    return day(tmp_path_factory.mktemp("paper") / "j.sqlite", "--paper")


KEYS = [
    "seed", "session_date", "symbols", "virtual_seconds", "wall_seconds", "cycles", "signals", "intents", "orders",
    "orders_sent", "fills", "requests", "timeouts", "errors", "faults", "pacing_violations", "open_lines_at_end",
    "max_open_lines", "journal",
]  # fmt: skip


def test_a_demo_plays_the_day_and_prints_one_object(dry_day):
    code, out, err, _ = dry_day

    told = json.loads(out)
    assert code == 0
    assert err == ""
    assert list(told) == KEYS
    assert told["cycles"] > 100
    assert 0 < told["wall_seconds"] < 3600  # of the machine's own clock, which travel leaves alone
    assert told["signals"] >= told["intents"] > 0
    assert told["orders"] == 2 * told["intents"]
    assert (told["orders_sent"], told["fills"], told["timeouts"], told["errors"]) == (0, 0, 0, 0)
    assert (told["pacing_violations"], told["open_lines_at_end"], told["faults"]) == (0, 0, [])


def test_a_paper_demo_sends_orders_and_ends_flat(paper_day):
    code, out, _, _ = paper_day

    told = json.loads(out)
    assert code == 0
    assert told["orders_sent"] == told["orders"] > 0
    assert told["fills"] > 0
    assert told["errors"] == 0


def test_another_seed_is_another_day(dry_day, tmp_path):
    days = [dry_day, day(tmp_path / "c", "--seed", "8")]

    dates = [json.loads(out)["session_date"] for _, out, _, _ in days]
    exports = [exported(path) for *_, path in days]

    assert dates[0] != dates[1]
    assert exports[0] != exports[1]


def test_the_summary_names_the_session_the_orders_and_the_journal(state, capsys):
    code = run(["demo", "--symbols", "SPY", "--paper"])

    out = capsys.readouterr().out
    assert code == 0
    for words in (
        "Thursday, 05 September 2024",
        "SPY",
        "entry intent",
        "fill",
        "cycles",
        "flat",
        "demo.sqlite",
    ):
        assert words in out
    assert (state / "demo.sqlite").exists()


def test_a_demo_replaces_an_earlier_demo_and_nothing_else(dry_day, tmp_path, capsys):
    mine = tmp_path / "mine.sqlite"
    shutil.copy(dry_day[-1], tmp_path / "j.sqlite")
    mine.write_text("precious")

    again, refused = demo(tmp_path / "j.sqlite"), demo(mine)

    assert (again, refused) == (0, 2)
    assert "is not a demo's journal" in capsys.readouterr().err
    assert mine.read_text() == "precious"


@pytest.mark.parametrize("runs", [[], ["r1"], ["demo", "r1"]], ids=str)
def test_a_demo_replaces_no_journal_in_which_anybody_else_wrote(tmp_path, capsys, runs):
    path = tmp_path / "j.sqlite"
    at = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
    with Journal.open(path) as journal:
        for name in runs:
            journal.record(RunStarted(at=at, run=name, session=at.date(), mode="PAPER", strategy="whale"))
        journal.record(Failure(at=at, symbol="SPY", kind="NoData", message="precious"))

    assert demo(path) == 2
    assert "is not a demo's journal" in capsys.readouterr().err
    assert "precious" in exported(path)


def test_a_blank_journal_is_taken_by_a_demo(tmp_path):
    Journal.open(tmp_path / "j.sqlite").close()

    assert fresh_journal(tmp_path / "j.sqlite") == tmp_path / "j.sqlite"
    assert list(tmp_path.glob("*.sqlite")) == []


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(
        ConfigurationError, match=r"cannot make the state directory .*file/state: Not a directory"
    ):
        state_directory({"IBKEEL_STATE": str(tmp_path / "file" / "state")})


@pytest.mark.skipif(os.name != "posix", reason="the system has no such rights")
def test_a_state_directory_is_made_for_its_owner_alone(tmp_path):
    path = state_directory({}, tmp_path / "state")

    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name != "posix", reason="the system keeps a folder that somebody is in")
def test_a_command_typed_in_a_folder_that_is_gone_says_so(tmp_path, monkeypatch):
    """In a process of its own: the libraries that look where they are do so when they are loaded."""
    monkeypatch.setenv("PYTHONPATH", str(Path(ibkeel.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()

    ended = subprocess.run(
        [sys.executable, "-m", "ibkeel", "config", "init"], check=False, capture_output=True, text=True
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("ibkeel: the folder in which this was typed is gone; change to one")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["demo", "--symbols", "NOSUCH"], 2, "NOSUCH"),
        (["demo", "--symbols", "spy,SPY"], 2, "each once"),
        (["demo", "--symbols", ","], 2, "at least one"),
        (["demo", "--symbols", ""], 2, "symbols is (); valid: tickers in capitals"),
        (["doctor", "--symbols", " "], 2, "symbols is (); valid: tickers in capitals"),
        (["doctor", "--symbols", "SPY;QQQ"], 2, "symbols is ('SPY;QQQ',); valid: tickers in capitals"),
        (["doctor", "--host", ""], 2, "host is ''; valid: a host name or address"),
        (["chain", "SPY", "--host", "a..b"], 2, "host is 'a..b'; valid: a host name or address"),
        (["chain", "SPY", "--host", "a b"], 2, "host is 'a b'; valid: a host name or address"),
        (["sim", "serve", "--host", "a..b"], 2, "host is 'a..b'; valid: a host name or address"),
        (
            ["sim", "record", "x", "--upstream", "a..b:1"],
            2,
            "upstream is 'a..b'; valid: a host name or address",
        ),
        (["demo", "--scenario", ""], 2, "nightly-restart"),
        (["sim", "serve", "--scenario", ""], 2, "nightly-restart"),
        (["backtest", "--strategy", ""], 2, "daily_volume, "),
        (["config", "init", "--strategy", "", "/no/such/bot.toml"], 2, "daily_volume, "),
        (
            ["sim", "record", "x.jsonl", "--upstream", "127.0.0.1:4002", "--hide", "Li"],
            2,
            "4 letters or more",
        ),
        (["demo", "--replay", ".", "--market", "calm"], 2, "--market"),
        (["demo", "--strategy", "nope"], 2, "daily_volume, "),
        (["demo", "--date", "2024-12-25"], 2, "2024-12-25"),
        (["demo", "--replay", "nowhere", "--date", "2015-12-24"], 2, "nowhere"),
        (["demo", "--replay", "nowhere"], 2, "--date"),
        (["demo", "--preset", "best"], 2, "standard"),
        (["demo", "--min-dte", "-1"], 2, "-1"),
        (["run", "nowhere.toml"], 2, "nowhere.toml"),
        (["journal", "export", "nowhere.sqlite"], 2, "nowhere.sqlite"),
        (["sim", "serve", "--port", "70000"], 2, "70000"),
        (["sim", "serve", "--speed", "nan"], 2, "'nan' is no number"),
        (["flatten", "--wait", "nan"], 2, "'nan' is no number"),
        (["sim", "serve", "--host", "host.invalid"], 2, "choose another --host, such as 127.0.0.1"),
        (["sim", "serve", "--host", "192.0.2.1"], 2, "choose another --host, such as 127.0.0.1"),
        (["demo", "--journal", "no/such/x"], 2, "cannot write no/such/x: there is no folder no/such"),
        (["backtest", "--journal", "no/such/x"], 2, "there is no folder no/such; make it first"),
        (["backtest", "--html", "no/such/r.html"], 2, "there is no folder no/such; make it first"),
        (["config", "init", "-"], 2, "cannot write to '-'"),
        (["journal", "show", "."], 2, ". is a directory; name the journal in it"),
        (["fly"], 2, "No such command"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_sentence_and_a_code(arguments, code, words, state, capsys):
    got = run(arguments)

    out, err = capsys.readouterr()
    assert got == code
    assert out == ""
    assert words in err
    assert "Traceback" not in err


@pytest.fixture
def about_noon():
    """Not an hour at which the Gateway resets: attempts to connect are far apart then."""
    with time_machine.travel(datetime(2026, 1, 5, 17, tzinfo=UTC)):
        yield


def test_a_closed_port_is_told_as_such(tmp_path, capsys, about_noon):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = tmp_path / "bot.toml"
    config.write_text(f'[gateway]\nport = {port}\n[runner]\nsymbols = ["SPY"]\n')

    code = run(["run", str(config), "--journal", str(tmp_path / "j.sqlite")])

    err = capsys.readouterr().err
    assert code == 3
    assert "12:00:00 no connection, trying again: " in err.splitlines()[0]
    assert err.splitlines()[-1].startswith(
        f"ibkeel: GatewayUnreachable: cannot reach the Gateway at 127.0.0.1:{port}"
    )
    assert "Traceback" not in err
    assert not (tmp_path / "j.sqlite").exists()


def test_a_run_has_the_state_directory_that_is_named(tmp_path, capsys, about_noon):
    config = tmp_path / "bot.toml"
    config.write_text('[gateway]\nport = 1\n[runner]\nsymbols = ["SPY"]\n')

    code = run(["run", str(config), "--state", str(tmp_path / "mine")])

    assert code == 3
    assert (tmp_path / "mine").is_dir()
    assert not (tmp_path / "state").exists()


def test_every_problem_of_a_configuration_is_told_at_once(tmp_path, capsys):
    config = tmp_path / "bot.toml"
    config.write_text("[runner]\nintervall = 5\nconcurrency = 0\n[gateway]\norders = 'MAYBE'\n")

    code = run(["run", str(config)])

    err = capsys.readouterr().err
    assert code == 2
    for words in (
        "runner.intervall",
        "runner.concurrency = 0",
        "gateway.orders = 'MAYBE'",
        "DRY_RUN, PAPER, LIVE",
    ):
        assert words in err


def test_a_journal_is_exported_to_the_terminal_or_a_table(dry_day, tmp_path, capsys):
    journal = str(dry_day[-1])

    printed = run(["journal", "export", journal])
    lines = capsys.readouterr().out.splitlines()
    no_file = run(["journal", "export", journal, "--csv"])
    table = run(["journal", "export", journal, str(tmp_path / "j.csv"), "--csv"])
    nowhere = run(["journal", "export", journal, str(tmp_path / "no" / "j.jsonl")])
    by_name = run(["journal", "export", journal, str(tmp_path / "named.csv")])

    assert (printed, no_file, table, nowhere, by_name) == (0, 2, 0, 2, 0)
    assert (tmp_path / "named.csv").read_bytes() == (tmp_path / "j.csv").read_bytes()
    assert {json.loads(line)["record"] for line in lines} >= {
        "run_started",
        "intent",
        "quote_seen",
        "run_ended",
    }
    assert (tmp_path / "j.csv").stat().st_size > 0
    assert "cannot write" in capsys.readouterr().err


def test_a_journal_is_not_exported_over_itself(dry_day, tmp_path, capsys):
    path = tmp_path / "c.sqlite"
    shutil.copy(dry_day[-1], path)

    code = run(["journal", "export", str(path), str(path)])

    assert code == 2
    assert "exists; an export never replaces a file: choose another name" in capsys.readouterr().err
    assert exported(path) == exported(dry_day[-1])


def test_an_export_is_utf_8_whatever_the_terminal_takes(tmp_path):
    path = tmp_path / "j.sqlite"
    with Journal.open(path) as journal:
        journal.record(
            RunStarted(
                at=datetime(2024, 3, 5, tzinfo=UTC),
                run="größer",
                session=date(2024, 3, 5),
                mode="PAPER",
                strategy="whale",
            )
        )

    done = subprocess.run(
        [sys.executable, "-m", "ibkeel", "journal", "export", str(path)],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )

    assert json.loads(done.stdout.decode("utf-8"))["run"] == "größer"


def test_a_journal_is_shown_record_by_record(dry_day, capsys):
    code = run(["journal", "show", str(dry_day[-1]), "--last", "3"])

    out = capsys.readouterr().out
    assert code == 0
    assert "run ended" in out
    assert "run started" not in out


@pytest.mark.parametrize("kind", [[], ["--kind", "run started"]])
def test_what_cannot_be_read_is_left_out_and_told(kind, dry_day, tmp_path, capsys):
    damaged = tmp_path / "damaged.sqlite"
    shutil.copy(dry_day[-1], damaged)
    with closing(sqlite3.connect(damaged)) as file:
        file.execute("UPDATE events SET data = '[' WHERE seq = 2")
        file.execute("UPDATE events SET kind = 'run_started' WHERE seq = 2")
        file.commit()

    code = run(["journal", "show", str(damaged), "--last", "1000", *kind])

    out, err = capsys.readouterr()
    assert code == 0
    assert "run started" in out
    assert err.startswith(f"left out: record 2 of {damaged} is damaged: ")
    assert len(err.splitlines()) == 1


def test_why_there_was_no_signal_is_told_by_the_journal_and_by_the_demo(tmp_path, capsys):
    path = tmp_path / "still.sqlite"
    played = run(
        ["demo", "--symbols", "SPY", "--strategy", "whale", "--market", "still", "--journal", str(path)]
    )
    demo_said = capsys.readouterr().out
    run(["journal", "show", str(path), "--kind", "decision", "--last", "1"])
    told = " ".join(capsys.readouterr().out.split())

    assert played == 0
    assert "SPY had no signal; at the end: close " in demo_said
    assert "outcome=no_signal because close " in told


def test_the_reasons_of_a_refusal_are_shown_as_sentences(dry_day, capsys):
    run(["journal", "show", str(dry_day[-1]), "--kind", "decision", "--last", "100"])

    told = " ".join(capsys.readouterr().out.split())
    assert re.search(r"outcome=refused because [^(']*; ", told)
    assert "reasons=" not in told


def test_the_bots_own_journal_is_shown_when_none_is_named(dry_day, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path))
    shutil.copy(dry_day[-1], tmp_path / "journal.sqlite")

    code = run(["journal", "show", "--last", "3"])

    assert code == 0
    assert "run ended" in capsys.readouterr().out


def test_what_the_venue_said_of_an_order_is_shown_in_words(paper_day, capsys):
    code = run(["journal", "show", str(paper_day[-1]), "--kind", "order_update", "--last", "500"])

    out = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert re.search(r"order update BUY \d+ SPY .*?: filled, \d+ filled", out)
    assert re.search(r"order update SELL \d+ SPY .*? STP [\d.]+: working", out)


@pytest.mark.parametrize(
    ("words", "others"), [("fill", "fill seen"), ("order update", "fill"), ("entry intent", "exit intent")]
)
def test_a_kind_may_be_named_as_the_table_shows_it(words, others, paper_day, capsys):
    code = run(["journal", "show", str(paper_day[-1]), "--kind", words])

    out = capsys.readouterr().out
    assert code == 0
    assert f"   {words}   " in out
    assert f"   {others}   " not in out


def test_the_bot_whose_journal_is_shown_may_be_named(dry_day, tmp_path, capsys):
    shutil.copy(dry_day[-1], tmp_path / "journal.sqlite")

    code = run(["journal", "show", "--state", str(tmp_path), "--last", "3"])
    assert (code, "run ended" in capsys.readouterr().out) == (0, True)
    assert run(["journal", "show", "x.sqlite", "--state", str(tmp_path)]) == 2
    assert "PATH and --state exclude each other" in capsys.readouterr().err


def test_an_export_that_finds_no_room_says_so_and_leaves_nothing(paper_day, tmp_path, capsys):
    with files_of_at_most(60_000):
        code = run(["journal", "export", str(paper_day[-1]), str(tmp_path / "j.jsonl")])

    assert code == 2
    assert capsys.readouterr().err.startswith(f"ibkeel: cannot write {tmp_path / 'j.jsonl'}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_finds_no_room_is_not_in_the_way_of_the_next(tmp_path, capsys):
    path = tmp_path / "bot.toml"

    with files_of_at_most(1_000):
        full = run(["config", "init", str(path)])
    again = run(["config", "init", str(path)])

    assert (full, again) == (2, 0)
    assert f"cannot write {path}" in capsys.readouterr().err


def test_the_end_of_a_long_journal_is_shown_without_reading_the_rest(tmp_path, capsys):
    path, at = tmp_path / "long.sqlite", datetime(2024, 3, 5, tzinfo=UTC)
    rare = RunEnded(at=at, run="early", outcome="finished")
    with Journal.open(path) as journal:
        journal.record_all([rare, *(Failure(at=at, kind="Common", message=f"m{n}") for n in range(2_000))])
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE events SET data = '[' WHERE seq BETWEEN 2 AND 1500")
        file.commit()

    run(["journal", "show", str(path), "--last", "20"])
    last = capsys.readouterr()
    run(["journal", "show", str(path), "--last", "2", "--kind", "run ended"])
    early = capsys.readouterr()

    assert ("m1999" in last.out, "m1980" in last.out, "m1979" in last.out, last.err) == (
        True,
        True,
        False,
        "",
    )
    assert "run=early" in early.out


@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize("command", [["journal", "show"], ["report"]])
def test_a_journal_that_is_not_there_is_said_to_be_written_by_a_bot(
    command, is_named, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path / "elsewhere" if is_named else tmp_path))

    code = run([*command, *(["--state", str(tmp_path)] if is_named else [])])

    assert code == ExitCode.USAGE
    assert f"there is no journal at {tmp_path / 'journal.sqlite'}; a bot writes it" in capsys.readouterr().err


def test_the_package_can_be_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "ibkeel", "--version"], check=True, capture_output=True, text=True
    )

    assert done.stdout.startswith("ibkeel, version")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's")
@pytest.mark.parametrize("command", [["monitor", "--json"], ["journal", "export"], ["--version"]], ids=str)
def test_an_output_that_takes_no_more_is_a_sentence(command, dry_day, tmp_path):
    typed = [*command, str(dry_day[-1])] if "export" in command else command

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ibkeel", *typed],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"IBKEEL_STATE": str(tmp_path)},
        )

    assert done.stderr == "ibkeel: cannot write the output: no space left on device\n"
    assert done.returncode == ExitCode.USAGE


def test_a_closed_output_is_no_mistake():
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m ibkeel sim scenarios >&-"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("x"), ExitCode.USAGE),
        (UnknownStrategy("x", ("y",)), ExitCode.USAGE),
        (UnknownContract("x"), ExitCode.USAGE),
        (JournalError("x"), ExitCode.USAGE),
        (GatewayUnreachable("x"), ExitCode.UNREACHABLE),
        (RequestTimeout("x"), ExitCode.UNREACHABLE),
        (AccountMismatch("x"), ExitCode.REFUSED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (ZeroDivisionError("x"), ExitCode.UNEXPECTED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_error_has_its_code(error, code):
    assert (
        exit_code(cause_of(ExceptionGroup("several", [error])) if isinstance(error, Exception) else error)
        == code
    )


def test_a_bug_says_where_it_is_and_where_to_report_it():
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as error:
        told = sentence(error)

    assert "ZeroDivisionError in test_cli.py:" in told
    assert "please report" in told


def test_a_sentence_shows_no_account_id():
    assert "U1234567" not in sentence(AccountMismatch("the Gateway reports U1234567"))


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    genuine = builtins.__import__

    def without_click(name, *rest):
        if name == "ibkeel.cli.app":
            raise ModuleNotFoundError("No module named 'click'", name="click")
        return genuine(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_click)

    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 2
    assert capsys.readouterr().err == "ibkeel needs click; install it with: pip install 'ibkeel[bot]'\n"


@pytest.mark.parametrize(
    ("typed", "unneeded"),
    [
        (["--version"], ["ibkeel.journal", "ibkeel.options", "ibkeel.runner", "ibkeel.sim", "rich.console"]),
        (["sim", "serve", "--help"], ["ibkeel.ibkr", "ibkeel.options", "ibkeel.runner"]),
        (["config", "check", "--help"], ["ibkeel.sim"]),
        (["journal", "show", "--help"], ["ibkeel.runner", "ibkeel.sim"]),
        (["run", "--help"], ["ibkeel.sim"]),
    ],
    ids=" ".join,
)
def test_a_command_loads_what_it_needs(typed, unneeded):
    code = "import sys; from ibkeel.cli.app import run; run(sys.argv[1:]); print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code, *typed], check=True, capture_output=True, text=True)

    loaded = done.stdout.splitlines()[-1].split()
    assert [name for name in unneeded if name in loaded] == []


def test_every_command_is_found_by_its_name_and_a_slip_gets_the_nearest(capsys):
    context = click.Context(commands)
    names = commands.list_commands(context)

    code = run(["jurnal"])

    assert [commands.get_command(context, name).name for name in names] == sorted(names)
    assert code == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "'jurnal'" in err
    if hasattr(click, "NoSuchCommand"):  # since 8.4 click proposes names
        assert "journal" in err


def test_an_interrupt_while_the_script_loads_is_told_in_a_line_and_ends_with_130(monkeypatch, capsys):
    genuine = builtins.__import__

    def interrupted(name, *rest):
        if name == "ibkeel.cli.app":
            raise KeyboardInterrupt
        return genuine(name, *rest)

    monkeypatch.setattr(builtins, "__import__", interrupted)

    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 130
    assert capsys.readouterr().err == "\nibkeel: interrupted\n"


def test_an_interrupt_ends_a_served_gateway_with_130(tmp_path):
    command = [sys.executable, "-c", "from ibkeel.cli import main; main()", "sim", "serve", "--port", "0"]
    served = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    first = served.stderr.readline()
    served.stderr.readline()
    served.send_signal(signal.SIGINT)
    _, rest = served.communicate(timeout=30)

    assert first.startswith("simulated Gateway on 127.0.0.1:")
    assert served.returncode == 130
    assert "stopped: 0 connections" in rest


def test_sigterm_ends_a_served_gateway_with_its_summary():
    command = [sys.executable, "-c", "from ibkeel.cli import main; main()", "sim", "serve", "--port", "0"]
    served = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    served.stderr.readline()
    served.stderr.readline()
    served.send_signal(signal.SIGTERM)
    _, rest = served.communicate(timeout=30)

    assert served.returncode == 0
    assert "stopped: 0 connections" in rest


def test_a_served_scenario_is_told_at_the_start_and_its_faults_at_the_end(tmp_path):
    path = tmp_path / "two-notices.toml"
    path.write_text(
        '[[faults]]\nkind = "notice"\ncode = 2110\ntext = "x"\n[[faults]]\nkind = "mute"\n',
        encoding="utf-8",
    )
    typed = ["sim", "serve", "--port", "0", "--scenario", str(path)]
    command = [sys.executable, "-c", "from ibkeel.cli import main; main()", *typed]
    served = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    lines = [served.stderr.readline() for _ in range(3)]
    served.send_signal(signal.SIGINT)
    _, rest = served.communicate(timeout=30)

    assert lines[2] == "scenario two-notices\n"
    notice, mute = re.search(r"^stopped: .*\n(.*)\n(.*)\n", rest, re.MULTILINE).groups()
    assert re.fullmatch(r"11:00:\d\d notice", notice)
    assert re.fullmatch(r"11:00:\d\d mute until 11:\d\d:\d\d", mute)


def test_an_unknown_scenario_is_a_mistake_of_usage(capsys):
    code = run(["sim", "serve", "--port", "0", "--scenario", "gossip"])

    assert code == ExitCode.USAGE
    assert "unknown scenario 'gossip'; there are: " in capsys.readouterr().err


def test_the_scenarios_are_listed_by_name(capsys):
    code = run(["sim", "scenarios"])

    out = capsys.readouterr().out
    assert code == ExitCode.SUCCESS
    assert "nightly-restart" in out
    assert "upstream_lost" in out
    assert re.search(r"farms-flap.*farm_broken x\d", out)


def test_the_listed_scenarios_say_in_json_what_each_fault_does(capsys):
    run(["sim", "scenarios", "--json"])

    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}

    assert list(rows["data-lost"]) == ["name", "title", "summary", "source", "seed", "faults"]
    assert rows["data-lost"]["faults"] == [
        {"kind": "upstream_lost", "after": 600.0, "duration": 120.0, "restores_as": 1101}
    ]
    assert rows["seed-five-minutes"]["faults"] == []


def test_entries_are_halted_for_every_bot_and_let_pass_again(capsys, state):
    path = state / "halt"

    halted = run(["halt", "--reason", "I do not like this"])
    told, text = capsys.readouterr().out, path.read_text(encoding="utf-8")
    lifted = run(["halt", "--lift"])
    again = run(["halt", "--lift"])

    assert (halted, lifted, again) == (0, 0, 0)
    assert "I do not like this" in told
    assert text.startswith("I do not like this, since")
    assert not path.exists()
    said = capsys.readouterr()
    assert said.out.splitlines() == ["entries may pass again", "entries were not halted"]
    assert f"no bot runs with the state directory {state}" in said.err


def test_a_halt_says_which_bot_it_reaches_and_where(capsys, tmp_path):
    board, at = Board(), datetime(2026, 1, 5, 15, tzinfo=UTC)
    board.on_event(RunBegan(at=at, run="r4", mode="PAPER", strategy="yhigh"))
    board.on_event(Connected(at=at, host="127.0.0.1", port=4902, client_id=7))
    folder = tmp_path / "another"
    folder.mkdir()

    with BoardApi(board, SystemClock()).served(folder):
        run(["halt", "--state", str(folder)])

    assert (folder / "halt").exists()
    assert f"reaches r4 yhigh PAPER (127.0.0.1:4902, client 7) by {folder}" in capsys.readouterr().err


def test_what_is_announced_over_a_bar_is_never_taken_for_markup(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")

    with progress("a bot") as screen:
        screen.announce("SPY: NoData: [/red] of [bold]")

    assert "SPY: NoData: [/red] of [bold]" in capsys.readouterr().err


def test_a_journal_is_backed_up_and_exported_as_a_table_of_columns(dry_day, tmp_path, capsys):
    journal, copy, table = str(dry_day[-1]), tmp_path / "copy.sqlite", tmp_path / "day.parquet"

    codes = [run(["journal", "backup", journal, str(copy)]), run(["journal", "export", journal, str(table)])]

    told = capsys.readouterr().out
    assert codes == [0, 0]
    assert exported(copy) == exported(journal)
    assert re.search(rf"^{re.escape(str(copy))}: \d+ records, checked$", told, re.MULTILINE)
    assert pyarrow.parquet.read_table(table).num_rows == exported(journal).count("\n")


def test_the_doctor_tells_each_finding_and_first_what_to_mend(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]

    code = run(["doctor", "--port", str(port)])

    lines = capsys.readouterr().out.splitlines()
    assert code == ExitCode.FOUND
    assert f"nobody listens on 127.0.0.1:{port}" in next(line for line in lines if " port " in line)
    assert lines[lines.index("Mend first: port") + 1].startswith("  start the Gateway")


def test_a_remedy_of_more_lines_than_one_is_indented_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]

    run(["doctor", "--port", str(port)])

    lines = capsys.readouterr().out.splitlines()
    remedy = lines[lines.index("Mend first: port") + 1 :]
    assert len(remedy) > 1
    assert all(line.startswith("  ") for line in remedy)


@pytest.mark.parametrize("command", [["demo", "--journal"], ["report"], ["backtest", "--html"]])
def test_a_name_that_no_file_can_have_is_a_sentence(command, dry_day, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path))
    shutil.copy(dry_day[-1], tmp_path / "journal.sqlite")

    code = run([*command, str(tmp_path / f"{'x' * 300}.html")])

    assert code == ExitCode.USAGE
    assert "File name too long" in capsys.readouterr().err


def test_a_log_that_nobody_reads_holds_up_nobody(monkeypatch):
    reader, writer = os.pipe()
    root, told = logging.getLogger(), "x" * 100_000  # more than a pipe holds
    monkeypatch.setattr(root, "handlers", [])
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as lines:
        monkeypatch.setattr(sys, "stderr", stream)
        with click.Context(commands):
            _log_to_stderr(1)
            logging.getLogger("ibkeel.test").error("%s of DU1234567", told)
            line = lines.readline()

    assert line.endswith(f" ERROR ibkeel.test {told} of DU***67\n")


def test_of_a_log_that_nobody_reads_no_more_is_kept_than_memory_bears(monkeypatch):
    reader, writer = os.pipe()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    log, kept = logging.getLogger("ibkeel.test"), 20_000
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as lines:
        monkeypatch.setattr(sys, "stderr", stream)
        with click.Context(commands):
            _log_to_stderr(1)
            log.error("x" * 100_000)  # more than a pipe holds: what comes now waits behind it
            for number in range(2 * kept):
                log.error("%d", number)
            lines.readline()
            read = [lines.readline().split()[-1] for _ in range(kept)]
            log.error("read again")
            read += iter(lambda: lines.readline().split()[-1], "again")

    assert read == [str(number) for number in range(len(read))]
    assert len(read) < 1.5 * kept


def test_an_error_has_its_exit_code_though_nobody_reads_it(tmp_path):
    command = [sys.executable, "-m", "ibkeel", "run", str(tmp_path / "none.toml")]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(command, stderr=writer, check=False)
    finally:
        os.close(writer)
    assert ended.returncode == ExitCode.USAGE
