"""Each kind of recorded incident is told by a scenario, with the incident's source."""

import csv
import os
import re
from pathlib import Path

import pytest

from ibkeel.sim import Scenario

# Kind of incident: the scenario that tells it, and incidents that it takes its times from.
KINDS = {
    "client_stall": ("seed-five-minutes", {"AS-0113"}),
    "connect": ("closed-after-login", {"IBASYNC143"}),
    "connectivity_blip": ("data-kept", {"LEANIB129"}),
    "daily_restart": ("nightly-restart", {"WAYTRADE12"}),
    "disconnect": ("undecodable-message", {"IBINSYNC77"}),
    "farm_flap": ("farms-flap", {"LEAN9496", "NAUTILUS4412"}),
    "hist_latency": ("seed-sixty-seconds", {"IBINSYNC268"}),
    "invalid_request": ("invalid-step", {"WRIGHTER1", "EZIBPY20"}),
    "no_data": ("no-data-at-the-open", {"WRIGHTER17"}),
    "no_subscription": ("no-subscription", {"AS-0102-nosub"}),
    "option_ticks": ("option-farm-wakes", {"IBROKERS7"}),
    "pacing": ("pacing-rejections", {"LEAN607"}),
    "server_reset": ("server-reset", {"IBC143-a", "IBC143-b", "IBASYNC128"}),
    "slow_consumer": ("slow-consumer", {"AS-0108-buf"}),
    "socket": ("port-closed", {"UNUSUAL52"}),
    "subscription_leak": ("summary-leak", {"KAN79"}),
    "weekly_logout": ("weekly-login", {"GNZSNZ119"}),
}
MORE = {
    "closed-after-login": {"connect"},
    "deaf-after-login": {"connect"},
    "mute-port": {"connect"},
    "farm-blip": {"farm_flap"},
    "reports-while-lost": {"connectivity_blip"},
    "reset-never-ends": {"server_reset"},
    "slow-history": {"hist_latency"},
}
THREAD = re.compile(r"https://github\.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)")


def as_reference(address):
    """A thread's address as it stands in a scenario; None for a source that is none."""
    found = THREAD.fullmatch(address)
    return f"{found[1]}#{found[2]}" if found else None


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_incident_has_a_scenario_with_a_source(kind):
    name, incidents = KINDS[kind]

    assert Scenario.named(name).source
    assert incidents


@pytest.mark.parametrize("name", MORE)
def test_further_scenarios_belong_to_kinds_that_exist(name):
    assert name in Scenario.names()
    assert MORE[name] <= set(KINDS)


@pytest.mark.data
def test_no_recorded_kind_is_without_a_scenario_and_each_names_its_threads():
    path = Path(os.environ["IBKEEL_DATA"]) / "gateway" / "incident_index.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["incident_id"]: row for row in csv.DictReader(file)}

    assert {row["kind"] for row in rows.values()} == set(KINDS)
    for kind, (name, incidents) in KINDS.items():
        source = Scenario.named(name).source
        for incident in incidents:
            reference = as_reference(rows[incident]["source_url"])
            assert rows[incident]["kind"] == kind
            assert reference is None or reference in source
