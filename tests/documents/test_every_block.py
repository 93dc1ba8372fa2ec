"""Every block of README and docs is run by a test, or says why it is not."""

import ast
import asyncio
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import click
import pytest
import yaml
from tests.documents.blocks import NOTES, PAGES, blocks_of, name_of, pages_with, saved_by
from tests.documents.stages import files_of, is_served, stage_of
from tests.documents.terminal import Terminal, lacking, play

from ibkeel.cli.app import commands
from ibkeel.cli.bot_config import MonitoredBot
from ibkeel.ibkr.library import LIBRARY
from ibkeel.runner.load import check_config
from ibkeel.sim import Scenario

LANGUAGES = {"bash", "json", "mermaid", "nginx", "python", "text", "toml", "yaml"}
# What a shell or another program would have to read.
UNRUNNABLE = {"mermaid", "nginx"}


def blocks_in(language):
    """Blocks that stand for themselves."""
    every = (one for page in PAGES for one in blocks_of(page))
    return [one for one in every if one.language == language and one.is_run and not one.is_edit]


def where(block):
    return block.where


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)], ids=name_of)
def test_every_block_says_what_it_is_and_why_if_it_is_not_run(page):
    shown = False
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block.where}: {block.language or 'no language'}"
        assert set(block.notes) <= NOTES, block.where
        assert block.is_run or block.notes["not run"], f"{block.where}: not run, and no reason"
        assert block.language not in UNRUNNABLE or not block.is_run, block.where
        shown |= block.language == "bash" and block.is_run
        assert block.language != "text" or not block.is_run or shown, f"{block.where}: the output of what?"


@pytest.mark.parametrize("page", pages_with("python"), ids=name_of)
def test_the_python_of_a_page_runs_from_its_first_block_to_its_last(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = [one for one in blocks_of(page) if one.language == "python" and one.is_run and not one.is_test]
    sources = {one.where: one.text for one in blocks if one.filename is None and not one.is_edit}
    if is_served(page):
        sources |= {name: text for name, text in saved_by(page).items() if name.endswith(".py")}

    with stage_of(page) as names:
        names |= {"__name__": "shown"}
        for name, text in sources.items():
            code = compile(
                text.replace("ib_insync", LIBRARY), f"<{name}>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
            found = eval(code, names)
            if inspect.iscoroutine(found):
                asyncio.get_event_loop().run_until_complete(found)


typed = pytest.mark.skipif(
    not os.environ.get("IBKEEL_SNIPPETS"), reason="pages are typed by `nox -s snippets`"
)


def pages_of_tests():
    """Pages that show tests, but not the command that runs them: where they do, the page is typed."""
    for page in PAGES:
        blocks = [one for one in blocks_of(page) if one.is_run]
        typed = any("pytest" in one.text for one in blocks if one.language == "bash")
        if any(one.is_test for one in blocks) and not typed:
            yield page


@typed
@pytest.mark.parametrize("page", tuple(pages_of_tests()), ids=name_of)
def test_the_tests_on_a_page_pass_as_a_reader_would_run_them(page, tmp_path):
    alone = {
        f"test_line_{one.line}.py": one.text for one in blocks_of(page) if one.is_test and not one.filename
    }
    files_of(page, tmp_path)
    for name, text in {**saved_by(page), **alone}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("block", blocks_in("toml"), ids=where)
def test_a_file_on_a_page_is_one_that_ibkeel_takes(block, tmp_path):
    tables = tomllib.loads(block.text)
    path = tmp_path / "shown.toml"
    path.write_text(block.text, encoding="utf-8")

    if "faults" in tables:
        assert Scenario.load(path).faults
    elif "project" not in tables:
        # A strategy that the reader writes on the page is not installed here.
        problems = [str(one) for one in check_config(path, {}, MonitoredBot)]
        assert [one for one in problems if "unknown strategy" not in one] == []


@pytest.mark.parametrize("block", [*blocks_in("json"), *blocks_in("yaml")], ids=where)
def test_data_on_a_page_can_be_read(block):
    assert {"json": json.loads, "yaml": yaml.safe_load}[block.language](block.text)


def typed_lines():
    """Each command line of ibkeel on any page, whether it is run or not."""
    for page in PAGES:
        for block in blocks_of(page):
            if block.language == "bash":
                for line in re.findall(r"(?:^|&& |/|bot |=\S+ )(ibkeel [a-z].*)$", block.text, re.MULTILINE):
                    yield pytest.param(line, id=f"{name_of(page)}:{line}")


@pytest.mark.parametrize("line", tuple(typed_lines()))
def test_a_command_on_a_page_has_its_options(line):
    words = shlex.split(re.split(r" (?:&&|\||>) ", line)[0], comments=True)[1:]
    command, context = commands, click.Context(commands)

    while isinstance(command, click.Group):
        [name, *words] = [word for word in words if word != "-v"]
        command = command.get_command(context, name)
    command.make_parser(click.Context(command, parent=context)).parse_args(words)


@typed
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("page", pages_with("bash"), ids=name_of)
def test_a_page_typed_as_it_is_printed_shows_what_it_says(page, tmp_path):
    files_of(page, tmp_path)

    with Terminal(tmp_path) as terminal:
        missed = play(blocks_of(page), terminal)

    assert missed == {}, "\n".join(line for lines in missed.values() for line in lines)


def test_a_page_is_compared_line_by_line_without_its_numbers():
    printed = "│ took 2.5 s   │\n│ seed 7, Thursday │\nflat: nothing is held\n"

    assert lacking("took 31 s\n...\nflat: nothing is held\n", printed) == []
    assert lacking("seed 8, Friday\n", printed) == ["seed #, Friday"]
    assert lacking("flat: nothing is held\ntook 2.5 s\n", printed) == ["took # s"]


def test_what_a_seed_decides_is_compared_with_its_numbers():
    printed = "│ net profit   -218.00 │\n trades      2\n"

    assert lacking(" net profit  -218.00\n...\n trades 2\n", printed, exact=True) == []
    assert lacking(" trades 5\n", printed, exact=True) == ["trades 5"]
