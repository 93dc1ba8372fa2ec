"""Counters, histograms and gauges for Prometheus, and the files that go with them."""

from ibkeel.monitor.metrics.counts import Counts, Histogram
from ibkeel.monitor.metrics.exposition import Metrics, alert_rules, grafana_dashboard
from ibkeel.monitor.metrics.families import BUCKETS, FAMILIES, Family, MetricKind

__all__ = [
    "BUCKETS",
    "FAMILIES",
    "Counts",
    "Family",
    "Histogram",
    "MetricKind",
    "Metrics",
    "alert_rules",
    "grafana_dashboard",
]
