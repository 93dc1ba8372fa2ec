"""Writes the pictures of the pages on architecture, session and orders: `python docs/_extensions/pictures.py`.

Needs the program `dot` of Graphviz. Each picture bears the fingerprint of what it was drawn from, so that
a test without `dot` sees when one is old.
"""

import hashlib
import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from drawing import digraph
from machines import MACHINES

__all__ = ["FOLDER", "NOTES", "fingerprint", "layers", "sources"]

_TREE: Final = Path(__file__).parents[2]
FOLDER: Final = _TREE / "docs" / "images"
NOTES: Final = {
    "session": "The states of the session and what leads from one to another",
    "breaker": "The states of a circuit breaker",
    "order-truth": "What evidence leads an order from one state to another",
    "layers": "The packages in layers, each of which may import those below it",
}
"""What each picture shows, for those who cannot see it."""

_WORDS: Final = re.compile(r"<text .*</text>\n")
_ROW: Final = 46
_WIDTH: Final = 640


def layers() -> tuple[tuple[str, ...], ...]:
    """The packages of each layer, from the top, as the import rules have them."""
    project = tomllib.loads((_TREE / "pyproject.toml").read_text(encoding="utf-8"))
    rules = project["tool"]["importlinter"]["contracts"]
    [layered] = [rule["layers"] for rule in rules if rule["type"] == "layers"]
    return tuple(tuple(row.split(" | ")) for row in layered)


def pure() -> frozenset[str]:
    """Packages that do no IO and read no clock, as the import rules have them."""
    project = tomllib.loads((_TREE / "pyproject.toml").read_text(encoding="utf-8"))
    rules = project["tool"]["importlinter"]["contracts"]
    [rule] = [rule for rule in rules if "asyncio" in rule.get("forbidden_modules", ())]
    return frozenset(name.removeprefix("ibkeel.") for name in rule["source_modules"])


def sources() -> Mapping[str, str]:
    """What each picture is drawn from: a graph in Graphviz' language, or a drawing as it is."""
    graphs = {name: digraph(machine()) for name, machine in MACHINES.items()}
    return {**graphs, "layers": _layers_drawn()}


def fingerprint(source: str) -> str:
    """Short and the same everywhere."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def _layers_drawn() -> str:
    rows = layers()
    boxes = "\n".join(_row(names, _ROW * n) for n, names in enumerate(rows))
    height = _ROW * len(rows)
    return f'<svg viewBox="0 0 {_WIDTH} {height}">\n{boxes}\n</svg>\n'


def _row(names: tuple[str, ...], top: int) -> str:
    width = _WIDTH / len(names)
    return "\n".join(
        f'<g class="node {"good" if name in pure() else "plain"}">'
        f'<rect x="{width * n + 4:g}" y="{top + 5}" width="{width - 8:g}" height="{_ROW - 10}" rx="8"/>'
        f'<text x="{width * (n + 0.5):g}" y="{top + _ROW / 2 + 4.5:g}" text-anchor="middle">{name}</text></g>'
        for n, name in enumerate(names)
    )


def _svg(name: str, source: str) -> str:
    """The picture without colours and fonts, which the page's style sheet gives it by day and by night."""
    drawn = source if source.startswith("<svg") else _laid_out(source)
    head = f'<svg class="picture" id="picture-{name}" role="img" aria-label="{NOTES[name]}" '
    mark = f'data-drawn-from="{fingerprint(source)}" '
    return drawn.replace("<svg ", head + mark, 1)


def _laid_out(graph: str) -> str:
    run = subprocess.run(["dot", "-Tsvg"], input=graph, capture_output=True, text=True, check=True)  # noqa: S607 - wherever Graphviz is installed
    drawn = run.stdout[run.stdout.index("<svg") :]
    drawn = re.sub(r"<!--.*?-->\n", "", drawn, flags=re.DOTALL)
    drawn = re.sub(
        r'<svg width="[^"]*" height="[^"]*"\s+(viewBox="[^"]*").*?>', r"<svg \1>", drawn, flags=re.DOTALL
    )
    drawn = re.sub(r' (?:fill|stroke|font-family|font-size)="[^"]*"', "", drawn)
    drawn = re.sub(r'<g id="(?:node|edge|clust)\d+" ', "<g ", drawn)
    drawn = re.sub(r"<title>(?:%3|cluster_\d+)</title>\n", "", drawn)
    drawn = re.sub(r'<g id="graph0" class="graph"', "<g", drawn)
    drawn = re.sub(r'(<g transform="[^"]*">\n)<polygon [^>]*/>\n', r"\1", drawn)
    return _labels_last(drawn)


def _labels_last(drawn: str) -> str:
    """The words of the arrows above all arrows: one that is drawn later would strike through them."""
    words: list[str] = []

    def without_words(edge: re.Match[str]) -> str:
        words.extend(_WORDS.findall(edge[0]))
        return _WORDS.sub("", edge[0])

    drawn = re.sub(r'<g class="edge">\n.*?</g>\n', without_words, drawn, flags=re.DOTALL)
    return drawn.replace("</g>\n</svg>", f'<g class="edge">\n{"".join(words)}</g>\n</g>\n</svg>')


def main() -> None:
    """Draw them all."""
    for name, source in sources().items():
        (FOLDER / f"{name}.svg").write_text(_svg(name, source), encoding="utf-8")


if __name__ == "__main__":
    main()
