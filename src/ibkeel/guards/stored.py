"""Pacing windows in a form that survives a restart: plain values, fit for JSON."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ibkeel.errors import ConfigurationError
from ibkeel.resilience import Usage


def to_plain(usage: Iterable[Usage], at: datetime) -> dict[str, Any]:
    """What counts, as dictionaries, lists, texts and numbers.

    Args:
        usage: With ages as of `at`.
        at: Wall time, aware.
    """
    entries = [[use.rule, use.limit, use.key, use.age, use.weight] for use in usage]
    return {"at": at.astimezone(UTC).isoformat(), "entries": entries}


def from_plain(plain: Mapping[str, Any], now: datetime) -> list[Usage]:
    """What `to_plain` gave, with ages as of now.

    Should the wall clock have been set back meanwhile, no time counts as passed.

    Args:
        plain: The same, be it through JSON.
        now: Wall time, aware.

    Raises:
        ConfigurationError: It is not what `to_plain` gives.
    """
    try:
        passed = max(0.0, (now - datetime.fromisoformat(plain["at"])).total_seconds())
        return [
            Usage(rule=rule, limit=limit, key=_key(key), age=float(age) + passed, weight=int(weight))
            for rule, limit, key, age, weight in plain["entries"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"stored pacing windows cannot be read ({error}); delete them, and send nothing for 10 minutes"
        ) from error


def _key(key: Any) -> Any:
    """JSON turns tuples into lists, which cannot be keys."""
    return tuple(_key(part) for part in key) if isinstance(key, list) else key
