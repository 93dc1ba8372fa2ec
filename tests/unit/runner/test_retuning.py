"""Limits that change under a bot that runs: seen through the runner, over a short day."""

import asyncio
import os
from datetime import timedelta

import attrs
import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.journal import Decision, Failure, Journal, LimitsTaken
from ibkeel.orders import OrderLimits
from ibkeel.runner import BotConfig, ConfigurationFile, Reread, RiskConfig, load_config
from ibkeel.runner.limits_file import differences, limits_at_the_door
from ibkeel.telemetry import AlarmEnded, AlarmRaised, LimitsChanged


class Told:
    """Keeps every event."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


class Spoken:
    """A source whose words are laid into its mouth."""

    def __init__(self, *words):
        self.words, self.reads, self.marks = list(words), 0, 0

    def say(self, word):
        self.words.append(word)

    def mark(self):
        return len(self.words)

    def read(self):
        self.reads += 1
        word = self.words[-1]
        if isinstance(word, Exception):
            raise word
        return word


class StillWritten(Spoken):
    """Changes at each look."""

    def mark(self):
        self.marks += 1
        return self.marks


def at(seconds, source, word):
    """Lets a source say something after so many seconds."""

    async def beside(_, __):
        await asyncio.sleep(seconds)
        source.say(word)

    return beside


def records(world, kind):
    with Journal.open(world.journal) as journal:
        return [entry.record for entry in journal.events(kind)]


BEFORE = Reread(risk=RiskConfig(), limits=OrderLimits())


def test_limits_that_did_not_change_are_read_once_and_never_told(held_day):
    source, told = Spoken(BEFORE), Told()

    world = held_day(limits=source, observer=told)

    assert source.reads == 1
    assert told.of(LimitsChanged) == records(world, LimitsTaken) == []
    assert world.report.orders == 3


def test_a_tightened_limit_holds_for_the_next_entry(held_day):
    source, told = Spoken(BEFORE), Told()
    tight = attrs.evolve(BEFORE, limits=OrderLimits(max_quantity=1))

    world = held_day(
        limits=source, observer=told, config={"first_cycle": 120}, beside=at(30, source, tight)
    )  # fmt: skip

    assert world.intents == []
    [refused] = [row for row in records(world, Decision) if row.outcome == "refused"]
    assert any("1 or less" in reason or "quantity" in reason for reason in refused.reasons)
    [taken] = records(world, LimitsTaken)
    [event] = told.of(LimitsChanged)
    assert taken.changes == event.changes == ("limits.max_quantity: 1000 -> 1",)


def test_less_risk_makes_the_next_entry_smaller(held_day):
    source = Spoken(attrs.evolve(BEFORE, risk=RiskConfig(max_contracts=2)))

    world = held_day(limits=source)

    assert RiskConfig().max_contracts > 2
    assert world.intents[0].order.entry.quantity == 2


def test_a_longer_cooldown_counts_from_entries_of_yesterday_too(held_day):
    entered = held_day(broker={"dry_run": True}).intents[0].at

    async def beside(_, runner):
        runner.use(RiskConfig(cooldown=86_400.0), OrderLimits())

    tomorrow = entered + timedelta(days=1, minutes=-1)
    world = held_day(
        broker={"dry_run": True}, start=tomorrow, days=2, config={"interval": 30.0}, beside=beside
    )

    assert [row.at for row in world.intents if row.at >= tomorrow] == []
    [refused] = [row for row in records(world, Decision) if row.outcome == "refused" and row.at >= tomorrow]
    assert "last entry in this symbol" in refused.reasons[0]


def test_a_file_with_problems_is_one_alarm_and_the_limits_that_held_still_hold(held_day):
    source, told = Spoken(BEFORE), Told()
    problem = ConfigurationError("risk.max_contracts = 0 (bot.toml:3): a whole number from 1 to 100000")

    world = held_day(limits=source, observer=told, beside=at(90, source, problem))

    [alarm] = [event for event in told.of(AlarmRaised) if event.name == "configuration"]
    assert "bot.toml:3" in alarm.message
    assert "still hold" in alarm.message
    [failure] = records(world, Failure)
    assert (failure.service, failure.symbol, failure.message) == ("configuration", "", str(problem))
    assert records(world, LimitsTaken) == []
    assert source.reads == 2
    assert told.of(AlarmEnded) == []


def test_of_a_file_that_is_mended_a_person_hears_once(held_day):
    source, told = Spoken(BEFORE), Told()

    async def beside(_, __):
        for said in (ConfigurationError("bot.toml:3: no number"), BEFORE, BEFORE):
            await asyncio.sleep(60)
            source.say(said)

    held_day(limits=source, observer=told, beside=beside)

    assert [(event.name, event.lasts) for event in told.of(AlarmRaised)] == [("configuration", True)]
    assert [event.name for event in told.of(AlarmEnded)] == ["configuration"]


def test_what_needs_a_restart_is_said_once(held_day):
    source, told = Spoken(BEFORE), Told()

    async def beside(_, __):
        await asyncio.sleep(30)
        source.say(attrs.evolve(BEFORE, needs_restart=("runner.symbols",)))
        await asyncio.sleep(120)
        source.say(attrs.evolve(BEFORE, needs_restart=("runner.symbols",)))

    world = held_day(limits=source, observer=told, beside=beside)

    [event], [taken] = told.of(LimitsChanged), records(world, LimitsTaken)
    assert (event.changes, event.needs_restart) == ((), ("runner.symbols",))
    assert (taken.changes, taken.needs_restart) == ((), ("runner.symbols",))


def test_a_file_that_is_still_being_written_is_left_until_it_rests(held_day):
    source, told = StillWritten(BEFORE), Told()

    held_day(limits=source, observer=told)

    assert source.reads == 1


def test_a_daily_loss_limit_that_is_loosened_does_not_reopen_the_session(held_day):
    source = Spoken(attrs.evolve(BEFORE, risk=RiskConfig(max_daily_loss=0.02)))
    loose = attrs.evolve(BEFORE, risk=RiskConfig(max_daily_loss=0.9))

    async def beside(fake, _):
        await asyncio.sleep(90)
        held = await fake.account()
        fake.set_account(attrs.evolve(held, net_liquidation=held.net_liquidation * 9 / 10))
        await asyncio.sleep(60)
        source.say(loose)
        await asyncio.sleep(60)
        fake.set_account(held)

    world = held_day(limits=source, beside=beside)

    with Journal.open(world.journal) as journal:
        guards = [entry.record.guard for entry in journal.events("loss_guard_kept")]
    assert [(guard.tripped, guard.limit) for guard in guards] == [(False, 0.02), (True, 0.02)]
    assert [row.changes for row in records(world, LimitsTaken)][-1] == ("risk.max_daily_loss: 0.02 -> 0.9",)


@pytest.mark.parametrize(
    ("limits", "age", "strictest"),
    [
        (None, 7.0, 7.0),
        (OrderLimits(max_quote_age=20.0), 7.0, 7.0),
        (OrderLimits(max_quote_age=5.0), 7.0, 5.0),
        (OrderLimits(max_quote_age=None), 7.0, 7.0),
    ],
)
def test_the_stricter_of_two_ages_of_quotes_holds_for_entries(limits, age, strictest):
    found = limits_at_the_door(limits, RiskConfig(max_quote_age=age))

    assert found == attrs.evolve(limits or OrderLimits(), max_quote_age=strictest)


def test_a_limit_that_was_switched_off_is_told_as_off():
    now = OrderLimits(max_spread=None, max_quantity=7)

    assert differences("limits", OrderLimits(), now) == (
        "limits.max_quantity: 1000 -> 7",
        "limits.max_spread: 1.0 -> off",
    )


@pytest.fixture
def file(tmp_path):
    def write(text, name="bot.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_file_that_is_replaced_has_another_mark_and_says_what_changed(file):
    path = file("[risk]\nmax_contracts = 10\n")
    source = ConfigurationFile(path, {}, load_config(path, {}))
    before = source.mark()

    os.replace(file('[risk]\nmax_contracts = 5\n[runner]\nsymbols = ["QQQ"]\n', "new.toml"), path)  # noqa: PTH105 - both ways to spell it are one call

    assert source.mark() != before
    assert source.read().risk.max_contracts == 5
    assert source.read().needs_restart == ("runner.symbols",)


def test_limits_of_orders_are_taken_over_and_every_other_section_needs_a_restart(file):
    path = file("")
    source = ConfigurationFile(path, {}, BotConfig())

    path.write_text(
        '[gateway]\nport = 4001\n[limits]\nmax_quantity = 7\n[strategy]\nname = "whale"\n[journal]\npath = "other"\n'
    )

    found = source.read()
    assert found.limits == OrderLimits(max_quantity=7)
    assert found.needs_restart == ("gateway.port", "strategy.name", "journal.path")


@attrs.frozen(kw_only=True)
class Wider(BotConfig):
    mine: RiskConfig = attrs.field(factory=RiskConfig)


def test_a_section_of_ones_own_is_read_with_the_rest_and_needs_a_restart(file):
    source = ConfigurationFile(file("[mine]\nmax_contracts = 3\n"), {}, Wider())

    assert source.read().needs_restart == ("mine.max_contracts",)


def test_a_problem_of_the_environment_is_a_problem_of_the_file_beside_it(file):
    source = ConfigurationFile(file(""), {"IBKEEL_RISK__MAX_CONTRACTS": "0"}, BotConfig())

    with pytest.raises(ConfigurationError, match=r"risk\.max_contracts = '0' \(IBKEEL_RISK__MAX_CONTRACTS\)"):
        source.read()


def test_a_file_that_is_gone_is_a_problem_and_not_the_defaults(file):
    path = file("")
    source = ConfigurationFile(path, {}, BotConfig())

    path.unlink()

    assert source.mark() is None
    with pytest.raises(ConfigurationError, match="cannot read"):
        source.read()


def test_a_file_that_was_emptied_is_a_problem_and_not_the_defaults(file):
    """As a full disk leaves it."""
    path = file("[risk]\nmax_contracts = 1\n")
    source = ConfigurationFile(path, {}, load_config(path, {}))

    path.write_text("")

    with pytest.raises(ConfigurationError, match="is empty"):
        source.read()


def test_a_bot_without_settings_may_have_an_empty_file(file):
    assert ConfigurationFile(file(""), {}, BotConfig()).read().risk == RiskConfig()


def test_every_problem_of_a_changed_file_is_named(file):
    path = file("")
    source = ConfigurationFile(path, {}, BotConfig())

    path.write_text(
        '[risk]\nmax_contracts = 0\nrisk_fraction = 0.9\n[limits]\ncolar = 1\n[strategy]\nname = "x"\n'
    )

    with pytest.raises(ConfigurationError) as raised:
        source.read()
    for words in ("risk.max_contracts", "risk.risk_fraction", "limits.colar", "strategy.name", "bot.toml:2"):
        assert words in str(raised.value)


def test_a_real_file_changes_what_a_run_may_do(held_day, file):
    path = file("[risk]\nmax_contracts = 10\n")
    source = ConfigurationFile(path, {}, load_config(path, {}))

    async def beside(_, __):
        await asyncio.sleep(30)
        path.write_text("[risk]\nmax_contracts = 3\n")

    world = held_day(limits=source, config={"first_cycle": 60}, beside=beside)

    assert world.intents[0].order.entry.quantity == 3
    [taken] = records(world, LimitsTaken)
    assert taken.changes == ("risk.max_contracts: 10 -> 3",)
    assert world.intents[0].at - taken.at < timedelta(seconds=60)
