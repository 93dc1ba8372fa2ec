"""The metrics as Prometheus reads them, gauges from the board; and files for it, shipped with the package."""

import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from typing_extensions import override

from ibkeel.errors import ConfigurationError
from ibkeel.model import Grade
from ibkeel.monitor.board import Board, Snapshot
from ibkeel.monitor.doors import FewClients, answers_to
from ibkeel.monitor.metrics.counts import FAMILIES, Counts, Family, MetricKind
from ibkeel.telemetry import Event, Observer

Sample = tuple[str, tuple[str, ...], float]

_GRADES: Final = {Grade.OK.value: 0.0, Grade.DEGRADED.value: 1.0, Grade.DOWN.value: 2.0}
_CIRCUITS: Final = {"closed": 0.0, "half open": 1.0, "open": 2.0}
_UNKNOWN: Final = "unknown"
_READY: Final = "ready"
_NOTHING_YET: Final = MappingProxyType({(): 0.0})  # `increase` does not see a counter's first value
_FOLDER = "files"
_LOCAL: Final = "localhost"
_ADDRESS: Final = re.compile(r"([\d.]+|\[.*\])(:\d+)?")

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric


class Metrics(Observer):
    """Counts events, and shows counts and the board's figures to Prometheus.

    It needs `prometheus-client`, from the extra `telemetry`, only when it is asked for its text.

    Args:
        board: Where gauges are read; it must be told of events too.
    """

    def __init__(self, board: Board) -> None:
        self._board, self._counts = board, Counts()

    @override
    def on_event(self, event: Event) -> None:
        self._counts.on_event(event)

    def text(self) -> str:
        """The page that Prometheus scrapes.

        Raises:
            ConfigurationError: `prometheus-client` is not installed.
        """
        registry = self.registry()
        from prometheus_client import generate_latest

        return generate_latest(registry).decode()

    def registry(self) -> "CollectorRegistry":
        """A registry that holds nothing else, for other ways to expose it.

        Raises:
            ConfigurationError: `prometheus-client` is not installed.
        """
        try:
            from prometheus_client import CollectorRegistry
        except ImportError:
            raise ConfigurationError("metrics need prometheus-client; install 'ibkeel[telemetry]'") from None
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def collect(self) -> Iterable["Metric"]:
        """What `prometheus_client` calls when it is scraped; any thread may."""
        values: dict[str, dict[tuple[str, ...], float]] = {}
        for name, labels, value in gauges(self._board.snapshot):
            values.setdefault(name, {})[labels] = value
        for family in FAMILIES.values():
            metric = self._metric(family, values.get(family.name, {}))
            if metric.samples:
                yield metric

    def _metric(self, family: Family, values: Mapping[tuple[str, ...], float]) -> Any:
        from prometheus_client import metrics_core

        match family.kind:
            case MetricKind.GAUGE:
                gauge = metrics_core.GaugeMetricFamily(family.name, family.text, labels=family.labels)
                for labels, value in values.items():
                    gauge.add_metric(labels, value)
                return gauge
            case MetricKind.COUNTER:
                counter = metrics_core.CounterMetricFamily(family.name, family.text, labels=family.labels)
                counted = self._counts.counters(family.name)
                for labels, value in (counted if counted or family.labels else _NOTHING_YET).items():
                    counter.add_metric(labels, value)
                return counter
            case MetricKind.HISTOGRAM:
                histogram = metrics_core.HistogramMetricFamily(family.name, family.text, labels=family.labels)
                for labels, row in self._counts.histograms(family.name).items():
                    histogram.add_metric(labels, buckets=row.cumulative(), sum_value=row.total)
                return histogram

    @contextmanager
    def served(self, port: int, host: str = "127.0.0.1", names: Iterable[str] = ()) -> Iterator[int]:
        """Serve them over HTTP, from threads of their own, as long as the block runs.

        Args:
            port: 0 takes a free one.
            host: Address to listen on.
            names: Further names under which they are scraped. On loopback, or with any, a request for another
                name is refused, as a foreign site's would be whose name leads here; an address is none.

        Yields:
            The port.

        Raises:
            ConfigurationError: `prometheus-client` is not installed, or the port is taken.
        """
        registry = self.registry()
        from prometheus_client import make_wsgi_app

        try:
            server = _Server(host, port)
        except OSError as error:
            raise ConfigurationError(
                f"cannot serve metrics on {host}:{port}: {error.strerror}; metrics_port = 0 takes a free one"
            ) from error
        server.set_app(_guarded(make_wsgi_app(registry), host, tuple(names)))
        with server.serving("ibkeel metrics") as bound:
            yield bound


class _Server(FewClients, WSGIServer):
    def __init__(self, host: str, port: int) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family = found[0][0]
        super().__init__((host, port), _Handler)


class _Handler(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not news."""


def _guarded(app: Any, host: str, names: tuple[str, ...]) -> Any:
    def answer(environ: Mapping[str, Any], start: Callable[..., Any]) -> Any:
        given = environ.get("HTTP_HOST", _LOCAL)  # a browser, which a foreign site needs, always sends it
        if _ADDRESS.fullmatch(given) or answers_to(given, host, names):
            return app(environ, start)
        start("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"these metrics do not answer to that name; telemetry.metrics_names may say it\n"]

    return answer


def grafana_dashboard() -> str:
    """A dashboard for Grafana, as JSON to be imported; its data source is asked for on import."""
    return (files("ibkeel.monitor") / _FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8")


def alert_rules() -> str:
    """Alert rules for Prometheus, as YAML for its `rule_files`."""
    return (files("ibkeel.monitor") / _FOLDER / "prometheus-alerts.yml").read_text(encoding="utf-8")


def gauges(snapshot: Snapshot) -> Iterator[Sample]:
    """Name, labels and value of everything that can go up and down; what is not known is left out."""
    if snapshot.at is not None:
        yield "ibkeel_last_event_timestamp_seconds", (), snapshot.at.timestamp()
    yield from _of_requests(snapshot)
    yield from _of_session(snapshot)
    yield from _of_run(snapshot)
    yield from _of_money(snapshot)
    yield from _of_guards(snapshot)
    yield "ibkeel_alerts_waiting", (), float(snapshot.alerts.waiting)
    yield "ibkeel_heartbeat_failing", (), float(bool(snapshot.alerts.heartbeat_failing))
    yield "ibkeel_incidents_open", (), float(len(snapshot.incidents.open))


def _of_requests(snapshot: Snapshot) -> Iterator[Sample]:
    yield "ibkeel_requests_under_way", (), float(snapshot.requests.under_way)
    for budget in snapshot.pacing.budgets:
        yield "ibkeel_pacing_budget_used", (budget.rule,), float(budget.used)
        yield "ibkeel_pacing_budget_limit", (budget.rule,), float(budget.limit)
    for queue in snapshot.pacing.queues:
        yield "ibkeel_queue_depth", (queue.kind,), float(queue.waiting)
        yield "ibkeel_queue_age_seconds", (queue.kind,), queue.oldest
    yield "ibkeel_lines_open", (), float(snapshot.lines.count)
    yield "ibkeel_lines_capacity", (), float(snapshot.lines.capacity)


def _of_session(snapshot: Snapshot) -> Iterator[Sample]:
    session, health = snapshot.session, snapshot.health
    # `ready` also when it is not among the last ones: the alert asks whether it is 0.
    for state in dict.fromkeys((_READY, *(span.state for span in session.timeline))):
        yield "ibkeel_session_state", (state,), float(state == session.state)
    for row in snapshot.services.rows.values():
        yield "ibkeel_service_state", (row.name,), _CIRCUITS.get(row.state, 2.0)
    for farm in snapshot.farms.rows.values():
        yield "ibkeel_farm_grade", (farm.farm,), _GRADES.get(farm.after, 2.0)
    for tier in snapshot.tiers:
        yield "ibkeel_health_grade", (tier.name,), _GRADES[tier.grade.value]
    if health.at is not None:
        yield "ibkeel_health_checked_timestamp_seconds", (), health.at.timestamp()
    if health.round_trip is not None:
        yield "ibkeel_round_trip_seconds", (), health.round_trip


def _of_run(snapshot: Snapshot) -> Iterator[Sample]:
    run = snapshot.run
    if run.run:
        yield "ibkeel_run_info", (run.run, run.mode, run.strategy), 1.0
    unknown = sum(row.state == _UNKNOWN for row in snapshot.orders.rows.values())
    yield "ibkeel_orders_unknown", (), float(unknown)


def _of_money(snapshot: Snapshot) -> Iterator[Sample]:
    money = snapshot.money
    if money.account is not None:
        currency = (money.account.currency,)
        yield "ibkeel_equity", currency, money.account.net_liquidation
        if money.account.available_funds is not None:
            yield "ibkeel_available_funds", currency, money.account.available_funds
    if money.positions_at is not None:
        yield "ibkeel_positions", (), float(len(money.positions))
        bare = sum(bool(row.uncovered) for row in money.positions)
        yield "ibkeel_positions_unprotected", (), float(bare)
    if money.exposure is not None:
        for name in ("exposure_at_cost", "delta", "gamma", "theta", "vega"):
            value: float | None = getattr(money.exposure, name.removeprefix("exposure_"))
            if value is not None:
                yield f"ibkeel_{name}", (), value


def _of_guards(snapshot: Snapshot) -> Iterator[Sample]:
    loss = snapshot.guard.loss
    if loss is not None:
        if loss.loss is not None:
            yield "ibkeel_daily_loss_fraction", (), loss.loss
        yield "ibkeel_daily_loss_limit_fraction", (), loss.limit
        yield "ibkeel_daily_loss_tripped", (), float(loss.tripped)
    yield "ibkeel_entries_halted", (), float(snapshot.guard.is_halted)
