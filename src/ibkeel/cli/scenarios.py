"""Scenarios of the simulated Gateway: which there are, and the one that was asked for."""

from pathlib import Path
from typing import Any

import attrs

from ibkeel.sim import Fault, Scenario


def chosen(text: str) -> Scenario:
    """The scenario of that name, or in that file when the text ends in `.toml`.

    Raises:
        ConfigurationError: There is no such scenario, or the file is none.
    """
    return Scenario.load(Path(text)) if text.endswith(".toml") else Scenario.named(text)


def shipped() -> tuple[Scenario, ...]:
    """The scenarios that come with the package, by name."""
    return tuple(Scenario.named(name) for name in Scenario.names())


def scenario_data(scenario: Scenario) -> dict[str, Any]:
    """One object of `--json`."""
    return {
        "name": scenario.name,
        "title": scenario.title,
        "summary": " ".join(scenario.summary.split()),
        "source": scenario.source,
        "seed": scenario.seed,
        "faults": [_fault_data(fault) for fault in scenario.faults],
    }


def _fault_data(fault: Fault) -> dict[str, Any]:
    """The keys that differ from their defaults, as a scenario file has them."""
    given = {
        field.name: value
        for field in attrs.fields(type(fault))
        if (value := getattr(fault, field.name)) != field.default
    }
    return {"kind": fault.kind, **given}
