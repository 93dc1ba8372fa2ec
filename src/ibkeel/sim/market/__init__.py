"""Where the simulated Gateway gets its prices: a seeded model, or recorded data."""

from ibkeel.sim.market.moods import MOODS, Mood
from ibkeel.sim.market.replay import ReplayMarket
from ibkeel.sim.market.seeded import SeededMarket

__all__ = ["MOODS", "Mood", "ReplayMarket", "SeededMarket"]
