"""What happens in one run of the campaign, drawn from its seed: what the trader does, and what goes wrong."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import attrs
import numpy as np

from benchmarks.campaign_market import CONTRACTS

__all__ = ["MINUTES", "Act", "Deed", "Mishap", "Phase", "Plan", "Trouble", "draw_plan"]

MINUTES: Final = 30
"""Virtual minutes of one run."""

_LAST_ENTRY: Final = 60.0 * (MINUTES - 4)


class Act(StrEnum):
    """What the trader can do."""

    ENTER = "enter"
    CHANGE = "change"
    CANCEL = "cancel"
    RACE = "race"
    EXIT = "exit"
    FLATTEN = "flatten"
    HALT = "halt"
    LIFT = "lift"


class Phase(StrEnum):
    """Where an order, or the position that it opened, can be when something goes wrong."""

    SENDING = "sending"
    WORKING = "working"
    PART_FILLED = "part filled"
    HELD = "held"
    CHANGING = "changing"
    CANCELLING = "cancelling"
    EXITING = "exiting"
    PROTECTING = "protecting"


class Trouble(StrEnum):
    """What can go wrong."""

    DROP_BEFORE_SEND = "drop before send"
    DROP_AFTER_SEND = "drop after send"
    DROP_BEFORE_ACK = "drop before acknowledgement"
    DROP_AFTER_FILL = "drop after fill"
    CRASH = "crash"
    RESTART_ROLLS_BACK = "restart, ids roll back"
    LOST_1101 = "1100, 1101"
    LOST_1102 = "1100, 1102"
    STORED_ORDER = "stored order resent"
    HALF_OPEN = "half-open socket"
    SLOW = "slow answers"
    DUPLICATED = "duplicated"
    DELAYED = "delayed"
    REORDERED = "reordered"
    UNANSWERED = "unanswered"
    NO_SERVICE = "orders unanswered for minutes"
    ACK_LOST = "acknowledgement lost"
    REJECTED = "rejected"
    STOP_GONE = "stop withdrawn"
    CANCEL_FILL_RACE = "cancel-fill race"
    PARTIAL_FILL = "partial fill"
    KILLED = "killed"


@attrs.frozen(kw_only=True)
class Deed:
    """Something that the trader does.

    Args:
        at: Seconds from the start.
        act: What.
        contract: Index of the contract.
        quantity: Contracts; for a change, the shift of the price in ticks.
        is_passive: Whether an entry waits below the market.
        stop: Distance of its stop, a fraction.
        profit: Distance of its take profit; None for none.
    """

    at: float
    act: Act
    contract: int = 0
    quantity: int = 1
    is_passive: bool = False
    stop: float = 0.1
    profit: float | None = None


@attrs.frozen(kw_only=True)
class Mishap:
    """Something that goes wrong when an order gets to a phase.

    Args:
        trouble: What.
        phase: When.
        nth: At which time that an order gets there, from 1.
        wait: Seconds from then.
        duration: Seconds that it lasts, where it does.
        number: Where a further choice is to be made: which of a family, which boundary.
    """

    trouble: Trouble
    phase: Phase
    nth: int
    wait: float
    duration: float
    number: int


@attrs.frozen(kw_only=True)
class Plan:
    """One run."""

    seed: int
    deeds: tuple[Deed, ...]
    mishaps: tuple[Mishap, ...]
    variant: int


_SOON: Final = 0.7  # share of mishaps that come in the quarter of a second after the phase began
_OFTEN: Final = {Phase.SENDING: 3, Phase.WORKING: 2, Phase.HELD: 2, Phase.CANCELLING: 2}
_WANTED: Final = 0.7  # share of what follows an entry that is chosen for a mishap, while one waits
_AT_RANDOM: Final = (Act.CHANGE, Act.CANCEL, Act.RACE, Act.EXIT, Act.EXIT, Act.FLATTEN, Act.HALT)
_BRINGS: Final = {
    Phase.CHANGING: (Act.CHANGE,),
    Phase.CANCELLING: (Act.CANCEL, Act.RACE, Act.EXIT),
    Phase.EXITING: (Act.EXIT, Act.FLATTEN),
}
"""What the trader does to an order so that it gets to a phase."""


def draw_plan(seed: int, cells: tuple[tuple[Trouble, Phase], ...]) -> Plan:
    """The run of a seed.

    Args:
        seed: Its number.
        cells: Pairs of trouble and phase that can occur; drawn evenly.
    """
    draw = np.random.default_rng([seed, 0])
    count = int(draw.integers(4, 9))
    mishaps = [_mishap(draw, *cells[int(draw.integers(len(cells)))]) for _ in range(count)]
    needs_stop_gone = [row for row in mishaps if row.phase is Phase.PROTECTING]
    mishaps += [
        attrs.evolve(_mishap(draw, Trouble.STOP_GONE, Phase.HELD), nth=number + 1)
        for number, _ in enumerate(needs_stop_gone)
    ]
    wanted = [_one_of(draw, _BRINGS[row.phase]) for row in mishaps if row.phase in _BRINGS]
    deeds = sorted(_deeds(draw, wanted), key=lambda deed: deed.at)
    return Plan(seed=seed, deeds=tuple(deeds), mishaps=tuple(mishaps), variant=int(draw.integers(8)))


def _deeds(draw: np.random.Generator, wanted: list[Act]) -> Iterator[Deed]:
    """Entries about every seven minutes; of each, something follows that a mishap waits for, or anything."""
    at = float(draw.uniform(5, 30))
    while at < _LAST_ENTRY:
        entry = Deed(
            at=at,
            act=Act.ENTER,
            contract=int(draw.integers(len(CONTRACTS))),
            quantity=int(draw.integers(1, 9)),
            is_passive=bool(draw.random() < 0.35),
            stop=float(draw.uniform(0.02, 0.2)),
            profit=float(draw.uniform(0.02, 0.2)) if draw.random() < 0.4 else None,
        )
        yield entry
        for _ in range(int(draw.integers(0, 3))):
            act = wanted.pop() if wanted and draw.random() < _WANTED else _one_of(draw, _AT_RANDOM)
            then = at + float(draw.uniform(0.5, 90))
            yield attrs.evolve(entry, at=then, act=act, quantity=int(draw.integers(1, 4)))
            if act is Act.HALT:
                yield attrs.evolve(entry, at=then + float(draw.uniform(20, 120)), act=Act.LIFT)
        at += float(draw.uniform(270, 660))


def _one_of(draw: np.random.Generator, acts: tuple[Act, ...]) -> Act:
    return acts[int(draw.integers(len(acts)))]


def _mishap(draw: np.random.Generator, trouble: Trouble, phase: Phase) -> Mishap:
    return Mishap(
        trouble=trouble,
        phase=phase,
        nth=1 + int(draw.integers(_OFTEN.get(phase, 2))),
        wait=float(draw.uniform(0, 0.25)) if draw.random() < _SOON else float(draw.uniform(0, 5)),
        duration=float(draw.uniform(3, 90)),
        number=int(draw.integers(12)),
    )
