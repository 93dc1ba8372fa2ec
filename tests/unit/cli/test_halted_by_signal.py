import asyncio
import os
import signal

import pytest

from ibkeel.cli.live import _halt_by_signal

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no SIGUSR1 on this system")


class Told:
    """Stands where a runner would, and keeps why it was halted."""

    def __init__(self):
        self.reason = asyncio.get_running_loop().create_future()

    def halt(self, reason):
        self.reason.set_result(reason)


def test_a_signal_halts_entries_while_a_bot_runs_and_not_after():
    before = signal.getsignal(signal.SIGUSR1)

    async def main():
        runner = Told()
        _halt_by_signal(runner)
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(10):
            return await runner.reason

    assert asyncio.run(main()) == "SIGUSR1"
    assert signal.getsignal(signal.SIGUSR1) is before
