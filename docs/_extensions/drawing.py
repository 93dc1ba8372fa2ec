"""Draws a state machine in Graphviz' language: states in boxes, and arrows that hold for a whole box."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

__all__ = ["Machine", "digraph"]

_HEAD: Final = (
    "digraph {",
    "  compound=true; nodesep=0.3; ranksep=0.5;",
    '  node [shape=box, style=rounded, fontname="Helvetica", fontsize=13, margin="0.16,0.08"];',
    '  edge [fontname="Helvetica", fontsize=11, arrowsize=0.7];',
    '  graph [fontname="Helvetica", fontsize=12];',
)


@attrs.frozen(kw_only=True)
class Machine:
    """A state machine as a picture shows it.

    An arrow out of a box holds for each state in it; its words in brackets hold for some of them.

    Args:
        states: Their names, in the order of the legend; the first is the start.
        moves: Words for what leads from the first of a pair to the second, in order.
        boxes: States that share arrows, by the name of their box. In a box that is a road, its
            states are stages: an arrow that only skips some is left out.
        roads: Names of boxes that are roads.
        good: States in which all is well.
        bad: States that need attention.
        direction: `TB` from top to bottom, `LR` from left to right.
    """

    states: tuple[str, ...]
    moves: Mapping[tuple[str, str], tuple[str, ...]]
    boxes: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    roads: frozenset[str] = frozenset()
    good: frozenset[str] = frozenset()
    bad: frozenset[str] = frozenset()
    direction: str = "TB"


def digraph(machine: Machine) -> str:
    """The machine as a directed graph in Graphviz' language."""
    nodes = (f'  {name} [class="{_kind(machine, name)}"];' for name in machine.states)
    boxes = (
        f'  subgraph cluster_{n} {{ class="box"; label="{name}"; labeljust=l; {"; ".join(members)}; }}'
        for n, (name, members) in enumerate(machine.boxes.items())
    )
    return (
        "\n".join([*_HEAD, f"  rankdir={machine.direction};", *nodes, *boxes, *_arrows(machine), "}"]) + "\n"
    )


def _kind(machine: Machine, name: str) -> str:
    return "good" if name in machine.good else "bad" if name in machine.bad else "plain"


def _arrow(source: str, target: str, words: Iterable[str], *traits: str) -> str:
    label = "".join(f"&#160;{line}\\l" for line in words)  # the blank keeps it off the arrow
    every = ", ".join((f'label="{label}"', *traits))
    return f"  {source} -> {target} [{every}];"


def _box_of(machine: Machine, state: str) -> str | None:
    return next((name for name, members in machine.boxes.items() if state in members), None)


def _arrows(machine: Machine) -> Iterator[str]:
    for pair, words in machine.moves.items():
        if left := _own_words(machine, pair, words):
            yield _arrow(*pair, left)
    for number, (box, members) in enumerate(machine.boxes.items()):
        outside = [state for state in machine.states if state not in members]
        for state in outside:
            every, some = _out_of(machine, box, state)
            if every:
                words = (*every, *(f"({word})" for word in some))
                yield _arrow(_middle(members), state, words, f"ltail=cluster_{number}", "minlen=2")
            if into := _into(machine, box, state):
                yield _arrow(state, members[1], into, f"lhead=cluster_{number}", "minlen=2")


def _own_words(machine: Machine, pair: tuple[str, str], words: tuple[str, ...]) -> tuple[str, ...]:
    """What the arrow between two states says, unless one of a whole box says it."""
    source, target = (_box_of(machine, state) for state in pair)
    if source == target and source is not None:
        return tuple(word for word in words if not _skips(machine, source, pair, word))
    leaves_with_others = source is not None and bool(_out_of(machine, source, pair[1])[0])
    comes_for_all = target is not None and bool(_into(machine, target, pair[0]))
    return () if leaves_with_others or comes_for_all else words


def _middle(members: tuple[str, ...]) -> str:
    return members[len(members) // 2]


def _out_of(machine: Machine, box: str, target: str) -> tuple[list[str], list[str]]:
    """Words by which every state of a box leads to one outside, and if there are any, those by which some do."""
    found = [machine.moves.get((member, target), ()) for member in machine.boxes[box]]
    words = dict.fromkeys(word for row in found for word in row)
    every = [word for word in words if all(word in row for row in found)]
    return every, [word for word in words if word not in every] if every else []


def _into(machine: Machine, box: str, source: str) -> tuple[str, ...]:
    """Words by which a state outside leads into a box, if it leads to every state there."""
    found = [machine.moves.get((source, member), ()) for member in machine.boxes[box]]
    return tuple(dict.fromkeys(word for row in found for word in row)) if all(found) else ()


def _skips(machine: Machine, box: str, pair: tuple[str, str], word: str) -> bool:
    if box not in machine.roads:
        return False
    members = machine.boxes[box]
    between = members[members.index(pair[0]) + 1 : members.index(pair[1])]
    return any(word in machine.moves.get((state, pair[1]), ()) for state in between)
