"""Every case of the page about orders names a test that is there."""

import re
from pathlib import Path

from ibkeel.sim import Scenario

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "orders.md"


def cases():
    rows = [
        line.split("|")[1:-1] for line in PAGE.read_text(encoding="utf-8").splitlines() if "`tests/" in line
    ]
    return [row[-1].strip() for row in rows if len(row) == 3]


def test_every_case_names_a_file_that_is_there():
    missing = [
        path
        for case in cases()
        for path in re.findall(r"`(tests/[^`]+)`", case)
        if not (ROOT / path).is_file()
    ]

    assert missing == []
    assert len(cases()) > 30


def test_what_is_quoted_of_a_file_is_the_beginning_of_a_tests_name():
    unknown = []
    for case in cases():
        path, _, quoted = case.partition("`: ")
        names = re.findall(
            r"def test_(\w+)", (ROOT / path.strip("`").split("`")[0]).read_text(encoding="utf-8")
        )
        for words in filter(None, quoted.split(", ")):
            name = re.sub(r"\W+", "_", words.lower())
            if not any(name in known for known in names):
                unknown.append(words)

    assert unknown == []


def test_every_scenario_that_it_names_comes_with_the_package():
    named = re.findall(r"^\| [^|]+ \| `([a-z-]+)` \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    # Each is played by tests/integration/bad_days, and as a whole day by tests/acceptance.
    assert len(named) > 10
    assert set(named) <= set(Scenario.names())
