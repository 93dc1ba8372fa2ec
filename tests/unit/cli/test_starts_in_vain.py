"""When a start that fails is told of: by the reset windows, and by whether the bot had begun."""

import asyncio
from datetime import UTC, datetime

import pytest

from ibkeel.cli.live import _Beginning, _told_of
from ibkeel.errors import AccountMismatch, ConfigurationError, GatewayUnreachable, JournalError
from ibkeel.ibkr import IBKRConfig
from ibkeel.telemetry import RunBegan, SessionChanged
from ibkeel.virtual import run_virtual, virtual_clock

AFTERNOON = datetime(2026, 1, 6, 20, tzinfo=UTC)
RESET = datetime(2026, 1, 6, 6, tzinfo=UTC)
SUNDAY = datetime(2026, 1, 4, 15, tzinfo=UTC)
BEGAN = RunBegan(at=AFTERNOON, run="r1", mode="PAPER", strategy="scalp")


class Told:
    def __init__(self):
        self.heard = []

    def came(self):
        self.heard.append("came")

    async def failed(self, words, patience=0.0, *, is_final=False):
        self.heard.append((words, "at once" if is_final else patience))


def heard_of(start, *, error, begins=False):
    told = Told()

    async def main():
        async with _told_of(told, IBKRConfig(), virtual_clock()) as beginning:
            if begins:
                beginning.on_event(BEGAN)
            raise error

    with pytest.raises(type(error)):
        run_virtual(main(), start=start)
    return told.heard


@pytest.mark.parametrize(
    ("start", "heard"),
    [
        (AFTERNOON, [("GatewayUnreachable: no Gateway", 0.0)]),
        (RESET, []),
        (SUNDAY, [("weekly login, log in to the Gateway: GatewayUnreachable: no Gateway", 300.0)]),
    ],
    ids=["by day", "reset", "weekly login"],
)
def test_a_start_in_vain_is_told_but_in_a_reset_window_only_when_somebody_must_log_in(start, heard):
    assert heard_of(start, error=GatewayUnreachable("no Gateway")) == heard


@pytest.mark.parametrize("start", [AFTERNOON, RESET, SUNDAY], ids=["by day", "reset", "weekly login"])
@pytest.mark.parametrize(
    "error",
    [ConfigurationError("a clock is off"), JournalError("is no journal"), AccountMismatch("a live account")],
    ids=["configuration", "journal", "safety"],
)
def test_of_a_bot_that_only_a_person_can_start_a_person_hears_at_once_at_any_hour(start, error):
    [(words, when)] = heard_of(start, error=error)

    assert str(error) in words
    assert words.endswith("start the bot by hand")
    assert when == "at once"


def test_of_a_bot_that_began_its_own_run_tells_the_end():
    assert heard_of(AFTERNOON, error=RuntimeError("later"), begins=True) == ["came"]


def test_a_person_who_interrupts_a_start_is_not_told_of_it():
    assert heard_of(AFTERNOON, error=asyncio.CancelledError()) == []


def test_a_bot_has_begun_when_its_run_says_so_and_not_before():
    """The first thing that a run writes may fail, as on a full disk: that is a start in vain still."""
    told = Told()
    beginning = _Beginning(told)

    beginning.on_event(SessionChanged(at=AFTERNOON, before="connecting", after="ready"))
    before = (beginning.has_begun, list(told.heard))
    beginning.on_event(BEGAN)

    assert before == (False, [])
    assert (beginning.has_begun, told.heard) == (True, ["came"])


def test_a_run_that_ends_before_it_has_begun_is_told_of_as_a_start_in_vain():
    [(words, when)] = heard_of(AFTERNOON, error=ExceptionGroup("run", [JournalError("the disk is full")]))

    assert words.startswith("JournalError: the disk is full")
    assert when == "at once"
