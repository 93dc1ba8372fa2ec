"""What a Gateway knows by heart, the reach of history, scans, schedules, ticks beyond the quote."""

import asyncio
import math
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim.market import SeededMarket

MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]
MORNING = {"market": MARKET, "venue": None, "start": SESSION.opens_at + timedelta(minutes=90)}


@pytest.fixture
def spy():
    return ii.Stock("SPY", "SMART", "USD")


def codes(ib):
    return [code for _, code, _ in ib.errors]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("SP", ["SPX", "SPY"]), ("spdr", ["GLD", "SPY", "XLE"]), ("NOTHING", []), ("", [])],
)
def test_symbols_are_found_by_their_beginning_or_by_a_word_of_the_name(gateway_run, pattern, found):
    async def scene(_gateway, ib):
        return await ib.reqMatchingSymbolsAsync(pattern)

    rows = gateway_run(scene, **MORNING)

    assert [row.contract.symbol for row in rows if row.contract.symbol in {"SPX", *found}] == found
    assert all(row.derivativeSecTypes == ["OPT"] for row in rows)


def test_no_more_than_sixteen_symbols_are_found(gateway_run):
    async def scene(_gateway, ib):
        return len(await ib.reqMatchingSymbolsAsync("A"))

    market = SeededMarket(7, symbols=[f"A{letter}{letter}" for letter in "BCDEFGHIJKLMNOPQRSTU"])

    assert gateway_run(scene, market=market, venue=None, start=MORNING["start"]) == 16


@pytest.mark.parametrize(("symbol", "ticks"), [("SPY", 0.01), ("SPX", 0.05)])
def test_the_rule_of_a_contract_tells_its_tick(gateway_run, symbol, ticks):
    async def scene(_gateway, ib):
        kind = ii.Index(symbol, "CBOE") if symbol == "SPX" else ii.Stock(symbol, "SMART", "USD")
        [under] = await ib.qualifyContractsAsync(kind)
        chain = (await ib.reqSecDefOptParamsAsync(symbol, "", under.secType, under.conId))[0]
        option = ii.Option(symbol, chain.expirations[0], exchange="SMART", right="C")
        row = (await ib.reqContractDetailsAsync(option))[0]
        numbers = {int(number) for number in row.marketRuleIds.split(",")}
        [number] = numbers
        return row.minTick, await ib.reqMarketRuleAsync(number)

    tick, rule = gateway_run(scene, **MORNING)

    assert (tick, rule) == (ticks, [ii.PriceIncrement(0.0, ticks)])


def test_what_settles_at_the_open_bears_its_last_trading_day(gateway_run):
    """Source: erdewit/ib_insync, notebooks/option_chain.ipynb: 20200116 for SPX 200117P03205000."""

    async def scene(_gateway, ib):
        [under] = await ib.qualifyContractsAsync(ii.Index("SPX", "CBOE"))
        chains = await ib.reqSecDefOptParamsAsync("SPX", "", "IND", under.conId)
        [chain] = [row for row in chains if (row.tradingClass, row.exchange) == ("SPX", "SMART")]
        option = ii.Option("SPX", chain.expirations[0], exchange="SMART", right="C", tradingClass="SPX")
        return chain.expirations[0], (await ib.reqContractDetailsAsync(option))[0]

    listed, row = gateway_run(scene, **MORNING)

    assert row.contract.lastTradeDateOrContractMonth == listed
    assert row.contract.localSymbol[6:12] == row.realExpirationDate[2:] > listed[2:]


def test_a_rule_that_is_none_is_refused(gateway_run):
    async def scene(_gateway, ib):
        ib.client.reqMarketRule(4)
        await asyncio.sleep(1)
        return codes(ib)

    assert gateway_run(scene) == [321]


def test_lists_of_exchanges_codes_and_providers_are_told(gateway_run):
    async def scene(_gateway, ib):
        ib.client.reqNewsBulletins(True)
        ib.client.cancelNewsBulletins()
        info, codes_of_family = [], []
        ib.wrapper.userInfo = lambda *told: info.append(told)
        ib.wrapper.familyCodes = codes_of_family.extend
        ib.client.reqUserInfo(77)
        ib.client.reqFamilyCodes()
        return (
            [each.exchange for each in await ib.reqMktDepthExchangesAsync()],
            [each.exchangeLetter for each in await ib.reqSmartComponentsAsync("9c0001")],
            await ib.reqNewsProvidersAsync(),
            info,
            codes_of_family,
        )

    depth, letters, providers, info, family = gateway_run(scene)

    assert "ARCA" in depth
    assert letters == ["P", "Q", "N", "C"]
    assert (providers, info) == ([], [(77, "")])
    assert [(each.accountID, each.familyCodeStr) for each in family] == [("DU1234567", "")]


@pytest.mark.parametrize("date_format", [1, 2])
def test_the_head_timestamp_is_the_start_of_the_first_bar(gateway_run, spy, date_format):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(spy)
        head = await ib.reqHeadTimeStampAsync(spy, "TRADES", True, date_format)
        bars = await ib.reqHistoricalDataAsync(spy, "", "3 Y", "1 day", "TRADES", True)
        return head, bars[0].date

    head, first = gateway_run(scene, **MORNING)

    # As an epoch it comes with its zone, otherwise it is UTC that does not say so.
    assert head.date() == first
    assert f"{head:%H:%M}" in {"13:30", "14:30"}


def test_a_contract_without_history_has_no_head_timestamp(gateway_run, small_market, monkeypatch, spy):
    async def scene(gateway, ib):
        monkeypatch.setattr(small_market, "bars", lambda *_, **__: ())
        ib.client.reqHeadTimeStamp(77, spy, "TRADES", True, 1)
        ib.client.reqHeadTimeStamp(78, spy, "GOSSIP", True, 1)
        await asyncio.sleep(1)
        return ib.errors, gateway.counters.open_histories

    errors, left = gateway_run(scene)

    assert [(number, code) for number, code, _ in errors] == [(78, 321), (77, 162)]
    assert errors[1][2].endswith("No head time stamp")
    assert left == 0


def test_a_histogram_spreads_the_volume_over_prices(gateway_run, spy):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(spy)
        rows = await ib.reqHistogramDataAsync(spy, True, "1 day")
        bars = await ib.reqHistoricalDataAsync(spy, "", "1 D", "1 min", "TRADES", True)
        ib.client.reqHistogramData(77, spy, True, "3 fortnights")
        await asyncio.sleep(1)
        return rows, bars, codes(ib)

    rows, bars, errors = gateway_run(scene, **MORNING)

    assert sum(row.count for row in rows) == pytest.approx(sum(bar.volume for bar in bars), rel=0.05)
    assert [row.price for row in rows] == sorted({row.price for row in rows})
    assert errors == [321]


@pytest.mark.parametrize(
    ("rth", "hours"), [(True, ("09:30:00", "16:00:00")), (False, ("04:00:00", "20:00:00"))]
)
def test_a_schedule_tells_the_sessions(gateway_run, spy, rth, hours):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(spy)
        return await ib.reqHistoricalScheduleAsync(spy, 3, "20260105 16:30:00 US/Eastern", rth)

    schedule = gateway_run(scene)

    assert [each.refDate for each in schedule.sessions] == ["20260101", "20260102", "20260105"]
    assert schedule.sessions[1].startDateTime == f"20260102-{hours[0]}"
    assert schedule.sessions[1].endDateTime == f"20260102-{hours[1]}"
    assert schedule.startDateTime == schedule.sessions[0].startDateTime


def test_a_gateway_in_another_time_zone_tells_the_same_hours_in_its_own(gateway_run, spy):
    async def scene(_gateway, ib):
        [details] = await ib.reqContractDetailsAsync(spy)
        told, end = [], "20260102 23:00:00"
        ib.wrapper.historicalSchedule = lambda *values: told.append(values)
        for rth in (True, False):
            ib.client.reqHistoricalData(77, spy, end, "1 D", "1 day", "SCHEDULE", rth, 1, False, [])
            await asyncio.sleep(1)
        return details, told

    details, [regular, extended] = gateway_run(scene, timezone="Europe/Berlin")

    assert details.timeZoneId == "Europe/Berlin"
    assert details.liquidHours.startswith("20260105:1530-20260105:2200;")
    assert details.tradingHours.startswith("20260105:1000-20260106:0200;")
    assert regular[1:4] == ("20260102-15:30:00", "20260102-22:00:00", "Europe/Berlin")
    assert extended[1:4] == ("20260102-10:00:00", "20260103-02:00:00", "Europe/Berlin")


def test_the_hours_of_the_session_that_runs_are_told_far_to_the_east_too(gateway_run, spy):
    async def scene(_gateway, ib):
        await asyncio.sleep(3600)  # past midnight in Tokyo
        return (await ib.reqContractDetailsAsync(spy))[0]

    details = gateway_run(scene, timezone="Asia/Tokyo")

    assert details.liquidHours.startswith("20260105:2330-20260106:0600;")


def test_a_schedule_of_a_time_without_sessions_is_empty(gateway_run, spy):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(spy)
        end = "20260104 16:30:00 US/Eastern"  # a Sunday
        told = []
        ib.wrapper.historicalSchedule = lambda *values: told.append(values)
        ib.client.reqHistoricalData(77, spy, end, "3600 S", "1 day", "SCHEDULE", False, 1, False, [])
        ib.client.reqHistoricalData(78, spy, end, "3600 S", "1 min", "SCHEDULE", False, 1, False, [])
        await asyncio.sleep(1)
        return told

    [(number, start, end, _, sessions)] = gateway_run(scene)

    assert (number, start, end, sessions) == (78, "20260104-15:30:00", "20260104-16:30:00", [])


@pytest.mark.parametrize("scan", ["MOST_ACTIVE", "MOST_ACTIVE_USD", "TOP_PERC_GAIN", "TOP_PERC_LOSE"])
def test_a_scan_ranks_the_stocks(gateway_run, scan):
    async def scene(_gateway, ib):
        wanted = ii.ScannerSubscription(
            instrument="STK",
            locationCode="STK.US.MAJOR",
            scanCode=scan,
            numberOfRows=4,
            abovePrice=100,
            belowPrice=1000,
            aboveVolume=1000,
        )
        rows = await ib.reqScannerDataAsync(wanted)
        quotes = await ib.reqTickersAsync(*[row.contractDetails.contract for row in rows])
        return rows, quotes

    rows, quotes = gateway_run(scene, **MORNING)

    figures = {
        "MOST_ACTIVE": [each.volume for each in quotes],
        "MOST_ACTIVE_USD": [each.volume * each.last for each in quotes],
        "TOP_PERC_GAIN": [each.last / each.close for each in quotes],
        "TOP_PERC_LOSE": [each.close / each.last for each in quotes],
    }[scan]
    assert [row.rank for row in rows] == [0, 1, 2, 3]
    assert figures == sorted(figures, reverse=True)
    assert all(100 <= each.last <= 1000 for each in quotes)


def test_a_scan_comes_again_until_it_is_cancelled(gateway_run):
    async def scene(_gateway, ib):
        wanted = ii.ScannerSubscription(instrument="STK", locationCode="STK.US.MAJOR", scanCode="MOST_ACTIVE")
        told = []
        ib.wrapper.scannerDataEnd = told.append
        ib.client.reqScannerSubscription(77, wanted, [], [])
        ib.client.reqScannerSubscription(77, wanted, [], [])
        await asyncio.sleep(65)
        ib.client.cancelScannerSubscription(77)
        ib.client.cancelScannerSubscription(77)
        await asyncio.sleep(65)
        return told, codes(ib)

    assert gateway_run(scene) == ([77, 77, 77], [385, 365])


def test_a_scan_that_is_not_served_is_refused(gateway_run):
    async def scene(_gateway, ib):
        wanted = ii.ScannerSubscription(instrument="STK", scanCode="HOT_BY_GOSSIP")
        ib.client.reqScannerSubscription(77, wanted, [], [])
        await asyncio.sleep(1)
        return codes(ib)

    assert gateway_run(scene) == [162]


def test_the_parameters_of_scans_name_every_scan(gateway_run):
    async def scene(_gateway, ib):
        return await ib.reqScannerParametersAsync()

    tree = ET.fromstring(gateway_run(scene))

    assert [each.text for each in tree.iter("scanCode")] == [
        "MOST_ACTIVE",
        "MOST_ACTIVE_USD",
        "TOP_PERC_GAIN",
        "TOP_PERC_LOSE",
    ]


def test_generic_ticks_tell_volatilities_ranges_marks_and_trades(gateway_run, spy):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(spy)
        strings = []
        ib.wrapper.tickString = lambda _, kind, value: strings.append((kind, value))
        ticker = ib.reqMktData(spy, "104,106,165,221,233,236")
        await asyncio.sleep(3)
        return ticker, strings

    ticker, strings = gateway_run(scene, **MORNING)

    assert 0.02 < ticker.histVolatility < 0.6
    assert 0.05 < ticker.impliedVolatility < 0.6
    assert ticker.low52week <= ticker.low26week <= ticker.low13week < ticker.high13week
    assert ticker.bid <= ticker.markPrice <= ticker.ask
    assert ticker.avVolume > 1e6
    assert ticker.halted == 0.0
    kinds = [kind for kind, _ in strings]
    assert kinds.count(45) == kinds.count(48) >= 3
    price, size, at, volume, _, _ = strings[-1][1].split(";")
    assert (float(price), float(volume)) == (ticker.last, ticker.volume)
    assert float(size) > 0
    assert datetime.fromtimestamp(int(at) / 1000, tz=SESSION.opens_at.tzinfo) > SESSION.opens_at


def test_without_generic_ticks_none_come(gateway_run, spy):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(spy)
        return ib.reqMktData(spy), await asyncio.sleep(2)

    ticker, _ = gateway_run(scene, **MORNING)

    assert all(
        math.isnan(value)
        for value in (ticker.histVolatility, ticker.impliedVolatility, ticker.markPrice, ticker.low52week)
    )


@pytest.mark.parametrize(
    ("kind", "tick"),
    [("OPTION_IMPLIED_VOLATILITY", "impliedVolatility"), ("HISTORICAL_VOLATILITY", "histVolatility")],
)
def test_history_of_volatility_ends_where_the_tick_is(gateway_run, spy, kind, tick):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(spy)
        ticker = ib.reqMktData(spy, "104,106")
        bars = await ib.reqHistoricalDataAsync(spy, "", "10 D", "1 day", kind, True)
        return getattr(ticker, tick), bars

    now, bars = gateway_run(scene, **MORNING)

    assert len(bars) == 10
    assert bars[-1].close == pytest.approx(now, rel=0.02)
    assert all(0.02 < bar.low <= bar.close <= bar.high < 1.0 for bar in bars)
    assert {bar.volume for bar in bars} == {-1}


@pytest.mark.parametrize("size", ["30 secs", "1 day"])
def test_what_has_no_volatility_has_no_history_of_it(gateway_run, size):
    async def scene(_gateway, ib):
        await asyncio.sleep(3600)
        contract = (
            ii.Option("SPY", "20260109", 500, "C", "SMART") if size == "1 day" else ii.Index("VIX", "CBOE")
        )
        await ib.qualifyContractsAsync(contract)
        await ib.reqHistoricalDataAsync(contract, "", "1 D", size, "OPTION_IMPLIED_VOLATILITY", True)
        return ib.errors

    [(_, code, text)] = gateway_run(scene)

    assert (code, "returned no data" in text) == (162, True)


def test_an_index_without_options_implies_no_volatility(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(3600)
        index = ii.Index("VIX", "CBOE")
        await ib.qualifyContractsAsync(index)
        await ib.reqHistoricalDataAsync(index, "", "1 D", "1 hour", "OPTION_IMPLIED_VOLATILITY", True)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene) == [162]
