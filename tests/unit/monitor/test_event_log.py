import json
import logging
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibkeel.model import Grade, Health, HealthCheck
from ibkeel.monitor import EventLog
from ibkeel.telemetry import ConnectionLost, HealthTaken, JsonFormatter, LoggingObserver, RequestEnded

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)


def lost(number):
    return ConnectionLost(at=AT, cause=f"n{number} of DU1234567")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_events_are_lines_of_json_for_the_owner_only(tmp_path):
    path = tmp_path / "events.jsonl"

    with EventLog(path) as log:
        for number in range(3):
            log.on_event(lost(number))

    assert [row["cause"] for row in lines(path)] == ["n0 of DU***67", "n1 of DU***67", "n2 of DU***67"]
    assert lines(path)[0] == {
        "event": "ConnectionLost",
        "at": "2026-01-05T15:00:00+00:00",
        "cause": "n0 of DU***67",
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_half_a_character_ends_no_writer(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")

    for cause in ("no file named \udcff", "the next"):
        log.on_event(ConnectionLost(at=AT, cause=cause))
    log.flush()

    assert [row["cause"] for row in lines(tmp_path / "events.jsonl")] == ["no file named \udcff", "the next"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_loses_events_and_is_told_once():
    troubles = []
    log = EventLog(Path("/dev/full"), failed=troubles.append)

    for number in range(3):
        log.on_event(lost(number))
        log.flush()

    assert troubles == ["No space left on device"]
    assert log.unwritable == 3


def test_what_is_lost_on_the_way_is_counted_and_writing_goes_on(tmp_path):
    path, troubles = tmp_path / "missing" / "events.jsonl", []
    log = EventLog(path, failed=troubles.append)
    log.on_event(lost(1))
    log.flush()

    path.parent.mkdir()
    log.on_event(lost(2))
    log.flush()

    assert troubles == ["No such file or directory", ""]
    assert (log.unwritable, log.overrun) == (1, 0)
    assert [row["cause"] for row in lines(path)] == ["n2 of DU***67"]


def test_a_writer_that_does_not_keep_up_costs_memory_only_so_far(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")

    for number in range(20_005):
        log.on_event(lost(number))

    assert log.overrun == 5


def test_a_file_that_has_grown_is_put_aside(tmp_path):
    path = tmp_path / "events.jsonl"
    log = EventLog(path, megabytes=0.0001)

    for number in range(3):
        log.on_event(lost(number))
        log.flush()

    assert not path.exists() or path.stat().st_size <= 100
    assert (tmp_path / "events.jsonl.1").exists()


def test_a_disk_that_hangs_does_not_hold_back_whoever_tells(tmp_path):
    release, path = threading.Event(), tmp_path / "pipe"
    os.mkfifo(path)  # opening it for writing blocks until somebody reads

    with EventLog(path) as log:
        for number in range(1000):
            log.on_event(RequestEnded(at=AT, kind="quote", seconds=0.1, subject=str(number)))
        reader = threading.Thread(target=lambda: (path.read_bytes(), release.set()))
        reader.start()

    assert release.wait(10)
    reader.join()


def test_the_formatter_of_the_log_gives_json_too(caplog):
    caplog.set_level("DEBUG", "ibkeel")
    check = HealthCheck(name="port", grade=Grade.OK, evidence="for DU1234567", at=AT)

    LoggingObserver().on_event(HealthTaken(at=AT, health=Health(checks=(check,))))
    try:
        raise ValueError("DU1234567")  # noqa: TRY301 - to have a traceback
    except ValueError:
        logging.getLogger("ibkeel").exception("broke for %s", "U1234567")

    event, failure = (json.loads(JsonFormatter().format(record)) for record in caplog.records)
    assert (event["event"], event["level"]) == ("HealthTaken", "debug")
    assert event["health"]["checks"][0]["evidence"] == "for DU***67"
    assert failure["message"] == "broke for U1***67"
    assert "DU1234567" not in failure["error"]
