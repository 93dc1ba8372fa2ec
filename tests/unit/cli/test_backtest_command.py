import json
import signal

import pytest

from ibkeel.cli.app import run
from ibkeel.cli.backtest_command import _processes
from ibkeel.journal import CycleDone, Journal, RunStarted

QUIET = """
[runner]
symbols = ["SPY"]
interval = 7000

[risk]
stop_fraction = 0.3
min_funds = 1e9
"""


@pytest.fixture
def bot(tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text(QUIET)
    return str(path)


def test_a_backtest_prints_one_object_and_writes_a_page(bot, tmp_path, capsys):
    page = tmp_path / "report.html"

    code = run(["backtest", bot, "--html", str(page), "--json"])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (told["strategy"], told["symbols"], told["account"]) == ("scalp", ["SPY"], "DU***01")
    assert told["settings"]["risk.stop_fraction"] == "0.3"
    assert told["counts"]["cycles"] == 3
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_replaces_neither_the_configuration_nor_the_journal(bot, tmp_path, capsys):
    both = str(tmp_path / "both")

    codes = [
        run(["backtest", bot, "--html", bot]),
        run(["backtest", bot, "--html", both, "--journal", both, "--json"]),
    ]

    assert codes == [2, 2]
    assert capsys.readouterr().err.count("exists and is not a report; choose another path") == 2
    assert (tmp_path / "bot.toml").read_text() == QUIET
    with Journal.open(both, read_only=True) as kept:
        assert kept.count(CycleDone) == 3


def test_the_table_names_figures_and_where_the_page_is(bot, capsys):
    code = run(["backtest", bot, "--seed", "11", "--strategy", "whale"])

    out = capsys.readouterr().out
    assert code == 0
    for words in ("whale on SPY", "net profit", "max drawdown", "--html PATH"):
        assert words in out


def test_options_win_over_the_file_and_the_journal_is_kept(bot, tmp_path, capsys):
    path = tmp_path / "kept.sqlite"

    code = run(["backtest", bot, "--symbols", "qqq,spy", "--journal", str(path), "--json"])

    told = json.loads(capsys.readouterr().out)
    with Journal.open(path, read_only=True) as kept:
        cycles = kept.count(CycleDone)
    assert (code, told["symbols"], cycles) == (0, ["QQQ", "SPY"], 6)


def test_a_backtest_replaces_the_journal_of_an_earlier_one_and_a_demo_does_not(bot, tmp_path, capsys):
    path = str(tmp_path / "kept.sqlite")

    codes = [run(["backtest", bot, "--journal", path]) for _ in range(2)]
    demo = run(["demo", "--journal", path])

    with Journal.open(path, read_only=True) as kept:
        assert kept.count(RunStarted) == 1
    assert (codes, demo) == ([0, 0], 2)
    assert "is not a demo's journal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--replay", "nowhere"], "--replay needs --date"),
        (["--replay", "nowhere", "--date", "2015-12-24"], "nowhere is no folder"),
        (["--replay", "nowhere", "--date", "2015-12-24", "--sessions", "2"], "stands alone"),
        (["--strategy", "nonsense"], "unknown strategy 'nonsense'"),
        (["--date", "2024-07-04"], "2024-07-04"),
        (["--symbols", "SPY,NOSUCH"], "the market does not list NOSUCH"),
    ],
)
def test_what_cannot_be_played_is_a_sentence(arguments, words, capsys):
    code = run(["backtest", *arguments])

    assert code == 2
    assert words in capsys.readouterr().err


def test_a_sweep_prints_every_combination_in_the_order_of_the_grid(bot, capsys):
    sets = ["--set", "risk.stop_fraction=0.1,0.4", "--set", "strategy.fast=8, 30"]

    code = run(["sweep", bot, *sets, "--json"])

    rows = json.loads(capsys.readouterr().out)["rows"]
    assert code == 0
    assert [tuple(row["settings"].values()) for row in rows] == [(0.1, 8), (0.1, 30), (0.4, 8), (0.4, 30)]
    assert [row["figures"] is None for row in rows] == [False, True, False, True]


def test_ctrl_c_ends_the_processes_of_a_sweep_without_a_word_of_theirs():
    with _processes(1) as executor:
        assert executor.submit(signal.getsignal, signal.SIGINT).result() is signal.SIG_DFL


def test_processes_give_the_rows_that_one_process_gives(bot, capsys):
    sets = ["--set", "risk.stop_fraction=0.1,0.4", "--json"]

    codes = [run(["sweep", bot, *sets]), run(["sweep", bot, *sets, "--workers", "2"])]

    alone, together = capsys.readouterr().out.split("}\n{")
    assert codes == [0, 0]
    assert json.loads(f"{alone}}}") == json.loads(f"{{{together}")


def test_a_sweep_shows_the_best_first_and_the_reasons_of_failures(bot, capsys):
    code = run(["sweep", bot, "--set", "strategy.fast=8,30", "--sort", "total_return"])

    out = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert "strategy.fast=30: Scalp averages fast 30, slow 21" in out


def test_a_sweep_without_any_result_says_so_by_its_exit_code(bot, capsys):
    assert run(["sweep", bot, "--set", "strategy.fast=30", "--json"]) == 5


def test_a_sweep_over_a_symbol_that_is_not_listed_has_no_figures(bot, capsys):
    code = run(["sweep", bot, "--symbols", "NOSUCH", "--set", "risk.stop_fraction=0.1", "--json"])

    [row] = json.loads(capsys.readouterr().out)["rows"]
    assert (code, row["figures"]) == (5, None)
    assert row["error"] == "UnknownContract: the market does not list NOSUCH"


@pytest.mark.parametrize(
    ("text", "words"), [("risk.stop_fraction", "with values"), ("risk.stop=0.1", "no setting risk.stop")]
)
def test_a_setting_that_is_none_is_a_sentence(bot, text, words, capsys):
    code = run(["sweep", bot, "--set", text])

    assert code == 2
    assert words in capsys.readouterr().err


def test_values_of_a_setting_that_is_named_twice_are_all_played(bot, capsys):
    setting = "risk.stop_fraction"

    run(["sweep", bot, "--set", f"{setting}=0.1", "--set", f"{setting}=0.2,0.3", "--json"])

    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["settings"][setting] for row in rows] == [0.1, 0.2, 0.3]


def test_words_and_numbers_are_told_apart(bot, capsys):
    code = run(
        ["sweep", bot, "--set", "runner.preset=thin", "--set", "risk.take_profit_fraction=none,1", "--json"]
    )

    rows = json.loads(capsys.readouterr().out)["rows"]
    assert code == 0
    assert [row["settings"]["risk.take_profit_fraction"] for row in rows] == [None, 1]


def test_the_limits_of_the_file_hold_in_a_backtest_as_they_do_live(tmp_path, capsys):
    path = tmp_path / "bot.toml"
    path.write_text("[runner]\ninterval = 1800\n\n[limits]\nmax_notional = 1\n")

    codes = [
        run(["backtest", str(path), "--json"]),
        run(["sweep", str(path), "--set", "limits.max_notional=1,none", "--json"]),
    ]

    played, swept = (json.loads(text) for text in capsys.readouterr().out.replace("}\n{", "}\0{").split("\0"))
    refused, traded = swept["rows"]
    assert codes == [0, 0]
    assert played["counts"]["signals"] > 0
    assert (played["counts"]["fills"], played["settings"]["limits.max_notional"]) == (0, "1")
    assert (refused["counts"]["fills"], traded["counts"]["fills"] > 0) == (0, True)
