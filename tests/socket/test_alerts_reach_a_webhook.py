"""A web server on loopback stands in for a webhook, and fails for a while."""

import asyncio
import json
import logging
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ibkeel.monitor import Alerter, AlertsConfig, Board
from ibkeel.system import SystemClock
from ibkeel.telemetry import AlarmRaised, HaltChanged

SECRET = "my-secret-token"


class Webhook(ThreadingHTTPServer):
    """Takes messages, but for the first few, which it answers with 503."""

    daemon_threads = True

    def __init__(self, outage=0):
        self.outage, self.asked, self.taken, self.beats = outage, 0, [], 0
        super().__init__(("127.0.0.1", 0), _Visit)

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}/{SECRET}"


class _Visit(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        if self.server.asked <= self.server.outage:
            self.send_response(503)
        else:
            self.server.taken.append((body["title"], body["message"], body["type"]))
            self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.server.beats += 1
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def listening(outage=0):
    with Webhook(outage) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Hurried:
    """Waits between attempts for no time at all."""

    def __init__(self):
        self.pauses = []

    def until(self, event, seconds):
        if seconds is None:
            event.wait(10)
        else:
            self.pauses.append(seconds)


def alarm(number):
    return AlarmRaised(at=SystemClock().now(), name=f"a{number}", message=f"{number} of DU1234567")


def told_all(config, board, rest, happened, arrived):
    """Run an alerter until what is wanted has arrived; whoever waits for ever fails the test."""

    async def main():
        alerter = Alerter(config, SystemClock(), board.on_event, rest=rest)
        async with asyncio.timeout(20), alerter:
            for event in happened:
                alerter.on_event(event)
            alerter.beat()
            while not arrived(board.snapshot):
                await asyncio.sleep(0)

    asyncio.run(main())


def test_alerts_arrive_in_order_and_once_through_an_outage_of_the_webhook(caplog):
    caplog.set_level(logging.DEBUG)
    board, rest = Board(), Hurried()
    with listening(outage=3) as hook:
        config = AlertsConfig(urls=[f"json://{hook.address}"], heartbeat_url=f"http://{hook.address}")

        told_all(
            config,
            board,
            rest,
            [alarm(1), alarm(2), alarm(2), HaltChanged(at=SystemClock().now(), is_halted=True, reason="me")],
            lambda seen: (
                len(seen.alerts.rows) == 3 and all(row.delivered for row in seen.alerts.rows.values())
            ),
        )

    titles = [title for title, _, _ in hook.taken]
    assert titles == ["ibkeel: Alarm: a1", "ibkeel: Alarm: a2", "ibkeel: Entries are halted"]
    assert [kind for _, _, kind in hook.taken] == ["failure", "failure", "warning"]
    assert "What happened: 1 of DU***67" in hook.taken[0][1]
    assert rest.pauses == [5.0, 10.0, 20.0]
    assert board.snapshot.alerts.rows[1].delivered == ("1 (json)",)
    assert hook.beats == 1
    assert SECRET not in caplog.text + repr(board.snapshot) + repr(config)
