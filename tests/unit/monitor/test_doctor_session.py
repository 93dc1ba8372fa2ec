"""What the doctor says of a session that answers otherwise than it should: each cause has its own remedy."""

from datetime import UTC, datetime

import pytest

from ibkeel.errors import (
    AnotherProcess,
    GatewayMute,
    OrderRejected,
    QuoteUnavailable,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.model import DataType, Grade, Health, HealthCheck, OrderType, Quote, Stock
from ibkeel.monitor.doctor import Machine, Setup, Verdict, examine
from ibkeel.monitor.doctor.looks import log_on_failed, look_at_data, look_at_health, look_at_orders
from ibkeel.system import SystemClock
from ibkeel.testing import FakeBroker

AT = datetime(2025, 3, 14, 14, 30, tzinfo=UTC)
SPY = Stock("SPY")


def quoted(**fields):
    return Quote(contract=SPY, at=AT, **{"bid": 560.0, "ask": 560.02, "last": 560.0, **fields})


@pytest.mark.parametrize(
    ("error", "check", "remedy"),
    [
        (AnotherProcess("client id 5 is held", pid=7, since=AT), "client id", "--client-id"),
        (GatewayMute("no answer to the log-on"), "session", "a dialog that waits"),
    ],
    ids=["another process", "mute"],
)
def test_a_log_on_that_failed_names_what_to_look_at(error, check, remedy):
    finding = log_on_failed(error)

    assert (finding.check, finding.verdict, finding.said) == (check, Verdict.FAULT, str(error))
    assert remedy in finding.remedy


def test_a_session_that_is_down_has_the_adapters_own_remedy():
    row = HealthCheck(name="session", grade=Grade.DOWN, evidence="it ended", at=AT, remedy="connect anew")

    [finding] = look_at_health(Health(checks=(row,)))

    assert (finding.check, finding.said, finding.remedy) == ("session", "it ended", "connect anew")


@pytest.mark.parametrize(
    ("error", "verdict", "said"),
    [
        (RequestTimeout("no answer in 8 s"), Verdict.WARNING, "was not answered: no answer in 8 s"),
        (OrderRejected("201: no funds"), Verdict.WARNING, "a what-if was refused: 201: no funds"),
        (
            OrderRejected("321: the API is in Read-Only mode"),
            Verdict.FAULT,
            "the Gateway's API takes no orders",
        ),
        (None, Verdict.OK, "nothing was executed"),
    ],
    ids=["silent", "refused", "read-only", "taken"],
)
async def test_what_came_of_a_what_if_is_told(error, verdict, said):
    async with FakeBroker(quotes=[quoted()]) as broker:
        if error is not None:
            broker.fail("preview", error)

        finding = await look_at_orders(broker, "SPY", quoted(), sends=True)

        assert broker.intents == []
        assert await broker.open_orders() == ()
    assert finding.verdict is verdict
    assert said in finding.said


@pytest.mark.parametrize(
    ("quote", "kind", "price"),
    [
        (None, OrderType.MKT, None),
        (quoted(ask=None), OrderType.LMT, 560.0),
        (quoted(ask=None, last=None), OrderType.MKT, None),
    ],
    ids=["none", "no ask", "no price"],
)
async def test_a_what_if_asks_at_the_price_that_there_is(quote, kind, price):
    async with FakeBroker(quotes=[quoted()]) as broker:
        await look_at_orders(broker, "SPY", quote, sends=True)

        [asked] = [call.subject for call in broker.calls if call.kind == "preview"]
    assert (asked.order_type, asked.limit_price) == (kind, price)


@pytest.mark.parametrize(
    ("error", "is_open", "verdict", "words"),
    [
        (UnknownContract("200"), True, Verdict.FAULT, "check the ticker"),
        (QuoteUnavailable("no prices"), False, Verdict.OK, "the exchange is closed"),
        (QuoteUnavailable("no prices"), True, Verdict.FAULT, "farms and upstream come first"),
        (GatewayMute("it hangs"), True, Verdict.FAULT, "farms and upstream come first"),
    ],
    ids=["unknown", "closed", "open", "mute"],
)
async def test_why_there_are_no_prices_is_told(error, is_open, verdict, words):
    async with FakeBroker(quotes=[quoted()]) as broker:
        broker.fail("quote", error)

        [seen] = await look_at_data(broker, ["SPY"], is_open=is_open)

    assert (seen.finding.verdict, seen.quote) == (verdict, None)
    assert words in f"{seen.finding.said} {seen.finding.remedy}"


@pytest.mark.parametrize(
    ("data_type", "is_open", "verdict"),
    [
        (DataType.LIVE, True, Verdict.OK),
        (DataType.FROZEN, False, Verdict.OK),
        (DataType.FROZEN, True, Verdict.WARNING),
        (DataType.DELAYED, True, Verdict.WARNING),
        (DataType.DELAYED_FROZEN, False, Verdict.WARNING),
    ],
)
async def test_prices_that_are_not_live_are_told_and_are_a_price_all_the_same(data_type, is_open, verdict):
    async with FakeBroker(quotes=[quoted(data_type=data_type)]) as broker:
        [seen] = await look_at_data(broker, ["SPY"], is_open=is_open)

    assert seen.finding.verdict is verdict
    assert (data_type.value in seen.finding.said, seen.quote.ask) == (True, 560.02)


async def test_an_old_python_is_named_first_and_each_finding_is_told_as_it_is_made():
    told = []
    machine = Machine(python=(3, 10), version_of={"ibkeel": "1.0"}.get)

    diagnosis = await examine(
        Setup(host="127.0.0.1", port=4902, client_id=5),
        FakeBroker,
        SystemClock(),
        machine=machine,
        told=told.append,
    )

    assert diagnosis.findings == tuple(told)
    assert (told[0].check, told[0].verdict) == ("python", Verdict.FAULT)
    assert "Python 3.10 " in told[0].said
    assert "install Python 3.11" in told[0].remedy
