import runpy
from pathlib import Path

from ibkeel.ibkr import ERROR_TABLE

SCRIPT = Path(__file__).parents[2] / "docs" / "_extensions" / "error_codes.py"


def test_the_page_of_the_error_codes_is_the_table():
    script = runpy.run_path(str(SCRIPT))
    page = script["PAGE"].read_text(encoding="utf-8")

    assert script["filled"](page) == page, "run: python docs/_extensions/error_codes.py"


def test_the_page_of_the_error_codes_has_every_row():
    page = runpy.run_path(str(SCRIPT))["PAGE"].read_text(encoding="utf-8")

    rows = [line for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]

    assert [int(line.split(" ")[1]) for line in rows] == [row.code for row in ERROR_TABLE.rows]
