"""What a service manager is told of a bot: that it is ready, that it lives, that it stops."""

import asyncio
import math
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import FrameType
from typing import Final, Self

import attrs

_MICROSECONDS: Final = 1e6
_BEATS: Final = 3  # in one period of the watchdog, so that a late one does not cost the bot its life
_ONE_ASKING: Final = 5.0  # seconds


@attrs.frozen(kw_only=True)
class Notifier:
    """Sends single datagrams to systemd, or to whoever else speaks its protocol; to nobody by default.

    Args:
        address: Path of the socket, `@` first for an abstract one; empty for none.
        watchdog: Seconds within which the manager wants to hear of the bot; None when it does not watch.

    Source:
        sd_notify(3), sd_watchdog_enabled(3) of systemd.
    """

    address: str = ""
    watchdog: float | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str], pid: int) -> Self:
        """What the manager left in the environment; a watchdog that is meant for another process is left alone."""
        micros = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        seconds = int(micros) / _MICROSECONDS if mine and micros.isdecimal() and int(micros) else None
        return cls(address=environ.get("NOTIFY_SOCKET", ""), watchdog=seconds)

    def ready(self, status: str) -> None:
        """The bot is up, with one line for `systemctl status`; a manager starts what waits for it."""
        self._tell(f"READY=1\nSTATUS={' '.join(status.split())}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The bot ends by its own will or because it was asked to."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        family = getattr(socket, "AF_UNIX", None)  # Windows has none
        if family is None or not self.address.startswith(("/", "@")):
            return
        path = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(message.encode(), path)
            except OSError:
                return  # a manager that is gone or full must not stop trading


@asynccontextmanager
async def supervised(notifier: Notifier) -> AsyncIterator[Notifier]:
    """Feed the watchdog from this loop within the block, and say at its end that the bot stops.

    A loop that is blocked for longer than the manager's patience feeds nothing, and the manager restarts
    the bot: that is what the watchdog is for. Say `ready` when the bot is.
    """
    feeding = asyncio.create_task(_feed(notifier), name="watchdog")
    try:
        yield notifier
    finally:
        feeding.cancel()
        notifier.stopping()


async def _feed(notifier: Notifier) -> None:
    while notifier.watchdog is not None:
        notifier.alive()
        await asyncio.sleep(notifier.watchdog / _BEATS)


def interrupted_by_sigterm() -> None:
    """Let SIGTERM, and a terminal that goes away, end this process as Ctrl-C does: in order.

    SIGTERM is how systemd, Docker and `kill` ask a program to stop; without a handler Python dies at once and,
    as the first process of a container, does not hear it at all. Only the main thread can say so, and a
    handler that is already there stays, as that of `nohup`.

    A script that starts the process with `&` lets it ignore SIGINT. That is undone, for what SIGTERM is
    passed on as would be ignored with it, and nothing but SIGKILL could end the process.

    The end of a login session is told by SIGTERM and SIGHUP, that of a terminal often by two SIGHUP. They count once,
    for a second SIGINT breaks off what ends in order.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    heard = -math.inf

    def interrupt(_: int, __: FrameType | None) -> None:
        nonlocal heard
        now = time.monotonic()  # noqa: TID251 - a process that ends may have no loop to ask
        if now - heard > _ONE_ASKING:
            heard = now
            # Whatever hears SIGINT at this moment, asyncio's own handler too, hears it from us.
            signal.raise_signal(signal.SIGINT)

    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                signal.signal(signal.SIGINT, signal.default_int_handler)
