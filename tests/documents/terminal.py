"""Types a page into a shell, as its reader would, and compares what comes with what the page shows."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from pathlib import Path

import attrs

PATIENCE = 300.0  # seconds for one block, on a machine that is busy with others
# What the programs of the pages must not be told: settings of ours, and that a build server runs them, for pytest
# prints more there, and Hypothesis draws other examples.
_FOREIGN = (
    "IBKEEL_", "COV", "PYTEST", "CI", "GITHUB_", "GITLAB_", "BUILD", "TF_BUILD", "TEAMCITY_", "TOX", "XDG_",
)  # fmt: skip
_NUMBER = re.compile(r"[-+]?\d+(?:[.,:-]\d+)*")
_FRAME = re.compile(r"[|─━│╭╮╰╯┌┐└┘├┤┬┴┼═]+|-{3,}")


def lacking(shown, printed, *, exact=False):
    """The lines of a page that were not printed, in their order; frames, widths and, unless exact, numbers may differ.

    A line of three dots stands for whatever comes there.
    """
    form = _plain if exact else _loose
    wanted = [line for line in map(form, shown.splitlines()) if line.strip(" .…")]
    lines = iter(map(form, printed.splitlines()))
    return [line for line in wanted if not any(line == one for one in lines)]


def _loose(line):
    return _NUMBER.sub("#", _plain(line))


def _plain(line):
    return " ".join(_FRAME.sub(" ", line).split())


class Terminal:
    """A folder, a shell in it, and the programs that go on in other windows.

    The ports on which the pages let a simulated Gateway listen are replaced by free ones.
    """

    def __init__(self, folder, *, ports=(4902, 4903)):
        self._folder = folder
        self._ports = {str(port): str(free) for port, free in zip(ports, _free(len(ports)), strict=True)}
        self._others = {}
        here = Path(sys.executable).parent
        self._environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)},
            "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for other in reversed(self._others.values()):
            other.close()

    def write(self, name, text):
        (self._folder / name).write_text(self._with_free_ports(text), encoding="utf-8")

    def type(self, block):
        """Run a block of commands to its end; what it printed."""
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", self._with_free_ports(block.text)],
            **self._around(),
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == int(block.notes.get("exit", 0)), f"{block.where}\n{done.stdout}"
        return done.stdout

    def start(self, block, lines=1):
        """Run a command in another window, until the page ends or has it run again; its first lines."""
        if block.text in self._others:
            self._others.pop(block.text).close()
        command = f"exec {self._with_free_ports(block.text).strip()}"
        self._others[block.text] = ExitStack()
        return self._others[block.text].enter_context(
            _running(["bash", "-c", command], self._around(), lines)
        )

    def _around(self):
        return {
            "cwd": self._folder,
            "env": self._environ,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }

    def _with_free_ports(self, text):
        return re.sub(r"\b(\d{4})\b", lambda found: self._ports.get(found[1], found[1]), text)


@contextmanager
def _running(command, around, lines):
    with subprocess.Popen(command, **around) as process:
        said = [process.stdout.readline() for _ in range(lines)]
        assert all(said), f"{command} said {said}"
        yield "".join(said)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def _free(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def play(blocks, terminal):
    """Save, type and compare, block by block.

    Returns:
        The lines that a page shows and nobody printed, by the block's place.
    """
    files, last, printed, missed = {}, "", "", {}
    blocks = [one for one in blocks if one.is_run]
    for block, following in zip_longest(blocks, blocks[1:]):
        if (saved := block.saved_among(files)) is not None:
            last, text = saved
            files[last] = text
            terminal.write(last, text)
        elif "stays running" in block.notes:
            shown = following.text if following is not None and following.language == "text" else "it runs"
            printed = terminal.start(block, len(shown.splitlines()))
        elif block.language == "bash":
            printed = terminal.type(block)
        elif block.language == "text" and (
            lines := lacking(block.text, printed, exact="exact" in block.notes)
        ):
            missed[block.where] = [*lines, "is not in", printed]
        if "script" in block.notes:
            printed = terminal.type(attrs.evolve(block, text=f"python {last}\n"))
    return missed
