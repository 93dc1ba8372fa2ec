from datetime import UTC, datetime

import pytest
from tests.disks import files_of_at_most

from ibkeel.errors import ConfigurationError
from ibkeel.runner import Halt

AT = datetime(2025, 3, 14, 14, 0, tzinfo=UTC)


def test_nothing_is_halted_at_first(tmp_path):
    assert Halt().reason == ""
    assert (Halt().may_change, Halt(tmp_path / "halt").may_change) == (False, True)
    assert Halt(tmp_path / "halt").reason == ""


def test_a_halt_says_why_and_since_when_until_it_is_lifted():
    halt = Halt()

    halt.halt("I do not like this", AT)
    told = halt.reason
    was_halted = halt.lift()

    assert told == "I do not like this, since 2025-03-14 14:00:00 UTC"
    assert was_halted
    assert (halt.reason, halt.lift()) == ("", False)


def test_a_halt_in_a_file_holds_for_every_process_and_after_a_restart(tmp_path):
    path = tmp_path / "state" / "of" / "the bot" / "halt"
    one, other = Halt(path), Halt(path)

    one.halt("by hand", AT)

    assert Halt(path).reason == other.reason == one.reason == "by hand, since 2025-03-14 14:00:00 UTC"
    assert path.stat().st_mode & 0o777 == 0o600
    other.lift()
    assert Halt(path).reason == ""
    one.halt("once more", AT)
    assert other.reason.startswith("once more")


def test_a_reason_that_utf_8_cannot_hold_halts_all_the_same(tmp_path):
    """Where the locale is C, what is typed in another alphabet arrives as halves of pairs."""
    path = tmp_path / "halt"

    Halt(path).halt(b"f\xc3\xbcr".decode("ascii", "surrogateescape"), AT)

    assert Halt(path).reason == r"f\udcc3\udcbcr, since 2025-03-14 14:00:00 UTC"


def test_an_empty_file_halts_too(tmp_path):
    path = tmp_path / "halt"
    path.touch()

    assert "is there" in Halt(path).reason


def test_a_file_that_nobody_can_read_halts(tmp_path):
    path = tmp_path / "halt"
    path.mkdir()

    assert "cannot be read" in Halt(path).reason
    with pytest.raises(ConfigurationError, match="cannot remove"):
        Halt(path).lift()


def test_a_halt_that_cannot_be_written_holds_in_this_process(tmp_path):
    path = tmp_path / "halt"
    path.mkdir()
    halt = Halt(path)

    with pytest.raises(ConfigurationError, match="cannot write"):
        halt.halt("by hand", AT)

    assert halt.reason.startswith("by hand")


def test_a_halt_whose_words_find_no_room_halts_every_process_and_is_not_refused(tmp_path):
    """`ibkeel halt` said that it had failed, while the bot was halted."""
    path = tmp_path / "halt"

    with files_of_at_most(0):
        Halt(path).halt("by hand", AT)

    assert Halt(path).reason == f"{path} is there"
    assert Halt(path).lift()
