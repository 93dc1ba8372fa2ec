"""A transcript answers a client as its Gateway did."""

import asyncio

import attrs
import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.ibkr.client import library
from ibkeel.sim.transcripts import Form, Playback, Transcript
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame
from ibkeel.virtual import run_virtual

HELLO = frame(f"v157..{library.Client.MaxClientVersion}".encode())


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


class Talker(asyncio.Protocol):
    """A client that keeps what it hears."""

    def __init__(self):
        self.heard, self.is_lost = FrameReader(), False
        self.frames = []

    def data_received(self, data):
        self.frames += self.heard.receive(data)

    def connection_lost(self, error):
        self.is_lost = True


def told(transcript, *said, start):
    """What a raw client hears of a playback, whether it was closed, and what the house counted."""

    async def main():
        playback = Playback(transcript)
        await playback.start("127.0.0.1", 4002)
        transport, client = await asyncio.get_running_loop().create_connection(Talker, "127.0.0.1", 4002)
        for data in said:
            transport.write(data)
        await asyncio.sleep(60)
        was_lost = client.is_lost
        await playback.stop()
        await asyncio.sleep(1)
        return client.frames, was_lost, client.is_lost, playback.unknown

    return run_virtual(main(), start=start)


@pytest.mark.parametrize(
    "said",
    [
        (b"GET / HTTP/1.1\r\n\r\n",),
        (GREETING + frame(b"v100..150"),),
        (GREETING + frame(b"v179..200"),),
        (GREETING + frame(b"nonsense"),),
        (GREETING + frame(b"v157..150") + encode(("71", "2", "1", "")),),
    ],
    ids=["web", "older", "newer", "nonsense", "upside down"],
)
def test_who_does_not_speak_the_recorded_version_is_sent_away(transcript, start, said):
    frames, was_lost, _, _ = told(transcript, *said, start=start)

    assert (frames, was_lost) == ([], True)


def test_what_was_not_recorded_is_refused_if_it_has_an_id_and_a_cancel_in_silence(transcript, start):
    frames, was_lost, is_lost, unknown = told(
        transcript,
        GREETING + HELLO,
        encode(("71", "2", "1", "")),
        encode(("49", "1")),
        encode(("81", "9", "SPY")),
        encode(("23", "1", "9")),
        encode(("4999", "1")),
        start=start,
    )

    refused = [fields for fields in frames if "322" in fields]
    assert [fields[2] for fields in refused] == ["9"]
    assert "the transcript has no matching_symbols" in refused[0][4]
    assert (was_lost, is_lost, unknown) == (False, True, 4)


def test_a_request_that_is_cancelled_is_answered_no_more(transcript, start):
    hello = (GREETING + HELLO, encode(("71", "2", "1", "")))
    asked = next(
        entry for entry in transcript.entries if entry.sender == "client" and entry.name == "historical_data"
    )
    cancel = encode(("25", "1", asked.fields["request_id"]))

    answered, *_ = told(transcript, *hello, asked.wire, start=start)
    cancelled, *_ = told(cancelling(transcript), *hello, asked.wire, cancel, start=start)

    assert [fields[0] for fields in answered].count("17") == 1
    assert "17" not in [fields[0] for fields in cancelled]


def cancelling(transcript):
    """The transcript with the cancel of a history at its end."""
    last = transcript.entries[-2]
    cancel = attrs.evolve(
        last,
        form=Form.MESSAGE,
        sender="client",
        name="cancel_historical_data",
        payload=b"25\x001\x003\x00",
        version=176,
    )
    return attrs.evolve(transcript, entries=(*transcript.entries[:-1], cancel, transcript.entries[-1]))


def test_an_answer_that_the_tables_lack_is_said_as_it_was(transcript, start):
    handshake = next(n for n, entry in enumerate(transcript.entries) if entry.name == "next_valid_id")
    strange = attrs.evolve(transcript.entries[handshake], name="", payload=b"999\x00strange\x00")
    entries = (*transcript.entries[: handshake + 1], strange, *transcript.entries[handshake + 1 :])

    frames, *_ = told(
        attrs.evolve(transcript, entries=entries),
        GREETING + HELLO,
        encode(("71", "2", "1", "")),
        start=start,
    )

    assert ("999", "strange") in frames
