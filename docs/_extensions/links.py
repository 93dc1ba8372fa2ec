"""Lists where the pages lead outside: `python docs/_extensions/links.py`; with `--look` each is asked for.

What was found out before is kept: a link that is new has not been looked at.
"""

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from ibkeel.system import SystemClock

__all__ = ["PAGE", "Link", "filled", "gathered", "known"]

_TREE: Final = Path(__file__).parents[2]
PAGE: Final = _TREE / "docs" / "reference" / "links.md"

_ADDRESS: Final = re.compile(r"https?://[^\s)>\"'`\]]+")
_LOCAL: Final = re.compile(r"https?://(127\.0\.0\.1|localhost|gateway|bot|example\.|[a-z]+:\d)")
_CODE: Final = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_BLOCK: Final = re.compile(r"(<!-- made: links -->\n).*?(<!-- end -->)", re.DOTALL)
_ROW: Final = re.compile(r"^\| <(\S+)> \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
_UNSEEN: Final = "not looked at"
_PATIENCE: Final = 15.0
_GONE: Final = frozenset({404, 410})


@attrs.frozen
class Link:
    """One address, and what is known of it.

    Args:
        address: Where it leads.
        pages: Which pages lead there.
        state: `seen`, `not looked at`, or what was said instead.
        on: The day of the last look, as a date; empty if there was none.
    """

    address: str
    pages: tuple[str, ...]
    state: str = _UNSEEN
    on: str = ""


def gathered() -> Mapping[str, tuple[str, ...]]:
    """Every address outside that README and pages lead to, with the pages, by the alphabet."""
    found: dict[str, set[str]] = {}
    for page in (_TREE / "README.md", *sorted((_TREE / "docs").rglob("*.md"))):
        for address in _addresses(page) if page != PAGE else ():
            found.setdefault(address, set()).add(page.relative_to(_TREE).as_posix().removeprefix("docs/"))
    return {address: tuple(sorted(found[address])) for address in sorted(found)}


def _addresses(page: Path) -> Iterator[str]:
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    for found in _ADDRESS.findall(text):
        address = found.rstrip(".,;:*")
        if not _LOCAL.match(address):
            yield address


def known(page: str) -> Mapping[str, tuple[str, str]]:
    """What the page says of each address: its state, and the day of the last look."""
    return {address: (state, on) for address, _, state, on in _ROW.findall(page)}


def looked(link: Link, today: str) -> Link:
    """The link after asking for it; without an answer from its host, what was known stays."""
    request = urllib.request.Request(link.address, headers={"User-Agent": "Mozilla/5.0 (link check)"})  # noqa: S310 - https only, by _ADDRESS
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310 - the same
            return attrs.evolve(link, state="seen", on=today)
    except urllib.error.HTTPError as error:
        state = "gone" if error.code in _GONE else f"answers {error.code}"
        return attrs.evolve(link, state=state, on=today)
    except OSError:
        return link


def filled(page: str, *, look_on: str | None = None) -> str:
    """The page's text with a row for each address.

    Args:
        page: Its text.
        look_on: Today's date, to ask for each; None keeps what was found out before.
    """
    before = known(page)
    links = [Link(address, pages, *before.get(address, ())) for address, pages in gathered().items()]
    if look_on is not None:
        links = [looked(link, look_on) for link in links]
    rows = "".join(
        f"| <{link.address}> | {', '.join(link.pages)} | {link.state} | {link.on} |\n" for link in links
    )
    table = "\n| address | on | state | last look |\n|--|--|--|--|\n" + rows + "\n"
    return _BLOCK.sub(lambda found: found[1] + table + found[2], page)


if __name__ == "__main__":
    today = SystemClock().now().date().isoformat() if "--look" in sys.argv[1:] else None
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), look_on=today), encoding="utf-8")
