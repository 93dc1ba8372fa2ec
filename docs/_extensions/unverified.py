"""Gathers what the source marks as unverified into its page: `python docs/_extensions/unverified.py`."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from ibkeel.ibkr import ERROR_TABLE
from ibkeel.sim import Scenario

__all__ = ["PAGE", "filled", "marks"]

_TREE: Final = Path(__file__).parents[2]
_SOURCE: Final = _TREE / "src" / "ibkeel"
PAGE: Final = _TREE / "docs" / "explanation" / "unverified.md"

_WORD: Final = re.compile(r"\bunverified\b", re.IGNORECASE)
_BLOCK: Final = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
# Where a sentence ends: not within `4.4`, and not after "e.g.".
_END: Final = re.compile(r"(?<=[.;])\s+(?=[A-Z`(\"'])|\n\s*\n|(?=\n\s*\w+: )")

# A comment of fewer characters says little without the code below it.
_SHORT: Final = 60


@attrs.frozen(kw_only=True, order=True)
class Mark:
    """One place that says that nobody checked."""

    module: str
    name: str
    words: str


def marks() -> tuple[Mark, ...]:
    """Every mark of the source, by module and name."""
    found = {mark for path in sorted(_SOURCE.rglob("*.py")) for mark in _of_module(path)}
    return tuple(sorted(found))


def _of_module(path: Path) -> Iterator[Mark]:
    text = path.read_text(encoding="utf-8")
    if not _WORD.search(text):
        return
    module = ".".join(path.relative_to(_SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(text)
    for name, node in _documented(tree):
        for words in _sentences(ast.get_docstring(node) or ""):
            yield Mark(module=module, name=name, words=words)
    for name, words in (*_attribute_notes(tree), *_comments(tree, text)):
        yield Mark(module=module, name=name, words=words)


def _documented(
    node: ast.AST, path: str = ""
) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield path, node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(child, f"{path}.{child.name}".lstrip("."))


def _attribute_notes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What stands under a field or a constant, and what a constant says itself."""
    for path, node in _documented(tree):
        for first, second in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(first, ast.AnnAssign | ast.Assign):
                target = first.target if isinstance(first, ast.AnnAssign) else first.targets[0]
                said = (_text(first.value), _text(second.value) if isinstance(second, ast.Expr) else "")
                for words in (words for text in said for words in _sentences(text)):
                    yield f"{path}.{ast.unparse(target)}".lstrip("."), words


def _text(value: ast.expr | None) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _comments(tree: ast.Module, text: str) -> Iterator[tuple[str, str]]:
    """Comments in one piece each; a short one gets the code below it, without which it says little."""
    lines = text.splitlines()
    for first, last, words in _pieces(text):
        if _WORD.search(words):
            said = " ".join(_sentences(words))
            code = lines[last].strip() if last < len(lines) else ""
            name = _name_at(tree, first)
            stands_alone = lines[first - 1].lstrip().startswith("#")
            yield name, f"{said} `{code}`" if len(said) < _SHORT and code and stands_alone else said


def _pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """First line, last line and words of comments that stand below each other."""
    piece: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if piece and token.start[0] != piece[-1][0] + 1:
                yield piece[0][0], piece[-1][0], " ".join(words for _, words in piece)
                piece = []
            piece.append((token.start[0], token.string.lstrip("# ")))
    if piece:
        yield piece[0][0], piece[-1][0], " ".join(words for _, words in piece)


def _name_at(tree: ast.Module, line: int) -> str:
    around = [
        (node.end_lineno or 0) - node.lineno and (node.lineno, path)
        for path, node in _documented(tree)
        if path and isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max((found for found in around if found), default=(0, ""))[1]


def _sentences(text: str) -> list[str]:
    """Those sentences that bear the mark, on one line each."""
    pieces = (" ".join(piece.split()) for piece in _END.split(text))
    said = (piece.removeprefix("Source: ") for piece in pieces if _WORD.search(piece))
    return [words[0].upper() + words[1:] for words in said if "marked unverified" not in words]


def _table(rows: Iterator[tuple[str, ...]], *head: str) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "--|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _packages() -> str:
    found = [mark for mark in marks() if not mark.words.startswith("In client libraries' lists")]
    rows = (
        (f"`{mark.module.removeprefix('ibkeel.')}`", f"`{mark.name}`" if mark.name else "", mark.words)
        for mark in found
    )
    return _table(rows, "module", "name", "what it says")


def _codes() -> str:
    rows = (row for row in ERROR_TABLE.rows if _WORD.search(row.source))
    return _table(((str(row.code), row.about.value, row.source) for row in rows), "code", "about", "source")


def _scenarios() -> str:
    rows = ((name, Scenario.named(name).source) for name in Scenario.names())
    return _table(((f"`{n}`", s) for n, s in rows if _WORD.search(s)), "scenario", "source")


def filled(page: str) -> str:
    """The page's text with its tables as the source has them now."""
    made = {"source": _packages, "codes": _codes, "scenarios": _scenarios}
    return _BLOCK.sub(lambda found: found[1] + "\n" + made[found[2]]() + "\n" + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
