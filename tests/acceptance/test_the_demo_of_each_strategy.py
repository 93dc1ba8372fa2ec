"""Each strategy trades a day that is made for it, and leaves alone a day on which nothing moves."""

from types import SimpleNamespace

import pytest

from ibkeel.cli.demo import DemoOptions, play
from ibkeel.ibkr import OrderMode
from ibkeel.journal import Decision, Intent, Journal
from ibkeel.model import Bracket

STRATEGIES = ["scalp", "whale", "vix_regime", "daily_volume", "scalp+whale"]


def day(path, strategy, **options):
    result = play(DemoOptions(symbols=("SPY",), journal=path, strategy=strategy, **options))
    with Journal.open(path, read_only=True) as journal:
        records = [entry.record for entry in journal.events()]
    return SimpleNamespace(
        result=result,
        report=result.report,
        decisions=[row for row in records if isinstance(row, Decision)],
        entries=[row for row in records if isinstance(row, Intent) and isinstance(row.order, Bracket)],
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The day that is made for a strategy, played once."""
    played = {}

    def play_once(strategy):
        if strategy not in played:
            path = tmp_path_factory.mktemp("made") / "journal.sqlite"
            played[strategy] = day(path, strategy, orders=OrderMode.PAPER)
        return played[strategy]

    return play_once


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_trades_a_day_that_is_made_for_it(made, strategy):
    world = made(strategy)

    assert world.report.signals > 0
    assert world.report.fills > 0
    assert (world.report.errors, world.result.pacing_violations, world.result.open_lines_at_end) == ((), 0, 0)
    assert world.entries
    assert all(row.order.stop_loss > 0 for row in world.entries)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_stays_out_of_a_day_on_which_nothing_moves(strategy, tmp_path):
    world = day(tmp_path / "journal.sqlite", strategy, market="still")

    assert world.report.cycles > 100
    assert (world.report.signals, world.report.intents, world.report.errors) == (0, 0, ())
    assert len(world.decisions) == world.report.cycles
    assert all(row.signal.reasons for row in world.decisions)


def test_the_options_are_those_that_the_regime_strategy_has_in_mind(made):
    world = made("vix_regime")

    bought = [row.order.entry.contract for row in world.entries]
    days = {(option.expiry - world.result.session_date).days for option in bought}
    assert {option.right.value for option in bought} == {"P"}
    assert min(days) >= 30
    assert max(days) <= 60


@pytest.mark.parametrize("strategy", ["whale", "scalp+whale"])
def test_whale_enters_a_symbol_once(made, strategy):
    assert (made(strategy).report.signals, len(made(strategy).entries)) == (1, 1)
