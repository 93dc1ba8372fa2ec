"""S20: state lived in module globals, was shared by all symbols and lost on a restart."""

from datetime import date

from ibkeel.model import from_json, to_json
from ibkeel.risk import DailyLossGuard
from ibkeel.strategy import Registry, Scalp


def test_two_guards_share_nothing():
    one, other = DailyLossGuard(), DailyLossGuard()

    one, _ = one.observe(date(2024, 3, 4), 1000)

    assert other.start_equity is None


def test_a_tripped_guard_is_tripped_after_a_restart():
    guard, _ = DailyLossGuard().observe(date(2024, 3, 4), 1000)
    guard, _ = guard.observe(date(2024, 3, 4), 500)

    again = from_json(to_json(guard), DailyLossGuard)

    assert not again.observe(date(2024, 3, 4), 1000)[1].allowed


def test_two_registries_share_no_names():
    one, other = Registry(discover=tuple), Registry(discover=tuple)

    one.register("mine")(Scalp)

    assert (one.names(), other.names()) == (("mine",), ())
