"""Counters, histograms and gauges for Prometheus, and the files that go with them."""

from ibkeel.monitor.metrics.counts import BUCKETS, FAMILIES, Counts, Family, Histogram, MetricKind
from ibkeel.monitor.metrics.exposition import Metrics, alert_rules, grafana_dashboard

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
