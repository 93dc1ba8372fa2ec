"""`ibkeel report`: what a trading day was."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from ibkeel.cli.paths import state_directory
from ibkeel.errors import ConfigurationError
from ibkeel.journal import Journal
from ibkeel.monitor.report import report_of, report_page, write_private

__all__ = ["report"]

_PATH: Final = click.Path(path_type=Path)
_DATE: Final = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.argument("output", type=_PATH, required=False)
@click.option("--session", type=_DATE, default=None, help="Trading date. [default: the journal's last]")
@click.option("--journal", type=_PATH, default=None, help="The bot's journal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; OUTPUT is not needed then.")
def report(output: Path | None, session: datetime | None, journal: Path | None, *, as_json: bool) -> None:
    """Write the report of a trading day to OUTPUT, one HTML file; by default `ibkeel-DATE.html`."""
    path = journal or state_directory(os.environ) / "journal.sqlite"
    with Journal.open(path, read_only=True) as source:
        day = report_of(source, None if session is None else session.date())
    if as_json:
        click.echo(json.dumps(day.as_data(), indent=2))
        return
    target = output or Path(f"ibkeel-{day.session.isoformat()}.html")
    try:
        write_private(target, report_page(day))
    except OSError as error:
        raise ConfigurationError(f"cannot write {target}: {error.strerror}") from error
    click.echo(f"{day.session.isoformat()}: {len(day.fills)} fills, {day.cash:+,.2f}; see {target}")
