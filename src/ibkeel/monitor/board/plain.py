"""A snapshot as plain data, fit for JSON."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any, Final

import attrs

from ibkeel.monitor.board.requests import KindRow
from ibkeel.monitor.board.snapshot import Snapshot

__all__ = ["snapshot_data"]

_AS_IT_IS: Final = frozenset({str, int, bool, type(None)})
_DERIVED = {
    KindRow: ("latency", "queueing"),
}
_LEFT_OUT = {KindRow: frozenset({"seconds", "queued"})}


def snapshot_data(snapshot: Snapshot, *, now: datetime) -> dict[str, Any]:
    """The snapshot as dicts, lists, texts and numbers, with what it says of itself.

    Instants become ISO texts, figures that are none (NaN) null. Added are `now`, `age` (seconds since
    the last event), the age of each tier of health, the session's state, percentiles by kind in place
    of the single durations, and the incidents that last.

    Args:
        snapshot: Of a `Board`.
        now: Aware; ages count to it.
    """
    data: dict[str, Any] = _plain(snapshot)
    data["now"] = now.isoformat()
    data["age"] = None if snapshot.at is None else (now - snapshot.at).total_seconds()
    data["health"]["tiers"] = [{**_plain(tier), "age": tier.age(now)} for tier in snapshot.tiers]
    for name in ("state", "since", "cause"):
        data["session"][name] = _plain(getattr(snapshot.session, name))
    data["incidents"]["open"] = _plain(snapshot.incidents.open)
    data["alerts"]["waiting"] = snapshot.alerts.waiting
    data["alerts"]["rows"] = list(data["alerts"]["rows"].values())
    data["orders"]["rows"] = list(data["orders"]["rows"].values())
    return data


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is float:
        return value if isfinite(value) else None  # JSON knows no NaN
    if isinstance(value, Mapping):
        return {str(key): _plain(row) for key, row in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(row) for row in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return float(value)
    return {name: _plain(getattr(value, name)) for name in _shown(kind)} if attrs.has(kind) else value


@cache
def _shown(kind: type[Any]) -> tuple[str, ...]:
    left_out = _LEFT_OUT.get(kind, frozenset())
    names = (field.name for field in attrs.fields(kind) if not field.name.startswith("_"))
    return (*(name for name in names if name not in left_out), *_DERIVED.get(kind, ()))
