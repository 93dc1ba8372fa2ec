"""Hypothesis strategies for the events that an observer is told; needs the extra `[testing]`."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ibkeel.model import Grade, Health, HealthCheck
from ibkeel.telemetry import Event

__all__ = ["events"]

_INSTANTS: Final = st.datetimes(datetime(2024, 1, 2), datetime(2026, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
_WORDS: Final = st.sampled_from(
    ["", "SPY", "quote", "history", "ready", "open", "closed", "filled", "unknown"]
)
_FIGURES: Final = st.floats(0.0, 1e6, allow_nan=False)


def events(*kinds: type[Any], texts: SearchStrategy[str] = _WORDS) -> SearchStrategy[Any]:
    """Events of some kinds, with every field drawn.

    Args:
        kinds: Which; none means all.
        texts: What stands in text fields.
    """
    return st.one_of([_built(kind, texts) for kind in kinds or get_args(Event)])


def _built(kind: type[Any], texts: SearchStrategy[str]) -> SearchStrategy[Any]:
    if kind is Health:
        return st.builds(Health, checks=st.lists(_checks(texts), max_size=3).map(tuple))
    fields = {field.name: _of_type(field.type, texts) for field in attrs.fields(kind)}
    return st.builds(kind, **fields)


def _checks(texts: SearchStrategy[str]) -> SearchStrategy[HealthCheck]:
    return st.builds(
        HealthCheck, name=texts, grade=st.sampled_from(Grade), evidence=texts, at=_INSTANTS, remedy=texts
    )


def _of_type(annotation: Any, texts: SearchStrategy[str]) -> SearchStrategy[Any]:
    simple: Mapping[Any, SearchStrategy[Any]] = {
        NoneType: st.none(),
        bool: st.booleans(),
        date: st.dates(date(2024, 1, 2), date(2026, 12, 30)),
        datetime: _INSTANTS,
        float: _FIGURES,
        int: st.integers(0, 10_000),
        str: texts,
    }
    if annotation in simple:
        return simple[annotation]
    if get_origin(annotation) is UnionType:
        return st.one_of([_of_type(part, texts) for part in get_args(annotation)])
    if get_origin(annotation) is tuple:
        return st.lists(_of_type(get_args(annotation)[0], texts), max_size=3).map(tuple)
    return _built(annotation, texts)
