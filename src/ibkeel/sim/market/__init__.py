"""Where the simulated Gateway gets its prices: a seeded model, or recorded data."""

from ibkeel.sim.market.extended import ExtendedMarket
from ibkeel.sim.market.halts import Halt, HaltedMarket
from ibkeel.sim.market.moods import MOODS, Mood
from ibkeel.sim.market.replay import ReplayMarket
from ibkeel.sim.market.seeded import SeededMarket
from ibkeel.sim.market.splits import SplitMarket

__all__ = [
    "MOODS",
    "ExtendedMarket",
    "Halt",
    "HaltedMarket",
    "Mood",
    "ReplayMarket",
    "SeededMarket",
    "SplitMarket",
]
