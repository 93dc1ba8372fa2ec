"""Whatever is given for a field of a rule or of settings: it is taken, or refused by one of our errors."""

import contextlib
import importlib
import pkgutil
from decimal import Decimal

import attrs
import numpy as np
import pytest

import ibkeel
from ibkeel import OrderTicket, Stock
from ibkeel.errors import IbkeelError, InvalidInput
from ibkeel.ibkr import IBKRConfig
from ibkeel.model import BarSpec
from ibkeel.options import DeltaRule
from ibkeel.resilience import Deadlines
from ibkeel.runner import EndOfDay, OverrunPolicy, RiskConfig, RunnerConfig, Timetable
from ibkeel.sim import GatewaySettings
from ibkeel.sim.market import Mood
from ibkeel.strategy import Scalp

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
