"""What clients send, by message number.

What follows the fields named here is not read: the clients differ in it (a count before the
options, for instance), and nothing in it matters.

Source: layouts read in ib_insync 0.9.86, ib_async 2.1.0 and ibapi 10.51.1.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ibkeel.sim.codec.contracts import COMBO_LEGS, CONTRACT_SENT, DELTA_NEUTRAL
from ibkeel.sim.codec.kinds import Kind
from ibkeel.sim.codec.layout import Constant, Field, Item, Message, Repeat, fields
from ibkeel.sim.codec.orders import PLACE_ORDER

_ID = Field(name="request_id", kind=Kind.INTEGER)
_EXPIRED = Field(name="include_expired", kind=Kind.FLAG)
_WHAT = Field(name="what")
_RTH = Field(name="use_rth", kind=Kind.FLAG)

_VERSION = Constant(text="1")
_DATA_KIND = Field(name="data_kind", kind=Kind.INTEGER)
_GROUP = Field(name="group_id", kind=Kind.INTEGER)


def _message(number: int, name: str, *items: Item, version: str = "") -> Message:
    head = (Constant(text=version),) if version else ()
    return Message(number=number, name=name, layout=(*head, *items))


def _cancel(number: int, name: str, *more: Item, version: str = "") -> Message:
    return _message(number, f"cancel_{name}", _ID, *more, version=version)


# For what needs a subscription, an advisor's account or a window. What follows the fields named here is not read: none of
# it changes the answer.
_EXTRA: Final[tuple[Message, ...]] = (
    _message(18, "advisor_data", _DATA_KIND, version="1"),
    _message(19, "replace_advisor_data", _DATA_KIND, Field(name="xml"), _ID, version="1"),
    _message(52, "fundamental_data", _ID, version="2"),
    _message(53, "cancel_fundamental_data", _ID, version="1"),
    _message(67, "display_groups", _ID, version="1"),
    _message(68, "display_group_events", _ID, _GROUP, version="1"),
    _message(69, "update_display_group", _ID, Field(name="contract"), version="1"),
    _message(70, "cancel_display_group_events", _ID, version="1"),
    _message(79, "soft_dollar_tiers", _ID),
    _message(84, "news_article", _ID, Field(name="provider"), Field(name="article_id")),
    _message(86, "historical_news", _ID, Field(name="con_id", kind=Kind.INTEGER), Field(name="providers")),
    _message(100, "event_types", _ID),
    _message(101, "cancel_event_types", _ID),
    _message(102, "events", _ID, Field(name="con_id", kind=Kind.INTEGER)),
    _message(103, "cancel_events", _ID),
)

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


_DATA_REQUESTS: Final[tuple[Message, ...]] = (
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


def _simple(number: int, name: str, *items: Item) -> Message:
    """A message with a version field."""
    return Message(number=number, name=name, layout=(_VERSION, *items))


_ALL: tuple[Message, ...] = (
    Message(
        number=1,
        name="market_data",
        layout=(
            Constant(text="11"),
            _ID,
            *CONTRACT_SENT,
            *COMBO_LEGS,
            *DELTA_NEUTRAL,
            Field(name="generic_ticks"),
            *fields("snapshot regulatory_snapshot", Kind.FLAG),
        ),
    ),
    Message(number=2, name="cancel_market_data", layout=(Constant(text="2"), _ID)),
    PLACE_ORDER,
    Message(
        number=4,
        name="cancel_order",
        layout=(
            Constant(text="1", before=192),
            Field(name="order_id", kind=Kind.INTEGER),
            Field(name="manual_cancel_time", since=169),
        ),
    ),
    _simple(5, "open_orders"),
    Message(
        number=6,
        name="account_updates",
        layout=(Constant(text="2"), Field(name="subscribe", kind=Kind.FLAG), Field(name="account")),
    ),
    Message(
        number=7,
        name="executions",
        layout=(
            Constant(text="3"),
            _ID,
            Field(name="client_id", kind=Kind.INTEGER),
            *fields("account time symbol sec_type exchange side"),
            Field(name="last_days", kind=Kind.INTEGER, since=200),
            Repeat(name="dates", items=fields("date"), since=200),
        ),
    ),
    _simple(8, "next_id", Field(name="count", kind=Kind.INTEGER)),
    Message(
        number=9,
        name="contract_details",
        layout=(
            Constant(text="8"),
            _ID,
            *CONTRACT_SENT,
            Field(name="include_expired", kind=Kind.FLAG),
            *fields("sec_id_type sec_id"),
            Field(name="issuer_id", since=176),
        ),
    ),
    _simple(14, "server_log_level", Field(name="level", kind=Kind.INTEGER)),
    _simple(15, "auto_open_orders", Field(name="bind", kind=Kind.FLAG)),
    _simple(16, "all_open_orders"),
    _simple(17, "managed_accounts"),
    Message(
        number=20,
        name="historical_data",
        layout=(
            _ID,
            *CONTRACT_SENT,
            Field(name="include_expired", kind=Kind.FLAG),
            *fields("end bar_size duration"),
            Field(name="use_rth", kind=Kind.FLAG),
            Field(name="what"),
            Field(name="date_format", kind=Kind.INTEGER),
            *COMBO_LEGS,
            Field(name="keep_up_to_date", kind=Kind.FLAG),
        ),
    ),
    _simple(25, "cancel_historical_data", _ID),
    _simple(49, "current_time"),
    Message(
        number=58,
        name="global_cancel",
        layout=(
            Constant(text="1", before=192),
            Field(name="ext_operator", since=192),
            Field(name="manual_order_indicator", kind=Kind.INTEGER, since=192),
        ),
    ),
    _simple(59, "market_data_type", Field(name="type", kind=Kind.INTEGER)),
    _simple(61, "positions"),
    _simple(62, "account_summary", _ID, *fields("group tags")),
    _simple(63, "cancel_account_summary", _ID),
    _simple(64, "cancel_positions"),
    Message(
        number=71,
        name="start_api",
        layout=(Constant(text="2"), Field(name="client_id", kind=Kind.INTEGER)),
    ),
    _simple(74, "positions_multi", _ID, *fields("account model_code")),
    _simple(75, "cancel_positions_multi", _ID),
    _simple(
        76,
        "account_updates_multi",
        _ID,
        *fields("account model_code"),
        Field(name="ledger_and_nlv", kind=Kind.FLAG),
    ),
    _simple(77, "cancel_account_updates_multi", _ID),
    Message(
        number=78,
        name="option_parameters",
        layout=(
            _ID,
            *fields("symbol future_exchange sec_type"),
            Field(name="con_id", kind=Kind.INTEGER),
        ),
    ),
    Message(number=92, name="pnl", layout=(_ID, *fields("account model_code"))),
    Message(number=93, name="cancel_pnl", layout=(_ID,)),
    Message(
        number=94,
        name="pnl_single",
        layout=(_ID, *fields("account model_code"), Field(name="con_id", kind=Kind.INTEGER)),
    ),
    Message(number=95, name="cancel_pnl_single", layout=(_ID,)),
    Message(number=99, name="completed_orders", layout=(Field(name="api_only", kind=Kind.FLAG),)),
    Message(number=105, name="current_time_millis", layout=()),
    *_DATA_REQUESTS,
    *_EXTRA,
)


REQUESTS: Final[Mapping[int, Message]] = MappingProxyType({each.number: each for each in _ALL})
