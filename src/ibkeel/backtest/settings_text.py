"""What was set, as text under dotted keys."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

__all__ = ["settings_of"]


def settings_of(*named: tuple[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and text of every field of values that have fields; others are left out.

    Args:
        named: Section and value.
    """
    for section, value in named:
        if not attrs.has(type(value)):
            continue
        for field in attrs.fields(type(value)):
            if field.name.startswith("_") or not field.init:
                continue  # what a strategy keeps to itself
            inner = getattr(value, field.name)
            if attrs.has(type(inner)):
                yield from settings_of((f"{section}.{field.name}", inner))
            else:
                yield f"{section}.{field.name}", _text(inner)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={inner}" for key, inner in sorted(value.items()))
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
