"""A desk, its watch and its protector on a simulated Gateway."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date
from functools import partial

import attrs
import pytest

from ibkeel.guards import keep_running
from ibkeel.journal import Intent, Journal, Purpose
from ibkeel.model import Direction, Signal
from ibkeel.orders import ProtectionPolicy, build_bracket
from ibkeel.resilience import Rule
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.feed import Feed
from ibkeel.runner.protector import Protector
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Failures, Tally
from ibkeel.runner.watch import Watch
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)


@attrs.frozen(kw_only=True)
class Crew:
    """A desk with its watch and its protector, on a stage."""

    stage: object
    desk: OrderDesk
    watch: Watch
    protector: Protector
    journal: Journal

    async def enter(self, quantity=2, **more):
        """Buy options behind a stop, and wait until they are held."""
        quote = await self.stage.broker.quote(self.stage.option)
        bracket = build_bracket(quote=quote, quantity=quantity, **more)
        placed = await self.desk.enter(
            "SPY", bracket, Signal(direction=Direction.UP, confidence=0.5), DAY, ""
        )
        await asyncio.sleep(10)
        return placed

    @property
    def venue(self):
        return self.stage.gateway.venue

    def working(self):
        """What the venue itself says that works: type, side, quantity."""
        return [(row.order_type, row.action, row.quantity - row.filled) for row in self.venue.open_orders()]

    def cancel_stop(self):
        """Somebody else withdraws the stop, and the Gateway tells nobody."""
        stop = next(row for row in self.venue.open_orders() if row.order_type == "STP")
        self.venue.cancel(stop.client_id, stop.order_id, virtual_clock().now())

    def stops_sent(self):
        records = [entry.record for entry in self.journal.events(Intent)]
        return [record.order for record in records if record.purpose is Purpose.PROTECTION]

    def alarms(self):
        return [event for event in self.stage.told.events if type(event).__name__ == "AlarmRaised"]


@pytest.fixture
def crew(stage, tmp_path):
    """Opens a desk, a watch and a protector that run beside the body."""

    @asynccontextmanager
    async def opened(*, policy=None, path=None, executor=None, clock=None, **options):
        async with stage(**options) as on:
            clock, tally = clock or virtual_clock(), Tally("t", ("SPY",))
            with Journal.open(path or tmp_path / "journal.sqlite") as journal:
                recorder = Recorder(journal, executor)
                failures = Failures(recorder, tally, clock, on.told)
                feed = Feed(on.broker, recorder, tally, clock)
                desk = OrderDesk(on.broker, feed, recorder, tally, clock, on.told, "t")
                news = asyncio.Event()

                watch = Watch(
                    on.broker,
                    desk,
                    recorder,
                    tally,
                    clock,
                    on.told,
                    health=on.broker.health,
                    changed=news.set,
                )
                protector = Protector(
                    on.broker,
                    desk,
                    failures,
                    clock,
                    on.told,
                    policy=policy or ProtectionPolicy(),
                    news=news,
                    catch_up=watch.catch_up,
                )
                tasks = [
                    asyncio.create_task(keep_running(run, "it rests", partial(failures.broke, "t")))
                    for run in (watch.run, protector.run)
                ]
                await asyncio.sleep(1)
                try:
                    yield Crew(stage=on, desk=desk, watch=watch, protector=protector, journal=journal)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

    return opened


@pytest.fixture
def one_order_in():
    """Makes a limit of one's own, behind which orders wait before they leave."""

    def key(request):
        return "" if request.kind == "order" else None

    return lambda seconds: Rule(name="slow", limit=1, seconds=seconds, source="", key=key)
