"""Choosing options: expiry, strike, liquidity; and what a price implies."""

from ibkeel.options.american import american_implied_volatility, american_price
from ibkeel.options.american_greeks import american_greeks
from ibkeel.options.american_parity import american_parity_forward
from ibkeel.options.arbitrage import ArbitrageKind, ArbitrageWarning
from ibkeel.options.black76 import black76_greeks, black76_implied_volatility, black76_price
from ibkeel.options.delta_fetch import QuotedChains, pick_by_delta, told_closes
from ibkeel.options.delta_plan import DeltaPick, DeltaPlan
from ibkeel.options.delta_rule import DeltaRule, Listing, delta_listing
from ibkeel.options.dividends import CashDividend, escrowed_spot
from ibkeel.options.expiries import dte, expiries_within, nearest_expiry, weekly_expiry
from ibkeel.options.filters import (
    DeltaWithin,
    DteWithin,
    ExpiryFrom,
    Filter,
    KindIn,
    Liquid,
    MoneynessWithin,
    OutOfTheMoneyWithin,
    PremiumWithin,
    RightIs,
    sift,
)
from ibkeel.options.greek_check import CheckTerms, CrossCheck, Disagreement, DisagreementKind, cross_check
from ibkeel.options.greeks import GreekColumns, ImpliedGreeks, greeks, implied_greeks, price
from ibkeel.options.history import VolatilityStanding, volatility_standing
from ibkeel.options.implied import ImpliedVolatility, implied_volatility
from ibkeel.options.inputs import Unsolved
from ibkeel.options.leg_risks import LegRisk, LegRiskKind, LegRiskRule, leg_risks
from ibkeel.options.liquidity import LiquidityRule, Rejection, RejectionKind, is_liquid, liquidity_rejections
from ibkeel.options.near_expiry import NearExpiryValue, value_at_near_expiry
from ibkeel.options.net_greeks import NetGreeks, broker_net_greeks, net_greeks
from ibkeel.options.parity import ParityForward, implied_dividend_yield, parity_forward
from ibkeel.options.payoff import Payoff, payoff
from ibkeel.options.payoff_svg import payoff_svg
from ibkeel.options.rank import Candidate, Choice, candidates_of, choose
from ibkeel.options.rules import PRESETS, ExpiryChoice, Preference, SelectionRule, StrikeStep, preset
from ibkeel.options.select import at_the_money, nearest_strikes, out_of_the_money, select, strikes_around
from ibkeel.options.series import Series, SeriesKind, is_adjusted, series_kind, series_of
from ibkeel.options.settlement import Exercise, Settlement, closes_by_day, settles_at, years_to_expiry
from ibkeel.options.smile import ExpectedMove, LeftOut, Smile, SmilePoint, WhyLeftOut
from ibkeel.options.smile_fit import fit_smile, smile_of_quotes
from ibkeel.options.spreads import (
    butterfly,
    calendar,
    collar,
    covered_call,
    diagonal,
    iron_condor,
    iron_fly,
    straddle,
    strangle,
    vertical,
)
from ibkeel.options.structures import Leg, Net, PriceBasis, Structure
from ibkeel.options.surface import Surface, TermPoint
from ibkeel.options.surface_svg import surface_svg
from ibkeel.options.unwinding import closing

__all__ = [
    "PRESETS",
    "ArbitrageKind",
    "ArbitrageWarning",
    "Candidate",
    "CashDividend",
    "CheckTerms",
    "Choice",
    "CrossCheck",
    "DeltaPick",
    "DeltaPlan",
    "DeltaRule",
    "DeltaWithin",
    "Disagreement",
    "DisagreementKind",
    "DteWithin",
    "Exercise",
    "ExpectedMove",
    "ExpiryChoice",
    "ExpiryFrom",
    "Filter",
    "GreekColumns",
    "ImpliedGreeks",
    "ImpliedVolatility",
    "KindIn",
    "LeftOut",
    "Leg",
    "LegRisk",
    "LegRiskKind",
    "LegRiskRule",
    "Liquid",
    "LiquidityRule",
    "Listing",
    "MoneynessWithin",
    "NearExpiryValue",
    "Net",
    "NetGreeks",
    "OutOfTheMoneyWithin",
    "ParityForward",
    "Payoff",
    "Preference",
    "PremiumWithin",
    "PriceBasis",
    "QuotedChains",
    "Rejection",
    "RejectionKind",
    "RightIs",
    "SelectionRule",
    "Series",
    "SeriesKind",
    "Settlement",
    "Smile",
    "SmilePoint",
    "StrikeStep",
    "Structure",
    "Surface",
    "TermPoint",
    "Unsolved",
    "VolatilityStanding",
    "WhyLeftOut",
    "american_greeks",
    "american_implied_volatility",
    "american_parity_forward",
    "american_price",
    "at_the_money",
    "black76_greeks",
    "black76_implied_volatility",
    "black76_price",
    "broker_net_greeks",
    "butterfly",
    "calendar",
    "candidates_of",
    "choose",
    "closes_by_day",
    "closing",
    "collar",
    "covered_call",
    "cross_check",
    "delta_listing",
    "diagonal",
    "dte",
    "escrowed_spot",
    "expiries_within",
    "fit_smile",
    "greeks",
    "implied_dividend_yield",
    "implied_greeks",
    "implied_volatility",
    "iron_condor",
    "iron_fly",
    "is_adjusted",
    "is_liquid",
    "leg_risks",
    "liquidity_rejections",
    "nearest_expiry",
    "nearest_strikes",
    "net_greeks",
    "out_of_the_money",
    "parity_forward",
    "payoff",
    "payoff_svg",
    "pick_by_delta",
    "preset",
    "price",
    "select",
    "series_kind",
    "series_of",
    "settles_at",
    "sift",
    "smile_of_quotes",
    "straddle",
    "strangle",
    "strikes_around",
    "surface_svg",
    "told_closes",
    "value_at_near_expiry",
    "vertical",
    "volatility_standing",
    "weekly_expiry",
    "years_to_expiry",
]
