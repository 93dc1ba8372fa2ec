import json
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.model import (
    Bars,
    BarSpec,
    Bracket,
    ClientOrderId,
    Contract,
    Execution,
    HealthCheck,
    Option,
    OptionChain,
    OptionClass,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    PermId,
    Quote,
    Right,
    Side,
    Stock,
    from_data,
    from_json,
    from_toml,
    to_data,
    to_json,
    to_toml,
)
from ibkeel.testing import strategies as model

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
CALL = Option("SPY", date(2026, 1, 16), Decimal("500.5"), Right.CALL)
TICKET = OrderTicket(contract=CALL, side=Side.BUY, quantity=1, order_type="LMT", limit_price=2)
REPORT = OrderReport(
    order_id=OrderId(7),
    perm_id=PermId(8),
    client_id=1,
    client_order_id=ClientOrderId("a"),
    contract=CALL,
    side=Side.BUY,
    quantity=1.0,
    order_type="LMT",
    limit_price=Decimal("2.05"),
    state=OrderState.WORKING,
    at=NOW,
)
VALUES = st.one_of(model.quotes(), model.bars(max_size=5), model.tickets(), model.brackets())


@given(VALUES)
def test_a_value_survives_json(value):
    assert from_json(to_json(value), type(value)) == value


@given(st.one_of(model.quotes(), model.tickets(), model.brackets()))
def test_a_value_survives_toml(value):
    assert from_toml(to_toml(value), type(value)) == value


@given(model.contracts())
def test_a_bare_contract_carries_its_kind(contract):
    data = to_data(contract)

    assert data["type"] == type(contract).__name__.lower()
    assert from_data(data, Contract) == contract
    assert from_json(to_json(contract), Contract) == contract


@given(VALUES)
def test_json_is_one_line_and_holds_no_nan(value):
    text = to_json(value)

    assert "\n" not in text
    assert json.loads(text, parse_constant=pytest.fail) == to_data(value)


@given(VALUES, st.text(min_size=1))
def test_an_unknown_key_is_refused(value, key):
    data = {**to_data(value), f"{key}?": 1}

    with pytest.raises(InvalidInput):
        from_data(data, type(value))


def test_an_unknown_key_is_named_with_those_that_are_valid():
    with pytest.raises(InvalidInput, match=r"unknown steps; valid: .*size"):
        from_data({"steps": 4}, BarSpec)


@given(st.one_of(model.tickets(), model.brackets()), st.text(min_size=1))
def test_an_unknown_key_further_in_is_refused(value, key):
    data = to_data(value)
    ticket = data.get("entry", data)
    ticket["contract"] = {**ticket["contract"], f"{key}?": 1}

    with pytest.raises(InvalidInput):
        from_data(data, type(value))


@pytest.mark.parametrize(
    "value",
    [
        REPORT,
        OptionChain(
            underlying=Stock("SPY"),
            classes=(OptionClass(trading_class="SPY", expiries=(CALL.expiry,), strikes=(CALL.strike,)),),
        ),
        BarSpec(duration="2 D", size="5 mins", end=NOW),
    ],
    ids=lambda value: type(value).__name__,
)
def test_reports_chains_and_specs_survive_json(value):
    assert from_json(to_json(value), type(value)) == value


@pytest.mark.parametrize("wrong", [0, -1, "nan", "Infinity", "two", None])
def test_a_price_that_is_none_does_not_come_in_by_json(wrong):
    data = {**to_data(TICKET), "limit_price": wrong}

    with pytest.raises(InvalidInput):
        from_json(json.dumps(data), OrderTicket)


@pytest.mark.parametrize("bid", ["NaN", "Infinity", "0", "-1", '"NaN"'])
def test_a_sentinel_does_not_come_in_by_json(bid):
    text = to_json(Quote(contract=Stock("SPY"), at=NOW, bid=1.0)).replace('"bid":1.0', f'"bid":{bid}')

    with pytest.raises(InvalidInput):
        from_json(text, Quote)


@pytest.mark.parametrize("at", ["2026-01-05T14:30:00", "yesterday", 12, None])
def test_an_instant_without_a_zone_does_not_come_in(at):
    data = {**to_data(Quote(contract=Stock("SPY"), at=NOW)), "at": at}

    with pytest.raises(InvalidInput):
        from_data(data, Quote)


@pytest.mark.parametrize("expiry", ["16 Jan 2026", "2026-01-16T00:00:00", 20260116, NOW])
def test_an_expiry_is_an_iso_date(expiry):
    with pytest.raises(InvalidInput):
        from_data({**to_data(CALL), "expiry": expiry}, Contract)


def test_toml_may_hold_dates_as_dates():
    text = to_toml(CALL).replace('"2026-01-16"', "2026-01-16")

    assert from_toml(text, Contract) == CALL


def test_toml_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tomli_w", None)

    with pytest.raises(ConfigurationError, match=r"to_toml needs tomli-w; install 'ibkeel\[bot\]'"):
        to_toml(CALL)


def test_the_message_names_every_fault():
    data = {**to_data(TICKET), "quantity": "many", "side": "HOLD"}

    with pytest.raises(InvalidInput) as refused:
        from_data(data, OrderTicket)

    assert "quantity" in str(refused.value)
    assert "side" in str(refused.value)


@pytest.mark.parametrize("kind", ["bond", "", None, 3])
def test_a_contract_of_no_known_kind_is_refused(kind):
    with pytest.raises(InvalidInput):
        from_data({**to_data(CALL), "type": kind}, Contract)


@pytest.mark.parametrize("key", ["contract", "side", "quantity"])
def test_a_missing_key_is_refused(key):
    data = to_data(TICKET)
    del data[key]

    with pytest.raises(InvalidInput, match=key):
        from_data(data, OrderTicket)


@pytest.mark.parametrize("key", ["contract", "spec", "rows", "timezone"])
def test_bars_miss_no_key(key):
    data = to_data(Bars.from_rows([], contract=CALL, spec=BarSpec()))
    del data[key]

    with pytest.raises(InvalidInput):
        from_data(data, Bars)


@pytest.mark.parametrize("data", [[], "text", 7, None, [1, 2]])
def test_what_is_no_table_is_refused(data):
    for kind in (Quote, OrderTicket, Bars, Bracket, Execution, Contract):
        with pytest.raises(InvalidInput):
            from_data(data, kind)


@pytest.mark.parametrize(("reader", "what"), [(from_json, "JSON"), (from_toml, "TOML")])
def test_what_is_neither_json_nor_toml_is_refused(reader, what):
    with pytest.raises(InvalidInput, match=f"not {what}"):
        reader("{", OrderTicket)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("expiry", "20260116x", "Option.expiry is '20260116x'; valid: a date such as 2026-01-16"),
        ("expiry", "2026-02-31", "Option.expiry is '2026-02-31'; valid: a date"),
        ("strike", "abc", "Option.strike is 'abc'; valid: a number"),
        ("strike", None, "Option.strike is None; valid: a number"),
        ("con_id", 1.5, "Option.con_id is 1.5; valid: a whole number"),
        ("multiplier", True, "Option.multiplier is True; valid: a whole number"),
        ("underlying", None, "Option.underlying is None; valid: a text"),
        ("right", "X", "'X' is not a valid Right; valid: 'C', 'P' @ Option.right"),
        ("type", "opt", "type is 'opt'; valid: stock, index, option, combo, othercontract"),
        ("type", ["option"], "type is ['option']; valid: stock, index"),
    ],
)
def test_a_wrong_part_is_named_with_its_value_and_what_is_valid(key, value, words):
    with pytest.raises(InvalidInput) as refused:
        from_data({**to_data(CALL), key: value}, Contract)

    assert str(refused.value).startswith(f"not a valid Contract: {words}")


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (BarSpec, {"rth": "false"}, "BarSpec.rth is 'false'; valid: true or false"),
        (BarSpec, {"end": "yesterday"}, "BarSpec.end is 'yesterday'; valid: an instant such as 2026-01-16T14"),
        (BarSpec, {"size": None}, "BarSpec.size is None; valid: a text"),
        (BarSpec, 5, "5; valid: a table of BarSpec"),
        (Quote, {"contract": 5, "at": "2026-01-05T14:30:00Z"}, "Quote.contract is 5; valid: a table with a type"),
        (Quote, {"contract": {"type": "stock", "symbol": "SPY"}, "at": NOW, "bid": True}, "Quote.bid is True; valid: a"),
        (HealthCheck, {"name": "", "grade": "fine", "evidence": "", "at": NOW}, "HealthCheck.grade is 'fine'; valid: ok,"),
        (Decimal, "x", "'x'; valid: a number"),
        (Decimal, None, "None; valid: a number"),
        (date, 5, "5; valid: a date"),
    ],
)  # fmt: skip
def test_wrong_values_of_any_kind_are_named(kind, data, words):
    with pytest.raises(InvalidInput) as refused:
        from_data(data, kind)

    assert str(refused.value).startswith(f"not a valid {kind.__name__}: {words}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": [["x", 1, 2, 3, 4, 5]]}, "['x', 1, 2, 3, 4, 5]; valid: a row of at, open, high, low, close, volume"),
        ({"rows": [["2026-01-05T14:30:00Z", 1]]}, "['2026-01-05T14:30:00Z', 1]; valid: a row of at, open"),
        ({"rows": [[]]}, "[]; valid: a row of at"),
        ({"rows": 5}, "5 is no series; valid: a tuple or a list"),
        ({"contract": 5}, "5; valid: a table with a type"),
        ({"spec": 5}, "5; valid: a table of BarSpec"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_bars_is_named(change, words):
    data = to_data(Bars.from_rows([], contract=CALL, spec=BarSpec()))

    with pytest.raises(InvalidInput) as refused:
        from_data({**data, **change}, Bars)

    assert str(refused.value).startswith(f"not a valid Bars: {words}")


@pytest.mark.parametrize("reader", [from_json, from_toml])
@pytest.mark.parametrize("text", [None, b"\xff", 5, "a = " + "[" * 100_000, "[" * 100_000])
def test_what_is_no_text_or_has_no_end_is_refused(reader, text):
    with pytest.raises(InvalidInput):
        reader(text, BarSpec)


def test_a_time_of_day_is_written_in_utc():
    eastern = datetime.fromisoformat("2026-01-05T09:30:00-05:00")

    assert to_data(Quote(contract=Stock("SPY"), at=eastern))["at"] == "2026-01-05T14:30:00+00:00"


@attrs.frozen
class Margined:
    """As somebody's strategy checks its settings, with the validators of attrs."""

    margin: float = attrs.field(default=0.0, validator=attrs.validators.ge(0.0))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"margin": -1}, "not a valid Margined: 'margin' must be >= 0.0: -1.0"),
        ({"mragin": 1}, "not a valid Margined: unknown mragin; valid: margin"),
        ({"margin": "x"}, "not a valid Margined: Margined.margin is 'x'; valid: a number"),
    ],
)
def test_what_a_foreign_validator_says_is_passed_on(data, words):
    with pytest.raises(InvalidInput) as refused:
        from_data(data, Margined)

    assert str(refused.value) == words
