from datetime import UTC, date, datetime
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import GatewayRejected, InvalidInput
from ibkeel.ibkr.client import library
from ibkeel.ibkr.translate import (
    contract_of,
    day_of,
    decimal_of,
    details_of,
    execution_of,
    option_class_of,
    optional,
    to_ib_contract,
    to_ib_order,
    utc_of,
)
from ibkeel.model import ConId, Index, Option, OrderTicket, OrderType, Right, Side, Stock
from ibkeel.testing.strategies import contracts, tickets

EASTERN = "America/New_York"
UNSET = 1.7976931348623157e308
CALL = Option("SPY", date(2026, 1, 16), Decimal("500.5"), Right.CALL, trading_class="SPY")


@given(contracts(), st.none() | st.integers(1, 10**9).map(ConId))
def test_a_contract_survives_the_way_there_and_back(contract, con_id):
    contract = attrs.evolve(contract, con_id=con_id)

    back = contract_of(to_ib_contract(contract))

    assert back == contract
    assert back.con_id == con_id


def test_a_stock_keeps_its_primary_exchange():
    stock = Stock("SPY", primary_exchange="ARCA")

    assert contract_of(to_ib_contract(stock)) == stock


def test_an_option_is_written_as_the_wire_wants_it():
    made = to_ib_contract(CALL)

    assert (made.secType, made.lastTradeDateOrContractMonth, made.strike, made.right) == (
        "OPT",
        "20260116",
        500.5,
        "C",
    )
    assert (made.multiplier, made.tradingClass, made.exchange, made.conId) == ("100", "SPY", "SMART", 0)


def test_what_the_gateway_leaves_out_is_filled_in():
    bare = library.Contract(
        secType="OPT", symbol="SPY", lastTradeDateOrContractMonth="20260116", strike=500.5, right="CALL"
    )

    assert contract_of(bare) == attrs.evolve(CALL, trading_class="")
    assert contract_of(library.Contract(secType="IND", symbol="VIX"), exchange="CBOE") == Index("VIX")


@pytest.mark.parametrize("kind", ["FUT", "BAG", "CASH", ""])
def test_a_kind_that_the_model_does_not_know_is_named_and_can_only_be_held(kind):
    held = contract_of(library.Contract(secType=kind, symbol="ES", localSymbol="ESZ6", conId=5))

    assert (held.symbol, held.kind, held.con_id) == ("ES", kind or "?", 5)
    with pytest.raises(InvalidInput, match="neither quotes nor trades"):
        to_ib_contract(held)


@given(tickets(), st.integers(1, 10**6))
def test_an_order_is_written_with_its_own_prices_and_no_others(ticket, order_id):
    made = to_ib_order(ticket, order_id=order_id, account="DU1", client_order_id="mine")

    assert (made.action, made.orderType, made.totalQuantity) == (
        ticket.side,
        ticket.order_type,
        ticket.quantity,
    )
    assert (made.orderId, made.account, made.orderRef, made.transmit) == (order_id, "DU1", "mine", True)
    assert made.lmtPrice == (UNSET if ticket.limit_price is None else float(ticket.limit_price))
    assert made.auxPrice == (UNSET if ticket.stop_price is None else float(ticket.stop_price))


def test_an_order_keeps_how_long_and_when_it_works():
    ticket = OrderTicket(
        contract=CALL,
        side=Side.SELL,
        quantity=2,
        order_type=OrderType.MKT,
        tif="GTC",
        outside_rth=True,
        oca_group="g",
    )

    made = to_ib_order(ticket, order_id=1, account="DU1", client_order_id="mine")

    assert (made.tif, made.outsideRth, made.ocaGroup) == ("GTC", True, "g")


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("20260105 09:30:00 US/Eastern", "UTC"),
        ("20260105 09:30:00 America/New_York", "UTC"),
        ("20260105 09:30:00 EST", "UTC"),
        ("20260105-14:30:00", "UTC"),
        ("20260105 14:30:00 UTC", EASTERN),
        ("20260105  09:30:00", EASTERN),
        ("20260105 08:30:00 CST", "UTC"),
        (" 20260105 09:30:00 US/Eastern ", "UTC"),
    ],
)
def test_every_way_to_write_an_instant_is_read(text, zone):
    assert utc_of(text, default_zone=zone) == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


@given(st.datetimes(datetime(2013, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))
def test_an_instant_survives_the_way_there_and_back(instant):
    instant = instant.replace(microsecond=0)

    assert utc_of(f"{instant:%Y%m%d-%H:%M:%S}") == instant
    assert utc_of(f"{instant:%Y%m%d %H:%M:%S} UTC") == instant


@pytest.mark.parametrize("text", ["", "yesterday", "20260105", "20260105 09:30", "2026-01-05T09:30:00"])
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(GatewayRejected, match="an instant was expected"):
        utc_of(text)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "\0"])
def test_a_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(GatewayRejected, match="time zone that does not exist"):
        utc_of("20260105 09:30:00", default_zone=zone)


@pytest.mark.parametrize("text", ["20260116", "20260116 16:00:00", "20260116 08:30 US/Central"])
def test_a_day_is_read_with_or_without_a_time(text):
    assert day_of(text) == date(2026, 1, 16)


@pytest.mark.parametrize("value", [None, UNSET, float("nan"), float("inf"), -1, 0, 0.0])
def test_every_way_to_say_that_there_is_no_price_is_none(value):
    assert optional(value) is None


@pytest.mark.parametrize("value", [None, "", UNSET, str(UNSET), "nan"])
def test_every_way_to_say_that_there_is_no_number_is_none(value):
    assert decimal_of(value) is None


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("-12.50", "-12.50"), (3.1, "3.1"), ("1E+3", 1000)])
def test_a_number_is_exact(value, number):
    assert decimal_of(value) == Decimal(number)


def test_details_keep_the_exchange_that_was_asked_for():
    ib_contract = library.Stock("SPY", "ISLAND", "USD")
    ib_contract.primaryExchange = "ARCA"
    ib_details = library.ContractDetails(
        contract=ib_contract, longName="SPDR", minTick=0.01, timeZoneId="US/Eastern",
        liquidHours="20260106:0930-20260106:1600;20260105:0930-20260105:1600;20260110:CLOSED;",
    )  # fmt: skip

    details = details_of(ib_details, Stock("SPY"))

    assert (details.contract.exchange, details.min_tick) == ("SMART", Decimal("0.01"))
    assert [hours.opens_at for hours in details.liquid_hours] == [
        datetime(2026, 1, 5, 14, 30, tzinfo=UTC),
        datetime(2026, 1, 6, 14, 30, tzinfo=UTC),
    ]
    assert (details.under_con_id, details.last_trading_day) == (None, None)


def test_a_class_is_read_from_texts():
    row = option_class_of("SMART", "SPX", "100", {"20260116", "20260109"}, {500.0, 495.5})

    assert row.expiries == (date(2026, 1, 9), date(2026, 1, 16))
    assert row.strikes == (Decimal("495.5"), Decimal(500))
    assert row.multiplier == 100


@pytest.mark.parametrize(("side", "read"), [("BOT", Side.BUY), ("SLD", Side.SELL)])
def test_a_fill_is_read_with_its_commission_still_to_come(side, read):
    ib_execution = library.Execution(
        execId="e1", orderId=5, permId=9, orderRef="mine", acctNumber="DU1", side=side, shares=2.0, price=5.75,
        time="20260105-14:30:00",
    )  # fmt: skip

    fill = execution_of(to_ib_contract(CALL), ib_execution)

    assert (fill.side, fill.quantity, fill.price, fill.commission) == (read, 2.0, 5.75, None)
    assert fill.at == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    assert fill.contract == CALL
