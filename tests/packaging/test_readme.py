"""What the README promises on its one page. Its blocks: tests/documents; from the wheel alone: `nox -s wheel`."""

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RELATIVE = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def picture():
    return ET.parse(ROOT / "docs" / "images" / "demo.svg").getroot()


def words_of(picture):
    return " ".join((node.text or "").replace("\xa0", " ").strip() for node in picture.iter(f"{SVG}text"))


def test_every_file_that_it_links_to_is_there():
    links = RELATIVE.findall(README)

    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_picture_is_of_the_command_that_it_names(picture):
    command = picture.find(f"{SVG}title").text

    assert f"The picture is `{command}`" in README
    assert f"$ {command}" in words_of(picture)


def test_the_picture_shows_the_figures_that_are_told_to_those_who_cannot_see_it(picture):
    [told] = re.findall(r"^!\[(.+)\]\(docs/images/demo\.svg\)$", README, re.MULTILINE)

    figures = re.findall(r"\d+ \w+", told)

    shown = re.sub(r"\s+", " ", words_of(picture))
    assert len(figures) == 2
    assert all(figure in shown for figure in figures)
    assert "flat: nothing is held" in shown


def test_the_picture_fetches_nothing(picture):
    text = (ROOT / "docs" / "images" / "demo.svg").read_text(encoding="utf-8")

    assert re.findall(r"https?://\S+?[\"')]", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert picture.findall(f".//{SVG}script") == []
    assert len(text) < 50_000


def test_the_figures_of_the_bad_days_are_those_of_the_page():
    page = (ROOT / "docs" / "explanation" / "bad-days.md").read_text(encoding="utf-8")
    minutes = r"(\d+) / (\d+) / \d+"
    rows = re.findall(
        rf"^\| \[[\w-]+\]\(#.+?\) \| {minutes} \| {minutes} \| (.+?) \| (.+?) \|$", page, re.MULTILINE
    )

    fooled, _, ours_fooled, told = (sum(int(row[column]) for row in rows) for column in range(4))
    orders, our_orders = ("; ".join(row[column] for row in rows) for column in (4, 5))
    without, twice = (
        sum(map(int, re.findall(rf"(\d+) {kind}", orders))) for kind in ("without a price", "twice")
    )

    assert ours_fooled == 0
    assert "without" not in our_orders
    assert "twice" not in our_orders
    said = re.sub(r"\s+", " ", README)
    assert f"each of {len(rows)} scenarios" in said
    assert f"{len(rows)} bad days as data" in said
    assert f"spent {fooled} minutes fooled by old or empty data or stuck" in said
    assert f"sent {without} orders without a price of now and {twice} twice; the other one 0, 0 and 0" in said
    assert f"told in {told} minutes" in said


def test_it_shows_a_script_of_plain_ib_insync_that_does_a_bots_work():
    """What it prints is run against `ibkeel sim serve` by tests/documents and `nox -s wheel`."""
    [script] = [
        block
        for block in re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
        if "from ib_insync" in block and "def test_" not in block
    ]

    asked = ("connect", "reqTickers", "reqHistoricalData", "reqSecDefOptParams", "placeOrder")
    assert [call for call in asked if f"ib.{call}(" not in script] == []
    assert "ibkeel" not in script
    assert len(script.splitlines()) <= 13


def test_the_table_of_pythons_has_those_that_are_classified_and_the_next():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    classified = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)

    rows = dict(re.findall(r"^\| (3\.\d+) \| (.+?) \|", README, re.MULTILINE))

    assert list(rows) == [*classified, "3.14"]
    assert "once by hand" in rows["3.14"]  # it is in no CI


def test_a_release_leads_to_the_files_of_its_tag():
    pytest.importorskip("hatchling", reason="the build tools are not in this environment")
    at_home = runpy.run_path(str(ROOT / "hatch_build.py"))["at_home"]

    text = at_home(README, "https://example.org/them/ibkeel", "v9.8.7")

    assert RELATIVE.findall(text) == []
    assert "](https://example.org/them/ibkeel/raw/v9.8.7/docs/images/demo.svg)" in text
    assert "](https://example.org/them/ibkeel/blob/v9.8.7/SECURITY.md)" in text
    assert text.count("\n") == README.count("\n")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_who_has_only_pip_is_told_first(page):
    text = (ROOT / page).read_text(encoding="utf-8")

    commands = re.findall(r"^pip install (\S.*?)(?: &&|\s*#|$)", text, re.MULTILINE)

    assert commands[0] == "'ibkeel[bot]'"
    assert re.search(r"checkout of the source.*?pip install -e", text, re.DOTALL)
