import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import get_args

import attrs
import click
import pytest
from tests.documents.blocks import blocks_of

from ibkeel.cli.app import commands
from ibkeel.cli.bot_config import MonitoredBot
from ibkeel.cli.demo import DemoResult
from ibkeel.monitor.metrics import FAMILIES
from ibkeel.options import PRESETS
from ibkeel.telemetry import Event

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def text_of(page):
    return page.read_text(encoding="utf-8")


def python_blocks(page):
    return [one.text for one in blocks_of(page) if one.language == "python" and not one.is_edit]


def section(page, heading):
    """What stands between a heading of the second level and the next one."""
    return re.split(r"^## ", text_of(page).partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]


def first_column(text):
    return re.findall(r"^\| `(?:--)?([\w-]+)", text, re.MULTILINE)


def walk(command, path=("ibkeel",)):
    """Every command that does something, with what is typed for it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), (*path, name))
    else:
        yield " ".join(path), command


@pytest.mark.parametrize("page", [p for p in PAGES if python_blocks(p)], ids=lambda p: p.stem)
def test_what_documented_code_imports_from_ibkeel_exists(page):
    for block in python_blocks(page):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "ibkeel":
                module = import_module(node.module)
                assert [a.name for a in node.names if not hasattr(module, a.name)] == []


def test_the_example_in_the_guide_is_the_one_that_is_run():
    [block] = python_blocks(DOCS / "how-to" / "plain-ib-insync.md")

    assert block.strip() in text_of(ROOT / "examples" / "plain_ib_insync.py")


@pytest.mark.parametrize("part", attrs.fields(MonitoredBot), ids=lambda part: part.name)
def test_the_configuration_page_has_every_key_with_its_default(part):
    text = section(DOCS / "reference" / "configuration.md", f"`[{part.name}]`")

    keys = [key for key in first_column(text) if key not in PRESETS]

    assert keys == [field.name for field in attrs.fields(part.type)]
    for field in attrs.fields(part.type):
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert re.search(rf"^\| `{field.name}` \| {field.default:g}0? \|", text, re.MULTILINE)


def test_the_page_of_events_has_each_with_all_its_fields():
    text = text_of(DOCS / "reference" / "events.md")

    for kind in get_args(Event):
        row = re.search(rf"^\| \[`{kind.__name__}`\].*$", text, re.MULTILINE)
        fields = re.findall(r"`(\w+)`", row[0].rpartition(" | ")[2])
        assert fields == [field.name for field in attrs.fields(kind) if field.name != "at"]


def test_the_page_of_metrics_has_each_with_kind_and_labels():
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (.*?) \|", text_of(DOCS / "reference" / "metrics.md"), re.MULTILINE
    )

    found = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}

    assert found == {name: (row.kind.value, row.labels) for name, row in FAMILIES.items()}


def test_the_configuration_page_has_every_preset():
    text = section(DOCS / "reference" / "configuration.md", "`[runner]`")

    assert {key for key in first_column(text) if key in PRESETS} == set(PRESETS)


@pytest.mark.parametrize(
    ("typed", "command"), tuple(walk(commands)), ids=lambda v: v if isinstance(v, str) else ""
)
def test_the_page_of_the_command_line_has_every_command_and_option(typed, command):
    page = DOCS / "reference" / "cli.md"
    heading = next(
        (h for h in re.findall(r"^## (.+)$", text_of(page), re.MULTILINE) if h.startswith(f"`{typed}")), None
    )

    assert heading is not None
    text = section(page, heading)
    options = [p for p in command.params if isinstance(p, click.Option) and p.name != "help"]
    assert [name for p in options for name in p.opts if f"`{name}" not in text] == []


def test_the_page_of_the_figures_has_every_key_in_order():
    source = ast.parse(text_of(ROOT / "src" / "ibkeel" / "cli" / "demo.py"))
    [result] = [n for n in source.body if isinstance(n, ast.ClassDef) and n.name == "DemoResult"]
    [method] = [n for n in result.body if isinstance(n, ast.FunctionDef) and n.name == "as_data"]
    [printed] = [node for node in ast.walk(method) if isinstance(node, ast.Dict)]

    keys = [key.value for key in printed.keys]

    assert hasattr(DemoResult, "as_data")
    assert first_column(text_of(DOCS / "reference" / "demo-json.md")) == keys


def test_what_an_ib_async_user_types_brings_all_that_the_extra_would():
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["bot"]]
    typed = set(
        re.findall(
            r"[\w-]+",
            " ".join(re.findall(r"^pip install .*$", text_of(DOCS / "how-to" / "ib-async.md"), re.MULTILINE)),
        )
    )

    missing = {re.match(r"[\w-]+", one)[0] for one in needed if "platform_system" not in one} - typed

    assert missing == {"ib_insync"}
