"""Draws docs/images/demo.svg from what a demo really prints: `python .ci/picture.py`.

With `--check` it draws nothing: it plays the demo again and says where the picture tells another story. Times of the
machine, prices and counts may differ, and the table of orders is left out: only its words must be the same.
Needs `ibkeel[bot]` in this environment.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"
COMMAND = ("ibkeel", "demo", "--paper", "--scenario", "nightly-restart")
COLUMNS = 92
ORDERS_SHOWN = 5
STATE = "~/.local/state/ibkeel"  # where a reader on Linux finds the journal
BACKGROUND, FOREGROUND = (22, 27, 34), (201, 209, 217)
THEME = TerminalTheme(
    BACKGROUND,
    FOREGROUND,
    [
        (72, 79, 88),
        (255, 123, 114),
        (87, 196, 122),
        (226, 176, 92),
        (121, 192, 255),
        (210, 168, 255),
        (86, 211, 222),
        FOREGROUND,
    ],
)
# No font is fetched: a page that shows the picture as an image would not let it.
FORM = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{command}</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre;
}}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
<rect width="{width}" height="{height}" rx="10" fill="BACKGROUND"/>
<g fill="rgb(72,79,88)"><circle cx="24" cy="22" r="7"/><circle cx="46" cy="22" r="7"/><circle cx="68" cy="22" r="7"/></g>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def played() -> list[str]:
    """The lines that the command prints on a terminal, colours and all."""
    console = [str(Path(sys.executable).with_name(COMMAND[0])), *COMMAND[1:]]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-color"}
    environment.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            console,
            env=environment | {"IBKEEL_STATE": folder},
            check=True,
            capture_output=True,
            encoding="utf-8",
        )
    return done.stdout.replace(folder, STATE).splitlines()


def shortened(lines: list[str]) -> list[str]:
    """The same without the table of requests, and with the first few orders only."""
    plain = [Text.from_ansi(line).plain.strip() for line in lines]
    requests = next(index for index, line in enumerate(plain) if line.startswith("request "))
    summary = next(index for index, line in enumerate(plain) if re.match(r"\d+ cycles, ", line))
    orders = plain.index("Orders") + 4  # below the title, a blank, the heads and the rule
    rest = next(index for index, line in enumerate(plain) if "more in the journal" in line) + 2
    return [
        *lines[: requests - 2],  # nor the blank lines above it
        " ...",
        "",
        *lines[summary : orders + ORDERS_SHOWN],
        " ...",
        *lines[rest:],
    ]


def drawn(lines: list[str]) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), (" ".join(COMMAND), "bold")))
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True)
    form = FORM.replace("BACKGROUND", f"rgb{BACKGROUND}").replace("{command}", " ".join(COMMAND))
    return console.export_svg(theme=THEME, code_format=form, unique_id="demo")


def words(text: str) -> list[str]:
    """What a reader takes from the lines above the table of orders, without figures and frames."""
    told = text.partition("Orders")[0].replace("\N{NO-BREAK SPACE}", " ")
    return re.findall(r"[^\W\d_]{2,}", told)


def shown(svg: str) -> str:
    """The words of a picture, from left to right and down."""
    return "\n".join(node.text or "" for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))


def main(arguments: list[str]) -> int:
    """Draw the picture, or hold it to a demo that is played now."""
    svg = drawn(shortened(played()))
    if "--check" not in arguments:
        PICTURE.write_text(svg, encoding="utf-8", newline="\n")
        print(f"{PICTURE.name}: {len(svg):,} bytes")
        return 0
    kept, now = words(shown(PICTURE.read_text(encoding="utf-8"))), words(shown(svg))
    if kept != now:
        print(f"the picture is out of date; run `nox -s picture`:\n{' '.join(kept)}\nnow:\n{' '.join(now)}")
        return 1
    print(f"{PICTURE.name} still tells what the demo does")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
