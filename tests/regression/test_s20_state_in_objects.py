"""S20: state lived in module globals, was shared by all symbols and lost on a restart."""

from datetime import UTC, date, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location

import attrs

from ibkeel.journal import Intent, Journal, Purpose
from ibkeel.model import Bar, Bars, Direction, OrderTicket, Stock, from_json, to_json
from ibkeel.risk import DailyLossGuard
from ibkeel.runner import Session
from ibkeel.runner.memory import remember
from ibkeel.strategy import Registry, Scalp, StrategyContext, Whale

NOW = datetime(2024, 3, 4, 15, tzinfo=UTC)
SESSION = Session(day=NOW.date(), opens_at=NOW - timedelta(hours=1), closes_at=NOW + timedelta(hours=6))

SEED = '''
"""A model of what was there: one rest for whatever symbol, and a new one with every start."""

from datetime import timedelta

last_entry_at = None


def enters(symbol, now):
    global last_entry_at
    if last_entry_at is not None and now - last_entry_at < timedelta(days=3):
        return False
    last_entry_at = now
    return True
'''


def breakout():
    """Bars of which the last goes beyond the others, on heavy volume."""
    (spec,) = Whale().needs().bars
    rows = [Bar(NOW + timedelta(hours=n - 21), 100.0, 100.0, 100.0, 100.0, 10.0) for n in range(20)]
    rows.append(Bar(NOW - timedelta(hours=1), 100.0, 101.0, 100.0, 101.0, 1000.0))
    return {spec: Bars.from_rows(rows, contract=Stock("SPY"), spec=spec)}


class Program:
    """What a start of ours knows of earlier entries is what the journal says."""

    def __init__(self, journal):
        self._journal = journal
        self._last_entry = dict(remember(journal, SESSION).last_entry)

    def enters(self, symbol, now):
        context = StrategyContext(
            symbol=symbol, now=now, bars=breakout(), last_entry_at=self._last_entry.get(symbol)
        )
        if Whale().decide(context).direction is Direction.NONE:
            return False
        self._last_entry[symbol] = now
        self._journal.record(entry(symbol, now))
        return True


def entry(symbol, now):
    ticket = OrderTicket(contract=Stock(symbol), side="BUY", quantity=1, order_type="LMT", limit_price="101")
    return Intent(at=now, symbol=symbol, client_order_id=f"ibk-{symbol}", purpose=Purpose.ENTRY, order=ticket)


def entries(start):
    """Whether SPY enters, SPY again, then QQQ, and SPY once more after a restart."""
    first = start()
    asked = [
        first.enters(symbol, NOW + timedelta(minutes=n)) for n, symbol in enumerate(("SPY", "SPY", "QQQ"))
    ]
    return [*asked, start().enters("SPY", NOW + timedelta(minutes=3))]


def test_a_symbol_rests_after_its_own_entries_and_rests_on_after_a_restart(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        assert entries(lambda: Program(journal)) == [True, False, True, False]


def test_the_model_of_what_was_there_let_one_symbol_silence_another_and_forgot_it_all(tmp_path):
    source = tmp_path / "seed.py"
    source.write_text(SEED)

    def start():
        spec = spec_from_file_location("seed", source)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    assert entries(start) == [True, False, False, True]


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


def test_a_rest_after_an_entry_comes_from_outside_and_is_of_one_symbol():
    strategy = Whale()
    entered = StrategyContext(symbol="SPY", now=NOW, bars=breakout(), last_entry_at=NOW - timedelta(days=1))
    fresh = attrs.evolve(entered, symbol="QQQ", last_entry_at=None)

    said = [strategy.decide(context).direction for context in (entered, fresh, entered, fresh)]

    assert said == [Direction.NONE, Direction.UP] * 2
