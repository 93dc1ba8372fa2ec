import csv
import io
import json
import os
import sqlite3
import stat
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest

from ibkeel.errors import JournalError
from ibkeel.journal import Failure, Journal
from ibkeel.journal.records import from_row

AT = datetime(2024, 3, 4, 17, tzinfo=UTC)


def exported(journal, **options):
    stream = io.StringIO()
    journal.export_jsonl(stream, **options)
    return stream.getvalue()


def test_each_line_is_one_record_that_bears_its_number_and_kind(journal, records):
    journal.record_all(records)

    lines = [json.loads(line) for line in exported(journal).splitlines()]

    assert [line["seq"] for line in lines] == list(range(1, len(records) + 1))
    assert lines[0]["record"] == "run_started"
    assert lines[0]["at"] == "2024-03-04T17:00:00+00:00"
    assert lines[3]["order"]["type"] == "bracket"


def test_equal_records_give_equal_bytes(tmp_path, records):
    texts = []
    for name in ("one", "two"):
        with Journal.open(tmp_path / name) as journal:
            for record in records:
                journal.record(record)
            texts.append(exported(journal))

    assert texts[0] == texts[1]


def test_account_ids_are_masked_wherever_they_stand(journal, records):
    journal.record_all(records)

    text = exported(journal)

    assert "DU1234567" not in text
    assert "U7654321" not in text
    assert text.count("DU***67") == 2
    assert "U7***21" in text


@pytest.mark.parametrize("secret", ["DUM1234567", "abcd1234", "B0/xyz"])
def test_newer_paper_accounts_and_secrets_within_a_message_are_masked(journal, secret):
    said = "for DUM1234567 with token=abcd1234 at https://hooks.slack.com/services/T0/B0/xyz"
    journal.record(Failure(at=AT, kind="OrderRejected", message=said))

    assert secret in exported(journal, full=True)
    assert secret not in exported(journal)


@pytest.mark.skipif(os.name != "posix", reason="the system has no such rights")
def test_an_export_is_its_owners_alone_and_follows_no_link(journal, records, tmp_path):
    journal.record_all(records)
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / f"journal.csv.{os.getpid()}.part").symlink_to(tmp_path / "theirs")

    journal.export_csv(tmp_path / "journal.csv", full=True)

    assert stat.S_IMODE((tmp_path / "journal.csv").lstat().st_mode) == 0o600
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_a_spreadsheet_finds_no_formula_in_somebody_elses_journal(journal, tmp_path):
    journal.record(Failure(at=AT, symbol="=cmd|' /C calc'!A0", kind="-x", message="@y"))

    journal.export_csv(tmp_path / "journal.csv")

    with (tmp_path / "journal.csv").open(encoding="utf-8", newline="") as stream:
        _, row = csv.reader(stream)
    assert [cell for cell in row if cell[0] in "=+-@"] == []
    assert row[3] == "'=cmd|' /C calc'!A0"


def test_account_ids_are_whole_when_asked_for(journal, records):
    journal.record_all(records)

    assert exported(journal, full=True).count("DU1234567") == 2


def test_csv_has_a_header_and_one_row_a_record(journal, records, tmp_path):
    journal.record_all(records)

    count = journal.export_csv(tmp_path / "journal.csv")

    with (tmp_path / "journal.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert count == len(rows) == len(records)
    assert [row["symbol"] for row in rows] == [
        "",
        "SPY",
        "SPY",
        "SPY",
        "SPY",
        "SPY",
        "QQQ",
        "SPY",
        "",
        "SPY",
        "SPY",
        "",
        "SPY",
        "",
    ]
    assert json.loads(rows[5]["data"])["execution"]["account"] == "DU***67"


def test_a_file_that_cannot_be_written_is_told(journal, tmp_path):
    with pytest.raises(JournalError, match="cannot be exported"):
        journal.export_csv(tmp_path / "no" / "such" / "folder.csv")


@pytest.mark.parametrize("name", ["journal.sqlite", "link", "notes.csv"])
def test_an_export_replaces_no_file_least_of_all_the_journal(name, journal, records, tmp_path):
    journal.record_all(records)
    (tmp_path / "link").symlink_to(journal.path)
    (tmp_path / "notes.csv").write_text("mine")

    for export in (journal.export_csv, journal.export_parquet):
        with pytest.raises(JournalError, match="exists; an export never replaces a file"):
            export(journal.path if name == "journal.sqlite" else tmp_path / name)

    assert journal.count() == len(records)
    assert (tmp_path / "notes.csv").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_another_program_takes_through_a_pipe_goes_into_it(journal, records, tmp_path):
    journal.record_all(records)
    journal.export_csv(tmp_path / "journal.csv")
    os.mkfifo(tmp_path / "pipe")
    taken = []
    reader = threading.Thread(target=lambda: taken.append((tmp_path / "pipe").read_text(encoding="utf-8")))

    reader.start()
    count = journal.export_csv(tmp_path / "pipe")
    reader.join()

    assert count == len(records)
    assert taken == [(tmp_path / "journal.csv").read_text(encoding="utf-8")]
    assert (tmp_path / "pipe").is_fifo()


def test_an_export_that_breaks_off_leaves_nothing_behind(journal, records, tmp_path):
    journal.record_all(records)
    with closing(sqlite3.connect(journal.path)) as file, file:
        file.execute("UPDATE events SET data = '{' WHERE seq = 2")

    with pytest.raises(JournalError, match="is damaged"):
        journal.export_csv(tmp_path / "journal.csv")

    assert [path.name for path in tmp_path.iterdir() if ".csv" in path.name] == []


@pytest.mark.parametrize("count", [0, 10])
def test_parquet_has_the_columns_of_the_csv(journal, records, tmp_path, count):
    parquet = pytest.importorskip("pyarrow.parquet")
    journal.record_all(records[:count])

    written = journal.export_parquet(tmp_path / "journal.parquet")

    table = parquet.read_table(tmp_path / "journal.parquet")
    assert table.column_names == ["seq", "at", "kind", "symbol", "data"]
    assert written == table.num_rows == count


def test_without_pyarrow_parquet_says_what_to_install(journal, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(JournalError, match="pip install pyarrow"):
        journal.export_parquet(tmp_path / "journal.parquet")


def lines_of(journal, _):
    lines = [json.loads(line) for line in exported(journal, full=True).splitlines()]
    return [(line.pop("seq"), line.pop("record"), line) for line in lines]


def rows_of_csv(journal, path):
    journal.export_csv(path, full=True)
    with path.open(encoding="utf-8", newline="") as stream:
        return [(int(row["seq"]), row["kind"], json.loads(row["data"])) for row in csv.DictReader(stream)]


def rows_of_parquet(journal, path):
    parquet = pytest.importorskip("pyarrow.parquet")
    journal.export_parquet(path, full=True)
    rows = parquet.read_table(path).to_pylist()
    return [(row["seq"], row["kind"], json.loads(row["data"])) for row in rows]


@pytest.mark.parametrize("exported_rows", [lines_of, rows_of_csv, rows_of_parquet])
def test_every_record_can_be_read_back_from_an_export(journal, records, tmp_path, exported_rows):
    numbers = journal.record_all(records)

    rows = exported_rows(journal, tmp_path / "export")

    assert tuple(seq for seq, _, _ in rows) == numbers
    assert tuple(from_row(kind, data) for _, kind, data in rows) == records
