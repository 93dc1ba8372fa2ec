"""Requests for data, beside quotes, definitions and historical bars.

What follows the fields named here is not read: the clients differ in it (a count before the
options, for instance), and nothing in it matters.

Source: layouts read in ib_insync 0.9.86, ib_async 2.1.0 and ibapi 10.51.1.
"""

from typing import Final

from ibkeel.sim.codec.contracts import CONTRACT_SENT
from ibkeel.sim.codec.kinds import Kind
from ibkeel.sim.codec.layout import Constant, Field, Item, Message, fields

_ID = Field(name="request_id", kind=Kind.INTEGER)
_EXPIRED = Field(name="include_expired", kind=Kind.FLAG)
_WHAT = Field(name="what")
_RTH = Field(name="use_rth", kind=Kind.FLAG)


def _message(number: int, name: str, *items: Item, version: str = "") -> Message:
    head = (Constant(text=version),) if version else ()
    return Message(number=number, name=name, layout=(*head, *items))


def _cancel(number: int, name: str, *more: Item, version: str = "") -> Message:
    return _message(number, f"cancel_{name}", _ID, *more, version=version)


_EXERCISE = _message(
    21,
    "exercise_options",
    _ID,
    Field(name="con_id", kind=Kind.INTEGER),
    *fields("symbol sec_type expiry"),
    Field(name="strike", kind=Kind.NUMBER),
    *fields("right multiplier exchange currency local_symbol trading_class"),
    Field(name="action", kind=Kind.INTEGER),
    Field(name="quantity", kind=Kind.INTEGER),
    Field(name="account"),
    Field(name="override", kind=Kind.FLAG),
    version="2",
)
_SCANNER = _message(
    22,
    "scanner",
    _ID,
    Field(name="rows", kind=Kind.INTEGER),
    *fields("instrument location scan_code"),
    *fields("above_price below_price above_volume", Kind.NUMBER),
    *fields("market_cap_above market_cap_below", Kind.NUMBER),
    *fields("moody_above moody_below sp_above sp_below matures_after matures_before"),
    *fields("coupon_above coupon_below", Kind.NUMBER),
    *fields("exclude_convertible"),
    Field(name="average_option_volume_above", kind=Kind.NUMBER),
    *fields("setting_pairs stock_type_filter"),
)

DATA_REQUESTS: Final[tuple[Message, ...]] = (
    _message(
        10,
        "market_depth",
        _ID,
        *CONTRACT_SENT,
        Field(name="rows", kind=Kind.INTEGER),
        Field(name="is_smart", kind=Kind.FLAG),
        version="5",
    ),
    _cancel(11, "market_depth", Field(name="is_smart", kind=Kind.FLAG), version="1"),
    _message(12, "news_bulletins", Field(name="all", kind=Kind.FLAG), version="1"),
    _message(13, "cancel_news_bulletins", version="1"),
    _EXERCISE,
    _SCANNER,
    _cancel(23, "scanner", version="1"),
    _message(24, "scanner_parameters", version="1"),
    _message(
        50,
        "real_time_bars",
        _ID,
        *CONTRACT_SENT,
        Field(name="bar_seconds", kind=Kind.INTEGER),
        _WHAT,
        _RTH,
        version="3",
    ),
    _cancel(51, "real_time_bars", version="1"),
    _message(
        54,
        "implied_volatility",
        _ID,
        *CONTRACT_SENT,
        *fields("option_price underlying_price", Kind.NUMBER),
        version="3",
    ),
    _message(
        55,
        "option_price",
        _ID,
        *CONTRACT_SENT,
        *fields("volatility underlying_price", Kind.NUMBER),
        version="3",
    ),
    _cancel(56, "implied_volatility", version="1"),
    _cancel(57, "option_price", version="1"),
    _message(80, "family_codes"),
    _message(81, "matching_symbols", _ID, Field(name="pattern")),
    _message(82, "depth_exchanges"),
    _message(83, "smart_components", _ID, Field(name="bbo_exchange")),
    _message(85, "news_providers"),
    _message(
        87,
        "head_timestamp",
        _ID,
        *CONTRACT_SENT,
        _EXPIRED,
        _RTH,
        _WHAT,
        Field(name="date_format", kind=Kind.INTEGER),
    ),
    _message(88, "histogram", _ID, *CONTRACT_SENT, _EXPIRED, _RTH, Field(name="period")),
    _cancel(89, "histogram"),
    _cancel(90, "head_timestamp"),
    _message(91, "market_rule", Field(name="rule_id", kind=Kind.INTEGER)),
    _message(
        96,
        "historical_ticks",
        _ID,
        *CONTRACT_SENT,
        _EXPIRED,
        *fields("start end"),
        Field(name="count", kind=Kind.INTEGER),
        _WHAT,
        _RTH,
        Field(name="ignore_size", kind=Kind.FLAG),
    ),
    _message(
        97,
        "tick_by_tick",
        _ID,
        *CONTRACT_SENT,
        Field(name="kind"),
        Field(name="count", kind=Kind.INTEGER),
        Field(name="ignore_size", kind=Kind.FLAG),
    ),
    _cancel(98, "tick_by_tick"),
    _message(104, "user_info", _ID),
)
