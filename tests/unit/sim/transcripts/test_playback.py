"""A transcript answers a client as its Gateway did."""

import asyncio

import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.ibkr.client import library
from ibkeel.sim.transcripts import Playback, Transcript
from ibkeel.virtual import run_virtual


def test_a_client_sees_what_the_recorded_one_saw(recorded, talk, start):
    transcript, seen = recorded

    async def main():
        playback = Playback(transcript)
        await playback.start("127.0.0.1", 4002)
        told = await talk(4002)
        await playback.stop()
        return told, playback.unknown

    assert run_virtual(main(), start=start) == (seen, 0)


def test_other_ids_are_served_and_what_is_not_there_is_refused(transcript, start):
    async def main():
        playback = Playback(transcript, speed=10.0)
        await playback.start("127.0.0.1", 4002)
        ib = library.IB()
        errors = []
        ib.errorEvent += lambda number, code, text, _: errors.append((code, text))
        await ib.connectAsync("127.0.0.1", 4002, clientId=1)
        for _ in range(50):
            ib.client.getReqId()
        spy = library.Stock("SPY", "SMART", "USD")
        bars = await ib.reqHistoricalDataAsync(spy, "", "3600 S", "5 mins", "TRADES", useRTH=True)
        await ib.reqMatchingSymbolsAsync("SPY")
        ib.disconnect()
        await asyncio.sleep(1)
        await playback.stop()
        return len(bars), [code for code, _ in errors], playback.unknown

    bars, codes, unknown = run_virtual(main(), start=start)

    assert (bars, unknown) == (13, 1)
    assert 322 in codes


def test_a_transcript_without_a_session_answers_nobody(transcript):
    with pytest.raises(ConfigurationError, match="no session"):
        Playback(Transcript(header=transcript.header, entries=transcript.entries[:2]))
