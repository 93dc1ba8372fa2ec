"""What the Gateway sends, by name.

Source: layouts read in ib_insync 0.9.86, ib_async 2.1.0 and ibapi 10.51.1.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ibkeel.sim.codec.contracts import CONTRACT, CONTRACT_DATA
from ibkeel.sim.codec.kinds import UNSET_DOUBLE, Kind
from ibkeel.sim.codec.layout import Constant, Field, Given, Item, Message, Repeat, fields
from ibkeel.sim.codec.orders import COMPLETED_ORDER, OPEN_ORDER

_ID = Field(name="request_id", kind=Kind.INTEGER)
_TIME = Field(name="time", kind=Kind.INTEGER)
_MASK = Field(name="mask", kind=Kind.INTEGER, default="0")
_DONE = Field(name="done", kind=Kind.FLAG)
_WHERE: tuple[Item, ...] = fields("exchange special_conditions")

_DEPTH: tuple[Item, ...] = fields("operation side", Kind.INTEGER)
_DEPTH_PRICE: tuple[Item, ...] = (
    Field(name="price", kind=Kind.NUMBER),
    Field(name="size", kind=Kind.SIZE),
)
_TICK: tuple[Item, ...] = (_ID, Field(name="type", kind=Kind.INTEGER))


def _message(number: int, name: str, *items: Item, version: str = "") -> Message:
    head = (Constant(text=version),) if version else ()
    return Message(number=number, name=name, layout=(*head, *items))


def _ticks(number: int, name: str, *items: Item) -> Message:
    return _message(number, name, _ID, Repeat(name="ticks", items=(_TIME, *items)), _DONE)


_REAL_TIME_BAR = _message(
    50,
    "real_time_bar",
    _ID,
    _TIME,
    *fields("open high low close", Kind.NUMBER),
    Field(name="volume", kind=Kind.SIZE),
    Field(name="wap", kind=Kind.NUMBER),
    Field(name="count", kind=Kind.INTEGER),
    version="3",
)


_SCANNER_DATA = _message(
    20,
    "scanner_data",
    _ID,
    Repeat(
        name="rows",
        items=(
            *fields("rank con_id", Kind.INTEGER),
            *fields("symbol sec_type expiry"),
            Field(name="strike", kind=Kind.NUMBER, default="0.0"),
            *fields("right exchange currency local_symbol market_name trading_class"),
            *fields("distance benchmark projection legs"),
        ),
    ),
    version="3",
)


_SYMBOL_SAMPLES = _message(
    79,
    "symbol_samples",
    _ID,
    Repeat(
        name="rows",
        items=(
            Field(name="con_id", kind=Kind.INTEGER),
            *fields("symbol sec_type primary_exchange currency"),
            Repeat(name="derivatives", items=fields("sec_type")),
            *fields("description issuer_id", since=176),
        ),
    ),
)


_TICK_BY_TICK = _message(
    99,
    "tick_by_tick",
    _ID,
    Field(name="kind", kind=Kind.INTEGER),
    _TIME,
    Given(
        name="kind",
        test=frozenset({"1", "2"}).__contains__,
        items=(*_DEPTH_PRICE, _MASK, *_WHERE),
    ),
    Given(
        name="kind",
        test="3".__eq__,
        items=(*fields("bid ask", Kind.NUMBER), *fields("bid_size ask_size", Kind.SIZE), _MASK),
    ),
    Given(name="kind", test="4".__eq__, items=fields("mid", Kind.NUMBER)),
)


_DATA_REPLIES: Final[tuple[Message, ...]] = (
    _message(
        12,
        "market_depth",
        _ID,
        Field(name="position", kind=Kind.INTEGER),
        *_DEPTH,
        *_DEPTH_PRICE,
        version="1",
    ),
    _message(
        13,
        "market_depth_l2",
        _ID,
        Field(name="position", kind=Kind.INTEGER),
        Field(name="market_maker"),
        *_DEPTH,
        *_DEPTH_PRICE,
        Field(name="is_smart", kind=Kind.FLAG),
        version="1",
    ),
    _message(19, "scanner_parameters", Field(name="xml"), version="1"),
    _SCANNER_DATA,
    _REAL_TIME_BAR,
    _message(78, "family_codes", Repeat(name="codes", items=fields("account code"))),
    _SYMBOL_SAMPLES,
    _message(
        80,
        "depth_exchanges",
        Repeat(
            name="rows",
            items=(
                *fields("exchange sec_type listing_exchange service"),
                Field(name="agg_group", kind=Kind.INTEGER),
            ),
        ),
    ),
    _message(
        82,
        "smart_components",
        _ID,
        Repeat(name="rows", items=(Field(name="bit", kind=Kind.INTEGER), *fields("exchange letter"))),
    ),
    _message(85, "news_providers", Repeat(name="providers", items=fields("code name"))),
    _message(88, "head_timestamp", _ID, Field(name="at")),
    _message(
        89,
        "histogram",
        _ID,
        Repeat(
            name="rows",
            items=(Field(name="price", kind=Kind.NUMBER), Field(name="count", kind=Kind.SIZE)),
        ),
    ),
    _message(
        93,
        "market_rule",
        Field(name="rule_id", kind=Kind.INTEGER),
        Repeat(name="increments", items=fields("low_edge increment", Kind.NUMBER)),
    ),
    _ticks(96, "historical_ticks", Constant(text="0"), *_DEPTH_PRICE),
    _ticks(
        97,
        "historical_ticks_bid_ask",
        _MASK,
        *fields("bid ask", Kind.NUMBER),
        *fields("bid_size ask_size", Kind.SIZE),
    ),
    _ticks(98, "historical_ticks_last", _MASK, *_DEPTH_PRICE, *_WHERE),
    _TICK_BY_TICK,
    _message(
        106,
        "historical_schedule",
        _ID,
        *fields("start end time_zone"),
        Repeat(name="sessions", items=fields("start end day")),
    ),
    Message(
        number=67,
        name="display_groups",
        layout=(Constant(text="1"), _ID, Field(name="groups")),
    ),
    _message(77, "soft_dollar_tiers", _ID, Repeat(name="tiers", items=fields("name value display_name"))),
    _message(107, "user_info", _ID, Field(name="white_branding_id")),
)


def _versioned(number: int, name: str, version: int, *items: Item) -> Message:
    return Message(number=number, name=name, layout=(Constant(text=str(version)), *items))


def _plain(number: int, name: str, *items: Item) -> Message:
    return Message(number=number, name=name, layout=items)


_BARS = Repeat(
    name="bars",
    items=(
        Field(name="date"),
        *fields("open high low close", Kind.NUMBER),
        Field(name="volume", kind=Kind.SIZE),
        Field(name="wap", kind=Kind.NUMBER),
        Field(name="count", kind=Kind.INTEGER),
    ),
)


_ALL: tuple[Message, ...] = (
    _versioned(
        1,
        "tick_price",
        6,
        *_TICK,
        Field(name="price", kind=Kind.NUMBER),
        Field(name="size", kind=Kind.SIZE),
        Field(name="mask", kind=Kind.INTEGER, default="0"),
    ),
    _versioned(2, "tick_size", 6, *_TICK, Field(name="size", kind=Kind.SIZE)),
    _plain(
        3,
        "order_status",
        Field(name="order_id", kind=Kind.INTEGER),
        Field(name="status"),
        *fields("filled remaining", Kind.SIZE),
        Field(name="average_fill_price", kind=Kind.NUMBER),
        *fields("perm_id parent_id", Kind.INTEGER),
        Field(name="last_fill_price", kind=Kind.NUMBER),
        Field(name="client_id", kind=Kind.INTEGER),
        Field(name="why_held"),
        Field(name="market_cap_price", kind=Kind.NUMBER, default="0.0"),
    ),
    _plain(
        4,
        "error",
        Constant(text="2", before=194),
        *fields("request_id code", Kind.INTEGER),
        Field(name="text", kind=Kind.ESCAPED),
        Field(name="advanced_reject", since=166),
        Field(name="at_millis", kind=Kind.INTEGER, since=194),
    ),
    OPEN_ORDER,
    _versioned(6, "account_value", 2, *fields("key value currency account")),
    _versioned(
        7,
        "portfolio",
        8,
        *fields("con_id", Kind.INTEGER),
        *fields("symbol sec_type expiry"),
        Field(name="strike", kind=Kind.NUMBER, default="0.0"),
        *fields("right multiplier primary_exchange currency local_symbol trading_class"),
        Field(name="position", kind=Kind.SIZE),
        *fields("market_price market_value average_cost", Kind.NUMBER),
        *fields("unrealized_pnl realized_pnl", Kind.NUMBER),
        Field(name="account"),
    ),
    _versioned(8, "account_time", 1, Field(name="time")),
    _versioned(9, "next_valid_id", 1, Field(name="order_id", kind=Kind.INTEGER)),
    CONTRACT_DATA,
    _plain(
        11,
        "execution",
        *fields("request_id order_id", Kind.INTEGER),
        *CONTRACT,
        *fields("exec_id time account exec_exchange side"),
        Field(name="shares", kind=Kind.SIZE),
        Field(name="price", kind=Kind.NUMBER),
        *fields("perm_id client_id", Kind.INTEGER),
        Field(name="liquidation", kind=Kind.INTEGER, default="0"),
        Field(name="cumulative_quantity", kind=Kind.SIZE),
        Field(name="average_price", kind=Kind.NUMBER),
        *fields("order_ref ev_rule"),
        Field(name="ev_multiplier", kind=Kind.NUMBER),
        Field(name="model_code"),
        Field(name="last_liquidity", kind=Kind.INTEGER, default="0"),
        Field(name="pending_price_revision", kind=Kind.FLAG, default="0", since=178),
        Field(name="submitter", since=198),
    ),
    _versioned(15, "managed_accounts", 1, Field(name="accounts")),
    _plain(17, "historical_data", _ID, *fields("start end", before=196), _BARS),
    _plain(
        21,
        "option_computation",
        *_TICK,
        Field(name="attribute", kind=Kind.INTEGER, default="0"),
        Field(name="iv", kind=Kind.NUMBER, default="-1.0"),
        Field(name="delta", kind=Kind.NUMBER, default="-2.0"),
        *fields("price dividends", Kind.NUMBER, default="-1.0"),
        *fields("gamma vega theta", Kind.NUMBER, default="-2.0"),
        Field(name="underlying_price", kind=Kind.NUMBER, default="-1.0"),
    ),
    _versioned(45, "tick_generic", 6, *_TICK, Field(name="value", kind=Kind.NUMBER)),
    _versioned(46, "tick_string", 6, *_TICK, Field(name="value")),
    _versioned(49, "current_time", 1, Field(name="seconds", kind=Kind.INTEGER)),
    _versioned(52, "contract_data_end", 1, _ID),
    _versioned(53, "open_order_end", 1),
    _versioned(54, "account_download_end", 1, Field(name="account")),
    _versioned(55, "execution_end", 1, _ID),
    _versioned(57, "tick_snapshot_end", 1, _ID),
    _versioned(58, "market_data_type", 1, *_TICK),
    _versioned(
        59,
        "commission_report",
        1,
        Field(name="exec_id"),
        Field(name="commission", kind=Kind.NUMBER),
        Field(name="currency"),
        *fields("realized_pnl bond_yield", Kind.NUMBER, default=UNSET_DOUBLE),
        Field(name="redemption_date", kind=Kind.INTEGER),
    ),
    _versioned(
        61,
        "position",
        3,
        Field(name="account"),
        *CONTRACT,
        Field(name="position", kind=Kind.SIZE),
        Field(name="average_cost", kind=Kind.NUMBER),
    ),
    _versioned(62, "position_end", 1),
    _versioned(63, "account_summary", 1, _ID, *fields("account tag value currency")),
    _versioned(64, "account_summary_end", 1, _ID),
    _versioned(
        71,
        "position_multi",
        1,
        _ID,
        Field(name="account"),
        *CONTRACT,
        Field(name="position", kind=Kind.SIZE),
        Field(name="average_cost", kind=Kind.NUMBER),
        Field(name="model_code"),
    ),
    _versioned(72, "position_multi_end", 1, _ID),
    _versioned(73, "account_update_multi", 1, _ID, *fields("account model_code key value currency")),
    _versioned(74, "account_update_multi_end", 1, _ID),
    _plain(
        75,
        "option_parameters",
        _ID,
        Field(name="exchange"),
        Field(name="under_con_id", kind=Kind.INTEGER),
        *fields("trading_class multiplier"),
        Repeat(name="expiries", items=fields("expiry")),
        Repeat(name="strikes", items=fields("strike", Kind.NUMBER)),
    ),
    _plain(76, "option_parameters_end", _ID),
    _plain(
        81,
        "tick_parameters",
        _ID,
        Field(name="min_tick", kind=Kind.NUMBER),
        Field(name="bbo_exchange"),
        Field(name="snapshot_permissions", kind=Kind.INTEGER),
    ),
    _plain(
        90,
        "historical_update",
        _ID,
        Field(name="count", kind=Kind.INTEGER),
        Field(name="date"),
        *fields("open close high low wap", Kind.NUMBER),  # not the order of historical_data
        Field(name="volume", kind=Kind.SIZE),
    ),
    _plain(94, "pnl", _ID, *fields("daily unrealized realized", Kind.NUMBER, default=UNSET_DOUBLE)),
    _plain(
        95,
        "pnl_single",
        _ID,
        Field(name="position", kind=Kind.SIZE),
        *fields("daily unrealized realized value", Kind.NUMBER, default=UNSET_DOUBLE),
    ),
    COMPLETED_ORDER,
    _plain(102, "completed_orders_end"),
    _plain(108, "historical_data_end", _ID, *fields("start end")),
    _plain(109, "current_time_millis", Field(name="milliseconds", kind=Kind.INTEGER)),
    *_DATA_REPLIES,
)


REPLIES: Final[Mapping[str, Message]] = MappingProxyType({each.name: each for each in _ALL})
