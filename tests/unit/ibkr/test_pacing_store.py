import stat

import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.ibkr.wire_pacing import PacingStore

WINDOWS = {"at": "2026-01-05T14:30:00+00:00", "entries": [["history", 60, "", 4.0, 1]]}


def test_what_was_saved_is_loaded(tmp_path):
    store = PacingStore(tmp_path / "state" / "pacing.json")
    store.save(WINDOWS)

    assert store.load() == WINDOWS


def test_nothing_was_saved_yet(tmp_path):
    assert PacingStore(tmp_path / "pacing.json").load() is None


def test_the_file_is_for_its_owner_alone(tmp_path):
    store = PacingStore(tmp_path / "pacing.json")
    store.save(WINDOWS)

    assert stat.S_IMODE((tmp_path / "pacing.json").stat().st_mode) == 0o600


def test_a_file_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "pacing.json").write_text("not JSON", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="delete it, and send nothing for 10 minutes"):
        PacingStore(tmp_path / "pacing.json").load()


def test_a_path_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    store = PacingStore(tmp_path / "file" / "pacing.json")

    with pytest.raises(ConfigurationError, match=r"pacing\.json"):
        store.save(WINDOWS)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        PacingStore(tmp_path).load()


def test_what_is_no_json_is_refused_and_what_was_saved_before_stays(tmp_path):
    """As the keys of somebody's own rule may be."""
    store = PacingStore(tmp_path / "pacing.json")
    store.save(WINDOWS)

    with pytest.raises(ConfigurationError, match=r"cannot write .*pacing\.json: .*not JSON serializable"):
        store.save({**WINDOWS, "entries": [["mine", 1, object(), 0.0, 1]]})

    assert store.load() == WINDOWS
    assert [path.name for path in tmp_path.iterdir()] == ["pacing.json"]
