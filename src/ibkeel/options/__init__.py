"""Choosing options: expiry, strike, liquidity; and what a price implies."""

from ibkeel.options.expiries import dte, expiries_within, nearest_expiry, weekly_expiry
from ibkeel.options.greeks import GreekColumns, ImpliedGreeks, greeks, implied_greeks, price
from ibkeel.options.implied import ImpliedVolatility, implied_volatility
from ibkeel.options.inputs import Unsolved
from ibkeel.options.liquidity import (
    LiquidityRule,
    Rejection,
    RejectionKind,
    is_liquid,
    liquidity_rejections,
)
from ibkeel.options.rank import Candidate, Choice, choose
from ibkeel.options.rules import (
    PRESETS,
    ExpiryChoice,
    Preference,
    SelectionRule,
    StrikeStep,
    preset,
)
from ibkeel.options.select import nearest_strikes, out_of_the_money, select

__all__ = [
    "PRESETS",
    "Candidate",
    "Choice",
    "ExpiryChoice",
    "GreekColumns",
    "ImpliedGreeks",
    "ImpliedVolatility",
    "LiquidityRule",
    "Preference",
    "Rejection",
    "RejectionKind",
    "SelectionRule",
    "StrikeStep",
    "Unsolved",
    "choose",
    "dte",
    "expiries_within",
    "greeks",
    "implied_greeks",
    "implied_volatility",
    "is_liquid",
    "liquidity_rejections",
    "nearest_expiry",
    "nearest_strikes",
    "out_of_the_money",
    "preset",
    "price",
    "select",
    "weekly_expiry",
]
