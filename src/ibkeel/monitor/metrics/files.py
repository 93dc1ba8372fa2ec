"""Files for other programs, shipped with the package."""

from importlib.resources import files

__all__ = ["alert_rules", "grafana_dashboard"]

_FOLDER = "files"


def grafana_dashboard() -> str:
    """A dashboard for Grafana, as JSON to be imported; its data source is asked for on import."""
    return (files("ibkeel.monitor") / _FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8")


def alert_rules() -> str:
    """Alert rules for Prometheus, as YAML for its `rule_files`."""
    return (files("ibkeel.monitor") / _FOLDER / "prometheus-alerts.yml").read_text(encoding="utf-8")
