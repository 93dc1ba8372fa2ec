"""Choosing options: expiry, strike, liquidity; and what a price implies."""

from ibkeel.options.american import american_implied_volatility, american_price
from ibkeel.options.black76 import black76_greeks, black76_implied_volatility, black76_price
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
from ibkeel.options.parity import ParityForward, implied_dividend_yield, parity_forward
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
    "ParityForward",
    "Preference",
    "Rejection",
    "RejectionKind",
    "SelectionRule",
    "StrikeStep",
    "Unsolved",
    "american_implied_volatility",
    "american_price",
    "black76_greeks",
    "black76_implied_volatility",
    "black76_price",
    "choose",
    "dte",
    "expiries_within",
    "greeks",
    "implied_dividend_yield",
    "implied_greeks",
    "implied_volatility",
    "is_liquid",
    "liquidity_rejections",
    "nearest_expiry",
    "nearest_strikes",
    "out_of_the_money",
    "parity_forward",
    "preset",
    "price",
    "select",
    "weekly_expiry",
]
