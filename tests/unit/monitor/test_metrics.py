import contextlib
import http.client
import json
import re
import socket
import sys
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ibkeel.errors import ConfigurationError
from ibkeel.model import Grade, Health, HealthCheck
from ibkeel.monitor import Board, Metrics, alert_rules, grafana_dashboard
from ibkeel.monitor.metrics import BUCKETS, FAMILIES, MetricKind
from ibkeel.telemetry import (
    AccountSeen,
    AlarmRaised,
    AlertDelivered,
    AlertQueued,
    AlertUndelivered,
    ConnectionLost,
    CycleEnded,
    CycleOverran,
    DecisionMade,
    ExposureSeen,
    FarmChanged,
    GatewayNoticed,
    HaltChanged,
    HealthTaken,
    HeldPosition,
    LossGuardRead,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    OrderPlaced,
    PacingHeld,
    PacingSampled,
    PacingWaited,
    PositionsSeen,
    RequestEnded,
    RunBegan,
    ServiceChanged,
    SessionChanged,
    SignalSeen,
    StreamRestored,
    SymbolFailed,
    SymbolSkipped,
)
from ibkeel.telemetry.gateway_events import BudgetUse, QueueState
from ibkeel.testing.strategies import events

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
NAME = re.compile(r"ibkeel_[a-z_]+")

EVERYTHING = (
    RunBegan(at=AT, run="r1", mode="PAPER", strategy="scalp", symbols=("SPY",)),
    RequestEnded(at=AT, kind="quote", seconds=0.3, queue_seconds=0.1, wire_seconds=0.15, reply_seconds=0.05),
    RequestEnded(at=AT, kind="quote", seconds=9.0, error="RequestTimeout"),
    PacingWaited(at=AT, rule="messages", seconds=0.5),
    PacingHeld(at=AT, rule="messages"),
    PacingSampled(
        at=AT,
        budgets=(BudgetUse(rule="messages", used=3, limit=45, seconds=1.0),),
        queues=(QueueState(kind="history", waiting=4, oldest=7.5, waits_for="history"),),
        open_lines=2,
        line_capacity=100,
    ),
    SessionChanged(at=AT, before="syncing", after="ready"),
    ConnectionLost(at=AT, cause="x"),
    ServiceChanged(at=AT, service="historical data", before="closed", after="open"),
    FarmChanged(at=AT, farm="farm usfarm", before="", after="degraded"),
    GatewayNoticed(at=AT, code=2104, text="x"),
    StreamRestored(at=AT, subject="SPY", seconds=1.0),
    HealthTaken(
        at=AT,
        health=Health(
            checks=(HealthCheck(name="port", grade=Grade.OK, evidence="x", at=AT),), round_trip=0.02
        ),
    ),
    CycleEnded(at=AT, number=1, seconds=2.0, failures=0),
    CycleOverran(at=AT, number=1, seconds=2.0, allowed=1.0),
    SymbolFailed(at=AT, symbol="SPY", error="NoData", message="x"),
    SymbolSkipped(at=AT, symbol="SPY", failures=1, cycles_left=1),
    SignalSeen(at=AT, signal_id="s", symbol="SPY", direction="up", confidence=1.0),
    DecisionMade(at=AT, signal_id="s", symbol="SPY", outcome="entry"),
    OrderIntended(
        at=AT, client_order_id="o", symbol="SPY", subject="SPY C", purpose="entry", side="BUY", quantity=1
    ),
    OrderPlaced(at=AT, client_order_id="o", subject="SPY C", side="BUY", quantity=1, was_sent=True),
    OrderChanged(at=AT + timedelta(seconds=0.2), client_order_id="o", state="unknown", filled=0),
    OrderFilled(at=AT, client_order_id="o", exec_id="e", subject="SPY C", side="BUY", quantity=1, price=1),
    AccountSeen(at=AT, currency="USD", net_liquidation=10_000.0, available_funds=5_000.0),
    PositionsSeen(
        at=AT,
        positions=(
            HeldPosition(subject="SPY C", symbol="SPY", signed_quantity=1, average_price=1, protection=()),
        ),
    ),
    ExposureSeen(at=AT, at_cost=100.0, delta=50.0, gamma=1.0, theta=-3.0, vega=2.0),
    LossGuardRead(at=AT, allowed=True, loss=0.01, limit=0.15, tripped=False),
    HaltChanged(at=AT, is_halted=True, reason="me"),
    AlarmRaised(at=AT, name="x", message="y"),
    AlertQueued(at=AT, number=1, severity="critical", key="k", title="t"),
    AlertDelivered(at=AT, number=1, channel="1", attempts=1),
    AlertUndelivered(at=AT, number=1, channel="2", attempts=1, cause="x", is_final=True),
)


def told(*happened):
    board = Board()
    metrics = Metrics(board)
    for event in happened:
        board.on_event(event)
        metrics.on_event(event)
    return metrics


def parsed(metrics):
    """Value by name and labels."""
    return {
        (row.name, *row.labels.values()): row.value
        for family in text_string_to_metric_families(metrics.text())
        for row in family.samples
    }


@pytest.fixture(scope="module")
def shown():
    return parsed(told(*EVERYTHING))


def test_prometheus_own_parser_reads_every_metric_of_the_table(shown):
    names = {name for name, *_ in shown}

    for family in FAMILIES.values():
        ends = ("_bucket", "_sum", "_count") if family.kind is MetricKind.HISTOGRAM else ("",)
        assert all(f"{family.name}{end}" in names for end in ends), family.name


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda row: row.name)
def test_names_are_as_prometheus_wants_them(family):
    assert family.name.endswith("_total") == (family.kind is MetricKind.COUNTER)
    assert family.text.endswith(".")
    if family.kind is MetricKind.HISTOGRAM:
        assert family.name.endswith("_seconds")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("ibkeel_requests_total", "quote", "answered"), 1),
        (("ibkeel_requests_total", "quote", "RequestTimeout"), 1),
        (("ibkeel_request_seconds_sum", "quote"), 0.2),
        (("ibkeel_request_seconds_bucket", "quote", "0.1"), 0),
        (("ibkeel_request_seconds_bucket", "quote", "0.25"), 1),
        (("ibkeel_request_seconds_bucket", "quote", "+Inf"), 1),
        (("ibkeel_request_queue_seconds_count", "quote"), 2),
        (("ibkeel_pacing_wait_seconds_total", "messages"), 0.5),
        (("ibkeel_pacing_budget_used", "messages"), 3),
        (("ibkeel_queue_age_seconds", "history"), 7.5),
        (("ibkeel_session_state", "ready"), 1),
        (("ibkeel_service_state", "historical data"), 2),
        (("ibkeel_health_grade", "alerts"), 1),
        (("ibkeel_farm_grade", "farm usfarm"), 1),
        (("ibkeel_positions_unprotected",), 1),
        (("ibkeel_orders_unknown",), 1),
        (("ibkeel_order_answer_seconds_sum",), 0.2),
        (("ibkeel_equity", "USD"), 10_000),
        (("ibkeel_theta",), -3),
        (("ibkeel_entries_halted",), 1),
        (("ibkeel_alert_deliveries_total", "given_up"), 1),
    ],
)
def test_a_figure_is_what_was_told(shown, key, value):
    assert shown[key] == pytest.approx(value)


def test_what_adapter_and_runner_both_tell_is_counted_once():
    twice = [event for event in EVERYTHING if isinstance(event, OrderPlaced | OrderChanged | OrderFilled)] * 2

    figures = parsed(told(*twice))

    assert figures["ibkeel_orders_placed_total", "true"] == 1
    assert figures["ibkeel_order_changes_total", "unknown"] == 1
    assert figures["ibkeel_fills_total", "BUY"] == 1


def test_a_fill_and_its_correction_are_one_execution():
    fill = {"at": AT, "client_order_id": "a", "subject": "SPY", "side": "BUY", "quantity": 1}

    figures = parsed(
        told(
            OrderFilled(**fill, exec_id="1f.2a.01.01", price=2.0),
            OrderFilled(**fill, exec_id="1f.2a.01.02", price=2.1),
            OrderFilled(**fill, exec_id="1f.2a.02.01", price=2.0),
        )
    )

    assert figures["ibkeel_fills_total", "BUY"] == 2


def test_a_label_with_endless_values_ends_as_other():
    metrics = told(*(GatewayNoticed(at=AT, code=code, text="x") for code in range(500)))

    figures = {
        key: value for key, value in parsed(metrics).items() if key[0] == "ibkeel_gateway_notices_total"
    }

    assert len(figures) == 201
    assert figures["ibkeel_gateway_notices_total", "other"] == 300


def test_durations_under_endless_labels_end_as_other_too():
    metrics = told(
        *(
            RequestEnded(at=AT, kind=f"k{n}", seconds=1.0, queue_seconds=0.0, wire_seconds=1.0)
            for n in range(500)
        )
    )

    counts = {
        key[1]: value for key, value in parsed(metrics).items() if key[0] == "ibkeel_request_seconds_count"
    }

    assert len(counts) == 201
    assert counts["other"] == 300


def test_a_heartbeat_that_fails_is_no_alert_that_was_given_up():
    lost = AlertUndelivered(at=AT, number=0, channel="heartbeat", attempts=1, cause="404", is_final=True)

    figures = parsed(told(lost, lost))

    assert not [key for key in figures if key[0] == "ibkeel_alert_deliveries_total" and figures[key]]


def test_orders_of_days_ago_are_forgotten():
    metrics = told(
        *(
            OrderChanged(at=AT, client_order_id=str(number), state="filled", filled=1)
            for number in range(3000)
        )
    )

    assert len(metrics._counts._states) == 1000


def test_that_there_is_no_good_session_is_shown_however_long_it_lasts_and_before_the_first():
    lost = SessionChanged(at=AT, before="ready", after="reconnecting")
    tries = [SessionChanged(at=AT, before="x", after=state) for state in ("syncing", "reconnecting")] * 60
    ready = ("ibkeel_session_state", "ready")

    assert parsed(told())[ready] == 0
    assert parsed(told(SessionChanged(at=AT, before="syncing", after="ready")))[ready] == 1
    assert parsed(told(SessionChanged(at=AT, before="syncing", after="ready"), lost, *tries))[ready] == 0


def test_what_alerts_ask_the_increase_of_is_0_before_it_is_1():
    sample = PacingSampled(
        at=AT, budgets=(BudgetUse(rule="messages", used=3, limit=45, seconds=1.0),), queues=()
    )
    queued = AlertQueued(at=AT, number=1, severity="critical", key="k", title="t")

    figures = parsed(told(sample, queued))

    assert figures["ibkeel_pacing_held_total", "messages"] == 0
    assert figures["ibkeel_alert_deliveries_total", "given_up"] == 0
    assert figures["ibkeel_cycle_overruns_total",] == 0


def test_an_unused_monitor_shows_only_what_is_known():
    figures = parsed(told())

    assert ("ibkeel_equity", "USD") not in figures
    assert figures["ibkeel_incidents_open",] == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(events(texts=st.text(max_size=8)), max_size=12))
def test_whatever_happens_the_page_can_be_parsed(happened):
    assert list(text_string_to_metric_families(told(*happened).text()))


def test_every_metric_of_the_grafana_file_exists(shown):
    dashboard = json.loads(grafana_dashboard())
    named = {
        name
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
        for name in NAME.findall(target["expr"])
    }

    assert named <= {name for name, *_ in shown}
    assert len(named) > 30
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_rule_about_the_session_outlasts_a_bot_that_is_started_again_and_again():
    [expression] = re.findall(r"expr: (.*ibkeel_session_state.*)", alert_rules())

    assert expression == 'max_over_time(ibkeel_session_state{state="ready"}[2m]) == 0'


def test_every_metric_of_the_alert_rules_exists(shown):
    rules = re.findall(r"expr: (?:>-\n)?(.*?)(?=\n {8}(?:for|labels):)", alert_rules(), re.DOTALL)
    named = {name for rule in rules for name in NAME.findall(rule)}

    assert len(rules) == alert_rules().count("- alert:")
    assert named <= {name for name, *_ in shown}
    assert named


def test_without_its_package_the_page_says_what_to_install(monkeypatch):
    metrics = Metrics(Board())
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with pytest.raises(ConfigurationError, match="install 'ibkeel\\[telemetry\\]'"):
        metrics.text()


def test_metrics_are_served_on_loopback():
    with told(*EVERYTHING).served(0) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            text = page.read().decode()

        with (
            pytest.raises(
                ConfigurationError, match=f"cannot serve metrics on 127.0.0.1:{port}.* takes a free one"
            ),
            told().served(port),
        ):
            pass

    assert "ibkeel_requests_total" in text


@pytest.mark.parametrize(
    ("host", "names", "given", "status"),
    [
        ("127.0.0.1", (), "127.0.0.1:{port}", 200),
        ("127.0.0.1", (), "localhost", 200),
        ("127.0.0.1", (), "[::1]:{port}", 200),
        ("127.0.0.1", (), "evil.example:{port}", 403),
        ("127.0.0.1", (), "127.0.0.1.evil.example", 403),
        ("127.0.0.1", (), "", 403),
        ("127.0.0.1", (), None, 200),
        ("127.0.0.1", ("bot.lan",), "bot.lan:443", 200),
        ("0.0.0.0", (), "bot.lan:{port}", 200),
        ("0.0.0.0", ("bot.lan",), "10.0.0.5:{port}", 200),
        ("0.0.0.0", ("bot.lan",), "evil.example:{port}", 403),
    ],
)
def test_metrics_answer_to_their_own_names_only(host, names, given, status):
    with told(*EVERYTHING).served(0, host, names) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.putrequest("GET", "/metrics", skip_host=True)
        if given is not None:
            connection.putheader("Host", given.format(port=port))
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()

    assert (answer.status, "ibkeel_requests_total" in text) == (status, status == 200)
    assert status == 200 or "metrics_names" in text


def test_clients_that_hang_take_few_of_the_bots_threads_and_the_next_are_served():
    with contextlib.ExitStack() as hanging, told(*EVERYTHING).served(0) as port:
        for _ in range(16):
            client = hanging.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            client.sendall(b"GET /me")
        with socket.create_connection(("127.0.0.1", port), 5) as one_too_many:
            refused = one_too_many.recv(1)

        hanging.close()
        # The first ones may come before it is noticed that those have gone.
        status = next(filter(None, (asked(port) for _ in range(1000))), None)

    assert refused == b""
    assert status == 200


def asked(port):
    """The status of a scrape; None when it was sent away."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status
    except (http.client.HTTPException, OSError):
        return None
    finally:
        connection.close()


def test_buckets_ascend():
    assert list(BUCKETS) == sorted(set(BUCKETS))
