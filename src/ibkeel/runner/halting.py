"""Carries a halt out: entries that work are cancelled within seconds of its coming."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ibkeel.errors import IbkeelError
from ibkeel.model import Orders
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.flatten import cancel_entries
from ibkeel.runner.halt import Halt
from ibkeel.runner.tally import Failures

_LOOK: Final = 5.0  # seconds between two looks for a file that another process made


class Halting:
    """Watches a kill switch.

    Args:
        halt: The switch.
        broker: Whose entries they are.
        desk: Cancels the entries.
        failures: Told of what could not be cancelled, which is tried again.
        on_change: Told why entries are halted, or with an empty text that they may pass again.
    """

    def __init__(
        self,
        halt: Halt,
        broker: Orders,
        desk: OrderDesk,
        failures: Failures,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._halt, self._broker, self._desk, self._failures = halt, broker, desk, failures
        self._on_change = on_change
        self._asked = asyncio.Event()

    def now(self, reason: str, at: datetime) -> None:
        """Halt; a file that cannot be written is noted, and this process is halted all the same."""
        try:
            self._halt.halt(reason, at)
        except IbkeelError as error:
            self._failures.note("", error, "halt")
        self._asked.set()

    async def run(self) -> None:
        """Look, until cancelled."""
        told = ""
        while True:
            self._asked.clear()
            reason = self._halt.reason
            if reason != told:
                told = reason
                self._on_change(reason)
            # An order that was cancelled in vain, or that is found later, is asked for again as long as it lives.
            if reason and any(order.is_entry for _, order in self._desk.alive):
                await self._cancel()
            await self._pause()

    async def _cancel(self) -> None:
        try:
            tried = (await cancel_entries(self._broker, self._desk)).values()
            failed = [error for error in tried if error is not None]
        except IbkeelError as error:
            failed = [error]
        for each in failed:
            self._failures.note("", each, "halt")

    async def _pause(self) -> None:
        """Until somebody asks; a file is looked for now and then."""
        try:
            async with asyncio.timeout(_LOOK if self._halt.may_change or self._halt.reason else None):
                await self._asked.wait()
        except TimeoutError:
            return
