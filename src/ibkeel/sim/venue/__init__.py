"""Where simulated orders are matched, and the account is kept."""

from ibkeel.sim.settings import CommissionPlan, VenueSettings
from ibkeel.sim.split import Split
from ibkeel.sim.venue.margin import MarginPreview, PortfolioRow, Valuation
from ibkeel.sim.venue.settlement import Dividend, Settlement
from ibkeel.sim.venue.venue import Venue

__all__ = [
    "CommissionPlan",
    "Dividend",
    "MarginPreview",
    "PortfolioRow",
    "Settlement",
    "Split",
    "Valuation",
    "Venue",
    "VenueSettings",
]
