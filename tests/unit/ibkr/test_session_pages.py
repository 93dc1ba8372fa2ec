import re
from pathlib import Path

import attrs

from ibkeel.ibkr import DEFAULT_WINDOWS, SessionPolicy, SessionState

DOCS = Path(__file__).parents[3] / "docs"
EXPLANATION = (DOCS / "explanation" / "the-session.md").read_text(encoding="utf-8")
GUIDE = (DOCS / "how-to" / "reset-windows.md").read_text(encoding="utf-8")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def test_the_page_draws_the_table_of_the_code():
    assert '--8<-- "session.svg"' in EXPLANATION


def test_the_page_explains_every_state_in_order():
    explained = re.findall(r"^\| `([A-Z_]+)` \|", EXPLANATION, re.MULTILINE)

    assert explained == [state.name for state in SessionState]


def test_the_guide_has_every_figure_of_the_policy_with_its_default():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \|", GUIDE, re.MULTILINE))
    policy = SessionPolicy()

    assert list(rows) == [field.name for field in attrs.fields(SessionPolicy)]
    for name, shown in rows.items():
        value = getattr(policy, name)
        if isinstance(value, int | float):
            assert float(shown) == value
    assert rows["reconnect"] == f"{policy.reconnect.first:g} to {policy.reconnect.cap:g}, for ever"
    assert policy.reconnect.attempts is policy.give_up_after is None


def test_the_guide_has_the_hours_of_the_default():
    rows = re.findall(
        r"^\| [^|]+ \| (\w+)(?: to (\w+))? \| (\d\d:\d\d) \| (\d\d:\d\d) \|", GUIDE, re.MULTILINE
    )

    shown = set()
    for first, last, begins, ends in rows:
        start, end = DAYS.index(first), DAYS.index(last or first)
        days = frozenset((start + n) % 7 for n in range((end - start) % 7 + 1))
        shown.add((days, begins, ends))

    resets = {
        (window.weekdays, f"{window.begins:%H:%M}", f"{window.ends:%H:%M}")
        for window in DEFAULT_WINDOWS
        if not window.needs_login
    }
    assert shown == resets


def test_the_examples_of_the_guide_run(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)

    for block in blocks:
        exec(compile(block, "reset-windows.md", "exec"), {})

    assert capsys.readouterr().out.splitlines() == ["None", "2026-07-08 03:45:00+00:00"]
