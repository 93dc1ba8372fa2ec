"""Hypothesis strategies for what a simulated Gateway may suffer; needs the extra `[testing]`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ibkeel.sim import Scenario, faults

__all__ = ["a_fault", "fault_schedules"]

_OWN: Final[Mapping[type[faults.Fault], Mapping[str, SearchStrategy[Any]]]] = MappingProxyType(
    {
        faults.AnsweredWith: {"code": st.sampled_from([162, 200, 321, 354]), "text": st.just("no")},
        faults.ClockSkew: {"seconds": st.integers(-100, 100)},
        faults.CompetingSession: {"revives": st.booleans()},
        faults.Delayed: {"delay": st.sampled_from([0.01, 3])},
        faults.FarmBroken: {
            "service": st.sampled_from(["market_data", "history", "definitions"]),
            "revives": st.booleans(),
        },
        faults.Garbage: {"framed": st.booleans()},
        faults.LostAcknowledgement: {"when_request": st.just("place_order")},
        faults.NotEntitled: {"code": st.sampled_from([354, 10089, 10090, 10167])},
        faults.Notice: {"code": st.just(2110), "text": st.just("broken")},
        faults.PortReset: {"port": st.sampled_from([None, 4003])},
        faults.Restart: {"rolls_back_ids": st.booleans()},
        faults.Slow: {"delay": st.integers(0, 20)},
        faults.UpstreamLost: {
            "restores_as": st.sampled_from([1101, 1102]),
            "says_again_every": st.integers(0, 3),
        },
    }
)
"""What is drawn of a kind beside what all kinds have."""

_OCCASIONS: Final = ("historical_data", "place_order", "market_data", "cancel_order", "start_api")


def a_fault(kind: type[faults.Fault], *, within: int = 60) -> SearchStrategy[faults.Fault]:
    """One fault of a kind: at a time, or at a request such as the second order or just after it.

    Args:
        kind: One of `ibkeel.sim.faults.KINDS`.
        within: Latest second at which it begins to strike or to wait for its request, after the Gateway first listened.
    """
    drawn: dict[str, SearchStrategy[Any]] = {
        "after": st.integers(0, within),
        "times": st.integers(1, 3),
        "chance": st.sampled_from([0.5, 1.0]),
        "client_id": st.sampled_from([None, 1]),
        **_OWN.get(kind, {}),
    }
    if not kind.is_momentary:
        drawn["duration"] = st.integers(1, 20)
    at_requests = {"when_request": st.sampled_from(_OCCASIONS), "skip": st.integers(0, 2), **drawn}
    if kind.strikes_requests:
        return st.builds(kind, **drawn) | st.builds(kind, **at_requests)
    drawn["every"] = st.sampled_from([None, 7.0])
    at_requests["wait"] = st.sampled_from([0.0, 0.06, 1.0])
    return st.builds(kind, **drawn) | st.builds(kind, **at_requests)


@st.composite
def fault_schedules(
    draw: st.DrawFn, *kinds: type[faults.Fault], within: int = 60, max_size: int = 4
) -> Scenario:
    """Up to so many faults, each of which is over after a while, in whatever order.

    Equal draws strike alike: what chance decides is decided by the scenario's own seed.

    Args:
        draw: Hypothesis' own.
        kinds: Which; none means all.
        within: Latest second at which one begins to strike.
        max_size: Most faults.
    """
    chosen = st.sampled_from(kinds or tuple(faults.KINDS.values()))
    one = chosen.flatmap(lambda kind: a_fault(kind, within=within))
    planned = draw(st.lists(one, min_size=1, max_size=max_size))
    return Scenario(name="drawn", faults=tuple(planned), seed=draw(st.integers(0, 3)))
