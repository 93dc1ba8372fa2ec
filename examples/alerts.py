"""Alerts to a channel of your own, here the terminal: `python examples/alerts.py`.

For Telegram, Discord, mail and a hundred more no code is needed: name their addresses under `[alerts]`.
"""

import asyncio

from ibkeel.monitor import Alerter, AlertsConfig, Board
from ibkeel.monitor.alerts import Message
from ibkeel.system import SystemClock
from ibkeel.telemetry import AlarmRaised, Event, HaltChanged

TWO = 2  # alerts are expected


class Terminal:
    """Prints; a courier calls it from a thread of its own, so it may take its time."""

    @property
    def name(self) -> str:
        return "terminal"

    def deliver(self, message: Message) -> None:
        print(f"[{message.severity}] {message.title}\n{message.text}\n", flush=True)


async def main() -> None:
    clock, board = SystemClock(), Board()
    told: asyncio.Queue[int] = asyncio.Queue()

    def hear(event: Event) -> None:
        board.on_event(event)
        if all(row.delivered for row in board.snapshot.alerts.rows.values()):
            told.put_nowait(len(board.snapshot.alerts.rows))

    async with Alerter(AlertsConfig(least="info"), clock, hear, channels=[Terminal()]) as alerter:
        # In a bot these come from the broker and the runner: see `Monitor`.
        alarm = AlarmRaised(at=clock.now(), name="session", message="the login of DU1234567 was refused")
        alerter.on_event(alarm)
        alerter.on_event(alarm)  # the same news is told once
        alerter.on_event(HaltChanged(at=clock.now(), is_halted=True, reason="the example says so"))
        async with asyncio.timeout(20):
            while await told.get() < TWO:
                pass
    print(f"{len(board.snapshot.alerts.rows)} alerts delivered")


if __name__ == "__main__":
    asyncio.run(main())
