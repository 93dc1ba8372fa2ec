"""The commands around transcripts: a Gateway is recorded, the record answers, and both are interrupted."""

import asyncio

import pytest

from ibkeel.cli.sim_record import RecordOptions, record, replay
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
