"""A run that is ended at any moment, and the one that goes on after it: nothing is lost, nothing is doubled."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import pytest

from ibkeel.journal import Intent, Journal, Purpose, RunEnded, RunStarted
from ibkeel.virtual import run_virtual

# Each its own, so that every instant is within another request.
DELAYS = {
    "account": 0.11, "positions": 0.13, "all_open_orders": 0.17, "executions": 0.19, "completed_orders": 0.23,
    "bars": 0.29, "quote": 0.31, "option_chain": 0.37, "qualify": 0.41, "preview": 0.43, "place": 0.47,
    "cancel": 0.53, "health": 0.07, "open_orders": 0.05,
}  # fmt: skip
TENTHS = [number / 10 for number in range(60)]
ENTERING = [60 + tenth for tenth in TENTHS]  # seconds from the open: the first cycle
LEAVING = [2998 + tenth for tenth in TENTHS]  # positions begin to leave after two seconds


async def played(parts, journal, at):
    """A session whose run is cancelled once; another run takes over, and plays it to its end."""
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    broker, strategy = parts.venue(delays=DELAYS), parts.once_up()
    async with broker:
        cut = asyncio.create_task(parts.run(broker, strategy, journal).run(sessions=1))
        await asyncio.sleep(at)
        cut.cancel()
        with suppress(asyncio.CancelledError):
            await cut
        sent_before = [call.kind for call in broker.calls].count("place")
        other = asyncio.create_task(parts.run(broker, strategy, journal).run(sessions=1))
        await asyncio.sleep(60)
        held = await broker.positions()
        stops = [row for row in await broker.open_orders() if row.order_type == "STP"]
        report = await other
        return SimpleNamespace(
            complaints=complaints,
            sent_before=sent_before,
            is_covered=len(stops) == len(held) <= 1,
            errors=report.errors,
            at_the_end=(*await broker.positions(), *await broker.open_orders()),
            sent=[call.subject for call in broker.calls if call.kind == "place"],
        )


@pytest.mark.long
@pytest.mark.parametrize(
    ("moments", "before"), [(ENTERING, {0, 1}), (LEAVING, {1, 2})], ids=["entering", "leaving"]
)
def test_whenever_a_run_is_cancelled_the_next_one_knows_all_and_doubles_nothing(
    parts, tmp_path, moments, before
):
    reached = set()
    for at in moments:
        with Journal.open(tmp_path / f"{at}.sqlite") as journal:
            found = run_virtual(played(parts, journal, at), start=parts.opens_at)
            intents = [entry.record for entry in journal.events(Intent)]
            runs = journal.count(RunStarted), journal.count(RunEnded)

        reached.add(found.sent_before)
        assert (found.complaints, found.errors, runs) == ([], (), (2, 2)), at
        assert found.is_covered, at
        assert found.at_the_end == (), at
        assert sum(row.purpose is Purpose.ENTRY for row in intents) <= 1, at
        names = {getattr(order, "entry", order).client_order_id for order in found.sent}
        assert names <= {row.client_order_id for row in intents}, at
    assert reached == before
