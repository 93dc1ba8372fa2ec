"""The page "Bad days" of the documentation, written from what was played."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import attrs

from bad_days.cast import play_of
from bad_days.course import Trouble, played
from bad_days.diary import Diary, Harm, Mark
from bad_days.picture import picture
from bad_days.remarks import REMARKS
from ibkeel.sim import Scenario

__all__ = ["PAGE", "Day", "day_of", "row", "section", "written"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "explanation" / "bad-days.md"

_REPOSITORY: Final = re.compile(r"\b([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)#(\d+)(?:( and| or|,)? #(\d+))?")

_INTRODUCTION: Final = """# Bad days

Every scenario of the simulated Gateway, played twice: by a loop on the bare client library, as such loops are often
written, and by the same loop on `IBKRBroker`. Each minute the bot asks for the price of SPY and for an hour of bars, and
three times it wants an order. An onlooker, who knows what the Gateway does, keeps the diary.

The naive bot is no straw man and no expert: it has a `try` around each round, connects again when the library calls
itself disconnected, and sends an order again that nobody confirmed within ten seconds. What it lacks is what the
library does not do by itself: it does not subscribe again, has no deadline of its own, and looks at no age. Both bots are
in `examples/bad_days`; this page is written by `python -m bad_days` there, and a test keeps it true.

What a minute was worth:

| | | |
|--|--|--|
| <span class="bad-day-key served"></span> | served | a price of now, and bars |
| <span class="bad-day-key told"></span> | told | something did not come, and the bot got an error that says so |
| <span class="bad-day-key fooled"></span> | fooled | an old price or an empty answer, and no error |
| <span class="bad-day-key stuck"></span> | stuck | still waiting for an answer of an earlier minute |

A minute that was told is not a good minute. It is one in which a bot can decide not to trade. ibkeel cannot bring data
from a Gateway that has none; where it costs something, the text says so.

"""


@attrs.frozen(kw_only=True)
class Day:
    """One scenario as both bots lived it.

    Args:
        scenario: What went wrong.
        troubles: When.
        naive: The diary of the bot on the bare library.
        ours: The diary of the bot on `IBKRBroker`.
    """

    scenario: Scenario
    troubles: tuple[Trouble, ...]
    naive: Diary
    ours: Diary


def day_of(name: str) -> Day:
    """Play a scenario with both bots: about half a second of work."""
    scenario, play = Scenario.named(name), play_of(name)
    naive, _ = played(scenario, play.naive, minutes=play.minutes)
    ours, troubles = played(scenario, play.ours, minutes=play.minutes)
    return Day(scenario=scenario, troubles=troubles, naive=naive, ours=ours)


def written(days: Sequence[Day]) -> str:
    """The whole page."""
    return _INTRODUCTION + _overview(days) + "".join(map(section, days))


def row(day: Day) -> str:
    """A scenario's line in the overview."""
    return (
        f"| [{day.scenario.name}](#{day.scenario.name}) | {_harmed(day.naive)} | {_harmed(day.ours)} "
        f"| {_orders(day.naive)} | {_orders(day.ours)} |\n"
    )


def _overview(days: Sequence[Day]) -> str:
    return (
        "## At a glance\n\nMinutes fooled or stuck / told / served; and what became of three orders that were "
        "wanted: sent twice, sent without a price of now, of unknown fate, or never sent.\n\n"
        "| scenario | naive | ibkeel | naive's orders | ibkeel's orders |\n|--|--|--|--|--|\n"
        + "".join(map(row, days))
        + "\n"
    )


def _harmed(diary: Diary) -> str:
    bad = diary.count(Mark.FOOLED) + diary.count(Mark.STUCK) + diary.count(Mark.ENDED)
    return f"{bad} / {diary.count(Mark.TOLD)} / {diary.count(Mark.SERVED)}"


def _orders(diary: Diary) -> str:
    orders = diary.orders
    found = (
        (orders.doubled, "twice"),
        (orders.on_old_price, "without a price"),
        (orders.unknown, "unknown"),
        (orders.believed, "believed in"),
        (orders.shared_ids, "under one id"),
        (orders.wanted - orders.at_venue + orders.doubled - orders.unknown, "never sent"),
    )
    return ", ".join(f"{number} {word}" for number, word in found if number) or "well"


def section(day: Day) -> str:
    """What the page says of one scenario."""
    scenario = day.scenario
    parts = [
        f"## {scenario.title} {{ #{scenario.name} }}",
        " ".join(scenario.summary.split()),
        picture(scenario.title, day.troubles, (day.naive, day.ours)),
        _table(day),
        REMARKS.get(scenario.name, ""),
        f"Scenario `{scenario.name}`; source: {_linked(scenario.source)}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n\n"


def _table(day: Day) -> str:
    rows = (
        ("suffered", _harms),
        ("errors it got", _errors),
        ("knew after", lambda diary: _seconds(diary.noticed_after)),
        ("served again after", _recovered),
        ("longest wait for a tick", lambda diary: _seconds(diary.silent_for)),
        ("orders wanted / at the venue", lambda diary: f"{diary.orders.wanted} / {diary.orders.at_venue}"),
        ("a person was told", _alarms),
    )
    lines = [f"| {words} | {say(day.naive)} | {say(day.ours)} |" for words, say in rows]
    return "\n".join(["| | naive | ibkeel |", "|--|--|--|", *lines])


def _harms(diary: Diary) -> str:
    return "; ".join(harm.value for harm in Harm if harm in diary.harms) or "nothing"


def _errors(diary: Diary) -> str:
    words = {minute.word: None for minute in diary.minutes if minute.mark is Mark.TOLD}
    return ", ".join(f"`{word}`" for word in words) or "none"


def _recovered(diary: Diary) -> str:
    return "never" if diary.is_lost_for_good else _seconds(diary.recovered_after)


def _alarms(diary: Diary) -> str:
    return {0: "no", 1: "once"}.get(len(diary.alarms), f"{len(diary.alarms)} times")


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 1:
        return "at once"
    return f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"


def _linked(source: str) -> str:
    """References to threads as links."""
    return _REPOSITORY.sub(lambda found: "".join(_links(found)), source)


def _links(found: "re.Match[str]") -> Iterable[str]:
    repository, first, word, second = found.groups()
    yield f"[{repository}#{first}](https://github.com/{repository}/issues/{first})"
    if second:
        yield f"{word or ''} [#{second}](https://github.com/{repository}/issues/{second})"
