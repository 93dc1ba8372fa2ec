"""The fenced blocks of the pages, and what the comments before them say to the tests.

A comment on the line above a block, invisible to the reader:

    <!-- not run: REASON -->    it is left out
    <!-- file: NAME -->         the reader saves it under that name
    <!-- script: NAME -->       and runs it
    <!-- after: LINE -->        it goes into the file that has that line, behind it
    <!-- instead of: LINE -->   it goes there in place of that line
    <!-- stays running -->      the command goes on until the page ends
    <!-- exit: CODE -->         the command ends with this code, which is not 0
    <!-- exact -->              its numbers are those of a seed, and come on every machine
"""

import re
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
NOTES = {"not run", "file", "script", "after", "instead of", "stays running", "exit", "exact"}

_FENCE = re.compile(r"^ *```(\S*)")
_NOTE = re.compile(r"^ *<!-- ([a-z ]+?)(?:: (.+?))? -->$")


@attrs.frozen(kw_only=True)
class Block:
    """One fenced block; `line` is that of its fence, from 1."""

    page: Path
    line: int
    language: str
    text: str
    notes: dict[str, str] = attrs.field(factory=dict)

    @property
    def where(self):
        return f"{name_of(self.page)}:{self.line}"

    @property
    def is_run(self):
        return "not run" not in self.notes

    @property
    def filename(self):
        """Under what name the reader saves it; None: not at all."""
        return self.notes.get("file") or self.notes.get("script")

    @property
    def is_edit(self):
        """Whether it changes a file that the reader has saved."""
        return "after" in self.notes or "instead of" in self.notes

    def saved_among(self, files):
        """The name and the text of the file that it makes or changes; None: neither."""
        if self.filename is not None:
            return self.filename, self.text
        if not self.is_edit:
            return None
        sought = self.notes.get("after") or self.notes["instead of"]
        [(name, text, line)] = [
            (name, text, line)
            for name, text in files.items()
            for line in text.splitlines(keepends=True)
            if line.strip() == sought
        ]
        kept = line if "after" in self.notes else ""
        return name, text.replace(line, kept + self.text)

    @property
    def is_test(self):
        return self.language == "python" and re.search(r"^(def test_|class Test)", self.text, re.MULTILINE)


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks_of(page):
    """All blocks of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found, notes, opened, indent = [], {}, None, ""
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if opened is not None:
            if fence:
                text = "".join(line.removeprefix(indent) + "\n" for line in lines[opened : number - 1])
                found.append(attrs.evolve(found.pop(), text=text))
                opened, notes = None, {}
        elif fence:
            found.append(Block(page=page, line=number, language=fence[1], text="", notes=notes))
            opened, indent = number, line[: line.index("`")]
        elif note := _NOTE.match(line):
            notes[note[1]] = note[2] or ""
        elif line.strip():
            notes = {}
    assert opened is None, f"{name_of(page)}: the block of line {opened} has no end"
    return found


def saved_by(page):
    """The files that the reader has at the end of a page, by name."""
    files = {}
    for block in blocks_of(page):
        if block.is_run and (saved := block.saved_among(files)) is not None:
            name, text = saved
            files[name] = text
    return files


def pages_with(*languages):
    """Pages that have a block of one of these languages that is run."""
    return [
        page for page in PAGES if any(one.language in languages and one.is_run for one in blocks_of(page))
    ]
