"""The order messages: placeOrder in, openOrder and completedOrder out.

The three share field names, so what a client placed can be carried back unchanged, whatever the
venue makes of it. Defaults are what a live Gateway wrote for fields that no client had set
(captured at server version 200, April 2026, and published with ibkr-go).

Source: layouts read in ib_insync 0.9.86, ib_async 2.1.0 and ibapi 10.51.1.
"""

from functools import partial

from ibkeel.sim.codec.contracts import CONDITIONS, CONTRACT, CONTRACT_SENT, DELTA_NEUTRAL, TAGS
from ibkeel.sim.codec.kinds import INFINITE, UNSET_DOUBLE, UNSET_INTEGER, Kind
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

_flags = partial(flags, default="0")
_is_infinite = INFINITE.__contains__


def _is_increment(text: str) -> bool:
    return bool(text) and not _is_infinite(text) and 0 < float(text) < float(UNSET_DOUBLE)


_is_peg_bench = frozenset({"PEG BENCH", "PEGBENCH"}).__contains__
_is_peg_best = frozenset({"PEG BEST", "PEGBEST"}).__contains__
_is_peg_mid = frozenset({"PEG MID", "PEGMID"}).__contains__

_CORE: tuple[Item, ...] = (
    *fields("action"),
    *sizes("quantity"),
    *fields("order_type"),
    *numbers("limit_price stop_price", default="0.0"),
    *fields("tif oca_group account open_close"),
    *integers("origin", default="0"),
    *fields("order_ref"),
)
_DELTA_NEUTRAL_CONTRACT = Field(name="dn_con_id", kind=Kind.INTEGER, default="0")
_DELTA_NEUTRAL_SHORT: tuple[Item, ...] = (
    *_flags("dn_short_sale"),
    *integers("dn_short_sale_slot", default="0"),
    *fields("dn_designated_location"),
)
_DELTA_NEUTRAL_FULL: tuple[Item, ...] = (
    _DELTA_NEUTRAL_CONTRACT,
    *fields("dn_settling_firm dn_clearing_account dn_clearing_intent"),
    *fields("dn_open_close", default="?"),
    *_DELTA_NEUTRAL_SHORT,
)
_SCALE: tuple[Item, ...] = (
    *integers("scale_initial_level_size scale_subsequent_level_size", default=UNSET_INTEGER),
    *numbers("scale_price_increment", default=UNSET_DOUBLE),
    Given(
        name="scale_price_increment",
        test=_is_increment,
        items=(
            *numbers("scale_price_adjust_value"),
            *integers("scale_price_adjust_interval"),
            *numbers("scale_profit_offset"),
            *_flags("scale_auto_reset"),
            *integers("scale_initial_position scale_initial_fill_quantity"),
            *_flags("scale_random_percent"),
        ),
    ),
)
_HEDGE: tuple[Item, ...] = (
    *fields("hedge_type"),
    Given(name="hedge_type", test=bool, items=fields("hedge_param")),
)
_ALGO: tuple[Item, ...] = (
    *fields("algo_strategy"),
    Given(name="algo_strategy", test=bool, items=(Repeat(name="algo_parameters", items=TAGS),)),
)
_PEG_BENCH: tuple[Item, ...] = (
    Given(
        name="order_type",
        test=_is_peg_bench,
        items=(
            *integers("reference_contract_id", default="0"),
            *_flags("is_pegged_change_decrease"),
            *numbers("pegged_change_amount reference_change_amount", default="0.0"),
            *fields("reference_exchange_id"),
        ),
    ),
)
_ORDER_LEGS: tuple[Item, ...] = (
    Repeat(
        name="order_combo_legs",
        items=(
            *integers("con_id ratio"),
            *fields("action exchange"),
            *integers("open_close short_sale_slot", default="0"),
            *fields("designated_location"),
            *integers("exempt_code", default="-1"),
        ),
    ),
    Repeat(name="combo_leg_prices", items=numbers("price")),
    Repeat(name="smart_combo_parameters", items=TAGS),
)


_FINANCIAL_ADVISOR: tuple[Item, ...] = (
    *fields("fa_group fa_method fa_percentage"),
    *fields("fa_profile", before=177),
    *fields("model_code"),
)
_LATE_CUSTOMER: tuple[Item, ...] = (
    *fields("customer_account", since=183),
    *_flags("professional_customer", since=184),
)
_PEG_ATTRIBUTES: tuple[Item, ...] = (
    *integers("minimum_trade_quantity minimum_compete_size", since=170),
    *numbers("compete_offset mid_offset_at_whole mid_offset_at_half", since=170),
)

PLACE_ORDER = Message(
    number=3,
    name="place_order",
    layout=(
        *integers("order_id"),
        *CONTRACT_SENT,
        *fields("sec_id_type sec_id"),
        *_CORE,
        *_flags("transmit"),
        *integers("parent_id", default="0"),
        *_flags("block_order sweep_to_fill"),
        *integers("display_size trigger_method"),
        *_flags("outside_rth hidden"),
        Given(name="sec_type", test="BAG".__eq__, items=_ORDER_LEGS),
        Constant(text=""),  # shares allocation, long gone
        *numbers("discretionary_amount"),
        *fields("good_after_time good_till_date"),
        *_FINANCIAL_ADVISOR,
        *integers("short_sale_slot"),
        *fields("designated_location"),
        *integers("exempt_code oca_type"),
        *fields("rule_80a settling_firm"),
        *_flags("all_or_none"),
        *integers("minimum_quantity"),
        *numbers("percent_offset"),
        *_flags("e_trade_only firm_quote_only"),
        *numbers("nbbo_price_cap"),
        *integers("auction_strategy"),
        *numbers("starting_price stock_reference_price delta range_lower range_upper"),
        *_flags("override_percentage_constraints"),
        *numbers("volatility"),
        *integers("volatility_type"),
        *fields("dn_order_type"),
        *numbers("dn_aux_price"),
        Given(name="dn_order_type", test=bool, items=_DELTA_NEUTRAL_FULL),
        *_flags("continuous_update"),
        *integers("reference_price_type"),
        *numbers("trail_stop_price trailing_percent"),
        *_SCALE,
        *fields("scale_table active_start_time active_stop_time"),
        *_HEDGE,
        *_flags("opt_out_smart_routing"),
        *fields("clearing_account clearing_intent"),
        *_flags("not_held"),
        *DELTA_NEUTRAL,
        *_ALGO,
        *fields("algo_id"),
        *_flags("what_if"),
        *fields("misc_options"),
        *_flags("solicited randomize_size randomize_price"),
        *_PEG_BENCH,
        *CONDITIONS,
        *fields("adjusted_order_type"),
        *numbers("trigger_price limit_price_offset adjusted_stop_price"),
        *numbers("adjusted_stop_limit_price adjusted_trailing_amount"),
        *integers("adjustable_trailing_unit"),
        *fields("ext_operator soft_dollar_name soft_dollar_value"),
        *numbers("cash_quantity"),
        *fields("mifid_decision_maker mifid_decision_algo"),
        *fields("mifid_execution_trader mifid_execution_algo"),
        *_flags("dont_use_auto_price_for_hedge is_oms_container discretionary_up_to_limit"),
        *fields("use_price_mgmt_algo"),
        *integers("duration", since=158),
        *integers("post_to_ats", since=160),
        *_flags("auto_cancel_parent", since=162),
        *fields("advanced_error_override", since=166),
        *fields("manual_order_time", since=169),
        Given(
            name="exchange",
            test="IBKRATS".__eq__,
            items=integers("minimum_trade_quantity"),
            since=170,
        ),
        Given(
            name="order_type",
            test=_is_peg_best,
            items=(
                *integers("minimum_compete_size"),
                *numbers("compete_offset"),
                Given(
                    name="compete_offset",
                    test=_is_infinite,
                    items=numbers("mid_offset_at_whole mid_offset_at_half"),
                ),
            ),
            since=170,
        ),
        Given(
            name="order_type",
            test=_is_peg_mid,
            items=numbers("mid_offset_at_whole mid_offset_at_half"),
            since=170,
        ),
        *_LATE_CUSTOMER,
        *fields("rfq_source rfq_id", since=187, before=190),
        *_flags("include_overnight", since=189),
        *integers("manual_order_indicator", since=192),
        *_flags("imbalance_only", since=199),
    ),
)

_MARGINS = " ".join(
    f"{kind}_{when}"
    for when in ("before", "change", "after")
    for kind in ("initial_margin", "maintenance_margin", "equity_with_loan")
)
_PREVIEW: tuple[Item, ...] = (
    *numbers(_MARGINS, default=UNSET_DOUBLE),
    *numbers("commission minimum_commission maximum_commission", default=UNSET_DOUBLE),
    *fields("commission_currency"),
    *fields("margin_currency", since=195),
    *numbers(
        " ".join(f"{name}_outside_rth" for name in _MARGINS.split()),
        default=UNSET_DOUBLE,
        since=195,
    ),
    *sizes("suggested_size", since=195),
    *fields("reject_reason", since=195),
    Constant(text="0", since=195),  # no allocations
    Field(name="warning", kind=Kind.ESCAPED),
)

OPEN_ORDER = Message(
    number=5,
    name="open_order",
    layout=(
        *integers("order_id"),
        *CONTRACT,
        *_CORE,
        *integers("client_id perm_id", default="0"),
        *_flags("outside_rth hidden"),
        *numbers("discretionary_amount", default="0.0"),
        *fields("good_after_time"),
        Constant(text=""),  # shares allocation
        *_FINANCIAL_ADVISOR,
        *fields("good_till_date"),
        *fields("rule_80a", default="0"),
        *numbers("percent_offset"),
        *fields("settling_firm"),
        *integers("short_sale_slot", default="0"),
        *fields("designated_location"),
        *integers("exempt_code", default="-1"),
        *integers("auction_strategy", default="0"),
        *numbers("starting_price stock_reference_price delta range_lower range_upper"),
        *integers("display_size", default=UNSET_INTEGER),
        *_flags("block_order sweep_to_fill all_or_none"),
        *integers("minimum_quantity"),
        *integers("oca_type", default="3"),
        *_flags("e_trade_only firm_quote_only"),
        *numbers("nbbo_price_cap"),
        *integers("parent_id trigger_method", default="0"),
        *numbers("volatility"),
        *integers("volatility_type", default="0"),
        *fields("dn_order_type", default="None"),
        *numbers("dn_aux_price"),
        Given(name="dn_order_type", test=bool, items=_DELTA_NEUTRAL_FULL),
        *_flags("continuous_update"),
        *integers("reference_price_type", default="0"),
        *numbers("trail_stop_price trailing_percent"),
        *numbers("basis_points"),
        *integers("basis_points_type"),
        *fields("combo_description"),
        *_ORDER_LEGS,
        *_SCALE,
        *_HEDGE,
        *_flags("opt_out_smart_routing"),
        *fields("clearing_account"),
        *fields("clearing_intent", default="IB"),
        *_flags("not_held"),
        *DELTA_NEUTRAL,
        *_ALGO,
        *_flags("solicited what_if"),
        *fields("status"),
        *_PREVIEW,
        *_flags("randomize_size randomize_price"),
        *_PEG_BENCH,
        *CONDITIONS,
        *fields("adjusted_order_type", default="None"),
        *numbers("trigger_price trail_stop_price limit_price_offset", default=UNSET_DOUBLE),
        *numbers("adjusted_stop_price adjusted_stop_limit_price", default=UNSET_DOUBLE),
        *numbers("adjusted_trailing_amount", default=UNSET_DOUBLE),
        *integers("adjustable_trailing_unit", default="0"),
        *fields("soft_dollar_name soft_dollar_value soft_dollar_display"),
        *numbers("cash_quantity", default="0.0"),
        *_flags("dont_use_auto_price_for_hedge is_oms_container discretionary_up_to_limit"),
        *fields("use_price_mgmt_algo", default="0"),
        *integers("duration", default=UNSET_INTEGER, since=158),
        *integers("post_to_ats", default=UNSET_INTEGER, since=160),
        *_flags("auto_cancel_parent", since=162),
        *_PEG_ATTRIBUTES,
        *_LATE_CUSTOMER,
        *numbers("bond_accrued_interest", since=185),
        *_flags("include_overnight", since=189),
        *fields("ext_operator", since=193),
        *integers("manual_order_indicator", since=193),
        *fields("submitter", since=198),
        *_flags("imbalance_only", since=199),
    ),
)

COMPLETED_ORDER = Message(
    number=101,
    name="completed_order",
    layout=(
        *CONTRACT,
        *_CORE,
        *integers("perm_id", default="0"),
        *_flags("outside_rth hidden"),
        *numbers("discretionary_amount", default="0.0"),
        *fields("good_after_time"),
        *_FINANCIAL_ADVISOR,
        *fields("good_till_date"),
        *fields("rule_80a", default="0"),
        *numbers("percent_offset"),
        *fields("settling_firm"),
        *integers("short_sale_slot", default="0"),
        *fields("designated_location"),
        *integers("exempt_code", default="-1"),
        *numbers("starting_price stock_reference_price delta range_lower range_upper"),
        *integers("display_size", default=UNSET_INTEGER),
        *_flags("sweep_to_fill all_or_none"),
        *integers("minimum_quantity"),
        *integers("oca_type", default="3"),
        *integers("trigger_method", default="0"),
        *numbers("volatility"),
        *integers("volatility_type", default="0"),
        *fields("dn_order_type", default="None"),
        *numbers("dn_aux_price"),
        Given(
            name="dn_order_type",
            test=bool,
            items=(_DELTA_NEUTRAL_CONTRACT, *_DELTA_NEUTRAL_SHORT),
        ),
        *_flags("continuous_update"),
        *integers("reference_price_type", default="0"),
        *numbers("trail_stop_price trailing_percent"),
        *fields("combo_description"),
        *_ORDER_LEGS,
        *_SCALE,
        *_HEDGE,
        *fields("clearing_account"),
        *fields("clearing_intent", default="IB"),
        *_flags("not_held"),
        *DELTA_NEUTRAL,
        *_ALGO,
        *_flags("solicited"),
        *fields("status"),
        *_flags("randomize_size randomize_price"),
        *_PEG_BENCH,
        *CONDITIONS,
        *numbers("trail_stop_price limit_price_offset", default=UNSET_DOUBLE),
        *numbers("cash_quantity", default="0.0"),
        *_flags("dont_use_auto_price_for_hedge is_oms_container"),
        *fields("auto_cancel_date"),
        *sizes("filled", default="0"),
        *integers("reference_future_con_id", default="0"),
        *_flags("auto_cancel_parent"),
        *fields("shareholder", default="Not an insider or substantial shareholder"),
        *_flags("imbalance_only route_to_bbo"),
        *integers("parent_perm_id", default="0"),
        *fields("completed_time completed_status"),
        *_PEG_ATTRIBUTES,
        *_LATE_CUSTOMER,
        *fields("submitter", since=198),
    ),
)
