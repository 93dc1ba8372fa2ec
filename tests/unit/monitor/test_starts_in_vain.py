"""A bot that is started again and again because it finds no Gateway, and who hears of it."""

from datetime import UTC, datetime, timedelta

import pytest

from ibkeel.monitor import Alerter, AlertsConfig
from ibkeel.monitor.alerts import DeliveryFailed, Starts
from ibkeel.virtual import run_virtual, virtual_clock

NIGHT = datetime(2026, 1, 6, 8, 0, tzinfo=UTC)
CONFIG = AlertsConfig(urls=["json://example.org"], escalation_urls=["json://example.org"])


class Phone:
    """A channel that keeps what it is given, while it has a network."""

    def __init__(self, name):
        self.name, self.got, self.has_network = name, [], True

    def deliver(self, message):
        if not self.has_network:
            raise DeliveryFailed("no network")
        self.got.append((message.title.removeprefix("ibkeel: "), message.text))

    @property
    def titles(self):
        return [title for title, _ in self.got]


class Operated:
    """A bot that its manager starts; each start is a process of its own, which knows only what the file keeps."""

    def __init__(self, path):
        self.path, self.mine, self.boss = path, Phone("1 (json)"), Phone("2 (json)")
        self.config = CONFIG

    def start(self, seconds, words="", patience=0.0, **how):
        """One start so many seconds into the night, which fails for a reason, or does not."""

        async def main():
            clock = virtual_clock()
            channels = {"channels": [self.mine] if self.config.urls else [], "escalation": [self.boss]}
            async with Alerter(self.config, clock, lambda _: None, **channels) as alerter:
                starts = Starts(self.path, alerter, self.config, clock, alerter.on_event, within=0.5)
                if words:
                    await starts.failed(words, patience, **how)
                else:
                    starts.came()

        run_virtual(main(), start=NIGHT + timedelta(seconds=seconds))


@pytest.fixture
def bot(tmp_path):
    return Operated(tmp_path / "starts.json")


def test_of_a_night_of_starts_in_vain_a_person_hears_once_once_more_when_it_lasts_and_at_the_end(bot):
    for seconds in range(0, 7200, 60):
        bot.start(seconds, "cannot reach the Gateway")
    bot.start(7200)
    bot.start(90_000)

    name = "Alarm: bot cannot start"
    assert bot.mine.titles == [name, f"For 15 minutes: {name}", f"Over: {name}"]
    assert bot.boss.titles == [f"For 15 minutes: {name}", f"Over: {name}"]
    first, _, last = [text for _, text in bot.mine.got]
    assert "cannot reach the Gateway" in first
    assert "systemd or compose starts it again" in first
    assert "When: 2026-01-06 08:01:00 UTC" in first
    assert "after 120.0 minutes" in last


def test_of_a_start_in_vain_that_is_followed_by_another_that_is_not_nobody_hears(bot):
    bot.start(0, "cannot reach the Gateway")
    bot.start(30, "cannot reach the Gateway")
    bot.start(50)

    assert bot.mine.got == []
    assert not bot.path.exists()


def test_whoever_is_told_only_of_what_lasts_hears_nothing_of_what_did_not(bot):
    for seconds in (0, 60, 120):
        bot.start(seconds, "cannot reach the Gateway")
    bot.start(180)

    assert bot.mine.titles == ["Alarm: bot cannot start", "Over: Alarm: bot cannot start"]
    assert bot.boss.got == []


def test_starts_in_vain_on_two_days_are_not_one_trouble(bot):
    bot.start(0, "cannot reach the Gateway")
    bot.start(86_400, "cannot reach the Gateway")

    assert bot.mine.got == []


def test_a_message_that_did_not_arrive_is_sent_by_the_next_start(bot):
    bot.mine.has_network = False
    bot.start(0, "cannot reach the Gateway")
    bot.start(60, "cannot reach the Gateway")
    bot.mine.has_network = True
    bot.start(80, "cannot reach the Gateway")
    bot.start(100, "cannot reach the Gateway")

    assert bot.mine.titles == ["Alarm: bot cannot start"]


def test_where_more_patience_is_shown_it_must_last_so_long(bot):
    for seconds in (0, 200, 299):
        bot.start(seconds, "weekly login", patience=300)
    early = bot.mine.titles
    bot.start(300, "weekly login", patience=300)

    assert early == []
    assert bot.mine.titles == ["Alarm: bot cannot start"]


def test_what_nothing_starts_again_is_told_by_the_first_start_and_its_end_too(bot):
    bot.start(0, "this clock is off", is_final=True)
    bot.start(20, "this clock is off", is_final=True)
    bot.start(7200)

    assert bot.mine.titles == ["Alarm: bot cannot start", "Over: Alarm: bot cannot start"]


def test_those_who_hear_only_of_what_lasts_do_so_also_where_nobody_else_hears_of_anything(bot):
    bot.config = AlertsConfig(escalation_urls=["json://example.org"])
    for seconds in range(0, 3600, 60):
        bot.start(seconds, "cannot reach the Gateway")

    assert bot.boss.titles == ["For 15 minutes: Alarm: bot cannot start"]


BROKEN = [
    "",
    "{}",
    "[1, 2]",
    '["a", "b", 0]',
    "\0",
    '["2026-01-05T07:00:00", "2026-01-05T07:59:00", 1]',
    '["2026-01-06T08:00:00+00:00", "2026-01-06T08:00:00+00:00", 1e999]',
    '["0001-01-01T00:00:00", "0001-01-01T00:00:00", 1]',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_no_file_keeps_a_bot_from_starting(bot, text):
    bot.path.write_text(text)

    bot.start(0)

    assert not bot.path.exists()


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_file_that_holds_something_else_is_as_none(bot, text):
    bot.path.write_text(text)

    bot.start(0, "cannot reach the Gateway")
    bot.start(60, "cannot reach the Gateway")

    assert bot.mine.titles == ["Alarm: bot cannot start"]
