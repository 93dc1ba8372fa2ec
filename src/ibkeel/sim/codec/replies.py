"""What the Gateway sends, by name.

Source: layouts read in ib_insync 0.9.86, ib_async 2.1.0 and ibapi 10.51.1.
"""

from collections.abc import Mapping
from typing import Final

from ibkeel.sim.codec.contracts import CONTRACT, CONTRACT_DATA
from ibkeel.sim.codec.kinds import UNSET_DOUBLE, Kind
from ibkeel.sim.codec.layout import (
    Constant,
    Field,
    Given,
    Item,
    Message,
    Repeat,
    fields,
    flags,
    integers,
    message,
    numbers,
    sizes,
)
from ibkeel.sim.codec.orders import COMPLETED_ORDER, OPEN_ORDER

_ID = Field(name="request_id", kind=Kind.INTEGER)
_TIME = Field(name="time", kind=Kind.INTEGER)
_MASK = Field(name="mask", kind=Kind.INTEGER, default="0")
_WHERE: tuple[Item, ...] = fields("exchange special_conditions")
_DEPTH: tuple[Item, ...] = integers("operation side")
_DEPTH_PRICE: tuple[Item, ...] = (*numbers("price"), *sizes("size"))
_BAR: tuple[Item, ...] = (
    *numbers("open high low close"),
    *sizes("volume"),
    *numbers("wap"),
    *integers("count"),
)
_TICK: tuple[Item, ...] = (_ID, *integers("type"))


def _ticks(number: int, name: str, *items: Item) -> Message:
    return message(number, name, _ID, Repeat(name="ticks", items=(_TIME, *items)), *flags("done"))


_ALL: tuple[Message, ...] = (
    message(1, "tick_price", *_TICK, *numbers("price"), *sizes("size"), _MASK, version=6),
    message(2, "tick_size", *_TICK, *sizes("size"), version=6),
    message(
        3,
        "order_status",
        *integers("order_id"),
        *fields("status"),
        *sizes("filled remaining"),
        *numbers("average_fill_price"),
        *integers("perm_id parent_id"),
        *numbers("last_fill_price"),
        *integers("client_id"),
        *fields("why_held"),
        *numbers("market_cap_price", default="0.0"),
    ),
    message(
        4,
        "error",
        Constant(text="2", before=194),
        *integers("request_id code"),
        Field(name="text", kind=Kind.ESCAPED),
        *fields("advanced_reject", since=166),
        *integers("at_millis", since=194),
    ),
    OPEN_ORDER,
    message(6, "account_value", *fields("key value currency account"), version=2),
    message(
        7,
        "portfolio",
        *integers("con_id"),
        *fields("symbol sec_type expiry"),
        *numbers("strike", default="0.0"),
        *fields("right multiplier primary_exchange currency local_symbol trading_class"),
        *sizes("position"),
        *numbers("market_price market_value average_cost unrealized_pnl realized_pnl"),
        *fields("account"),
        version=8,
    ),
    message(8, "account_time", *fields("time"), version=1),
    message(9, "next_valid_id", *integers("order_id"), version=1),
    CONTRACT_DATA,
    message(
        11,
        "execution",
        *integers("request_id order_id"),
        *CONTRACT,
        *fields("exec_id time account exec_exchange side"),
        *sizes("shares"),
        *numbers("price"),
        *integers("perm_id client_id"),
        *integers("liquidation", default="0"),
        *sizes("cumulative_quantity"),
        *numbers("average_price"),
        *fields("order_ref ev_rule"),
        *numbers("ev_multiplier"),
        *fields("model_code"),
        *integers("last_liquidity", default="0"),
        *flags("pending_price_revision", default="0", since=178),
        *fields("submitter", since=198),
    ),
    message(12, "market_depth", _ID, *integers("position"), *_DEPTH, *_DEPTH_PRICE, version=1),
    message(
        13,
        "market_depth_l2",
        _ID,
        *integers("position"),
        *fields("market_maker"),
        *_DEPTH,
        *_DEPTH_PRICE,
        *flags("is_smart"),
        version=1,
    ),
    message(15, "managed_accounts", *fields("accounts"), version=1),
    message(
        17,
        "historical_data",
        _ID,
        *fields("start end", before=196),
        Repeat(name="bars", items=(*fields("date"), *_BAR)),
    ),
    message(19, "scanner_parameters", *fields("xml"), version=1),
    message(
        20,
        "scanner_data",
        _ID,
        Repeat(
            name="rows",
            items=(
                *integers("rank con_id"),
                *fields("symbol sec_type expiry"),
                *numbers("strike", default="0.0"),
                *fields("right exchange currency local_symbol market_name trading_class distance"),
                *fields("benchmark projection legs"),
            ),
        ),
        version=3,
    ),
    message(
        21,
        "option_computation",
        *_TICK,
        *integers("attribute", default="0"),
        *numbers("iv", default="-1.0"),
        *numbers("delta", default="-2.0"),
        *numbers("price dividends", default="-1.0"),
        *numbers("gamma vega theta", default="-2.0"),
        *numbers("underlying_price", default="-1.0"),
    ),
    message(45, "tick_generic", *_TICK, *numbers("value"), version=6),
    message(46, "tick_string", *_TICK, *fields("value"), version=6),
    message(49, "current_time", *integers("seconds"), version=1),
    message(50, "real_time_bar", _ID, _TIME, *_BAR, version=3),
    message(52, "contract_data_end", _ID, version=1),
    message(53, "open_order_end", version=1),
    message(54, "account_download_end", *fields("account"), version=1),
    message(55, "execution_end", _ID, version=1),
    message(57, "tick_snapshot_end", _ID, version=1),
    message(58, "market_data_type", *_TICK, version=1),
    message(
        59,
        "commission_report",
        *fields("exec_id"),
        *numbers("commission"),
        *fields("currency"),
        *numbers("realized_pnl bond_yield", default=UNSET_DOUBLE),
        *integers("redemption_date"),
        version=1,
    ),
    message(
        61, "position", *fields("account"), *CONTRACT, *sizes("position"), *numbers("average_cost"), version=3
    ),
    message(62, "position_end", version=1),
    message(63, "account_summary", _ID, *fields("account tag value currency"), version=1),
    message(64, "account_summary_end", _ID, version=1),
    message(67, "display_groups", _ID, *fields("groups"), version=1),
    message(
        71,
        "position_multi",
        _ID,
        *fields("account"),
        *CONTRACT,
        *sizes("position"),
        *numbers("average_cost"),
        *fields("model_code"),
        version=1,
    ),
    message(72, "position_multi_end", _ID, version=1),
    message(73, "account_update_multi", _ID, *fields("account model_code key value currency"), version=1),
    message(74, "account_update_multi_end", _ID, version=1),
    message(
        75,
        "option_parameters",
        _ID,
        *fields("exchange"),
        *integers("under_con_id"),
        *fields("trading_class multiplier"),
        Repeat(name="expiries", items=fields("expiry")),
        Repeat(name="strikes", items=numbers("strike")),
    ),
    message(76, "option_parameters_end", _ID),
    message(77, "soft_dollar_tiers", _ID, Repeat(name="tiers", items=fields("name value display_name"))),
    message(78, "family_codes", Repeat(name="codes", items=fields("account code"))),
    message(
        79,
        "symbol_samples",
        _ID,
        Repeat(
            name="rows",
            items=(
                *integers("con_id"),
                *fields("symbol sec_type primary_exchange currency"),
                Repeat(name="derivatives", items=fields("sec_type")),
                *fields("description issuer_id", since=176),
            ),
        ),
    ),
    message(
        80,
        "depth_exchanges",
        Repeat(
            name="rows", items=(*fields("exchange sec_type listing_exchange service"), *integers("agg_group"))
        ),
    ),
    message(
        81,
        "tick_parameters",
        _ID,
        *numbers("min_tick"),
        *fields("bbo_exchange"),
        *integers("snapshot_permissions"),
    ),
    message(
        82, "smart_components", _ID, Repeat(name="rows", items=(*integers("bit"), *fields("exchange letter")))
    ),
    message(85, "news_providers", Repeat(name="providers", items=fields("code name"))),
    message(88, "head_timestamp", _ID, *fields("at")),
    message(89, "histogram", _ID, Repeat(name="rows", items=(*numbers("price"), *sizes("count")))),
    message(
        90,
        "historical_update",
        _ID,
        *integers("count"),
        *fields("date"),
        *numbers("open close high low wap"),  # not the order of historical_data
        *sizes("volume"),
    ),
    message(
        93,
        "market_rule",
        *integers("rule_id"),
        Repeat(name="increments", items=numbers("low_edge increment")),
    ),
    message(94, "pnl", _ID, *numbers("daily unrealized realized", default=UNSET_DOUBLE)),
    message(
        95,
        "pnl_single",
        _ID,
        *sizes("position"),
        *numbers("daily unrealized realized value", default=UNSET_DOUBLE),
    ),
    _ticks(96, "historical_ticks", Constant(text="0"), *_DEPTH_PRICE),
    _ticks(97, "historical_ticks_bid_ask", _MASK, *numbers("bid ask"), *sizes("bid_size ask_size")),
    _ticks(98, "historical_ticks_last", _MASK, *_DEPTH_PRICE, *_WHERE),
    message(
        99,
        "tick_by_tick",
        _ID,
        *integers("kind"),
        _TIME,
        Given(name="kind", test=frozenset({"1", "2"}).__contains__, items=(*_DEPTH_PRICE, _MASK, *_WHERE)),
        Given(name="kind", test="3".__eq__, items=(*numbers("bid ask"), *sizes("bid_size ask_size"), _MASK)),
        Given(name="kind", test="4".__eq__, items=numbers("mid")),
    ),
    COMPLETED_ORDER,
    message(102, "completed_orders_end"),
    message(
        106,
        "historical_schedule",
        _ID,
        *fields("start end time_zone"),
        Repeat(name="sessions", items=fields("start end day")),
    ),
    message(107, "user_info", _ID, *fields("white_branding_id")),
    message(108, "historical_data_end", _ID, *fields("start end")),
    message(109, "current_time_millis", *integers("milliseconds")),
)


REPLIES: Final[Mapping[str, Message]] = {each.name: each for each in _ALL}
