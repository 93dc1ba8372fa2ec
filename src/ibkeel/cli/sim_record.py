"""Record a real Gateway, and let a record answer."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs
import click
from typing_extensions import override

from ibkeel.cli.screen import announce
from ibkeel.sim.transcripts import (
    Header,
    Playback,
    RecordingProxy,
    Redactor,
    Scribe,
    Transcript,
    TranscriptFile,
)
from ibkeel.sim.transcripts.proxy import not_listening
from ibkeel.system import SystemClock

_PORT: Final = click.IntRange(0, 65535)
_HIGHEST_PORT: Final = 65535


@attrs.frozen(kw_only=True)
class RecordOptions:
    """What to record.

    Args:
        file: Where the transcript goes.
        upstream: Host and port of the Gateway.
        host: Address to listen on.
        port: Port to listen on; 0 lets the system choose.
        hidden: Texts to hide wherever they are said.
    """

    file: Path
    upstream: tuple[str, int]
    host: str = "127.0.0.1"
    port: int = 4903
    hidden: tuple[str, ...] = ()


def record(options: RecordOptions, announce: Callable[[str], None]) -> None:
    """Stand between clients and a Gateway, and write down what they say, until interrupted.

    Args:
        options: What to record.
        announce: Told, in one line each, what happens.

    Raises:
        ConfigurationError: The address cannot be bound, or the file cannot be written.
    """
    asyncio.run(_record(options, announce))


def replay(path: Path, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Answer clients as a transcript did, until interrupted.

    Args:
        path: The transcript.
        host: Address to bind.
        port: Port to bind; 0 lets the system choose.
        announce: Told, in one line each, what is served and where.

    Raises:
        ConfigurationError: The file is no transcript, or the address cannot be bound.
    """
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


class _Address(click.ParamType[tuple[str, int]]):
    """A host and a port, with a colon between them."""

    name = "HOST:PORT"

    @override
    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= _HIGHEST_PORT:
            self.fail(f"{value!r} is no address; 127.0.0.1:4002 would be", param, ctx)
        return host.strip("[]"), int(port)


@click.command("record")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--upstream", type=_Address(), required=True, help="The real Gateway.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=_PORT, default=4903, show_default=True, help="Port to listen on; 0 takes a free one."
)
@click.option("--hide", "hidden", multiple=True, metavar="TEXT", help="Hide this too; may be repeated.")
def sim_record(file: Path, upstream: tuple[str, int], host: str, port: int, hidden: tuple[str, ...]) -> None:
    """Stand between your program and a real Gateway, and write down what they say, account ids and names hidden."""
    record(RecordOptions(file=file, upstream=upstream, host=host, port=port, hidden=hidden), announce)
