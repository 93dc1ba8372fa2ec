"""A process that dies by SIGKILL at a write point of its journal restarts into the venue's own book.

`pytest -m long --hypothesis-profile=nightly tests/kills` kills at every point, and twice in a row at some.
"""

import random

import pytest

pytestmark = pytest.mark.long

KILLED = -9
SAMPLE = (
    "before CREATE INDEX events_by_kind",
    "before COMMIT intent",  # decided, and nobody knows
    "after record intent",  # journaled, and not sent
    "before keep order_update",  # sent, and no word of it
    "before keep fill_seen",  # filled while nobody listened
    "after keep intent",  # an exit on its way to the disk
)


@pytest.fixture
def is_nightly(request):
    return request.config.getoption("--hypothesis-profile") == "nightly"


def plays(killing, is_nightly):
    """One bot unharmed tells how many points there are; its followers die at one each."""
    if not is_nightly:
        return [(name,) for name in SAMPLE]
    [unharmed] = killing.play_all([()])
    count, chance = len(unharmed.points[0]), random.Random(6)
    again = [(chance.randrange(40, count), chance.randrange(10, 80)) for _ in range(count // 4)]
    return [*((number,) for number in range(1, count + 1)), *again]


def test_a_bot_that_is_killed_at_a_write_point_of_its_journal_restarts_to_the_venues_book(
    killing, is_nightly
):
    wanted = plays(killing, is_nightly)
    unreached, found = wanted, {}

    # Time is real: on a busy machine a bot may come too late to enter, and lives on unharmed.
    for _ in range(3):
        seen = list(zip(unreached, killing.play_all(unreached), strict=True))
        found |= {kills: play.faults() for kills, play in seen if play.faults()}
        unreached = [kills for kills, play in seen if play.ends[0] != KILLED]

    assert found == {}
    # The last points of one run may lie behind the end of another.
    assert len(unreached) <= (0.1 * len(wanted) if is_nightly else 0)
