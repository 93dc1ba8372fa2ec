"""The pictures of the pages are those of the code."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from ibkeel.ibkr import SessionState
from ibkeel.ibkr.states import TRANSITIONS, SessionEvent
from ibkeel.model import OrderState
from ibkeel.orders import STATUS

SCRIPTS = Path(__file__).parents[2] / "docs" / "_extensions"


@pytest.fixture(scope="module")
def scripts():
    """The scripts that draw, as modules of their own."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield {name: importlib.import_module(name) for name in ("drawing", "machines", "pictures")}
    finally:
        sys.path.remove(str(SCRIPTS))
        for name in ("drawing", "machines", "pictures"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["session", "breaker", "order-truth", "layers"])
def test_a_picture_was_drawn_from_the_code_as_it_is(scripts, name):
    pictures = scripts["pictures"]

    drawn = (pictures.FOLDER / f"{name}.svg").read_text(encoding="utf-8")

    mark = pictures.fingerprint(pictures.sources()[name])
    assert f'data-drawn-from="{mark}"' in drawn, "run: python docs/_extensions/pictures.py"


@pytest.mark.parametrize("name", ["session", "breaker", "order-truth", "layers"])
def test_a_picture_leaves_colours_to_the_page_and_says_what_it_shows(scripts, name):
    pictures = scripts["pictures"]

    drawn = (pictures.FOLDER / f"{name}.svg").read_text(encoding="utf-8")

    assert f'aria-label="{pictures.NOTES[name]}"' in drawn
    assert not re.search(r'\b(fill|stroke|font-family|style)="', drawn)
    assert "\n\n" not in drawn  # a blank line would end the block on the page


@pytest.mark.parametrize("name", ["session", "breaker", "order-truth"])
def test_no_arrow_is_drawn_over_words(scripts, name):
    drawn = (scripts["pictures"].FOLDER / f"{name}.svg").read_text(encoding="utf-8")

    *arrows, words = re.findall(r'<g class="edge">\n(.*?)</g>', drawn, re.DOTALL)
    assert not any("<text" in arrow for arrow in arrows)
    assert "<text" in words
    assert drawn.endswith(f"{words}</g>\n</g>\n</svg>\n")


def test_the_picture_of_the_session_has_every_state_and_every_change(scripts):
    machine = scripts["machines"].session()

    drawn = scripts["drawing"].digraph(machine)

    changes = {(a.name, b.name, str(e)) for (a, e), b in TRANSITIONS.items() if a is not b}
    unasked = {change for change in changes if change[2] != SessionEvent.DISCONNECT_ASKED}
    assert unasked <= {(a, b, word) for (a, b), words in machine.moves.items() for word in words}
    assert all(f"  {state.name} [class=" in drawn for state in SessionState)
    assert all(word in drawn for _, _, word in unasked)


def test_an_arrow_out_of_a_box_holds_for_each_state_in_it(scripts):
    drawing = scripts["drawing"]
    moves = {
        ("A", "C"): ("x", "y"),
        ("B", "C"): ("x",),
        ("A", "B"): ("z",),
        ("C", "A"): ("u",),
        ("C", "B"): ("v",),
    }

    drawn = drawing.digraph(drawing.Machine(states=("A", "B", "C"), moves=moves, boxes={"box": ("A", "B")}))

    assert re.findall(r"^  (\w) -> (\w) \[label=\"(.*?)\"", drawn, re.MULTILINE) == [
        ("A", "B", r"&#160;z\l"),
        ("B", "C", r"&#160;x\l&#160;(y)\l"),
        ("C", "B", r"&#160;u\l&#160;v\l"),
    ]


def test_every_state_of_an_order_is_reached_by_evidence(scripts):
    moves = scripts["machines"].order_moves()

    assert {state for pair in moves for state in pair} == set(OrderState)
    assert {f"status {text}" for text in STATUS} <= set(scripts["machines"].EVIDENCE)


def test_no_evidence_leads_out_of_an_end_but_of_one_that_was_inferred(scripts):
    moves = scripts["machines"].order_moves()

    assert {a for a, _ in moves if a.is_final} == {OrderState.CANCELLED}


def test_the_picture_of_the_layers_has_every_package_in_the_order_of_the_import_rules(scripts):
    pictures = scripts["pictures"]

    drawn = (pictures.FOLDER / "layers.svg").read_text(encoding="utf-8")

    assert re.findall(r">(\w+)</text>", drawn) == [name for row in pictures.layers() for name in row]
