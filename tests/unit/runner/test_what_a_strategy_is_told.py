"""What reaches a strategy from the journal and the chain, and what of its wishes reaches the order."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.journal import Intent, Journal, Purpose
from ibkeel.model import (
    Bar,
    Bars,
    BarSpec,
    Bracket,
    Direction,
    ExitPolicy,
    Index,
    Option,
    OptionChain,
    OptionClass,
    OptionWish,
    OrderTicket,
    OrderType,
    Quote,
    Reason,
    Right,
    Side,
    Signal,
    Stock,
)
from ibkeel.options import ExpiryChoice, preset
from ibkeel.runner import RiskConfig, Runner, RunnerConfig, Session
from ibkeel.runner.entry import exits_of, wished
from ibkeel.runner.memory import remember
from ibkeel.strategy import Needs
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
SESSION = Session(day=OPEN.date(), opens_at=OPEN, closes_at=OPEN + timedelta(hours=1))
MINUTES = BarSpec(duration="3600 S", size="1 min")
SPY = Stock("SPY")
CALL = Option("SPY", date(2025, 3, 21), Decimal(560), Right.CALL, trading_class="SPY")
CHAIN = OptionChain(
    underlying=SPY,
    classes=(OptionClass(trading_class="SPY", expiries=(CALL.expiry,), strikes=(Decimal(560),)),),
)
THREE_DAYS = timedelta(days=3)


class OneHour:
    def session(self, day):
        return SESSION if day == SESSION.day else None


@attrs.frozen
class Watches:
    """Does nothing and remembers, for the test, what it was shown."""

    needed: Needs
    shown: list = attrs.field(factory=list)
    name: str = "watches"

    def needs(self):
        return self.needed

    def decide(self, context):
        self.shown.append(context)
        return Signal(direction=Direction.NONE, reasons=(Reason("nothing", 0.0),))


def entered(at, symbol="SPY"):
    ticket = OrderTicket(
        contract=CALL, side=Side.BUY, quantity=1, order_type=OrderType.LMT, limit_price=Decimal("4.05")
    )
    bracket = Bracket(entry=ticket, stop_loss=Decimal("3.2"))
    return Intent(
        at=at, symbol=symbol, client_order_id=f"ibk-{symbol}-1", purpose=Purpose.ENTRY, order=bracket
    )


@pytest.fixture
def shown(tmp_path):
    """Runs a session of a strategy with these needs, after these records; what it was shown."""

    def run(needs, *records, errors=()):
        quotes = [
            Quote(contract=SPY, at=OPEN + timedelta(seconds=n), bid=560.0, ask=560.02)
            for n in range(0, 3600, 5)
        ]
        first = OPEN - timedelta(hours=1)
        rows = [Bar(first + timedelta(minutes=n), 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(120)]
        strategy = Watches(needs)

        async def main():
            with Journal.open(tmp_path / "journal.sqlite") as journal:
                journal.record_all(records)
                broker = FakeBroker(
                    quotes=quotes,
                    bars=[Bars.from_rows(rows, contract=SPY, spec=MINUTES)],
                    chains=[CHAIN],
                    clock=virtual_clock(),
                )
                async with broker:
                    runner = Runner(
                        broker,
                        strategy,
                        RunnerConfig(symbols=("SPY",)),
                        journal,
                        calendar=OneHour(),
                        clock=virtual_clock(),
                    )
                    return await runner.run(sessions=1)

        report = run_virtual(main(), start=OPEN)
        assert {error.kind for error in report.errors} == set(errors)
        return strategy.shown

    return run


def test_an_entry_of_days_ago_is_told_after_a_restart(shown):
    at = OPEN - timedelta(days=2)

    contexts = shown(Needs(bars=(MINUTES,), memory=THREE_DAYS.total_seconds()), entered(at))

    assert {context.last_entry_at for context in contexts} == {at}
    assert contexts[0].since_entry == pytest.approx(2 * 86_400 + 180, abs=2)


def test_an_entry_that_is_older_than_the_memory_is_not_told(shown):
    contexts = shown(
        Needs(bars=(MINUTES,), memory=THREE_DAYS.total_seconds()), entered(OPEN - THREE_DAYS - timedelta(1))
    )

    assert {context.last_entry_at for context in contexts} == {None}


def test_a_strategy_that_asks_for_no_memory_is_told_of_no_entry(shown):
    contexts = shown(Needs(bars=(MINUTES,)), entered(OPEN - timedelta(hours=20)))

    assert {context.last_entry_at for context in contexts} == {None}


def test_an_entry_of_another_symbol_is_not_told(shown):
    needs = Needs(bars=(MINUTES,), memory=THREE_DAYS.total_seconds())

    contexts = shown(needs, entered(OPEN - timedelta(days=1), "QQQ"))

    assert {context.last_entry_at for context in contexts} == {None}


def test_without_the_index_it_needs_a_strategy_is_not_asked_and_the_journal_has_the_type(shown):
    assert shown(Needs(quotes=(Index("VIX"),)), errors=("UnknownContract",)) == []


def test_a_chain_is_shown_to_those_who_ask(shown):
    assert {context.chain for context in shown(Needs(chain=True))} == {CHAIN}


def test_no_chain_is_asked_for_otherwise(shown):
    assert {context.chain for context in shown(Needs())} == {None}


@pytest.mark.parametrize(("days", "kept"), [(1, True), (3, True), (4, False)])
def test_the_journal_is_read_as_far_back_as_asked(tmp_path, days, kept):
    at = OPEN - timedelta(days=days)

    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(entered(at))
        memory = remember(journal, SESSION, look_back=THREE_DAYS)

    assert memory.last_entry == ({"SPY": at} if kept else {})
    assert all(order.is_past for order in memory.orders.values())


def test_the_last_of_several_entries_counts(tmp_path):
    days = [OPEN - timedelta(days=2), OPEN - timedelta(days=1), OPEN + timedelta(minutes=5)]

    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record_all([entered(at) for at in days])
        memory = remember(journal, SESSION, look_back=THREE_DAYS)

    assert memory.last_entry == {"SPY": days[-1]}


def test_a_wish_takes_the_place_of_the_presets_limits():
    rule = wished(OptionWish(min_dte=30, max_dte=60, min_otm=0.05, max_otm=0.1), preset("standard"))

    assert (rule.min_dte, rule.max_dte, rule.min_otm, rule.max_otm) == (30, 60, 0.05, 0.1)
    assert rule.expiry is ExpiryChoice.NEAREST
    assert (rule.expiry_count, rule.strike_count) == (3, 10)
    assert rule.liquidity == preset("standard").liquidity


def test_without_a_wish_the_preset_holds():
    assert wished(OptionWish(), preset("weekly")) == preset("weekly")


def test_a_wish_for_days_alone_leaves_the_strikes_alone():
    rule = wished(OptionWish(min_dte=10), preset("standard"))

    assert (rule.min_dte, rule.max_dte, rule.strike_count) == (10, None, preset("standard").strike_count)


@pytest.mark.parametrize("wish", [{"min_dte": 1}, {"max_dte": 60}])
@pytest.mark.parametrize(("usual", "looked_at"), [(1, 3), (5, 5)])
def test_who_names_a_limit_of_days_looks_at_more_expiries_and_no_more_strikes(wish, usual, looked_at):
    usually = attrs.evolve(preset("standard"), expiry_count=usual)

    rule = wished(OptionWish(**wish), usually)

    assert rule == attrs.evolve(usually, expiry=ExpiryChoice.NEAREST, expiry_count=looked_at, **wish)


@pytest.mark.parametrize("wish", [{"min_otm": 0.01}, {"max_otm": 0.1}])
@pytest.mark.parametrize(("usual", "looked_at"), [(3, 10), (20, 20)])
def test_who_names_a_distance_looks_at_more_strikes_and_no_more_expiries(wish, usual, looked_at):
    usually = attrs.evolve(preset("standard"), strike_count=usual)

    assert wished(OptionWish(**wish), usually) == attrs.evolve(usually, strike_count=looked_at, **wish)


def test_a_strategys_own_exits_take_the_place_of_the_configured_ones():
    configured = RiskConfig(stop_fraction=0.2, take_profit_fraction=0.5)

    assert exits_of(ExitPolicy(), configured) == configured
    own = exits_of(ExitPolicy(stop_fraction=0.3), configured)
    assert (own.stop_fraction, own.take_profit_fraction) == (0.3, 0.5)
    assert exits_of(ExitPolicy(take_profit_fraction=1.0), configured).take_profit_fraction == 1.0
