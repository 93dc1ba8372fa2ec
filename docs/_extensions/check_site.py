"""Follows every link within the built site, raw HTML included: `python docs/_extensions/check_site.py SITE`.

Exits with 1 and a line for each that leads nowhere: no such file, or no such place in it; and for each page that has
not one title.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs
from typing_extensions import override

__all__ = ["Page", "broken", "pages_of", "unsearchable", "untitled"]

_LEADS: Final = frozenset({"href", "src"})
# The page for addresses that do not exist is shown at any depth, so its links begin at the site's root.
_ANYWHERE: Final = "404.html"


@attrs.define
class Page:
    """One page: where it leads, the places in it that can be led to, and how many titles it has."""

    links: list[str] = attrs.field(factory=list)
    places: set[str] = attrs.field(factory=set)
    twice: set[str] = attrs.field(factory=set)
    titles: int = 0


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.titles += tag == "h1"
        for name, value in attrs:
            if value and name in _LEADS:
                self.page.links.append(value)
            elif value and (name == "id" or (tag == "a" and name == "name")):
                (self.page.twice if value in self.page.places else self.page.places).add(value)


def pages_of(site: Path) -> Mapping[str, Page]:
    """Every page of a built site, by its path from the root."""
    return {path.relative_to(site).as_posix(): _read(path) for path in sorted(site.rglob("*.html"))}


def _read(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def broken(site: Path) -> Iterator[str]:
    """What leads nowhere, and what two places in a page are both called."""
    pages = pages_of(site)
    for name, page in pages.items():
        for link in dict.fromkeys(page.links):
            if fault := _fault(site, pages, name, link):
                yield f"{name}: {link}: {fault}"
        yield from (f"{name}: two places are called {place}" for place in sorted(page.twice))


def _fault(site: Path, pages: Mapping[str, Page], name: str, link: str) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or name == _ANYWHERE:
        return ""
    path = (site / name).parent / unquote(parts.path) if parts.path else site / name
    target = path / "index.html" if path.is_dir() else path
    if not target.is_file():
        return "no such file"
    found = pages.get(target.resolve().relative_to(site.resolve()).as_posix())
    place = unquote(parts.fragment)
    return "" if found is None or not place or place in found.places else "no such place"


def untitled(site: Path) -> Iterator[str]:
    """Pages that have no title, or several."""
    for name, page in pages_of(site).items():
        if page.titles != 1:
            yield f"{name}: {page.titles} titles (h1); valid: one"


def unsearchable(site: Path) -> Iterator[str]:
    """Pages that the search does not know, other than those that say so."""
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    known = {row["location"].partition("#")[0] for row in index["docs"]}
    for name in pages_of(site):
        if name != _ANYWHERE and name.removesuffix("index.html") not in known:
            yield f"{name}: not in the search index"


def main() -> int:
    """Check the site whose folder is the one argument."""
    site = Path(sys.argv[1])
    faults = [*broken(site), *untitled(site), *unsearchable(site)]
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    sys.stdout.write(f"{len(pages_of(site))} pages, {len(faults)} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
