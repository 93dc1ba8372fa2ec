"""What a run came to, by the venue's own book, the wire, and the journal's file: no order code of ours is asked."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.campaign_life import CLIENT_ID
from benchmarks.campaign_tap import Message
from benchmarks.campaign_vigil import STOPS, Vigil
from ibkeel.sim.values import SimOrder
from ibkeel.sim.venue import Venue

__all__ = ["COUNTS", "Verdict", "judge"]

COUNTS: Final = (
    "double_sent",
    "lost_intents",
    "missing_fills",
    "unprotected",
    "exits_refused",
    "entries_after_halt",
)
"""What must be nothing, by the name of its bar."""

_ENDED: Final = frozenset({"filled", "cancelled", "rejected"})
_FINAL: Final = {"Filled": "filled", "Cancelled": "cancelled", "Inactive": "rejected"}


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
    journal: Path,
    messages: Sequence[Message],
    vigil: Vigil,
    unknown: int,
    naked: Sequence[str],
    exits_refused: Sequence[str],
    left: Iterable[str],
) -> Verdict:
    """Judge a run.

    Args:
        venue: The book that is right.
        journal: The file of the last life.
        messages: What left on the wire.
        vigil: What was seen meanwhile.
        unknown: Orders whose fate the bot does not know after the last reconcile.
        naked: Positions that were bare then.
        exits_refused: What the trader's exits were refused with here.
        left: What is still held after every attempt to close it.
    """
    kept = _Kept(journal)
    orders: dict[str, list[SimOrder]] = defaultdict(list)
    for row in (*venue.open_orders(CLIENT_ID), *venue.completed_orders()):
        orders[row.order_ref].append(row)
    wrongs = {
        "double_sent": (*_sent_twice(messages), *_past_zero(venue)),
        "lost_intents": (*_lost(orders, kept), *(["fates unknown"] * unknown)),
        "missing_fills": _missing(venue, kept),
        "unprotected": (*vigil.late, *naked, *_without_stop(orders, messages)),
        "exits_refused": (*exits_refused, *left),
        "entries_after_halt": _after_halt(messages, vigil),
    }
    return Verdict(wrongs={name: tuple(found) for name, found in wrongs.items()})


class _Kept:
    """What a journal's file holds, read without our own reader."""

    def __init__(self, path: Path) -> None:
        connection = sqlite3.connect(path)
        rows = connection.execute("SELECT kind, data FROM events ORDER BY seq").fetchall()
        connection.close()
        self.intents: list[str] = []
        self.states: dict[str, str] = {}
        self.fills: Counter[str] = Counter()
        for kind, text in rows:
            self._take(kind, json.loads(text))

    def _take(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "intent":
            self.intents.append(data["client_order_id"])
        elif kind == "order_update":
            self.states[data["report"]["client_order_id"]] = data["report"]["state"]
        elif kind == "order_settled":
            self.states[data["client_order_id"]] = data["state"]
        elif kind == "fill_seen":
            self.fills[data["execution"]["exec_id"]] += 1

    def knows(self, order_ref: str) -> bool:
        """Whether an intent bears the name, or is the parent of the order that does."""
        return order_ref in self.intents or order_ref.rpartition("-")[0] in self.intents


def _sent_twice(messages: Iterable[Message]) -> Iterable[str]:
    """Names under which more than one order left, and numbers that more than one order bore."""
    numbers: dict[str, dict[int, None]] = defaultdict(dict)
    names: dict[int, dict[str, None]] = defaultdict(dict)
    for message in messages:
        if message.name == "place_order":
            numbers[message.order_ref][message.order_id] = None
            names[message.order_id][message.order_ref] = None
    yield from (f"{name} left as {list(ids)}" for name, ids in numbers.items() if len(ids) > 1)
    yield from (f"number {number} left as {list(two)}" for number, two in names.items() if len(two) > 1)


def _without_stop(orders: Mapping[str, Sequence[SimOrder]], messages: Iterable[Message]) -> Iterable[str]:
    """Entries at the venue with which no stop order left."""
    stopped = {
        m.values["parent_id"] for m in messages if m.name == "place_order" and m.values["order_type"] in STOPS
    }
    entries = [row for rows in orders.values() for row in rows if row.action == "BUY" and row.placed_at]
    return [f"{row.order_ref} left without a stop" for row in entries if row.order_id not in stopped]


def _past_zero(venue: Venue) -> Iterable[str]:
    """Contracts of which more was sold than was held: they were sold twice."""
    held: Counter[int] = Counter()
    found: dict[int, str] = {}
    for fill, _ in venue.executions():
        con_id = fill.contract.con_id
        held[con_id] += int(fill.quantity) * (1 if fill.side == "BOT" else -1)
        if held[con_id] < 0:
            found[con_id] = f"{con_id} sold past zero by {fill.order_ref} at {fill.at:%H:%M:%S}"
    return found.values()


def _lost(orders: Mapping[str, Sequence[SimOrder]], kept: _Kept) -> Iterable[str]:
    """Orders at the venue that the journal does not know, or takes for something else; and the other way."""
    for name, rows in orders.items():
        if not kept.knows(name):
            yield f"{name or 'an order without a name'} is at the venue and in no journal"
            continue
        stands = {_FINAL.get(row.status, "live") for row in rows}
        told = kept.states.get(name, "never heard of")
        known = told if told in _ENDED else "live"
        if known not in stands:
            yield f"{name} is {'/'.join(sorted(stands))} at the venue, {told} in the journal"
    for name, state in kept.states.items():
        if name not in orders and state not in _ENDED:
            yield f"{name} is {state} in the journal and not at the venue"


def _missing(venue: Venue, kept: _Kept) -> Iterable[str]:
    """Fills that the journal lacks, has twice, or made up."""
    at_venue = {fill.exec_id: fill.order_ref for fill, _ in venue.executions()}
    lacks = [f"fill {name} of {order}" for name, order in at_venue.items() if name not in kept.fills]
    twice = [f"fill {name} kept {number} times" for name, number in kept.fills.items() if number > 1]
    made_up = [f"fill {name} is not the venue's" for name in kept.fills if name not in at_venue]
    return [*lacks, *twice, *made_up]


def _after_halt(messages: Iterable[Message], vigil: Vigil) -> Iterable[str]:
    return [
        f"{message.order_ref} left at {message.at:%H:%M:%S}, after the halt"
        for message in messages
        if message.is_entry and any(since < message.at <= until for since, until in vigil.halts)
    ]
