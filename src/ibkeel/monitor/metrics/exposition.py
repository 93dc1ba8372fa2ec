"""The metrics as Prometheus reads them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ibkeel.errors import ConfigurationError
from ibkeel.monitor.board import Board
from ibkeel.monitor.metrics.counts import Counts
from ibkeel.monitor.metrics.families import FAMILIES, Family, MetricKind
from ibkeel.monitor.metrics.gauges import gauges
from ibkeel.telemetry import Event, Observer

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

__all__ = ["Metrics"]


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
        """Count one event."""
        self._counts.on_event(event)

    def text(self) -> str:
        """The page that Prometheus scrapes.

        Raises:
            ConfigurationError: `prometheus-client` is not installed.
        """
        from prometheus_client import generate_latest  # noqa: PLC0415 - an extra

        return generate_latest(self.registry()).decode()

    def registry(self) -> "CollectorRegistry":
        """A registry that holds nothing else, for other ways to expose it.

        Raises:
            ConfigurationError: `prometheus-client` is not installed.
        """
        try:
            from prometheus_client import CollectorRegistry  # noqa: PLC0415 - an extra
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
        from prometheus_client import metrics_core  # noqa: PLC0415 - an extra

        match family.kind:
            case MetricKind.GAUGE:
                gauge = metrics_core.GaugeMetricFamily(family.name, family.text, labels=family.labels)
                for labels, value in values.items():
                    gauge.add_metric(labels, value)
                return gauge
            case MetricKind.COUNTER:
                counter = metrics_core.CounterMetricFamily(family.name, family.text, labels=family.labels)
                for labels, value in self._counts.counters(family.name).items():
                    counter.add_metric(labels, value)
                return counter
            case MetricKind.HISTOGRAM:
                histogram = metrics_core.HistogramMetricFamily(family.name, family.text, labels=family.labels)
                for labels, row in self._counts.histograms(family.name).items():
                    histogram.add_metric(labels, buckets=row.cumulative(), sum_value=row.total)
                return histogram

    @contextmanager
    def served(self, port: int, host: str = "127.0.0.1") -> Iterator[int]:
        """Serve them over HTTP, from threads of their own, as long as the block runs.

        Args:
            port: 0 takes a free one.
            host: Address to listen on.

        Yields:
            The port.

        Raises:
            ConfigurationError: `prometheus-client` is not installed, or the port is taken.
        """
        registry = self.registry()
        from prometheus_client import start_http_server  # noqa: PLC0415 - an extra

        try:
            server, thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise ConfigurationError(f"cannot serve metrics on {host}:{port}: {error.strerror}") from error
        try:
            yield int(server.server_port)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
