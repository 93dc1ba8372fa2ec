"""What reaches a phone of a night: in a reset window nothing that is usual then, and all of it where it lasts."""

import asyncio
from contextlib import suppress
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import OrderTicket, Stock
from ibkeel.monitor import AlertsConfig
from ibkeel.monitor.alerts import AlertBook, news_of
from ibkeel.sim import SimulatedGateway, faults
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

NEW_YORK = ZoneInfo("America/New_York")
NIGHT, SUNDAY = date(2024, 9, 5), date(2024, 9, 8)
FAR = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=1, order_type="LMT", limit_price="1", tif="GTC")


class Phone:
    """An observer that keeps what a person would be sent, with the time in New York."""

    def __init__(self, clock):
        self.book, self.clock = AlertBook(config=AlertsConfig()), clock
        self.rang = []

    def on_event(self, event):
        self._told(*self.book.hear(news_of(event), self.clock.now()))

    async def look(self):
        while True:
            self._told(*self.book.tick(self.clock.now()))
            await asyncio.sleep(5)

    def _told(self, book, alerts):
        self.book = book
        self.rang += [
            (f"{alert.at.astimezone(NEW_YORK):%H:%M}", alert.title) for alert in alerts if not alert.kept_back
        ]


def night(fault, *, at, day=NIGHT, lasts):
    """What rings while a fault that begins at a time lasts for minutes, and for half an hour after it."""
    market = SeededMarket(7, symbols=["SPY"])

    async def main():
        clock = virtual_clock()
        phone, gateway = Phone(clock), SimulatedGateway(market=market, clock=clock)
        config = IBKRConfig(orders="PAPER")
        async with (
            gateway.listening("127.0.0.1", 4002),
            IBKRBroker(config, clock=clock, observer=phone, jitter=lambda: 0.5) as broker,
        ):
            looking = asyncio.create_task(phone.look())
            await broker.place(FAR)
            await asyncio.sleep(300)
            gateway.inject(fault(duration=lasts * 60.0))
            await asyncio.sleep(lasts * 60 + 1800)
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
        return phone.rang

    begins = datetime.combine(day, at, NEW_YORK).timestamp() - 300
    return run_virtual(main(), start=datetime.fromtimestamp(begins, NEW_YORK))


@pytest.mark.parametrize("lasts", [3, 30])
@pytest.mark.parametrize("fault", [faults.Restart, faults.UpstreamLost])
def test_the_nightly_restart_wakes_nobody_an_order_that_works_on_included(fault, lasts):
    assert night(fault, at=time(0, 25), lasts=lasts) == []


def test_a_restart_in_the_first_seconds_of_a_window_wakes_nobody_either():
    assert night(faults.Restart, at=time(0, 15, 1), lasts=3) == []


def test_by_day_the_same_is_told_and_once_for_all_that_comes_of_it():
    away = "The session with the Gateway is reconnecting"

    rang = night(faults.Restart, at=time(14, 0), lasts=3)

    assert [title for _, title in rang] == [away, "Alarm: no session", f"Over: {away}"]
    assert rang[0] == ("14:01", away)


def test_what_outlasts_the_window_is_told_with_the_alarm_of_the_session():
    rang = night(faults.Restart, at=time(1, 0), lasts=60)

    assert rang[0] == ("01:50", "Alarm: no session")
    assert rang[1] == ("01:50", "The session with the Gateway is reconnecting")
    assert rang[2] == ("01:57", "For 58 minutes: The session with the Gateway is reconnecting")
    assert not any(at < "01:50" for at, _ in rang)


def test_the_weekly_login_is_asked_for_after_five_minutes():
    rang = night(faults.Restart, at=time(4, 0), day=SUNDAY, lasts=20)

    assert rang[0] == ("04:05", "Alarm: no session")
