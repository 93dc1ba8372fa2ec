"""What the project says of itself agrees with what is there. The archives themselves: `nox -s wheel`."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import ibkeel

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def names(requirements):
    return {re.match(r"[\w-]+", row)[0].lower() for row in requirements}


def test_the_package_says_that_it_is_typed():
    assert Path(ibkeel.__file__).with_name("py.typed").exists()
    assert "Typing :: Typed" in PROJECT["project"]["classifiers"]


def test_every_python_that_is_tested_is_classified():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    tested = {"3.11", *re.search(r"^for version in ([\d. ]+); do", script, re.MULTILINE)[1].split()}

    rows = PROJECT["project"]["classifiers"]

    assert {row.rpartition(" ")[2] for row in rows if re.search(r":: 3\.\d+$", row)} == tested


def test_the_core_asks_for_little():
    assert names(PROJECT["project"]["dependencies"]) == {
        "attrs", "cattrs", "ib_async", "ib_insync", "numpy", "typing-extensions", "tzdata",
    }  # fmt: skip


def test_the_old_names_of_time_zones_come_with_it_on_every_system():
    [row] = [row for row in PROJECT["project"]["dependencies"] if row.startswith("tzdata")]

    assert ";" not in row


def test_the_extra_of_all_names_every_extra_for_users():
    [row] = EXTRAS["all"]

    assert re.findall(r"\w+", row.partition("[")[2]) == [
        "bot",
        "telemetry",
        "dashboard",
        "alerts",
        "pandas",
        "testing",
    ]


def test_nothing_is_asked_for_twice_in_one_extra():
    for rows in EXTRAS.values():
        wanted = sorted(re.match(r"[\w-]+", row)[0].lower() for row in rows)
        assert [one for one, other in pairwise(wanted) if one == other] == []


def test_what_the_source_distribution_includes_is_there():
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]

    assert [name for name in included if not (ROOT / name).exists()] == []


def test_the_readme_says_how_much_an_install_brings():
    said = re.search(r"(\d+) distributions, (\d+) MB", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert said is not None  # `nox -s wheel` measures it
    assert int(said[1]) < 15


def test_every_example_is_short_and_run():
    scripts = {"run_all.py", "run_notebook.py"}
    runners = "".join(
        (ROOT / path).read_text(encoding="utf-8") for path in ("examples/run_all.py", "noxfile.py")
    )

    for path in sorted((ROOT / "examples").glob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 120, path.name
        assert path.name in runners or path.name in scripts, path.name
