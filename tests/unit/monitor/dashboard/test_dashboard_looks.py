"""However many pages are open, the bot is asked at most so often."""

import asyncio
from datetime import UTC, datetime, timedelta

import attrs

from ibkeel.model import Grade, Health, HealthCheck
from ibkeel.monitor.board import Board, snapshot_data
from ibkeel.monitor.dashboard import View
from ibkeel.monitor.dashboard.source import Looks
from ibkeel.telemetry import HealthTaken

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


@attrs.define
class Seen:
    """A source that counts, of a board on which only time passes; its looks take a while."""

    board: Board = attrs.field(factory=Board)
    looks: int = 0

    async def view(self):
        self.looks += 1
        await asyncio.sleep(0.1)
        now = AT + timedelta(seconds=self.looks)
        return View(origin="bot", data=snapshot_data(self.board.snapshot, now=now))


@attrs.define
class Button:
    halted: str = ""

    def halt(self, reason):
        self.halted = reason

    def lift(self):
        self.halted = ""


async def test_a_hundred_pages_cost_one_look():
    source = Seen()
    looks = Looks(source, Button(), every=0.5)

    seen = await asyncio.gather(*(looks.look() for _ in range(100)))
    await asyncio.sleep(0.5)
    later = await looks.look()

    assert len({id(look) for look in seen}) == 1
    assert later is not seen[0]
    assert source.looks == 2


async def test_what_the_button_changed_is_seen_at_once_and_masked():
    button = Button()
    looks = Looks(Seen(), button, every=60)
    before = await looks.look()

    button.halt("for DU1234567")
    looks.forget()

    assert before.data["halted"] == ""
    assert (await looks.look()).data["halted"] == "for DU***67"


async def test_that_time_passes_is_no_change():
    source = Seen()
    tier = HealthCheck(name="port", grade=Grade.OK, evidence="open", at=AT)
    source.board.on_event(HealthTaken(at=AT, health=Health(checks=(tier,))))
    looks = Looks(source, Button(), every=0.0)

    first, second = await looks.look(), await looks.look()

    assert first.text != second.text
    assert first.settled == second.settled
