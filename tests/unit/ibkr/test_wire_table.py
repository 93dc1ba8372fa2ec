"""The table reads what the client library really writes."""

import pytest

from ibkeel.guards import Ask
from ibkeel.ibkr.client import library
from ibkeel.ibkr.wire_table import ENDINGS, MESSAGES, OPEN_MESSAGES, read
from ibkeel.resilience import Lane

SPY = library.Stock("SPY", "SMART", "USD")
OPTION = library.Option("SPY", "20260116", 480.0, "C", "SMART", multiplier="100", currency="USD")
NUMBERED = library.Contract(conId=756733, exchange="SMART")
BAG = library.Contract(
    secType="BAG",
    symbol="SPY",
    exchange="SMART",
    currency="USD",
    comboLegs=[library.ComboLeg(conId=1, ratio=1, action="BUY", exchange="SMART")],
)


class Recorder:
    """The library's client, its messages kept instead of sent."""

    def __init__(self):
        # Not the client of the IB object itself, which would say good-bye when it is thrown away.
        self.client = library.client.Client(library.IB().wrapper)
        self.texts = []
        self.client.sendMsg = self.texts.append
        self.client.connState = self.client.CONNECTED
        self.client._serverVersion = 176

    def text(self, call, *args):
        getattr(self.client, call)(*args)
        return self.texts[-1]


@pytest.fixture
def recorder():
    return Recorder()


def bars(recorder, size="1 min", *, keep=False, what="TRADES", contract=SPY, key=7):
    return recorder.text(
        "reqHistoricalData", key, contract, "", "3600 S", size, what, True, 2, keep, []
    )  # fmt: skip


CALLS = [
    ("reqMktData", (7, SPY, "", False, False, [])),
    ("cancelMktData", (7,)),
    ("placeOrder", (7, SPY, library.MarketOrder("BUY", 1))),
    ("cancelOrder", (7, "")),
    ("reqContractDetails", (7, SPY)),
    ("reqMktDepth", (7, SPY, 5, False, [])),
    ("cancelMktDepth", (7, False)),
    ("reqHistoricalData", (7, SPY, "", "1 D", "5 mins", "TRADES", True, 2, False, [])),
    ("cancelHistoricalData", (7,)),
    ("reqRealTimeBars", (7, SPY, 5, "TRADES", True, [])),
    ("cancelRealTimeBars", (7,)),
    ("reqAccountSummary", (7, "All", "NetLiquidation")),
    ("cancelAccountSummary", (7,)),
    ("reqSecDefOptParams", (7, "SPY", "", "STK", 756733)),
    ("reqMatchingSymbols", (7, "SP")),
    ("reqHeadTimeStamp", (7, SPY, "TRADES", True, 2)),
    ("cancelHeadTimeStamp", (7,)),
    ("reqHistoricalTicks", (7, SPY, "", "20260105 10:00:00", 10, "TRADES", True, False, [])),
    ("reqTickByTickData", (7, SPY, "Last", 0, False)),
    ("cancelTickByTickData", (7,)),
    ("cancelScannerSubscription", (7,)),
    ("reqExecutions", (7, library.ExecutionFilter())),
    ("reqFundamentalData", (7, SPY, "ReportSnapshot", [])),
    ("calculateImpliedVolatility", (7, OPTION, 1.0, 480.0, [])),
    ("calculateOptionPrice", (7, OPTION, 0.2, 480.0, [])),
    ("reqAccountUpdatesMulti", (7, "DU1234567", "", False)),
    ("reqSmartComponents", (7, "a")),
    ("reqNewsArticle", (7, "BRFG", "BRFG$1", [])),
    ("reqHistoricalNews", (7, 756733, "BRFG", "", "", 10, [])),
    ("reqHistogramData", (7, SPY, True, "1 day")),
]
NAMELESS = [
    ("reqOpenOrders", ()),
    ("reqAllOpenOrders", ()),
    ("reqManagedAccts", ()),
    ("reqCurrentTime", ()),
    ("reqGlobalCancel", ()),
    ("reqPositions", ()),
    ("reqCompletedOrders", (False,)),
    ("reqAccountUpdates", (True, "")),
    ("reqScannerParameters", ()),
    ("reqMktDepthExchanges", ()),
    ("reqNewsProviders", ()),
]


@pytest.mark.parametrize(("call", "args"), CALLS)
def test_a_message_is_known_with_its_id(recorder, call, args):
    reading = read(recorder.text(call, *args))

    assert (reading.message.name, reading.key) == (call, 7)


@pytest.mark.parametrize(("call", "args"), NAMELESS)
def test_a_message_without_id_is_known(recorder, call, args):
    reading = read(recorder.text(call, *args))

    assert (reading.message.name, reading.key) == (call, None)


def test_a_message_that_is_not_listed_counts_as_one_like_all(recorder):
    reading = read(recorder.text("reqNewsBulletins", True))

    assert (reading.message.name, reading.request.kind, reading.request.lane) == (
        "other",
        "message",
        Lane.QUOTES,
    )


@pytest.mark.parametrize(("size", "is_bulky"), [("30 secs", False), ("1 min", True), ("1 day", True)])
def test_bars_of_a_minute_and_more_are_bulky(recorder, size, is_bulky):
    assert read(bars(recorder, size)).request.is_bulky is is_bulky


def test_bars_name_what_the_limits_look_at(recorder):
    request = read(bars(recorder, "5 secs", what="BID_ASK")).request

    assert (request.kind, request.feed, request.subject) == (Ask.HISTORY, "BID_ASK", "SPY STK on SMART")


def test_the_same_bars_under_another_id_are_identical(recorder):
    first, second = (read(bars(recorder, key=key)).request.identity for key in (7, 8))

    assert first == second
    assert first != read(bars(recorder, "5 mins")).request.identity


def test_bars_that_are_kept_up_to_date_go_on(recorder):
    assert read(bars(recorder, keep=True)).goes_on
    assert not read(bars(recorder)).goes_on


def test_a_combo_shifts_no_field_that_is_read(recorder):
    reading = read(bars(recorder, keep=True, contract=BAG))

    assert (reading.request.feed, reading.goes_on, reading.key) == ("TRADES", True, 7)


def test_a_contract_with_a_number_is_named_by_it(recorder):
    assert read(bars(recorder, contract=NUMBERED)).request.subject == "#756733 on SMART"


def test_an_option_is_named_in_full(recorder):
    reading = read(recorder.text("reqMktData", 7, OPTION, "101", False, False, []))

    assert reading.request.subject == "SPY OPT 20260116 480.0 C 100 on SMART"


def test_the_caller_may_know_the_urgency_better(recorder):
    text = recorder.text("placeOrder", 7, SPY, library.MarketOrder("SELL", 1))

    assert read(text).request.lane is Lane.OPENING
    assert read(text, Lane.CLOSING).request.lane is Lane.CLOSING
    assert read(recorder.text("reqPositions"), Lane.CLOSING).request.lane is Lane.CLOSING


@pytest.mark.parametrize("text", ["", "1\0", "20\0x\0", "20\0007\0", "999\0", "1\x0011\0-1\0"])
def test_a_message_cut_short_is_still_counted(text):
    assert read(text).request.kind


def test_what_cancels_names_what_exists():
    names = {message.name for message in MESSAGES.values()}

    assert {message.cancels for message in MESSAGES.values() if message.cancels} <= names
    assert set(ENDINGS.values()) <= set(OPEN_MESSAGES)


def test_cancels_of_orders_go_first_of_all():
    urgent = {message.name for message in MESSAGES.values() if message.lane is Lane.CLOSING}

    assert urgent == {"cancelOrder", "reqGlobalCancel"}
