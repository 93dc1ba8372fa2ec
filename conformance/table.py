"""The outcomes as a page of the documentation."""

import textwrap
from collections.abc import Sequence
from datetime import date
from typing import Final

from conformance.matrix import CLIENTS, GATES, Outcome

__all__ = ["page"]

_HEAD: Final = """---
title: Conformance
---

# Conformance

Unmodified client libraries, each in an environment of its own, against the simulated Gateway fixed at each version of
the protocol at which a layout changes. One common round of work, over TCP:

{steps}

A cell is the number of messages that the library decoded. It stands there only if every step passed, the library's
decoder left no field of any message unread, and the Gateway could read everything it was sent. The official libraries'
field iterators are counted from outside; from ib_insync's and ib_async's decoders the last field of every kind of
message is taken away, and they must miss it.

`nox -s conformance` plays the four layouts that matter in practice, each with the libraries that settle on it;
`nox -s conformance -- --all` all of them. Last played whole on {day}: {passed} of {total} rounds passed.
"""

_TAIL: Final = """
The last row is a round in which all of them were served by one Gateway at the same time, each at its own highest
version. The counts differ a little from run to run, for quotes stream. The libraries are
test-only: nothing here is shipped with ibkeel or imported by it.
"""


def page(outcomes: Sequence[Outcome], day: date) -> str:
    """The page, ending in a line feed.

    Args:
        outcomes: What came of the whole matrix.
        day: When it was played.
    """
    steps = next((list(each.steps) for each in outcomes if each.is_ok), [])
    head = _HEAD.format(
        steps=textwrap.fill(", ".join(step.replace("_", " ") for step in steps) + ".", 118),
        day=day.isoformat(),
        passed=sum(each.is_ok for each in outcomes),
        total=len(outcomes),
    )
    return f"{head}\n{_table(outcomes)}\n{_troubles(outcomes)}{_TAIL}"


def _table(outcomes: Sequence[Outcome]) -> str:
    names = [library.name for library in CLIENTS]
    alone = {(each.library, each.version): each for each in outcomes if not each.is_shared}
    shared = {each.library: each for each in outcomes if each.is_shared}
    rows = [
        "| version | " + " | ".join(names) + " |",
        "|--" * (len(names) + 1) + "|",
        *(_row(str(version), [alone.get((name, version)) for name in names]) for version in GATES),
        _row("all at once", [shared.get(name) for name in names]),
    ]
    return "\n".join(rows)


def _row(title: str, outcomes: Sequence[Outcome | None]) -> str:
    return f"| {title} | " + " | ".join(map(_cell, outcomes)) + " |"


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    return str(outcome.frames) if outcome.is_ok else "**failed**"


def _troubles(outcomes: Sequence[Outcome]) -> str:
    lines = [
        f"- {each.library} at {each.version}: {'; '.join((*each.failed, *each.troubles))}"
        for each in outcomes
        if not each.is_ok
    ]
    return "\n".join(["", "What failed:", "", *lines, ""]) if lines else ""
