"""A hook of mkdocs: who searches wants a task or a reason first, and the reference after it."""

from typing import Any, Final

__all__ = ["on_page_markdown"]

# How much a hit counts, by the folder of its page.
_BOOSTS: Final = {"how-to": 4.0, "tutorials": 4.0, "explanation": 3.0, "adr": 0.5}
_OF_A_PACKAGE: Final = 0.2
_PAGES: Final = {"explanation/unverified.md": 0.5, "reference/links.md": 0.2, "reference/glossary.md": 4.0}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Give a page its weight in the search, unless it has one."""
    path = page.file.src_uri
    by_folder = _OF_A_PACKAGE if "::: ibkeel" in markdown else _BOOSTS.get(path.partition("/")[0], 1.0)
    boost = _PAGES.get(path, by_folder)
    page.meta.setdefault("search", {"boost": boost})
    return markdown
