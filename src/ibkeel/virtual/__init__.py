"""Virtual time: an event loop that jumps, with an in-memory network and a wall clock to match."""

from ibkeel.virtual.clock import VirtualClock
from ibkeel.virtual.loop import VirtualLoop
from ibkeel.virtual.run import DEFAULT_START, run_virtual, virtual_clock

__all__ = ["DEFAULT_START", "VirtualClock", "VirtualLoop", "run_virtual", "virtual_clock"]
