"""Pages that a script writes are as it would write them now; and the script that follows the site's links."""

import json
import re
import runpy
import sys
from pathlib import Path

import attrs
import pytest

from ibkeel.resilience import Deadlines

DOCS = Path(__file__).parents[2] / "docs"
SCRIPTS = DOCS / "_extensions"


@pytest.fixture
def script(monkeypatch):
    """Runs one of the scripts as a module, beside which it finds the others."""
    monkeypatch.syspath_prepend(str(SCRIPTS))

    yield lambda name: runpy.run_path(str(SCRIPTS / f"{name}.py"))

    for name in ("drawing", "machines"):
        sys.modules.pop(name, None)


def as_it_is(page):
    return page.read_text(encoding="utf-8")


def test_the_page_of_what_is_unverified_has_every_mark(script):
    unverified = script("unverified")

    page = as_it_is(unverified["PAGE"])

    assert unverified["filled"](page) == page, "run: python docs/_extensions/unverified.py"
    assert len(unverified["marks"]()) > 50


def test_a_mark_is_found_in_docstrings_comments_fields_and_constants(script):
    found = {(mark.module, mark.name): mark.words for mark in script("unverified")["marks"]()}

    assert (
        found["ibkeel.sim.settings", "GatewaySettings.profit_seconds"]
        == "Interval of profit updates (unverified)."
    )
    assert "unverified" in found["ibkeel.sim.services.system", "_CODES"]
    assert "unverified" in found["ibkeel.ibkr.pulse", "Pulse.ask_servers"]
    assert found["ibkeel.sim.services.quotes", "_set_type"].startswith("Unverified text. `raise error_321(")


def test_the_tables_of_moves_are_those_of_the_code(script):
    tables = script("tables")

    for path in tables["PAGES"]:
        page = as_it_is(path)
        assert tables["filled"](page) == page, "run: python docs/_extensions/tables.py"


def test_every_external_link_is_listed(script):
    links = script("links")

    page = as_it_is(links["PAGE"])

    assert links["filled"](page) == page, "run: python docs/_extensions/links.py"
    assert set(links["known"](page)) == set(links["gathered"]())


def test_what_was_found_out_about_a_link_is_kept_and_a_new_one_was_not_looked_at(script):
    links = script("links")
    first, second, *_ = links["gathered"]()
    page = f"<!-- made: links -->\n| <{first}> | x | gone | 2026-11-21 |\n<!-- end -->"

    known = links["known"](links["filled"](page))

    assert known[first] == ("gone", "2026-11-21")
    assert known[second] == ("not looked at", "")


def test_a_link_whose_host_cannot_be_reached_stays_as_it_was(script):
    links = script("links")
    link = links["Link"]("http://127.0.0.1:1/", ("a page",), "seen", "2026-11-20")

    assert links["looked"](link, "2026-11-21") == link


def test_the_page_on_deadlines_has_each_with_its_default():
    page = as_it_is(DOCS / "explanation" / "deadlines.md")

    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE)

    assert rows == [(field.name, f"{field.default:g}") for field in attrs.fields(Deadlines)]


@pytest.fixture
def site(tmp_path):
    """A site of two pages; gives a function that writes the first."""
    (tmp_path / "there").mkdir()
    (tmp_path / "search").mkdir()
    (tmp_path / "there" / "index.html").write_text('<h1 id="top">There</h1>', encoding="utf-8")
    index = {"docs": [{"location": ""}, {"location": "there/#top"}]}
    (tmp_path / "search" / "search_index.json").write_text(json.dumps(index), encoding="utf-8")

    def write(body):
        (tmp_path / "index.html").write_text(body, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize(
    "body",
    [
        '<a href="there/#top">x</a>',
        '<a href="there/">x</a><a href="https://example.org/x">y</a>',
        '<p id="here"><a href="#here">x</a></p>',
        '<a href="there/index.html">x</a><a href="mailto:a@b.c">y</a>',
    ],
)
def test_a_link_that_leads_somewhere_is_well(script, site, body):
    check = script("check_site")

    assert list(check["broken"](site(body))) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="there/#bottom">x</a>', "there/#bottom: no such place"),
        ('<a href="nowhere/">x</a>', "nowhere/: no such file"),
        ('<img src="images/x.svg">', "images/x.svg: no such file"),
        ('<p id="a"></p><p id="a"></p>', "two places are called a"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(script, site, body, fault):
    check = script("check_site")

    assert list(check["broken"](site(body))) == [f"index.html: {fault}"]


@pytest.mark.parametrize(("body", "titles"), [("<p>x</p>", 0), ("<h1>a</h1><h2>b</h2><h1>c</h1>", 2)])
def test_a_page_that_has_not_one_title_is_named(script, site, body, titles):
    check = script("check_site")
    root = site(body)
    (root / "there" / "index.html").write_text("<h1>There</h1>", encoding="utf-8")

    assert list(check["untitled"](root)) == [f"index.html: {titles} titles (h1); valid: one"]


def test_a_page_that_the_search_does_not_know_is_named(script, site):
    check = script("check_site")
    root = site("")
    (root / "there" / "more.html").write_text("", encoding="utf-8")

    assert list(check["unsearchable"](root)) == ["there/more.html: not in the search index"]
