"""A whole day of the demo, as its events tell it to a board, to metrics and to the log."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ibkeel.cli.demo import DemoOptions, play
from ibkeel.ibkr import OrderMode
from ibkeel.monitor import Board, EventLog, Metrics, snapshot_data
from ibkeel.telemetry import Observers


class Told:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def of(self, name):
        return [event for event in self.events if type(event).__name__ == name]


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """One day with orders: what was told, the board, the metrics and the result."""
    folder = tmp_path_factory.mktemp("day")
    told, board = Told(), Board()
    metrics, log = Metrics(board), EventLog(folder / "events.jsonl")
    options = DemoOptions(
        symbols=("SPY",),
        journal=folder / "demo.sqlite",
        seed=7,
        replay=None,
        day=None,
        preset="standard",
        min_dte=None,
        orders=OrderMode.PAPER,
    )
    result = play(options, observer=Observers([told, board, metrics, log]))
    while log._waiting:
        log.flush()
    return told, board, metrics, result, folder


def test_every_fill_is_followed_back_to_its_signal(day):
    told, _, _, result, _ = day
    signals = {event.signal_id for event in told.of("SignalSeen")}
    decisions = {event.signal_id for event in told.of("DecisionMade") if event.outcome == "entry"}
    intents = {event.client_order_id: event for event in told.of("OrderIntended")}
    fills = {event.exec_id: event for event in told.of("OrderFilled")}

    assert len(fills) == result.report.fills > 0
    assert len(signals) == result.report.signals
    for fill in fills.values():
        # A bracket's children bear the entry's name and a number.
        intent = intents.get(fill.client_order_id) or intents[fill.client_order_id.rpartition("-")[0]]
        if intent.purpose == "entry":
            assert intent.signal_id in signals & decisions


def test_what_is_held_is_told_with_its_sensitivities(day):
    told, board, _, _, _ = day
    seen = told.of("ExposureSeen")

    assert any(event.at_cost for event in seen)
    assert all(event.delta is not None and event.vega is not None for event in seen)
    assert all(event.delta for event in seen if event.at_cost)
    assert board.snapshot.money.exposure.theta is not None


def test_every_request_is_told_from_its_sending_to_its_end(day):
    told, board, _, _, _ = day
    ended = told.of("RequestEnded")

    assert len(told.of("RequestSent")) == sum(event.was_sent for event in ended)
    for event in ended:
        parts = event.queue_seconds + event.wire_seconds + event.reply_seconds
        assert parts == pytest.approx(event.seconds)
    assert board.snapshot.requests.under_way == 0


def test_the_board_shows_the_day(day):
    _, board, _, result, _ = day

    seen = board.snapshot

    assert seen.run.outcome == "finished"
    assert (seen.run.day, seen.run.day_is_over) == (result.session_date, True)
    assert seen.run.cycle == result.report.cycles
    assert seen.session.state == "stopped"
    assert "ready" in [span.state for span in seen.session.timeline]
    assert len(seen.orders.fills) == result.report.fills
    assert seen.money.account.net_liquidation > 0
    assert len(seen.money.equity) > 50
    assert seen.guard.loss is not None
    assert seen.lines.count == 0
    assert json.dumps(snapshot_data(seen, now=seen.at))


def test_the_metrics_count_what_the_report_counts(day):
    _, _, metrics, result, _ = day
    figures = {
        (row.name, *row.labels.values()): row.value
        for family in text_string_to_metric_families(metrics.text())
        for row in family.samples
    }

    assert figures["ibkeel_cycles_total",] == result.report.cycles
    fills = sum(value for key, value in figures.items() if key[0] == "ibkeel_fills_total")
    assert fills == result.report.fills
    assert figures["ibkeel_orders_placed_total", "true"] == result.report.orders_sent


def test_the_log_has_a_line_for_every_event_and_no_account(day):
    told, _, _, _, folder = day

    text = (folder / "events.jsonl").read_text(encoding="utf-8")

    names = [json.loads(line)["event"] for line in text.splitlines()]
    assert names == [type(event).__name__ for event in told.events]
    assert "DU1234567" not in text
