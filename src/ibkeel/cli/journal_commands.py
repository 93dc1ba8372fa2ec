"""The commands that read a journal."""

import io
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from ibkeel.cli.paths import PATH, STATE, in_a_folder, page_path, state_directory
from ibkeel.cli.screen import DATE, print_records, told, unbroken
from ibkeel.errors import ConfigurationError
from ibkeel.journal import Entry, Journal, SparingReader, back_up
from ibkeel.journal.export import draft_of
from ibkeel.monitor.report import cash_of, report_of, report_page, write_private


@click.group()
def journal() -> None:
    """What a bot did, as it wrote it down."""


@journal.command("backup")
@click.argument("path", type=PATH)
@click.argument("output", type=PATH)
def journal_backup(path: Path, output: Path) -> None:
    """Copy the journal at PATH to OUTPUT, a new file, while the bot may go on writing; and check the copy.

    To restore, stop the bot, move the damaged journal away, and copy in the other direction.
    """
    click.echo(f"{output}: {back_up(path, output)} records, checked")


@journal.command("export")
@click.argument("path", type=PATH)
@click.argument("output", type=PATH, required=False)
@click.option("--jsonl", "form", flag_value="jsonl", help="One JSON object a line.")
@click.option("--csv", "form", flag_value="csv", help="A table; needs OUTPUT.")
@click.option("--parquet", "form", flag_value="parquet", help="A table; needs OUTPUT and pyarrow.")
@click.option("--full", is_flag=True, help="With whole account ids.")
def journal_export(path: Path, output: Path | None, form: str | None, *, full: bool) -> None:
    """Write the journal at PATH to OUTPUT, a new file, or to the terminal.

    Without an option a name that ends in .csv or .parquet gets a table, and all else gets lines of JSON.
    """
    if form is None and output is not None:
        form = output.suffix.lower()[1:]
    if output is not None:
        in_a_folder(output)
    with Journal.open(path, read_only=True) as source:
        if form in {"csv", "parquet"}:
            if output is None:
                raise ConfigurationError(
                    f"--{form} needs a file to write: ibkeel journal export PATH OUTPUT --{form}"
                )
            (source.export_csv if form == "csv" else source.export_parquet)(output, full=full)
        elif output is None:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(
                    encoding="utf-8"
                )  # JSON's own: nothing of a journal becomes a question mark
            source.export_jsonl(sys.stdout, full=full)
        else:
            _write_lines(source, output, full=full)


def _write_lines(source: Journal, output: Path, *, full: bool) -> None:
    try:
        with draft_of(output) as draft, draft.open("w", encoding="utf-8", newline="\n") as stream:
            source.export_jsonl(stream, full=full)
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from error


@journal.command("show")
@click.argument("path", type=PATH, required=False)
@click.option("--last", type=click.IntRange(1), default=40, show_default=True, help="How many records.")
@click.option("--kind", help="Only one kind, such as fill or failure.")
@STATE
def journal_show(path: Path | None, last: int, kind: str | None, state: Path | None) -> None:
    """Print the last records of the journal at PATH, by default the one in the state directory."""
    if path is not None and state is not None:
        raise click.UsageError("PATH and --state exclude each other")
    with Journal.open(
        path or state_directory(os.environ, state) / "journal.sqlite", read_only=True
    ) as source:
        reader = SparingReader(source)
        entries = _last(reader, kind, last, source.count())
    print_records(unbroken(Console()), [(entry.seq, entry.record) for entry in entries])
    for error in reader.skipped.values():
        click.echo(f"left out: {error}", err=True)


def _last(source: SparingReader, kind: str | None, wanted: int, end: int) -> list[Entry]:
    """The last records of a kind, looked for from the end on: a journal may hold millions."""
    span = wanted
    while True:
        entries = list(_of_kind(source, kind, max(end - span, 0)))
        if len(entries) >= wanted or span >= end:
            return entries[-wanted:]
        span *= 8


def _of_kind(source: SparingReader, kind: str | None, after: int) -> Iterator[Entry]:
    """Records of a kind, by its stored name or in the words of the table."""
    if kind is not None and kind.endswith(" intent"):
        return (entry for entry in source.events("intent", after=after) if told(entry.record)[0] == kind)
    return source.events("fill_seen" if kind == "fill" else kind and kind.replace(" ", "_"), after=after)


@click.command()
@click.argument("output", type=PATH, required=False)
@click.option("--date", "wanted", type=DATE, help="Trading date. [default: the journal's last]")
@STATE
@click.option("--journal", type=PATH, help="The bot's journal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; OUTPUT is not needed then.")
def report(
    output: Path | None, wanted: datetime | None, state: Path | None, journal: Path | None, *, as_json: bool
) -> None:
    """Write the report of a trading day to OUTPUT, one HTML file; by default `ibkeel-DATE.html`.

    An earlier report there is replaced, no other file is. The journal to read is named with --journal.
    """
    path = journal or state_directory(os.environ, state) / "journal.sqlite"
    with Journal.open(path, read_only=True) as source:
        day = report_of(source, None if wanted is None else wanted.date())
    if as_json:
        click.echo(json.dumps(day.as_data(), indent=2))
        return
    target = page_path(output or Path(f"ibkeel-{day.session.isoformat()}.html"))
    try:
        write_private(target, report_page(day))
    except OSError as error:
        raise ConfigurationError(f"cannot write {target}: {error.strerror}") from error
    what, cash = cash_of(day)
    click.echo(f"{day.session.isoformat()}: {len(day.fills)} fills, {what}: {cash}; see {target}")
