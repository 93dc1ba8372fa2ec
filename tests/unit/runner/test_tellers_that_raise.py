"""Whoever is told of a run and raises at it ends no run: what is held would be left alone."""

import asyncio

from ibkeel.runner import EndOfDay


def _full(_):
    raise OSError("no space left on device")


def test_neither_progress_nor_announcements_that_raise_end_a_run(held_day):
    complaints = []

    def prepare(_):
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(str(context["exception"]))
        )

    day = held_day(progress=_full, prepare=prepare)

    assert [row.purpose for row in day.intents] == ["entry", "exit"]
    assert day.report.held == ()
    assert set(complaints) == {"no space left on device"}


def test_a_run_takes_over_though_nobody_hears_the_announcement(held_day):
    said, policy = [], {"config": {"end_of_day": EndOfDay.HOLD}}
    held_day(**policy)

    async def complain(*_):
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))

    held_day(**policy, announce=_full, beside=complain)
    assert said
