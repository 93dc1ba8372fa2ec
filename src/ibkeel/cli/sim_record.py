"""Record a real Gateway, let a record answer, and hold it against the simulator's answers."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import attrs
import click
from rich.console import Console
from rich.table import Table

from ibkeel.cli.app import ExitCode
from ibkeel.cli.screen import AS_JSON, NEW_YORK, announce, host_name, plain
from ibkeel.errors import ConfigurationError, WireError
from ibkeel.model import checks
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.transcripts import (
    Comparison,
    Difference,
    Form,
    Header,
    Playback,
    RecordingProxy,
    Redactor,
    Scribe,
    Transcript,
    TranscriptFile,
    compared,
    played,
)
from ibkeel.sim.transcripts.proxy import not_listening
from ibkeel.sim.transcripts.redaction import SHORTEST
from ibkeel.sim.wire import parse_instant
from ibkeel.system import SystemClock
from ibkeel.virtual import run_virtual, virtual_clock

_LONGEST_BREAK: Final = 7  # days without a session
_KINDS: Final = {
    "absent": "the simulator does not say",
    "extra": "only the simulator says",
    "order": "another order",
    "fields": "other fields",
    "type": "another kind of text",
    "unserved": "the simulator does not know",
}
_PORT: Final = click.IntRange(0, 65535)
_HIGHEST_PORT: Final = 65535


@attrs.frozen(kw_only=True)
class RecordOptions:
    """What to record: where the transcript goes, which texts to hide in it, and the Gateway's host and port.

    The port to listen on is chosen by the system when it is 0.
    """

    file: Path
    upstream: tuple[str, int]
    host: str = "127.0.0.1"
    port: int = 4903
    hidden: tuple[str, ...] = ()


def record(options: RecordOptions, announce: Callable[[str], None]) -> None:
    """Stand between clients and a Gateway, and write down what they say, until interrupted."""
    asyncio.run(_record(options, announce))


def replay(path: Path, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Answer clients as a transcript did, until interrupted."""
    asyncio.run(_replay(path, host, port, announce))


async def _record(options: RecordOptions, announce: Callable[[str], None]) -> None:
    clock = SystemClock()
    began_at = clock.now()
    header = Header(began_at=began_at, source="gateway", is_redacted=True)
    file, redactor = TranscriptFile(options.file, header), Redactor(options.hidden)
    scribe = Scribe(file, began_at, redactor, warn=announce)
    proxy = RecordingProxy(*options.upstream, scribe, clock)
    try:
        port = await proxy.start(options.host, options.port)
        host, behind = options.upstream
        announce(
            f"connect your program to {options.host}:{port}; it talks to {host}:{behind}, and {options.file} "
            "keeps what is said; stop with Ctrl-C"
        )
        await asyncio.Event().wait()
    finally:
        await proxy.stop()
        entries = scribe.stop(clock.now())
        announce(f"stopped: {proxy.connections} connections, {entries} entries in {options.file}")
        if scribe.failure is not None:
            announce(scribe.failure)
        announce(
            "account ids, names and large account values are hidden; orders, positions and prices are not"
        )


async def _replay(path: Path, host: str, port: int, announce: Callable[[str], None]) -> None:
    transcript = Transcript.load(path)
    playback = Playback(transcript)
    try:
        bound = await playback.start(host, port)
    except OSError as error:
        raise not_listening(host, port, error) from error
    announce(
        f"{path} answers on {host}:{bound}, as it was on {transcript.header.began_at:%Y-%m-%d}; stop with Ctrl-C"
    )
    try:
        await asyncio.Event().wait()
    finally:
        await playback.stop()
        announce(f"stopped: {playback.answered} requests answered, {playback.unknown} not in the transcript")


def _address(_ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, int]:
    """A host and a port, with a colon between them."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _HIGHEST_PORT:
        raise click.BadParameter(f"{value!r} is no address; 127.0.0.1:4002 would be")
    host = host.strip("[]")
    checks.host(None, param, host)
    return host, int(port)


@click.command("record")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--upstream", metavar="HOST:PORT", callback=_address, required=True, help="The real Gateway.")
@click.option(
    "--host", callback=host_name, default="127.0.0.1", show_default=True, help="Address to listen on."
)
@click.option(
    "--port", type=_PORT, default=4903, show_default=True, help="Port to listen on; 0 takes a free one."
)
@click.option("--hide", "hidden", multiple=True, metavar="TEXT", help="Hide this too; may be repeated.")
def sim_record(file: Path, upstream: tuple[str, int], host: str, port: int, hidden: tuple[str, ...]) -> None:
    """Stand between your program and a real Gateway, and write down what they say, account ids and names hidden."""
    short = [text for text in hidden if len(text) < SHORTEST]
    if short:
        raise click.UsageError(f"--hide {short[0]!r} would hide nothing; valid: {SHORTEST} letters or more")
    record(RecordOptions(file=file, upstream=upstream, host=host, port=port, hidden=hidden), announce)


def comparison_of(recorded: Transcript, seed: int | None = None) -> Comparison:
    """Play the client's side of a transcript against a fresh simulator, and compare the answers.

    The seed is the recorded one where none is given, else 7.
    """
    if not any(entry.name for entry in recorded.entries):
        raise ConfigurationError(
            "the transcript has no message that the simulator knows; nothing can be compared"
        )
    began_at = _began_at(recorded)
    market = _market(recorded, began_at, int(recorded.header.notes.get("seed", 7)) if seed is None else seed)

    async def play() -> Transcript:
        return await played(recorded, market, virtual_clock())

    return compared(recorded, run_virtual(play(), start=began_at, travel=False))


def _began_at(recorded: Transcript) -> datetime:
    """When the transcript began, by the Gateway's clock if it told its time and a zone that we know."""
    told = next((entry for entry in recorded.entries if entry.form is Form.HANDSHAKE), None)
    if told is not None:
        with suppress(WireError):  # a zone that is a name of Windows, or no time at all
            if at := parse_instant("".join(told.texts[1:]), ""):
                return at - timedelta(seconds=told.at)
    return recorded.header.began_at


def _market(recorded: Transcript, began_at: datetime, seed: int) -> SeededMarket:
    """A market of the recorded day, or of the next session, with the recorded symbols."""
    symbols = {str(entry.fields.get("symbol", "")) for entry in recorded.entries if entry.sender == "client"}
    noted = recorded.header.notes.get("date")
    day = date.fromisoformat(noted) if noted else began_at.astimezone(NEW_YORK).date()
    wanted = sorted(symbols - {""})
    for later in range(_LONGEST_BREAK - 1):
        with suppress(ConfigurationError):
            return SeededMarket(seed, day + timedelta(days=later), wanted)
    return SeededMarket(seed, day + timedelta(days=_LONGEST_BREAK - 1), wanted)


@click.command("compare")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--seed", type=click.IntRange(0), help="Of the simulated market.")
@AS_JSON
def sim_compare(file: Path, seed: int | None, *, as_json: bool) -> int:
    """Hold a transcript against the simulator's answers: which messages and fields differ, not which prices."""
    transcript = Transcript.load(file)
    found = comparison_of(transcript, seed)
    if as_json:
        click.echo(json.dumps(_data(found), indent=2))
    else:
        _print(Console(), found, transcript.header.began_at)
    return ExitCode.FOUND if found.differences else ExitCode.SUCCESS


def _data(found: Comparison) -> dict[str, Any]:
    return {
        "requests": found.requests,
        "messages": found.messages,
        "differences": [attrs.asdict(each) for each in found.differences],
        "left_out": list(found.left_out),
    }


def _print(console: Console, found: Comparison, began_at: datetime) -> None:
    for kind, title in _KINDS.items():
        rows = [each for each in found.differences if each.kind == kind]
        if rows:
            console.print(_table(title, rows))
    for reason in found.left_out:
        console.print(plain(f"not compared: {reason}"))
    console.print(
        f"{found.requests} requests and {found.messages} answers of {began_at:%Y-%m-%d} compared: "
        f"{len(found.differences) or 'no'} difference{'' if len(found.differences) == 1 else 's'}",
        highlight=False,
    )


def _table(title: str, rows: list[Difference]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("where", "what", "transcript", "simulator"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(plain, (row.where, row.what, row.recorded, row.simulated)))
    return table
