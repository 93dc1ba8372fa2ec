"""Replies about data that a client asks for once or watches, beside quotes and historical bars.

Source: layouts read in ib_insync 0.9.86, ib_async 2.1.0 and ibapi 10.51.1.
"""

from typing import Final

from ibkeel.sim.codec.kinds import Kind
from ibkeel.sim.codec.layout import Constant, Field, Given, Item, Message, Repeat, fields

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

DATA_REPLIES: Final[tuple[Message, ...]] = (
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
