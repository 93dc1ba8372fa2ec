"""An expiry on a holiday, and a restart within a session, as a run goes through them."""

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from ibkeel.runner import RunnerConfig
from ibkeel.sim.market import SeededMarket

SLOW = RunnerConfig(interval=7200, first_cycle=60)


@pytest.mark.parametrize(
    ("day", "expiry"),
    [
        pytest.param(date(2025, 4, 16), date(2025, 4, 17), id="Good Friday: the week ends on Thursday"),
        pytest.param(date(2025, 7, 2), date(2025, 7, 3), id="Friday the 4th of July"),
    ],
)
def test_an_expiry_that_would_fall_on_a_holiday_is_the_listed_day_before(play, says, day, expiry):
    world = play(SLOW, strategy=says(), market=SeededMarket(7, day))

    assert world.intents
    assert {row.order.entry.contract.expiry for row in world.intents} == {expiry}
    assert world.report.errors == ()


def test_a_restart_in_mid_session_changes_neither_the_cycles_nor_what_is_entered(play, says):
    config = RunnerConfig(interval=1800, first_cycle=60)
    market = SeededMarket(7, date(2025, 3, 12))
    opens = datetime(2025, 3, 12, 13, 30, tzinfo=UTC)

    play(config, strategy=says(), market=market, hours=2)
    world = play(config, strategy=says(), market=market, starts=2 * 3600)

    seconds = [round((row.at - opens).total_seconds() - 60) for row in world.cycles]
    assert [second // 1800 for second in seconds] == list(range(13))
    assert all(second % 1800 < 10 for second in seconds)
    entered = [row.at for row in world.intents]
    assert all((late - soon).total_seconds() >= 1800 for soon, late in pairwise(entered))
