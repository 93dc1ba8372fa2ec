"""Blocks that many messages share: contracts, the definition message, conditions of an order.

Source: layouts read in the clients (ib_insync 0.9.86, ib_async 2.1.0, ibapi 10.51.1).
"""

from ibkeel.sim.codec.kinds import Kind
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
    numbers,
    sizes,
)

_HEAD: tuple[Item, ...] = (
    *integers("con_id", default="0"),
    *fields("symbol sec_type expiry"),
)

CONTRACT_SENT: tuple[Item, ...] = (
    *_HEAD,
    *numbers("strike"),
    *fields("right multiplier exchange primary_exchange currency local_symbol trading_class"),
)
"""A contract as clients send it: 12 fields."""

CONTRACT: tuple[Item, ...] = (
    *_HEAD,
    *numbers("strike", default="0.0"),
    *fields("right multiplier exchange currency local_symbol trading_class"),
)
"""A contract as the Gateway sends it: 11 fields, without the primary exchange."""

TAGS: tuple[Item, ...] = fields("tag value")

DELTA_NEUTRAL: tuple[Item, ...] = (
    *flags("delta_neutral"),
    Given(
        name="delta_neutral",
        test="1".__eq__,
        items=(
            *integers("under_con_id"),
            *numbers("under_delta under_price"),
        ),
    ),
)

COMBO_LEGS: tuple[Item, ...] = (
    Given(
        name="sec_type",
        test="BAG".__eq__,
        items=(
            Repeat(
                name="combo_legs",
                items=(
                    *integers("con_id ratio"),
                    *fields("action exchange"),
                ),
            ),
        ),
    ),
)

CONTRACT_DATA = Message(
    number=10,
    name="contract_data",
    layout=(
        Constant(text="8", before=164),
        *integers("request_id"),
        *fields("symbol sec_type expiry"),
        *fields("last_trade_date", since=182),
        *numbers("strike", default="0.0"),
        *fields("right exchange currency local_symbol market_name trading_class"),
        *integers("con_id"),
        *numbers("min_tick"),
        Constant(text="100", before=164),
        *fields("multiplier order_types valid_exchanges"),
        *integers("price_magnifier under_con_id"),
        Field(name="long_name", kind=Kind.ESCAPED),
        *fields("primary_exchange contract_month industry category subcategory"),
        *fields("time_zone trading_hours liquid_hours ev_rule ev_multiplier"),
        Repeat(name="sec_ids", items=TAGS),
        *integers("agg_group"),
        *fields("under_symbol under_sec_type market_rule_ids real_expiration stock_type"),
        *sizes("size_min_tick", since=163, before=164),
        *sizes("min_size size_increment suggested_size_increment", since=164),
        Repeat(name="ineligibility_reasons", items=fields("key description"), since=186),
    ),
)


def _some(text: str) -> bool:
    return text not in {"", "0"}


def _condition(kind: str, names: str) -> Given:
    return Given(name="type", test=kind.__eq__, items=fields(names))


CONDITIONS: tuple[Item, ...] = (
    Repeat(
        name="conditions",
        items=(
            *integers("type"),
            _condition("1", "conjunction is_more price con_id exchange trigger_method"),
            _condition("3", "conjunction is_more time"),
            _condition("4", "conjunction is_more percent"),
            _condition("5", "conjunction sec_type exchange symbol"),
            _condition("6", "conjunction is_more volume con_id exchange"),
            _condition("7", "conjunction is_more percent con_id exchange"),
        ),
    ),
    Given(
        name="conditions",
        test=_some,
        items=flags("conditions_ignore_rth conditions_cancel_order", default="0"),
    ),
)
