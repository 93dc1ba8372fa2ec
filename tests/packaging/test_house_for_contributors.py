"""The map of the code and the list of checks in CONTRIBUTING are true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ADRS = ROOT / "docs" / "adr"


def section(heading):
    return CONTRIBUTING.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_the_map_of_the_code_has_every_package_and_no_other():
    house = ROOT / "src" / "ibkeel"
    packages = {path.parent.name for path in house.glob("*/__init__.py")}
    modules = {path.name for path in house.glob("*.py")} - {"__init__.py"}

    drawn = set(re.findall(r"^\| `([\w.]+)/?` \|", section("A map of the code"), re.MULTILINE))

    assert drawn == packages | modules


def test_each_check_of_the_table_is_a_session_and_each_session_is_in_it():
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    sessions = re.findall(r"^@nox\.session\ndef (\w+)\(", text, re.MULTILINE)

    listed = re.findall(r"^\| `nox -s (\w+)", section("Checks"), re.MULTILINE)

    assert sorted(listed) == sorted(sessions)


@pytest.mark.parametrize("page", sorted(ADRS.glob("0*.md")), ids=lambda page: page.stem[:4])
def test_a_decision_has_its_parts_and_is_listed(page):
    text = page.read_text(encoding="utf-8")

    assert text.startswith(f"# {page.name[:4]}: ")
    assert re.findall(r"^## (Situation|Decision|Consequences)$", text, re.MULTILINE) == [
        "Situation",
        "Decision",
        "Consequences",
    ]
    assert f"]({page.name})" in (ADRS / "index.md").read_text(encoding="utf-8")
    assert page.name in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_every_label_that_a_form_gives_exists():
    github = ROOT / ".github"
    labels = set(
        re.findall(r"^- \{name: ([\w-]+),", (github / "labels.yml").read_text(encoding="utf-8"), re.MULTILINE)
    )

    for form in sorted((github / "ISSUE_TEMPLATE").glob("*.yml")):
        given = re.search(r"^labels: \[(.+)\]$", form.read_text(encoding="utf-8"), re.MULTILINE)
        assert given is None or set(given[1].split(", ")) <= labels
