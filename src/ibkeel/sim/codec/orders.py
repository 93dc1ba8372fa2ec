"""The order messages: placeOrder in, openOrder and completedOrder out.

The three share field names, so what a client placed can be carried back unchanged, whatever the
venue makes of it. Defaults are what a live Gateway wrote for fields that no client had set
(captured at server version 200, April 2026, and published with ibkr-go).

Source: layouts read in ib_insync 0.9.86, ib_async 2.1.0 and ibapi 10.51.1.
"""

from functools import partial

from ibkeel.sim.codec.contracts import CONDITIONS, CONTRACT, CONTRACT_SENT, DELTA_NEUTRAL, TAGS
from ibkeel.sim.codec.kinds import UNSET_DOUBLE, UNSET_INTEGER, Kind
from ibkeel.sim.codec.layout import Constant, Field, Given, Item, Message, Repeat, fields

_flags = partial(fields, kind=Kind.FLAG, default="0")
_numbers = partial(fields, kind=Kind.NUMBER)
_integers = partial(fields, kind=Kind.INTEGER)


_is_infinite = frozenset({"Infinite", "Infinity", "inf"}).__contains__


def _is_set(text: str) -> bool:
    return bool(text)


def _is_increment(text: str) -> bool:
    return bool(text) and not _is_infinite(text) and 0 < float(text) < float(UNSET_DOUBLE)


_is_peg_bench = frozenset({"PEG BENCH", "PEGBENCH"}).__contains__
_is_peg_best = frozenset({"PEG BEST", "PEGBEST"}).__contains__
_is_peg_mid = frozenset({"PEG MID", "PEGMID"}).__contains__

_CORE: tuple[Item, ...] = (
    Field(name="action"),
    Field(name="quantity", kind=Kind.SIZE),
    Field(name="order_type"),
    *_numbers("limit_price stop_price", default="0.0"),
    *fields("tif oca_group account open_close"),
    Field(name="origin", kind=Kind.INTEGER, default="0"),
    Field(name="order_ref"),
)
_DELTA_NEUTRAL_CONTRACT = Field(name="dn_con_id", kind=Kind.INTEGER, default="0")
_DELTA_NEUTRAL_SHORT: tuple[Item, ...] = (
    *_flags("dn_short_sale"),
    *_integers("dn_short_sale_slot", default="0"),
    Field(name="dn_designated_location"),
)
_DELTA_NEUTRAL_FULL: tuple[Item, ...] = (
    _DELTA_NEUTRAL_CONTRACT,
    *fields("dn_settling_firm dn_clearing_account dn_clearing_intent"),
    Field(name="dn_open_close", default="?"),
    *_DELTA_NEUTRAL_SHORT,
)
_SCALE: tuple[Item, ...] = (
    *_integers("scale_initial_level_size scale_subsequent_level_size", default=UNSET_INTEGER),
    *_numbers("scale_price_increment", default=UNSET_DOUBLE),
    Given(
        name="scale_price_increment",
        test=_is_increment,
        items=(
            *_numbers("scale_price_adjust_value"),
            *_integers("scale_price_adjust_interval"),
            *_numbers("scale_profit_offset"),
            *_flags("scale_auto_reset"),
            *_integers("scale_initial_position scale_initial_fill_quantity"),
            *_flags("scale_random_percent"),
        ),
    ),
)
_HEDGE: tuple[Item, ...] = (
    Field(name="hedge_type"),
    Given(name="hedge_type", test=_is_set, items=fields("hedge_param")),
)
_ALGO: tuple[Item, ...] = (
    Field(name="algo_strategy"),
    Given(name="algo_strategy", test=_is_set, items=(Repeat(name="algo_parameters", items=TAGS),)),
)
_PEG_BENCH: tuple[Item, ...] = (
    Given(
        name="order_type",
        test=_is_peg_bench,
        items=(
            *_integers("reference_contract_id", default="0"),
            *_flags("is_pegged_change_decrease"),
            *_numbers("pegged_change_amount reference_change_amount", default="0.0"),
            Field(name="reference_exchange_id"),
        ),
    ),
)
_ORDER_LEGS: tuple[Item, ...] = (
    Repeat(
        name="order_combo_legs",
        items=(
            *_integers("con_id ratio"),
            *fields("action exchange"),
            *_integers("open_close short_sale_slot", default="0"),
            Field(name="designated_location"),
            *_integers("exempt_code", default="-1"),
        ),
    ),
    Repeat(name="combo_leg_prices", items=_numbers("price")),
    Repeat(name="smart_combo_parameters", items=TAGS),
)


_FINANCIAL_ADVISOR: tuple[Item, ...] = (
    *fields("fa_group fa_method fa_percentage"),
    Field(name="fa_profile", before=177),
    Field(name="model_code"),
)
_LATE_CUSTOMER: tuple[Item, ...] = (
    Field(name="customer_account", since=183),
    *_flags("professional_customer", since=184),
)
_PEG_ATTRIBUTES: tuple[Item, ...] = (
    *_integers("minimum_trade_quantity minimum_compete_size", since=170),
    *_numbers("compete_offset mid_offset_at_whole mid_offset_at_half", since=170),
)

PLACE_ORDER = Message(
    number=3,
    name="place_order",
    layout=(
        Field(name="order_id", kind=Kind.INTEGER),
        *CONTRACT_SENT,
        *fields("sec_id_type sec_id"),
        *_CORE,
        *_flags("transmit"),
        *_integers("parent_id", default="0"),
        *_flags("block_order sweep_to_fill"),
        *_integers("display_size trigger_method"),
        *_flags("outside_rth hidden"),
        Given(name="sec_type", test="BAG".__eq__, items=_ORDER_LEGS),
        Constant(text=""),  # shares allocation, long gone
        *_numbers("discretionary_amount"),
        *fields("good_after_time good_till_date"),
        *_FINANCIAL_ADVISOR,
        *_integers("short_sale_slot"),
        Field(name="designated_location"),
        *_integers("exempt_code oca_type"),
        *fields("rule_80a settling_firm"),
        *_flags("all_or_none"),
        *_integers("minimum_quantity"),
        *_numbers("percent_offset"),
        *_flags("e_trade_only firm_quote_only"),
        *_numbers("nbbo_price_cap"),
        *_integers("auction_strategy"),
        *_numbers("starting_price stock_reference_price delta range_lower range_upper"),
        *_flags("override_percentage_constraints"),
        *_numbers("volatility"),
        *_integers("volatility_type"),
        Field(name="dn_order_type"),
        *_numbers("dn_aux_price"),
        Given(name="dn_order_type", test=_is_set, items=_DELTA_NEUTRAL_FULL),
        *_flags("continuous_update"),
        *_integers("reference_price_type"),
        *_numbers("trail_stop_price trailing_percent"),
        *_SCALE,
        *fields("scale_table active_start_time active_stop_time"),
        *_HEDGE,
        *_flags("opt_out_smart_routing"),
        *fields("clearing_account clearing_intent"),
        *_flags("not_held"),
        *DELTA_NEUTRAL,
        *_ALGO,
        Field(name="algo_id"),
        *_flags("what_if"),
        Field(name="misc_options"),
        *_flags("solicited randomize_size randomize_price"),
        *_PEG_BENCH,
        *CONDITIONS,
        Field(name="adjusted_order_type"),
        *_numbers("trigger_price limit_price_offset adjusted_stop_price"),
        *_numbers("adjusted_stop_limit_price adjusted_trailing_amount"),
        *_integers("adjustable_trailing_unit"),
        *fields("ext_operator soft_dollar_name soft_dollar_value"),
        *_numbers("cash_quantity"),
        *fields("mifid_decision_maker mifid_decision_algo"),
        *fields("mifid_execution_trader mifid_execution_algo"),
        *_flags("dont_use_auto_price_for_hedge is_oms_container discretionary_up_to_limit"),
        Field(name="use_price_mgmt_algo"),
        *_integers("duration", since=158),
        *_integers("post_to_ats", since=160),
        *_flags("auto_cancel_parent", since=162),
        Field(name="advanced_error_override", since=166),
        Field(name="manual_order_time", since=169),
        Given(
            name="exchange",
            test="IBKRATS".__eq__,
            items=_integers("minimum_trade_quantity"),
            since=170,
        ),
        Given(
            name="order_type",
            test=_is_peg_best,
            items=(
                *_integers("minimum_compete_size"),
                *_numbers("compete_offset"),
                Given(
                    name="compete_offset",
                    test=_is_infinite,
                    items=_numbers("mid_offset_at_whole mid_offset_at_half"),
                ),
            ),
            since=170,
        ),
        Given(
            name="order_type",
            test=_is_peg_mid,
            items=_numbers("mid_offset_at_whole mid_offset_at_half"),
            since=170,
        ),
        *_LATE_CUSTOMER,
        *fields("rfq_source rfq_id", since=187, before=190),
        *_flags("include_overnight", since=189),
        *_integers("manual_order_indicator", since=192),
        *_flags("imbalance_only", since=199),
    ),
)

_MARGINS = " ".join(
    f"{kind}_{when}"
    for when in ("before", "change", "after")
    for kind in ("initial_margin", "maintenance_margin", "equity_with_loan")
)
_PREVIEW: tuple[Item, ...] = (
    *_numbers(_MARGINS, default=UNSET_DOUBLE),
    *_numbers("commission minimum_commission maximum_commission", default=UNSET_DOUBLE),
    Field(name="commission_currency"),
    Field(name="margin_currency", since=195),
    *_numbers(
        " ".join(f"{name}_outside_rth" for name in _MARGINS.split()),
        default=UNSET_DOUBLE,
        since=195,
    ),
    Field(name="suggested_size", kind=Kind.SIZE, since=195),
    Field(name="reject_reason", since=195),
    Constant(text="0", since=195),  # no allocations
    Field(name="warning", kind=Kind.ESCAPED),
)

OPEN_ORDER = Message(
    number=5,
    name="open_order",
    layout=(
        Field(name="order_id", kind=Kind.INTEGER),
        *CONTRACT,
        *_CORE,
        *_integers("client_id perm_id", default="0"),
        *_flags("outside_rth hidden"),
        *_numbers("discretionary_amount", default="0.0"),
        Field(name="good_after_time"),
        Constant(text=""),  # shares allocation
        *_FINANCIAL_ADVISOR,
        Field(name="good_till_date"),
        Field(name="rule_80a", default="0"),
        *_numbers("percent_offset"),
        Field(name="settling_firm"),
        *_integers("short_sale_slot", default="0"),
        Field(name="designated_location"),
        *_integers("exempt_code", default="-1"),
        *_integers("auction_strategy", default="0"),
        *_numbers("starting_price stock_reference_price delta range_lower range_upper"),
        *_integers("display_size", default=UNSET_INTEGER),
        *_flags("block_order sweep_to_fill all_or_none"),
        *_integers("minimum_quantity"),
        *_integers("oca_type", default="3"),
        *_flags("e_trade_only firm_quote_only"),
        *_numbers("nbbo_price_cap"),
        *_integers("parent_id trigger_method", default="0"),
        *_numbers("volatility"),
        *_integers("volatility_type", default="0"),
        Field(name="dn_order_type", default="None"),
        *_numbers("dn_aux_price"),
        Given(name="dn_order_type", test=_is_set, items=_DELTA_NEUTRAL_FULL),
        *_flags("continuous_update"),
        *_integers("reference_price_type", default="0"),
        *_numbers("trail_stop_price trailing_percent"),
        *_numbers("basis_points"),
        *_integers("basis_points_type"),
        Field(name="combo_description"),
        *_ORDER_LEGS,
        *_SCALE,
        *_HEDGE,
        *_flags("opt_out_smart_routing"),
        Field(name="clearing_account"),
        Field(name="clearing_intent", default="IB"),
        *_flags("not_held"),
        *DELTA_NEUTRAL,
        *_ALGO,
        *_flags("solicited what_if"),
        Field(name="status"),
        *_PREVIEW,
        *_flags("randomize_size randomize_price"),
        *_PEG_BENCH,
        *CONDITIONS,
        Field(name="adjusted_order_type", default="None"),
        *_numbers("trigger_price trail_stop_price limit_price_offset", default=UNSET_DOUBLE),
        *_numbers("adjusted_stop_price adjusted_stop_limit_price", default=UNSET_DOUBLE),
        *_numbers("adjusted_trailing_amount", default=UNSET_DOUBLE),
        *_integers("adjustable_trailing_unit", default="0"),
        *fields("soft_dollar_name soft_dollar_value soft_dollar_display"),
        *_numbers("cash_quantity", default="0.0"),
        *_flags("dont_use_auto_price_for_hedge is_oms_container discretionary_up_to_limit"),
        Field(name="use_price_mgmt_algo", default="0"),
        *_integers("duration", default=UNSET_INTEGER, since=158),
        *_integers("post_to_ats", default=UNSET_INTEGER, since=160),
        *_flags("auto_cancel_parent", since=162),
        *_PEG_ATTRIBUTES,
        *_LATE_CUSTOMER,
        *_numbers("bond_accrued_interest", since=185),
        *_flags("include_overnight", since=189),
        Field(name="ext_operator", since=193),
        *_integers("manual_order_indicator", since=193),
        Field(name="submitter", since=198),
        *_flags("imbalance_only", since=199),
    ),
)

COMPLETED_ORDER = Message(
    number=101,
    name="completed_order",
    layout=(
        *CONTRACT,
        *_CORE,
        *_integers("perm_id", default="0"),
        *_flags("outside_rth hidden"),
        *_numbers("discretionary_amount", default="0.0"),
        Field(name="good_after_time"),
        *_FINANCIAL_ADVISOR,
        Field(name="good_till_date"),
        Field(name="rule_80a", default="0"),
        *_numbers("percent_offset"),
        Field(name="settling_firm"),
        *_integers("short_sale_slot", default="0"),
        Field(name="designated_location"),
        *_integers("exempt_code", default="-1"),
        *_numbers("starting_price stock_reference_price delta range_lower range_upper"),
        *_integers("display_size", default=UNSET_INTEGER),
        *_flags("sweep_to_fill all_or_none"),
        *_integers("minimum_quantity"),
        *_integers("oca_type", default="3"),
        *_integers("trigger_method", default="0"),
        *_numbers("volatility"),
        *_integers("volatility_type", default="0"),
        Field(name="dn_order_type", default="None"),
        *_numbers("dn_aux_price"),
        Given(
            name="dn_order_type",
            test=_is_set,
            items=(_DELTA_NEUTRAL_CONTRACT, *_DELTA_NEUTRAL_SHORT),
        ),
        *_flags("continuous_update"),
        *_integers("reference_price_type", default="0"),
        *_numbers("trail_stop_price trailing_percent"),
        Field(name="combo_description"),
        *_ORDER_LEGS,
        *_SCALE,
        *_HEDGE,
        Field(name="clearing_account"),
        Field(name="clearing_intent", default="IB"),
        *_flags("not_held"),
        *DELTA_NEUTRAL,
        *_ALGO,
        *_flags("solicited"),
        Field(name="status"),
        *_flags("randomize_size randomize_price"),
        *_PEG_BENCH,
        *CONDITIONS,
        *_numbers("trail_stop_price limit_price_offset", default=UNSET_DOUBLE),
        *_numbers("cash_quantity", default="0.0"),
        *_flags("dont_use_auto_price_for_hedge is_oms_container"),
        Field(name="auto_cancel_date"),
        Field(name="filled", kind=Kind.SIZE, default="0"),
        *_integers("reference_future_con_id", default="0"),
        *_flags("auto_cancel_parent"),
        Field(name="shareholder", default="Not an insider or substantial shareholder"),
        *_flags("imbalance_only route_to_bbo"),
        *_integers("parent_perm_id", default="0"),
        *fields("completed_time completed_status"),
        *_PEG_ATTRIBUTES,
        *_LATE_CUSTOMER,
        Field(name="submitter", since=198),
    ),
)
