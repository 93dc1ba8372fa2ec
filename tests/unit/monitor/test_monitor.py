import asyncio
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibkeel.errors import ConfigurationError, NotConnected
from ibkeel.model import Health
from ibkeel.monitor import AlertsConfig, Monitor, TelemetryConfig
from ibkeel.system import SystemClock
from ibkeel.telemetry import (
    AlarmEnded,
    AlarmRaised,
    AlertQueued,
    ConnectionLost,
    HealthTaken,
    OrderFilled,
    RunBegan,
)

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)


class Looked:
    """A broker that is looked at, and is well only the second time."""

    def __init__(self, monitor):
        self.monitor, self.looks, self.samples = monitor, 0, 0

    async def health(self):
        self.looks += 1
        if self.looks == 1:
            raise NotConnected("there is no session")
        self.monitor.on_event(HealthTaken(at=AT, health=Health(checks=())))

    def sample_pacing(self):
        self.samples += 1


def test_everything_hears_of_an_event(tmp_path):
    path = tmp_path / "events.jsonl"
    heard = []

    class Also:
        def on_event(self, event):
            heard.append(event)

    async def main():
        monitor = Monitor(
            TelemetryConfig(metrics_port=0, log=str(path)), AlertsConfig(), SystemClock(), Also()
        )
        async with monitor.watching():
            monitor.on_event(ConnectionLost(at=AT, cause="socket"))
            address = f"http://127.0.0.1:{monitor.metrics_port}/metrics"
            page = await asyncio.to_thread(lambda: urllib.request.urlopen(address, timeout=5).read().decode())
        return monitor, page

    monitor, page = asyncio.run(main())

    assert "ibkeel_connection_losses_total 1.0" in page
    assert monitor.board.snapshot.session.losses == 1
    assert path.read_text().count("ConnectionLost") == len(heard) == 1
    assert monitor.alerter is None


async def test_a_broker_is_looked_at_again_and_again_also_when_it_fails():
    monitor = Monitor(TelemetryConfig(health_interval=30, sample_interval=5), AlertsConfig(), SystemClock())
    broker = Looked(monitor)

    async with monitor.watching(), monitor.examining(broker):
        await asyncio.sleep(61)

    assert (broker.looks, broker.samples) == (3, 13)
    assert monitor.board.snapshot.health.at == AT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_log_that_cannot_be_written_raises_one_alarm():
    async def main():
        monitor = Monitor(TelemetryConfig(log="/dev/full"), AlertsConfig(), SystemClock())
        async with asyncio.timeout(10), monitor.watching():
            while not monitor.board.snapshot.incidents.rows:
                monitor.on_event(ConnectionLost(at=AT, cause="socket"))
                await asyncio.sleep(0.05)
                if any(row.kind == "alarm" for row in monitor.board.snapshot.incidents.rows):
                    break
            await asyncio.sleep(0.5)
        return monitor.board.snapshot.incidents.rows

    alarms = [row for row in asyncio.run(main()) if row.kind == "alarm"]

    assert [row.name for row in alarms] == ["event log"]
    assert "No space left on device" in alarms[0].text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metrics_port": 70_000}, "metrics_port is 70000; valid: 0 to 65535"),
        ({"metrics_host": ""}, "metrics_host is ''"),
        ({"metrics_host": "a..b"}, "metrics_host is 'a..b'"),
        ({"sample_interval": 0}, "sample_interval is 0"),
    ],
)
def test_a_setting_that_is_not_valid_is_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        TelemetryConfig(**settings)


class Broken:
    """Fails at each event."""

    def __init__(self, error):
        self.error = error

    def on_event(self, event):
        raise self.error("no idea")


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
def test_a_sink_that_fails_is_an_alarm_and_harms_nobody_else(error):
    heard = []

    class After:
        def on_event(self, event):
            heard.append(event)

    monitor = Monitor(TelemetryConfig(), AlertsConfig(), SystemClock(), Broken(error), After())
    for _ in range(3):
        monitor.on_event(ConnectionLost(at=AT, cause="socket"))

    alarms = [event for event in heard if isinstance(event, AlarmRaised)]
    assert len(heard) == 4
    assert [alarm.name for alarm in alarms] == ["Broken"]
    assert f"{error.__name__}: no idea" in alarms[0].message
    assert monitor.board.snapshot.session.losses == 3


def test_fills_that_a_bot_finds_when_it_begins_again_are_shown_and_no_news():
    heard = []

    class Also:
        def on_event(self, event):
            heard.append(event)

    alerts = AlertsConfig(urls=("json://127.0.0.1:1/",), least="info")
    monitor = Monitor(TelemetryConfig(), alerts, SystemClock(), Also())
    fill = {"client_order_id": "a", "subject": "SPY", "side": "BUY", "quantity": 1, "price": 2.0, "at": AT}
    journaled = OrderFilled(**fill, exec_id="1f.2a.01.01")
    missed = OrderFilled(**fill, exec_id="1f.2a.02.01")

    for event in (
        journaled, missed, RunBegan(at=SystemClock().now(), run="r", mode="PAPER", strategy="scalp"), missed
    ):  # fmt: skip
        monitor.on_event(event)

    told = [event.title for event in heard if isinstance(event, AlertQueued)]
    assert told == ["scalp runs on 0 symbols, PAPER", "BUY 1 SPY at 2"]
    assert 'ibkeel_fills_total{side="BUY"} 1.0' in monitor.metrics.text()
    assert monitor.board.snapshot.orders.fills == (journaled, missed)


async def test_a_look_that_fails_as_none_should_is_an_alarm():
    class Unwell(Looked):
        async def health(self):
            raise ZeroDivisionError("no idea")

    monitor = Monitor(TelemetryConfig(), AlertsConfig(), SystemClock())

    async with monitor.examining(Unwell(monitor)):
        await asyncio.sleep(1)

    [row] = monitor.board.snapshot.incidents.rows
    assert row.name == "monitor"
    assert "ended in ZeroDivisionError" in row.text


def test_a_log_that_can_be_written_again_ends_its_alarm(tmp_path):
    heard, folder = [], tmp_path / "logs"

    class Ear:
        def on_event(self, event):
            heard.append(event)

    async def main():
        log = str(folder / "events.jsonl")
        monitor = Monitor(TelemetryConfig(log=log), AlertsConfig(), SystemClock(), Ear())
        async with asyncio.timeout(10), monitor.watching():
            for kind in (AlarmRaised, AlarmEnded):
                while not any(isinstance(event, kind) for event in heard):
                    monitor.on_event(ConnectionLost(at=AT, cause="socket"))
                    await asyncio.sleep(0.05)
                folder.mkdir(exist_ok=True)

    asyncio.run(main())

    told = [event for event in heard if isinstance(event, AlarmRaised | AlarmEnded)]
    assert [type(event) for event in told] == [AlarmRaised, AlarmEnded]
    assert {event.name for event in told} == {"event log"}
