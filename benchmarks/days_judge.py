"""What a run of the days came to, by the venue's own book, the wire, and the journals' files."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from benchmarks.campaign_tap import Message
from benchmarks.days_limits import LimitsOnFile
from benchmarks.days_market import DaysMarket
from benchmarks.days_operator import Operator
from benchmarks.days_plan import ENDS_BEFORE
from benchmarks.days_vigil import Bot, Vigil
from ibkeel.errors import IbkeelError
from ibkeel.journal import Journal
from ibkeel.sim.venue import Venue

__all__ = ["COUNTS", "Sent", "Verdict", "judge"]

COUNTS: Final = (
    "past_zero",
    "entries_unfounded",
    "entries_forbidden",
    "entries_too_large",
    "sent_twice",
    "bare",
    "excess",
    "left_open",
    "flatten",
    "stalled",
    "runs_ended",
    "journal",
    "fills",
)
"""What must be nothing, by the name of its bar."""

_RACE: Final = 105.0  # good seconds in which a bot cannot have learned of what somebody else traded
_HEARS: Final = 180.0  # good seconds of the same day after which a fill has been read
_NEW_YORK: Final = ZoneInfo("America/New_York")


@attrs.frozen(kw_only=True)
class Sent:
    """An order that left a bot.

    Args:
        message: As it left.
        shown_at: What the bot's clock showed.
        is_halted: Whether entries were halted.
    """

    message: Message
    shown_at: datetime
    is_halted: bool


@attrs.frozen(kw_only=True)
class Verdict:
    """What is wrong, in words, by the name of its bar."""

    wrongs: Mapping[str, tuple[str, ...]]

    @property
    def is_good(self) -> bool:
        """Whether nothing is."""
        return not any(self.wrongs.values())

    def counts(self) -> dict[str, int]:
        """How much is wrong."""
        return {name: len(self.wrongs[name]) for name in COUNTS}


def judge(
    *,
    venue: Venue,
    market: DaysMarket,
    journals: Mapping[int, Path],
    sent: Sequence[Sent],
    bots: Sequence[Bot],
    vigil: Vigil,
    faults: Iterable[str],
    operator: Operator,
    limits: LimitsOnFile,
) -> Verdict:
    """Judge a run.

    Args:
        venue: The book that is right.
        market: Its sessions.
        journals: The file of each bot's last life, by client id.
        sent: What left on the wire.
        bots: What is known of each from outside.
        vigil: What was seen meanwhile.
        faults: What ended runs that should have gone on.
        operator: Who asked for everything to be closed.
        limits: What entries were to keep to.
    """
    kept = {client_id: _Kept(path) for client_id, path in journals.items()}
    own = {bot.client_id: bot for bot in bots}
    entries = [row for row in sent if _is_entry(row.message, kept)]
    wrongs: dict[str, Iterable[str]] = {
        "past_zero": _past_zero(venue, own),
        "entries_unfounded": (*_unfounded(entries, kept), *_too_many(venue, kept)),
        "entries_forbidden": (*_forbidden(entries, market), *_after_loss(kept)),
        "entries_too_large": _too_large(entries, limits),
        "flatten": operator.wrongs,
        "sent_twice": _sent_twice(sent),
        "runs_ended": faults,
        "journal": [words for row in kept.values() for words in row.troubles()],
        "fills": [words for bot in bots for words in _missing(venue, bot, kept[bot.client_id])],
        **vigil.wrongs,
    }
    return Verdict(wrongs={name: tuple(wrongs.get(name, ())) for name in COUNTS})


class _Kept:
    """What a journal's file holds, read without our own reader; but that one must be able to read it too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        connection = sqlite3.connect(path)
        rows = connection.execute("SELECT kind, data FROM events ORDER BY seq").fetchall()
        connection.close()
        self.rows = [(kind, json.loads(text)) for kind, text in rows]
        self.entries: dict[str, int] = {}
        self.exits: dict[str, None] = {}
        self.fills: Counter[str] = Counter()
        for kind, data in self.rows:
            if kind == "intent" and data["purpose"] == "entry":
                self.entries[data["client_order_id"]] = int(data["order"]["entry"]["quantity"])
            elif kind == "intent":
                self.exits[data["client_order_id"]] = None
            elif kind == "fill_seen":
                self.fills[data["execution"]["exec_id"]] += 1

    def troubles(self) -> Iterable[str]:
        """Why it cannot be read."""
        try:
            with Journal.open(self._path) as journal:
                for _ in journal.events():
                    pass
        except IbkeelError as error:
            yield f"{type(error).__name__}: {error}"


def _is_entry(message: Message, kept: Mapping[int, _Kept]) -> bool:
    """Whether it opens a position: what closes one that is short is bought too."""
    is_exit = any(message.client_id == each and message.order_ref in own.exits for each, own in kept.items())
    return message.is_entry and not message.is_change and not is_exit


def _past_zero(venue: Venue, bots: Mapping[int, Bot]) -> Iterable[str]:
    """Sales of a bot that left less than nothing, long after anybody else's trade of the same."""
    held: Counter[int] = Counter()
    others: dict[tuple[int, int], datetime] = {}
    for fill, _ in venue.executions():
        con_id, is_sale = fill.contract.con_id, fill.side != "BOT"
        held[con_id] += int(fill.quantity) * (-1 if is_sale else 1)
        bot = bots.get(fill.client_id)
        if bot is not None and is_sale and held[con_id] < 0:
            since = others.get((con_id, fill.client_id))
            apart = None if since is None else bot.good_at(fill.at) - bot.good_at(since)
            if apart is None or apart > _RACE:
                yield f"{fill.order_ref} sold {con_id} past zero at {fill.at:%d %H:%M:%S} ({apart} good seconds)"
        for client_id in bots:
            # What another bot sells is no excuse: they are to count each other's orders.
            if fill.client_id not in bots or (client_id == fill.client_id and not is_sale):
                others[con_id, client_id] = fill.at


def _unfounded(entries: Iterable[Sent], kept: Mapping[int, _Kept]) -> Iterable[str]:
    for row in entries:
        name, client_id = row.message.order_ref, row.message.client_id
        assert client_id is not None
        wanted = kept[client_id].entries.get(name)
        if wanted is None:
            yield f"{name or 'an order without a name'} left and is in no journal"
        elif row.message.values["quantity"] > wanted:
            yield f"{name} left for {row.message.values['quantity']:g}, not {wanted}"


def _too_many(venue: Venue, kept: Mapping[int, _Kept]) -> Iterable[str]:
    filled: Counter[tuple[int, str]] = Counter()
    for fill, _ in venue.executions():
        is_bought = fill.client_id in kept and fill.side == "BOT"
        if is_bought and fill.order_ref not in kept[fill.client_id].exits:
            filled[fill.client_id, fill.order_ref] += int(fill.quantity)
    for (client_id, name), quantity in filled.items():
        if quantity > kept[client_id].entries.get(name, 0):
            yield f"{name} bought {quantity}"


def _forbidden(entries: Iterable[Sent], market: DaysMarket) -> Iterable[str]:
    """Entries while halted, or when the session's entries were over by the bot's own clock."""
    spans = [
        (session.opens_at, session.closes_at - timedelta(seconds=ENDS_BEFORE))
        for session in market.sessions_of_run()
    ]
    for row in entries:
        words = f"{row.message.order_ref} left at {row.message.at:%d %H:%M:%S}"
        if row.is_halted:
            yield f"{words}, halted"
        if not any(opens_at <= row.shown_at <= ends_at for opens_at, ends_at in spans):
            yield f"{words}, out of hours"


def _too_large(entries: Iterable[Sent], limits: LimitsOnFile) -> Iterable[str]:
    for row in entries:
        most, quantity = limits.most_at(row.message.at), row.message.values["quantity"]
        if quantity > most:
            yield f"{row.message.order_ref} left at {row.message.at:%d %H:%M:%S} for {quantity:g}, not {most}"


def _after_loss(kept: Mapping[int, _Kept]) -> Iterable[str]:
    """Entries that were intended when the day's loss had reached its limit."""
    for client_id, journal in kept.items():
        tripped: str | None = None
        for kind, data in journal.rows:
            if kind == "loss_guard":
                tripped = data["guard"]["session"] if data["guard"]["tripped"] else None
            elif (
                kind == "intent"
                and data["purpose"] == "entry"
                and tripped == _day_of(data["client_order_id"])
            ):
                yield f"bot {client_id}: {data['client_order_id']} though the day's loss had reached its limit"


def _day_of(name: str) -> str:
    day = name.split("-")[1]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def _sent_twice(sent: Iterable[Sent]) -> Iterable[str]:
    """Names under which more than one order left, and numbers that more than one order bore."""
    numbers: dict[tuple[int | None, str], dict[int, None]] = defaultdict(dict)
    names: dict[tuple[int | None, int], dict[str, None]] = defaultdict(dict)
    for message in (row.message for row in sent):
        if message.name == "place_order" and not message.values["what_if"]:
            numbers[message.client_id, message.order_ref][message.order_id] = None
            names[message.client_id, message.order_id][message.order_ref] = None
    yield from (f"{name} left as {list(ids)}" for (_, name), ids in numbers.items() if len(ids) > 1)
    yield from (f"number {number} left as {list(two)}" for (_, number), two in names.items() if len(two) > 1)


def _missing(venue: Venue, bot: Bot, kept: _Kept) -> Iterable[str]:
    """Fills that the journal lacks though there was time to read them, that it has twice, or made up."""
    own: dict[str, Any] = {
        fill.exec_id: fill for fill, _ in venue.executions() if fill.client_id == bot.client_id
    }
    for name, fill in own.items():
        midnight = datetime.combine(
            fill.at.astimezone(_NEW_YORK).date() + timedelta(days=1), datetime.min.time(), _NEW_YORK
        )
        heard = bot.good_at(midnight) - bot.good_at(fill.at)
        if name not in kept.fills and heard > _HEARS:
            yield f"fill {name} of {fill.order_ref} at {fill.at:%d %H:%M:%S}, {heard:g} good seconds followed"
    yield from (f"fill {name} kept {count} times" for name, count in kept.fills.items() if count > 1)
    yield from (f"fill {name} is not the venue's" for name in kept.fills if name not in own)
