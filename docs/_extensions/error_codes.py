"""Writes the tables of the page on error codes: `python docs/_extensions/error_codes.py`."""

import re
from pathlib import Path
from typing import Final

from ibkeel.ibkr import ERROR_TABLE, About, Effect, Meaning, Reaction
from ibkeel.orders import ErrorFate

__all__ = ["PAGE", "filled"]

PAGE: Final = Path(__file__).parents[1] / "reference" / "error-codes.md"

_FATES: Final = {
    ErrorFate.REJECTED: "a new order is refused",
    ErrorFate.CANCELLED: "it is cancelled",
    ErrorFate.NOTICE: "nothing",
    ErrorFate.CANCEL_REFUSED: "the cancel is refused; unknown until the venue says",
    ErrorFate.UNCERTAIN: "unknown until the venue says",
}
_SOURCES: Final = tuple(dict.fromkeys(row.source for row in ERROR_TABLE.rows))
_LIST: Final = re.compile(r"(<!-- sources -->\n).*?(<!-- end -->)", re.DOTALL)
_BLOCK: Final = re.compile(r"(<!-- codes: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _outcome(row: Meaning) -> str:
    if row.about in {About.ORDER, About.CHANGE}:
        # The venue's own word for the end holds for an order that works, too.
        return "it is refused" if row.code == 201 and row.fate is ErrorFate.REJECTED else _FATES[row.fate]
    if row.about is About.SYSTEM:
        return "" if row.farm is None else row.farm.value
    return f"`{row.error.__name__}`" if row.effect is Effect.ENDS else row.effect.value


def _line(row: Meaning) -> str:
    cells = (
        str(row.code),
        f"`{row.pattern}`" if row.pattern else "",
        _outcome(row),
        "" if row.reaction is Reaction.NONE else f"`{row.reaction.name}`",
        "yes" if row.counts else "",
        row.remedy,
        f"[{_SOURCES.index(row.source) + 1}](#sources)",
    )
    return "| " + " | ".join(cells).replace("|  ", "| ") + " |"


def _table(about: About) -> str:
    outcome = {About.REQUEST: "the request", About.SYSTEM: "farm"}.get(about, "the order")
    head = f"| code | text has | {outcome} | reaction | counts | remedy | source |\n|--|--|--|--|--|--|--|\n"
    return head + "".join(_line(row) + "\n" for row in ERROR_TABLE.rows if row.about is about)


def filled(page: str) -> str:
    """The page's text with its tables and the list of sources as the error table has them now."""
    sources = "".join(f"{number}. {source}\n" for number, source in enumerate(_SOURCES, 1))
    page = _LIST.sub(lambda found: f"{found[1]}\n{sources}\n{found[2]}", page)
    return _BLOCK.sub(lambda found: found[1] + "\n" + _table(About[found[2]]) + "\n" + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
