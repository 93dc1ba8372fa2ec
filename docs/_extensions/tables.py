"""Writes the tables of moves of the pages on session and orders: `python docs/_extensions/tables.py`."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from machines import EVIDENCE, order_moves

from ibkeel.ibkr import SessionState
from ibkeel.ibkr.states import IGNORED, TRANSITIONS, SessionEvent
from ibkeel.model import OrderState

__all__ = ["PAGES", "filled"]

_EXPLANATION: Final = Path(__file__).parents[1] / "explanation"
PAGES: Final = (_EXPLANATION / "the-session.md", _EXPLANATION / "order-truth.md")
_BLOCK: Final = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    lines = [columns, ["--"] * len(columns), *rows]
    return "".join(
        f"| {' | '.join(line)} |\n".replace("|  |", "| |").replace("|  |", "| |") for line in lines
    )


def _orders() -> str:
    """For each piece of evidence, where it leads from each state; an empty cell: it changes nothing."""
    moves = order_moves()
    sources = [state for state in OrderState if not state.is_final and state is not OrderState.INTENT]
    leads = {
        (source, words): " or ".join(
            f"`{b.name}`" for (a, b), found in moves.items() if a is source and words in found
        )
        for source in sources
        for words in EVIDENCE
    }
    rows = ([words, *(leads[source, words] for source in sources)] for words in EVIDENCE)
    return _table(
        ["evidence", *(f"in `{source.name}`" for source in sources)], (r for r in rows if any(r[1:]))
    )


def _session() -> str:
    """For each event, where it leads from each state."""
    rows = ([str(event), *(_cell(state, event) for state in SessionState)] for event in SessionEvent)
    return _table(["event", *(f"`{state.name}`" for state in SessionState)], rows)


def _cell(state: SessionState, event: SessionEvent) -> str:
    following = TRANSITIONS.get((state, event))
    if following is None:
        return "ignored" if state in IGNORED.get(event, ()) else "impossible"
    return "stays" if following is state else f"`{following.name}`"


_MADE: Final[Mapping[str, Callable[[], str]]] = {"orders": _orders, "session": _session}


def filled(page: str) -> str:
    """The page's text with its tables as the code has them now."""
    return _BLOCK.sub(lambda found: found[1] + "\n" + _MADE[found[2]]() + "\n" + found[3], page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
