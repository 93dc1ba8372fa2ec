"""What the alerter keeps to itself, and what a dead man's switch may answer."""

import asyncio
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ibkeel.monitor import Alerter, AlertsConfig
from ibkeel.monitor.alerts import DeliveryFailed, Message, WebAddress
from ibkeel.telemetry import AlarmRaised, AlertQueued, PacingHeld
from ibkeel.virtual import run_virtual, virtual_clock

NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)


class Taken:
    """A channel that keeps what it is given."""

    def __init__(self):
        self.name, self.titles, self.texts = "1 (json)", [], []

    def deliver(self, message):
        self.titles.append(message.title)
        self.texts.append(message.text)


def test_what_quiet_hours_keep_back_is_told_to_the_board_and_to_nobody_else():
    heard, channel = [], Taken()

    async def main():
        clock = virtual_clock()
        config = AlertsConfig(urls=["json://example.org"], quiet_hours="11:00-13:00", patience=0.0)
        async with Alerter(config, clock, heard.append, channels=[channel]) as alerter:
            alerter.on_event(PacingHeld(at=clock.now(), rule="messages"))
            alerter.on_event(AlarmRaised(at=clock.now(), name="stop", message="SPY has no stop"))

    run_virtual(main(), start=NOON)

    queued = [event for event in heard if isinstance(event, AlertQueued)]
    assert [(event.severity, event.kept_back) for event in queued] == [
        ("warning", "quiet hours"),
        ("critical", ""),
    ]
    assert len(channel.titles) == 1
    assert "stop" in channel.titles[0]
    assert channel.texts[0].endswith("When: 2026-01-05 17:00:00 UTC")


class Noon:
    """A clock that stands still."""

    def now(self):
        return NOON

    def monotonic(self):
        return 0.0


def test_a_fate_that_comes_after_the_loop_has_ended_harms_nobody(monkeypatch):
    heard, raised, may_go_on = [], [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", raised.append)

    class Late(Taken):
        def deliver(self, message):
            may_go_on.wait(10)
            super().deliver(message)

    channel = Late()
    alerter = Alerter(AlertsConfig(urls=["json://example.org"]), Noon(), heard.append, channels=[channel])

    async def main():
        await alerter.__aenter__()
        alerter.on_event(AlarmRaised(at=NOON, name="stop", message="SPY has no stop"))

    asyncio.run(main())
    may_go_on.set()
    asyncio.run(alerter.__aexit__(None, None, None))

    assert len(channel.titles) == 1
    assert [type(event) for event in heard] == [AlertQueued]
    assert not raised


@pytest.fixture
def answering():
    """An address that answers the next request with a status."""
    servers = []

    def serve(status):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_): ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/my-secret-uuid"

    yield serve
    for server, thread in servers:
        thread.join(10)
        server.server_close()


@pytest.mark.parametrize("status", [404, 503, 304])
def test_an_address_that_answers_otherwise_than_well_is_a_failure_and_not_named(answering, status):
    channel = WebAddress(answering(status), timeout=10)

    with pytest.raises(DeliveryFailed, match=f"the address answered {status}") as caught:
        channel.deliver(Message(0, "heartbeat", "", "info"))

    assert "my-secret-uuid" not in repr(caught.value)


def test_an_address_that_answers_well_has_been_told(answering):
    WebAddress(answering(204), timeout=10).deliver(Message(0, "heartbeat", "", "info"))
