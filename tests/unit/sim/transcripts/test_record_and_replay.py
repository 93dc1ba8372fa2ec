"""The commands around transcripts: a Gateway is recorded, the record answers, and both are interrupted."""

import asyncio
import json

import attrs
import pytest

from ibkeel.cli.app import run
from ibkeel.cli.sim_record import RecordOptions, comparison_of, record, replay
from ibkeel.errors import ConfigurationError
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.transcripts import Form, Transcript
from ibkeel.virtual import virtual_clock, virtual_process


class Visitor:
    """Hears what is announced; as soon as a command serves, it is a client of it, then interrupts the command."""

    def __init__(self, talk, port, before=None):
        self.told, self.seen = [], []
        self._talk, self._port, self._before = talk, port, before

    def __call__(self, line):
        self.told.append(line)
        if len(self.told) == 1:
            command = asyncio.current_task()
            self._visit = asyncio.get_running_loop().create_task(self._visited(command))

    async def _visited(self, command):
        try:
            if self._before is None:
                self.seen.append(await self._talk(self._port))
            else:
                async with self._before():
                    self.seen.append(await self._talk(self._port))
        finally:
            command.cancel()


def test_a_gateway_is_recorded_and_its_record_answers_as_it_did(talk, start, market, recorded, tmp_path):
    path = tmp_path / "t.jsonl"

    def gateway():
        made = SimulatedGateway(market=market, clock=virtual_clock(), account="DU7654321", seed=7)
        return made.listening("127.0.0.1", 4002)

    recording, answering = Visitor(talk, 4903, gateway), Visitor(talk, 4904)
    options = RecordOptions(file=path, upstream=("127.0.0.1", 4002), port=4903, hidden=("my-ref",))
    for begin in (
        lambda: record(options, recording),
        lambda: replay(path, "127.0.0.1", 4904, answering),
    ):
        with virtual_process(start), pytest.raises(asyncio.CancelledError):
            begin()

    entries = Transcript.load(path).entries
    assert recording.seen == answering.seen == [recorded[1]]
    assert recording.told[0].startswith(
        "connect your program to 127.0.0.1:4903; it talks to 127.0.0.1:4002, and "
    )
    assert recording.told[1] == f"stopped: 1 connections, {len(entries)} entries in {path}"
    assert recording.told[2].startswith("account ids, names and large account values are hidden")
    assert "DU7654321" not in path.read_text()
    assert "my-ref" not in path.read_text()
    assert answering.told[0].startswith(f"{path} answers on 127.0.0.1:4904, as it was on 2026-01-05")
    asked = sum(entry.sender == "client" and entry.form is Form.MESSAGE for entry in entries)
    assert answering.told[1] == f"stopped: {asked} requests answered, 0 not in the transcript"


@pytest.fixture
def doctored(transcript, tmp_path):
    """A transcript's file with its header, or its second line, changed."""

    def write(header=(), entry=()):
        path = tmp_path / "t.jsonl"
        transcript.save(path)
        first, second, *rest = path.read_text().splitlines()
        lines = [
            json.dumps(json.loads(line) | dict(more)) for line, more in ((first, header), (second, entry))
        ]
        path.write_text("\n".join([*lines, *rest]) + "\n")
        return path

    return write


@pytest.mark.parametrize(
    ("header", "entry", "line"),
    [
        ({"notes": {"seed": "seven"}}, {}, 1),
        ({"notes": {"seed": -1}}, {}, 1),
        ({"notes": {"seed": float("inf")}}, {}, 1),
        ({"notes": {"date": "yesterday"}}, {}, 1),
        ({"notes": {"date": 20260105}}, {}, 1),
        ({"notes": None}, {}, 1),
        ({}, {"t": float("inf")}, 2),
        ({}, {"t": float("nan")}, 2),
        ({}, {"t": -1.0}, 2),
        ({}, {"connection": float("inf")}, 2),
    ],
    ids=str,
)
def test_a_transcript_that_cannot_be_is_refused_with_the_line(doctored, capsys, header, entry, line):
    assert run(["sim", "compare", str(doctored(header, entry))]) == 2

    assert f"line {line}: " in capsys.readouterr().err


def test_a_transcript_that_is_no_text_is_refused(tmp_path, capsys):
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\xff\xfe")

    assert run(["sim", "compare", str(path)]) == 2
    assert f"cannot read the transcript {path}" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(transcript, tmp_path):
    path = tmp_path / "t.jsonl"
    transcript.save(path)

    async def main():
        await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 4903)

    for begin in (
        lambda: record(RecordOptions(file=tmp_path / "new", upstream=("127.0.0.1", 1)), print),
        lambda: replay(path, "127.0.0.1", 4903, print),
    ):
        with virtual_process(transcript.header.began_at):
            asyncio.run(main())
            with pytest.raises(ConfigurationError, match=r"cannot listen on 127\.0\.0\.1:4903"):
                begin()


def test_what_no_simulator_knows_cannot_be_compared(transcript):
    nameless = [attrs.evolve(entry, name="") for entry in transcript.entries]

    with pytest.raises(ConfigurationError, match="no message that the simulator knows"):
        comparison_of(Transcript(header=transcript.header, entries=tuple(nameless)))


@pytest.mark.parametrize(
    "told",
    [
        b"176\x0020260105 10:30:00 Pacific Standard Time\x00",
        b"176\x0000010101 00:00:00 Asia/Tokyo\x00",
        b"176\x00nonsense\x00",
        b"176\x00",
    ],
)
def test_a_gateway_that_tells_no_time_began_when_its_recorder_did(transcript, told):
    def said(entry):
        return attrs.evolve(entry, payload=told) if entry.form is Form.HANDSHAKE else entry

    entries = tuple(map(said, transcript.entries))

    assert comparison_of(Transcript(header=transcript.header, entries=entries)).differences == ()


def test_a_day_without_a_session_is_played_on_the_next_and_a_week_without_is_refused(transcript):
    def on(day):
        header = attrs.evolve(transcript.header, notes={"seed": 7, "date": day})
        return Transcript(header=header, entries=transcript.entries)

    assert comparison_of(on("2026-01-03")).differences == ()
    with pytest.raises(ConfigurationError):
        comparison_of(on("1950-01-01"))
