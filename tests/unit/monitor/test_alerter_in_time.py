"""What the alerter does by itself as time goes by: troubles that last are told, and the dead man's switch hears of it."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from threading import Event

from ibkeel.monitor import Alerter, AlertsConfig
from ibkeel.monitor.alerts import DeliveryFailed
from ibkeel.system import SystemClock
from ibkeel.telemetry import AlertDelivered, AlertQueued, AlertUndelivered, SessionChanged
from ibkeel.virtual import run_virtual, virtual_clock

OPENS_AT = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
"""In real seconds: how long a courier's thread may take."""
PATIENCE = 20.0


class Taken:
    """A channel that keeps what it is given, and refuses it while told to."""

    def __init__(self, name="1 (json)"):
        self.name, self.messages, self.is_refusing = name, [], False

    def deliver(self, message):
        self.messages.append(message)
        if self.is_refusing:
            raise DeliveryFailed("the service did not take it")


@asynccontextmanager
async def alerting(heard, channel, heart, **settings):
    config = AlertsConfig(urls=["json://example.org"], **settings)
    alerter = Alerter(config, virtual_clock(), heard.append, channels=[channel], heartbeat=heart)
    async with alerter:
        task = asyncio.create_task(alerter.run())
        try:
            yield alerter
        finally:
            task.cancel()


async def until(truth):
    """No virtual second passes until a thread has done its part."""
    clock = SystemClock()
    began = clock.monotonic()
    while not truth():
        assert clock.monotonic() - began < PATIENCE
        Event().wait(0.001)  # a loop that only spins may keep the thread from its turn for seconds
        await asyncio.sleep(0)


def test_a_trouble_that_lasts_is_told_after_its_patience_and_one_that_passes_is_not():
    heard, channel = [], Taken()

    async def main():
        async with alerting(heard, channel, None, patience=60.0) as alerter:
            alerter.on_event(lost())
            await asyncio.sleep(30)
            alerter.on_event(found())
            await asyncio.sleep(600)
            assert not [event for event in heard if isinstance(event, AlertQueued)]

            alerter.on_event(lost())
            await asyncio.sleep(50)
            assert not channel.messages
            await asyncio.sleep(30)
            await until(lambda: channel.messages)

    run_virtual(main(), start=OPENS_AT)

    assert "upstream lost" in channel.messages[0].title + channel.messages[0].text


def test_the_dead_mans_switch_hears_of_each_interval_and_only_changes_are_news():
    heard, heart = [], Taken("heartbeat")

    async def beats(count):
        for _ in range(count):
            before = len(heart.messages)
            await asyncio.sleep(60)
            await until(lambda: len(heart.messages) > before)  # noqa: B023 - waited for here

    async def main():
        async with alerting(heard, Taken(), heart, heartbeat_interval=60.0):
            await beats(3)
            assert not heard

            heart.is_refusing = True
            await beats(3)
            await until(lambda: heard)
            assert [type(event) for event in heard] == [AlertUndelivered] * len(heard)

            heart.is_refusing = False
            await beats(3)
            await until(lambda: isinstance(heard[-1], AlertDelivered))

    run_virtual(main(), start=OPENS_AT)

    assert len(heart.messages) in {9, 10}
    assert [type(event) for event in heard] == [AlertUndelivered] * (len(heard) - 1) + [AlertDelivered]
    assert {event.number for event in heard} == {0}


def test_a_bot_that_finds_no_gateway_gives_no_sign_of_life_and_one_that_loses_it_does():
    heart, counts = Taken("heartbeat"), []

    async def main():
        async with alerting([], Taken(), heart, heartbeat_interval=60.0) as alerter:
            for before, after in (
                ("idle", "connecting"),
                ("connecting", "reconnecting"),
                ("reconnecting", "syncing"),
                ("syncing", "ready"),
                ("ready", "reconnecting"),
            ):
                alerter.on_event(SessionChanged(at=virtual_clock().now(), before=before, after=after))
                known = len(heart.messages)
                await asyncio.sleep(125)
                if after == "ready" or before == "ready":
                    await until(lambda: len(heart.messages) >= known + 2)  # noqa: B023 - waited for here
                counts.append(len(heart.messages) - known)

    run_virtual(main(), start=OPENS_AT)

    assert counts == [0, 0, 0, 2, 2]


def lost():
    return SessionChanged(at=virtual_clock().now(), before="ready", after="upstream lost", cause="1100")


def found():
    return SessionChanged(at=virtual_clock().now(), before="upstream lost", after="ready", cause="1102")
