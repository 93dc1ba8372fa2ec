"""Virtual time: an event loop that jumps, with an in-memory network and a wall clock to match."""

from ibkeel.virtual.loop import VirtualClock, VirtualLoop
from ibkeel.virtual.process import ProcessLoop, TimeIsUp, bystander_context, virtual_process
from ibkeel.virtual.run import DEFAULT_START, run_virtual, virtual_clock

__all__ = [
    "DEFAULT_START",
    "ProcessLoop",
    "TimeIsUp",
    "VirtualClock",
    "VirtualLoop",
    "bystander_context",
    "run_virtual",
    "virtual_clock",
    "virtual_process",
]
