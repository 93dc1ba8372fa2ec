"""What the account has not subscribed to is refused, and nobody waits for it in vain."""

import asyncio

import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim.services.system import REFUSED

NEWS = ("20260101 00:00:00", "20260105 00:00:00")


def asked(ib, name):
    """Make the client send a request, by the name of its message."""
    client = ib.client
    calls = {
        "advisor_data": lambda: client.requestFA(1),
        "replace_advisor_data": lambda: client.replaceFA(77, 1, "<x/>"),
        "fundamental_data": lambda: client.reqFundamentalData(
            77, ii.Stock("SPY", "SMART", "USD"), "ReportSnapshot", []
        ),
        "news_article": lambda: client.reqNewsArticle(77, "BRFG", "BRFG$1", []),
        "historical_news": lambda: client.reqHistoricalNews(77, 756733, "BRFG", *NEWS, 10, []),
        "event_types": lambda: client.reqWshMetaData(77),
        "events": lambda: client.reqWshEventData(77, ii.WshEventData(conId=756733)),
    }
    calls[name]()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_needs_a_subscription_is_refused_with_its_code(name, gateway_run):
    async def scene(gateway, ib):
        asked(ib, name)
        await asyncio.sleep(1)
        return ib.errors, gateway.counters

    errors, counters = gateway_run(scene)

    number = -1 if name == "advisor_data" else 77
    assert errors == [(number, REFUSED[name].code, REFUSED[name].text)]
    assert (counters.malformed, counters.unknown) == (0, {})


def test_there_are_no_soft_dollar_tiers_and_no_windows(gateway_run):
    async def scene(_gateway, ib):
        tiers, groups = [], []
        ib.wrapper.softDollarTiers = lambda number, found: tiers.append((number, found))
        ib.wrapper.displayGroupList = lambda number, found: groups.append((number, found))
        ib.client.reqSoftDollarTiers(77)
        ib.client.queryDisplayGroups(78)
        await asyncio.sleep(1)
        return tiers, groups

    tiers, groups = gateway_run(scene)

    assert tiers == [(77, [])]
    assert groups == [(78, "")]
