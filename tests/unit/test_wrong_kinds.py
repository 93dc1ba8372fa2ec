"""Whatever is given for a field of a rule or of settings: it is taken, or refused by one of our errors."""

import contextlib
import importlib
import pkgutil
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import attrs
import numpy as np
import pytest

import ibkeel
from ibkeel import OrderTicket, Stock
from ibkeel.errors import IbkeelError, InvalidInput
from ibkeel.ibkr import IBKRConfig
from ibkeel.model import BarSpec, Bracket, Combo, Index, Position
from ibkeel.options import DeltaRule, LiquidityRule, nearest_strikes
from ibkeel.orders import OrderLimits, ProtectionPolicy, build_bracket, plan_exit, venue_day
from ibkeel.resilience import Deadlines
from ibkeel.risk import DailyLossGuard, GateRule, position_size
from ibkeel.runner import EndOfDay, OverrunPolicy, RiskConfig, RunnerConfig, Timetable
from ibkeel.sim import GatewaySettings
from ibkeel.sim.market import Mood
from ibkeel.strategy import Scalp
from ibkeel.validators import ask

WRONG = (
    None, "5", "", True, [], {}, [None], object(), b"x", -1, 1.5, 10**400, float("nan"), float("inf"),
    Decimal("NaN"), Decimal("sNaN"), np.float64("nan"),
)  # fmt: skip


def public_classes():
    """Every public attrs class that can be made of defaults alone."""
    found = {}
    for module in pkgutil.walk_packages(ibkeel.__path__, "ibkeel."):
        held = importlib.import_module(module.name)
        for name in getattr(held, "__all__", ()):
            kind = getattr(held, name, None)
            if isinstance(kind, type) and attrs.has(kind) and is_made_of_defaults(kind):
                found[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return found


def is_made_of_defaults(kind):
    return all(field.default is not attrs.NOTHING or not field.init for field in attrs.fields(kind))


CLASSES = public_classes()


def test_there_are_many():
    assert len(CLASSES) > 60
    assert {"ibkeel.ibkr.config.IBKRConfig", "ibkeel.sim.settings.GatewaySettings"} <= set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_field_is_taken_or_refused_by_one_of_our_errors(name):
    for field in (field for field in attrs.fields(CLASSES[name]) if field.init):
        for value in WRONG:
            with contextlib.suppress(IbkeelError):
                CLASSES[name](**{field.alias: value})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Deadlines.all("5"), "Deadlines.connect is '5'; valid: seconds, above 0 and at most 600"),
        (lambda: IBKRConfig(market_data_lines="100"), "market_data_lines is '100'; valid: a finite number"),
        (lambda: IBKRConfig(pacing_rules=7), "7 is no series; valid: a tuple or a list"),
        (lambda: IBKRConfig(breakers=7), "7 is no mapping; valid: a dict"),
        (lambda: DeltaRule(delta="0.3", right="P"), "DeltaRule.delta is '0.3'; valid: above 0 and below 1"),
        (lambda: RiskConfig(risk_fraction=True), "risk_fraction is True; valid: above 0, up to 1"),
        (lambda: Scalp(rsi_low=True), "Scalp.rsi_low is True; valid: 0 to 100"),
        (lambda: RunnerConfig(anchors=(5,)), "anchors is (5,); "),
        (lambda: Mood(course=("5",)), "Mood.course is ('5',); valid: pairs of seconds and levels"),
        (
            lambda: GatewaySettings(delay_seconds="5"),
            "GatewaySettings.delay_seconds is '5'; valid: 0 or more",
        ),
        (lambda: RunnerConfig(end_of_day="keep"), "'keep' is not a valid EndOfDay; valid: 'flatten', 'hold'"),
        (lambda: Timetable(overrun=5), "5 is not a valid OverrunPolicy; valid: 'skip', 'at_once'"),
        (lambda: BarSpec(kind="CLOSE"), "'CLOSE' is not a valid BarKind; valid: 'TRADES'"),
    ],
)
def test_the_message_says_what_came_and_what_is_valid(make, words):
    with pytest.raises(InvalidInput) as refused:
        make()

    assert words in str(refused.value)


def test_a_choice_of_the_runners_by_its_text_is_that_choice():
    config = RunnerConfig(end_of_day="hold", overrun="at_once")

    assert config.end_of_day is EndOfDay.HOLD
    assert config.overrun is config.timetable.overrun is OverrunPolicy.AT_ONCE


def test_a_whole_number_of_numpys_is_one():
    ticket = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=np.int64(10), order_type="MKT")

    assert type(ticket.quantity) is int
    assert ticket.quantity == 10


@pytest.mark.parametrize("quantity", [np.float64(10), np.bool_(True), 1.0, True, "1", None])
def test_what_is_no_whole_number_is_not_rounded_to_one(quantity):
    with pytest.raises(InvalidInput, match=r"OrderTicket\.quantity"):
        OrderTicket(contract=Stock("SPY"), side="BUY", quantity=quantity, order_type="MKT")


SPY = Stock("SPY")
TICKET = {"contract": SPY, "side": "BUY", "quantity": 1}
NO_TRUTHS = ("False", "no", 0, 1, None, float("nan"), [])


@pytest.mark.parametrize("value", NO_TRUTHS)
@pytest.mark.parametrize(
    "make",
    [
        lambda value: OrderTicket(**TICKET, is_closing=value),
        lambda value: OrderTicket(**TICKET, outside_rth=value),
        lambda value: BarSpec(rth=value),
        lambda value: IBKRConfig(reconnect=value),
        lambda value: IBKRConfig(exclusive=value),
        lambda value: OrderLimits(live_only=value),
        lambda value: GateRule(live_only=value),
        lambda value: LiquidityRule(live_only=value),
        lambda value: ProtectionPolicy(stocks=value),
    ],
)
def test_a_text_that_says_false_is_not_taken_for_true(make, value):
    with pytest.raises(InvalidInput, match="valid: True or False"):
        make(value)


def test_a_truth_value_of_numpys_is_one():
    assert OrderTicket(**TICKET, is_closing=np.bool_(False)).is_closing is False
    assert BarSpec(rth=np.bool_(True)).rth is True


@pytest.mark.parametrize("con_id", ["756733", 756733.0, True, 0, -1, float("nan"), [], Decimal(5)])
@pytest.mark.parametrize("make", [Stock, Index])
def test_a_number_that_the_wire_would_take_for_another_contract_is_refused(make, con_id):
    with pytest.raises(InvalidInput, match=r"con_id is .*; valid: a whole number above 0"):
        make("SPY", con_id=con_id)


def test_a_contracts_number_may_come_from_a_frame():
    stock = Stock("SPY", con_id=np.int64(756733))

    assert type(stock.con_id) is int


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bracket(entry="SPY", stop_loss=1), "Bracket.entry is 'SPY'; valid: an OrderTicket"),
        (lambda: Combo("SPY", None), "None is no series"),
        (lambda: Combo("SPY", [SPY, SPY]), "valid: two or more of ComboLeg"),
        (lambda: position_size(equity=1e5, premium=2.5, max_contracts=float("nan")), "max_contracts is nan"),
        (lambda: position_size(equity=1e5, premium=2.5, max_contracts=2.5), "max_contracts is 2.5"),
        (lambda: position_size(equity=1e5, premium=2.5, multiplier=True), "multiplier is True; valid"),
        (lambda: position_size(equity=1e5, premium=2.5, risk_fraction=None), "risk_fraction is None; valid"),
        (lambda: nearest_strikes([Decimal(1), Decimal(2)], Decimal(1), -1), "count is -1; valid"),
        (lambda: nearest_strikes([Decimal(1)], Decimal(1), None), "count is None; valid"),
        (lambda: venue_day(datetime(2026, 1, 5, 23)), "has no time zone"),
        (lambda: build_bracket(quote=SPY, quantity=1), "is no Quote; give one of those"),
    ],
)
def test_what_was_silently_taken_for_something_else_is_refused(make, words):
    with pytest.raises(InvalidInput) as refused:
        make()

    assert words in str(refused.value)


@pytest.mark.parametrize("quantity", [float("nan"), float("inf"), 2.5, -1, "1"])
def test_part_of_an_exit_is_a_whole_number(quantity):
    position = Position(account="DU1", contract=SPY, signed_quantity=5.0, average_price=2.0)

    with pytest.raises(InvalidInput, match="quantity is"):
        plan_exit(position, [], quantity=quantity)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Deadlines.all(Decimal("2.5")), "quote"),
        (IBKRConfig(pacing_patience=Decimal("2.5")), "pacing_patience"),
        (RiskConfig(risk_fraction=Decimal("0.01")), "risk_fraction"),
        (RunnerConfig(interval=Decimal(60)), "interval"),
        (DailyLossGuard(limit=Decimal("0.02")), "limit"),
        (Scalp(rsi_low=Fraction(91, 2)), "rsi_low"),
        (RiskConfig(risk_fraction=np.float32(0.25)), "risk_fraction"),
    ],
)
def test_a_decimal_in_the_settings_is_the_float_that_it_says(settings, name):
    assert isinstance(getattr(settings, name), float)


@pytest.mark.parametrize("answer", [False, True, 0, "no"])
def test_a_last_look_that_answers_and_does_not_raise_lets_nothing_leave(answer):
    with pytest.raises(InvalidInput, match="so nothing was sent; valid: a plain function, not async"):
        ask(lambda: answer)


def test_a_last_look_that_nobody_awaits_lets_nothing_leave():
    async def look():
        raise AssertionError

    with pytest.raises(InvalidInput, match="not async"):
        ask(look)
    ask(None)
    ask(lambda: None)
