import asyncio
import re
from pathlib import Path

import attrs
import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.sim import Scenario, SimulatedGateway, faults
from ibkeel.virtual import virtual_clock

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "scenarios.md"
COMMON = [field.name for field in attrs.fields(faults.Fault)]


def own_keys(kind):
    return [field.name for field in attrs.fields(kind) if field.name not in COMMON]


def table(heading):
    """Rows of the table under a heading of the second level: cells by first column."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    rows = re.findall(r"^\| `([\w-]+)` \|(.*)\|$", text.split("\n## ")[0], re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


@pytest.mark.parametrize("name", Scenario.names())
def test_each_shipped_scenario_says_what_happens_and_whence_it_is_known(name):
    scenario = Scenario.named(name)

    assert scenario.name == name
    assert scenario.title
    assert len(scenario.summary) > 80
    assert scenario.source
    assert scenario.faults or name in {"seed-five-minutes", "slow-consumer"}


@pytest.mark.parametrize("name", Scenario.names())
async def test_each_shipped_scenario_plays_through_and_every_timed_fault_strikes(
    name, small_market, small_exchange
):
    scenario = Scenario.named(name)
    gateway = SimulatedGateway(
        market=small_market, venue=small_exchange, clock=virtual_clock(), scenario=scenario
    )

    async with gateway.listening("127.0.0.1", 4002):
        await asyncio.sleep(8 * 3600)
        seen = [each.kind for each in gateway.faults_seen]

    timed = [
        fault.kind
        for fault in scenario.faults
        if not fault.strikes_requests and not fault.when_request
        for _ in range(fault.limit or 1)
    ]
    assert sorted(seen) == sorted(timed)
    assert gateway.counters.failures == 0


def test_the_shipped_names_are_sorted_and_include_the_ones_that_are_promised():
    promised = {
        "nightly-restart", "data-lost", "data-kept", "farm-blip", "client-id-clash", "half-open", "mute-port",
        "port-closed", "competing-session", "pacing-rejections", "silent-streams", "weekly-login",
        "rolled-back-ids", "seed-five-minutes",
    }  # fmt: skip

    names = Scenario.names()

    assert list(names) == sorted(names)
    assert promised <= set(names)


def test_a_scenario_is_read_from_a_file_and_named_after_it(tmp_path):
    path = tmp_path / "my-day.toml"
    path.write_text(
        'title = "t"\nseed = 3\n[[faults]]\nkind = "restart"\nat = 23:45:00\nduration = 60\n',
        encoding="utf-8",
    )

    scenario = Scenario.load(path)

    assert (scenario.name, scenario.title, scenario.seed) == ("my-day", "t", 3)
    [fault] = scenario.faults
    assert (fault.kind, str(fault.at), fault.duration) == ("restart", "23:45:00", 60.0)


def test_a_mark_of_the_byte_order_is_no_part_of_a_scenario(tmp_path):
    path = tmp_path / "marked.toml"
    path.write_text('title = "t"', encoding="utf-8-sig")

    assert Scenario.load(path).title == "t"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "is not TOML"),
        ("colour = 1", "unknown key 'colour'; valid: title, summary, source, seed, faults"),
        (
            '[mine]\n[[mine.faults]]\nkind = "mute"',
            r"without its name: \[\[faults\]\], not \[\[mine.faults\]\]",
        ),
        ("title = 1", "must be a text"),
        ('seed = "a"', "seed is 'a'"),
        ("seed = true", "seed is True; it must be whole"),
        ("faults = 3", r"under \[\[faults\]\]"),
        ("[[faults]]\nafter = 3", "kind is None; valid: restart, crash"),
        ("[[faults]]\nkind = 3", "kind is 3; valid"),
        ('[[faults]]\nkind = "gossip"', "fault 1: kind is 'gossip'; valid: restart, crash"),
        ('[[faults]]\nkind = "mute"\nport = 3', r"\(mute\): unknown key 'port'; valid: after, at"),
        ('[[faults]]\nkind = "slow"', "needs the key 'delay'"),
        ('[[faults]]\nkind = "mute"\nat = "25:00"', "not a time of day; 23:45:00 would be"),
        ('[[faults]]\nkind = "mute"\nwhen_request = "x"', "valid: account_summary"),
        ('[[faults]]\nkind = "notice"\ncode = "x"\ntext = ""', "'code' must be"),
        ('[[faults]]\nkind = "notice"\ncode = true\ntext = ""', "not True"),
        ('[[faults]]\nkind = "notice"\ncode = 1\ntext = "a\\u0000"', "'text' must be a text without NUL"),
        ('[[faults]]\nkind = "port_reset"\nport = true', "whole number from 1 to 65535, not True"),
        ('[[faults]]\nkind = "port_reset"\nport = 70000', "whole number from 1 to 65535, not 70000"),
        ('[[faults]]\nkind = "mute"\ntimes = 1.5', "'times' must be a whole number from 1 .*, not 1.5"),
        ('[[faults]]\nkind = "mute"\nskip = true', "'skip' must be a whole number from 0 .*, not True"),
        ('[[faults]]\nkind = "mute"\nclient_id = true', "'client_id' must be a whole number .*, not True"),
        ('[[faults]]\nkind = "restart"\nids_begin_at = 1.5', "'ids_begin_at' must be .*, not 1.5"),
        ('[[faults]]\nkind = "crash"\nids_begin_at = true', "'ids_begin_at' must be .*, not True"),
        ('[[faults]]\nkind = "upstream_lost"\nrestores_as = 1101.0', "of 1101, 1102, not 1101.0"),
        ('[[faults]]\nkind = "mute"\nevery = 1e-7', r"every is 1e-07; it must be at least 0\.001 seconds"),
        ('[[faults]]\nkind = "mute"\nchance = 2', "Mute.chance is 2.0; valid: 0 to 1"),
        ('[[faults]]\nkind = "mute"\nduration = nan', r"fault 1 \(mute\): nan is out of reach"),
    ],
)
def test_a_scenario_that_is_not_valid_is_refused_with_what_would_be(text, message):
    with pytest.raises(ConfigurationError, match=message):
        Scenario.parse(text)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="unknown scenario 'gossip'; there are: client-id-clash,"):
        Scenario.named("gossip")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read the scenario"):
        Scenario.load(tmp_path / "nothing.toml")


def test_the_page_has_every_kind_with_its_keys_in_order():
    rows = table("Kinds")

    assert list(rows) == list(faults.KINDS)
    for name, cells in rows.items():
        assert re.findall(r"`(\w+)`", cells[0]) == own_keys(faults.KINDS[name])


def test_the_page_has_every_key_that_says_when():
    assert list(table("When")) == COMMON


def test_the_page_has_every_shipped_scenario_with_its_title():
    rows = table("Scenarios that come with the package")

    assert {name: cells[0] for name, cells in rows.items()} == {
        name: Scenario.named(name).title for name in Scenario.names()
    }
    assert list(rows) == list(Scenario.names())


def test_the_example_on_the_page_is_a_scenario():
    [block] = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)

    assert len(Scenario.parse(block).faults) == 3
