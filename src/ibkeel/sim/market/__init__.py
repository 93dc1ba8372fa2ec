"""Where the simulated Gateway gets its prices: a seeded model, or recorded data."""

from ibkeel.sim.market.extended import ExtendedMarket
from ibkeel.sim.market.levels import MOODS, Mood
from ibkeel.sim.market.overlays import Halt, HaltedMarket, SplitMarket
from ibkeel.sim.market.replay import ReplayMarket
from ibkeel.sim.market.seeded import SeededMarket

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
