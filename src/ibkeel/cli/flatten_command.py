"""The commands `ibkeel flatten` and `ibkeel halt`.

One cancels entries, closes positions and looks until they are closed; the other lets no bot of a state
directory enter until it is lifted.
"""

import json
import os
import sys
from pathlib import Path

import attrs
import click

from ibkeel.cli.app import ExitCode
from ibkeel.cli.bot_config import bot_of
from ibkeel.cli.flattening import FlattenOptions, flatten_directly, flatten_through_the_bot, planned
from ibkeel.cli.paths import PATH, STATE, state_directory
from ibkeel.cli.screen import AS_JSON, Number
from ibkeel.errors import ClientIdInUse, ConfigurationError, JournalInUse, OrderRefused
from ibkeel.monitor.dashboard.source import BotSource
from ibkeel.runner import HALT_FILE, BotConfig, Flattened, Halt
from ibkeel.system import SystemClock


@click.command("flatten")
@click.argument("config", type=PATH, default=Path("bot.toml"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--all", "everything", is_flag=True, help="Close also what the bot did not trade.")
@click.option("--wait", type=Number(1, 600), default=60.0, show_default=True, help="Seconds for the fills.")
@click.option("--journal", type=PATH, help="Where the bot's journal is.")
@STATE
@click.option(
    "--follow-gateway-clock", "follow", is_flag=True, help="Take the time from the Gateway: for `sim serve`."
)
@AS_JSON
def flatten(
    config: Path,
    journal: Path | None,
    state: Path | None,
    wait: float,
    *,
    yes: bool,
    everything: bool,
    follow: bool,
    as_json: bool,
) -> int:
    """Halt entries, cancel those that work, close every position, and look until they are closed.

    While the bot of CONFIG runs, the bot itself does it, with its own session; else a session under its client
    id is opened for it. Closed are positions that the bot may have opened, as its journal says; --all closes
    everything that the account holds. Entries stay halted: `ibkeel halt --lift` lets them pass again.

    Ends with 0 when nothing is left, with 5 when something is, with 4 when orders is DRY_RUN.
    """
    bot, folder = bot_of(config), state_directory(os.environ, state)
    options = FlattenOptions(
        journal=journal or Path(bot.journal.path or folder / "journal.sqlite"),
        state=folder,
        port=bot.gateway.port,
        client_id=bot.gateway.client_id,
        everything=everything,
        wait=wait,
        follow_gateway=follow,
    )
    if not yes:
        _ask(bot, options)
    is_halted = bot.gateway.orders != "DRY_RUN" and _is_halted(folder)
    done, by = _flattened(bot, options)
    if as_json:
        click.echo(json.dumps({**attrs.asdict(done), "is_flat": done.is_flat, "by": by}, indent=2))
    else:
        _tell(done, is_halted=is_halted)
    return ExitCode.SUCCESS if done.is_flat else ExitCode.FOUND


@click.command("halt")
@click.option("--lift", is_flag=True, help="Let entries pass again.")
@click.option("--reason", default="ibkeel halt", show_default=True, help="Why, for the journal.")
@STATE
def halt_entries(reason: str, state: Path | None, *, lift: bool) -> None:
    """Let no entry of any bot leave until it is lifted, and cancel those that work; exits pass."""
    folder, clock = state_directory(os.environ, state), SystemClock()
    switch = Halt(folder / HALT_FILE)
    if not lift:
        switch.halt(reason, clock.now())
        click.echo(f"halted: {switch.reason}; `ibkeel halt --lift` lets entries pass again")
    elif switch.lift():
        click.echo("entries may pass again")
    else:
        click.echo("entries were not halted")
    click.echo(_reached(folder, BotSource(folder, folder / "journal.sqlite", clock)), err=True)


def _is_halted(state: Path) -> bool:
    """Halt entries of every bot of a state directory; a disk that takes no file keeps nobody from closing."""
    try:
        Halt(state / HALT_FILE).halt("ibkeel flatten", SystemClock().now())
    except ConfigurationError as error:
        click.echo(f"entries are not halted: {error}", err=True)
        return False
    return True


def _ask(bot: BotConfig, options: FlattenOptions) -> None:
    if sys.stdin is None or not sys.stdin.isatty():  # a service may have closed it
        raise ConfigurationError("nobody is there to be asked; --yes closes without a question")
    if bot.gateway.orders == "DRY_RUN":
        return
    try:
        what = planned(bot, options).sentence()
    except (ClientIdInUse, JournalInUse):
        what = f"halt the bot that runs, and let it cancel its entries and close {_held_beside(options)}"
    click.confirm(f"Shall I {what}?", abort=True)


def _held_beside(options: FlattenOptions) -> str:
    """What the account of the bot that runs held when the bot last looked."""
    data = BotSource(options.state, options.journal, SystemClock()).running()
    if data is None:
        return "what it holds (it does not answer, so that cannot be shown)"
    session, money = data["session"], data["money"]
    if session["host"] and (session["port"], session["client_id"]) != (options.port, options.client_id):
        return "what it holds (another bot of the state directory answers, so that cannot be shown)"
    if money["positions_at"] is None:
        return "what it holds (it has not read that yet)"
    rows = money["positions"]
    held = ", ".join(f"{row['signed_quantity']:+g} {row['subject']}" for row in rows) or "nothing"
    return held if options.everything else f"what it traded of what the account holds: {held}"


def _flattened(bot: BotConfig, options: FlattenOptions) -> tuple[Flattened, str]:
    try:
        return flatten_directly(bot, options), "this command"
    except (ClientIdInUse, JournalInUse):
        if bot.gateway.orders == "DRY_RUN":
            raise OrderRefused("orders is DRY_RUN, and a bot runs: nothing was sent, by it neither") from None
        return flatten_through_the_bot(options), "the bot"


def _tell(done: Flattened, *, is_halted: bool) -> None:
    for name in done.cancelled:
        click.echo(f"cancelled {name}")
    for words in done.uncancelled:
        click.echo(f"may still work: {words}")
    for words in done.closed:
        click.echo(f"closed {words}")
    for row in done.left:
        click.echo(f"still held: {row.quantity:+g} {row.contract}: {row.reason}")
    for words in done.untouched:
        click.echo(f"not touched, for the bot did not open it: {words}")
    if done.failure:
        click.echo(f"it could not be done: {done.failure}")
    elif done.is_flat:
        flat = "nothing that the bot traded is held" if done.untouched else "flat"
        halted = "entries are halted until `ibkeel halt --lift`" if is_halted else "entries are NOT halted"
        click.echo(f"{flat}; {halted}")


def _reached(folder: Path, source: BotSource) -> str:
    """Whom it reaches: a bot that has another state directory never hears of it."""
    data = source.running()
    if data is None:
        return f"no bot runs with the state directory {folder}; is it the bot's? --state or IBKEEL_STATE names another"
    run, session = data["run"], data["session"]
    who = f"{run['run']} {run['strategy']} {run['mode']}"
    return (
        f"this reaches {who} ({session['host']}:{session['port']}, client {session['client_id']}) by {folder}"
    )
