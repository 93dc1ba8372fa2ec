"""S17: an alert that did not arrive was logged at debug level only, so nobody knew that nobody was told."""

import asyncio
import logging

from ibkeel.model import Grade
from ibkeel.monitor import Alerter, AlertsConfig, Board
from ibkeel.monitor.alerts import DeliveryFailed
from ibkeel.system import SystemClock
from ibkeel.telemetry import AlarmRaised, LoggingObserver, Observers


class Dead:
    """A channel that takes nothing."""

    name = "1 (discord)"

    def deliver(self, message):
        raise DeliveryFailed("the service did not take it")


class SeedAlerts:
    """A model of what was there."""

    def __init__(self, channel):
        self._channel = channel

    def send(self, message):
        try:
            self._channel.deliver(message)
        except DeliveryFailed as error:
            logging.getLogger("seed").debug("alert failed: %s", error)


def alarm():
    return AlarmRaised(at=SystemClock().now(), name="stop", message="a position has no stop")


def seen_after_an_alarm():
    """The board once the alarm was refused for the first time, and once it was given up."""
    board = Board()

    async def main():
        told = Observers([board, LoggingObserver()])
        config = AlertsConfig(urls=["discord://id/token"], give_up_after=1)
        alerter = Alerter(config, SystemClock(), told.on_event, channels=[Dead()], rest=Impatient())
        async with asyncio.timeout(20), alerter:
            alerter.on_event(alarm())
            while not board.snapshot.alerts.undelivered:
                await asyncio.sleep(0.01)

    asyncio.run(main())
    return board.snapshot


class Impatient:
    """Waits for news, and for the next attempt only a moment."""

    def until(self, event, seconds):
        event.wait(10 if seconds is None else 0.3)


def test_the_seeds_way_tells_nobody(caplog):
    caplog.set_level(logging.INFO)

    SeedAlerts(Dead()).send("a position has no stop")

    assert caplog.messages == []


def test_an_undelivered_alert_is_a_warning_and_a_tier_of_health(caplog):
    caplog.set_level(logging.WARNING, "ibkeel")

    seen = seen_after_an_alarm()

    (tier,) = seen.tiers
    assert (tier.name, tier.grade) == ("alerts", Grade.DEGRADED)
    assert tier.evidence == "1 deliveries were given up"
    assert seen.alerts.rows[1].failed == ("1 (discord)",)
    assert any("AlertUndelivered" in line for line in caplog.messages)
