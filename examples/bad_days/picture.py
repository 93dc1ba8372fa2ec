"""A scenario as a picture: what was wrong with the Gateway, and what each bot's minutes were worth.

Places are in per cent of the width and sizes in pixels, so that words stay readable on a narrow screen.
The colours are the page's (`stylesheets/bad-days.css`); without colours the shapes still differ.
"""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Final

from bad_days.course import MINUTE, Trouble
from bad_days.diary import Diary, Mark, Minute

__all__ = ["picture"]

_LANE: Final = 46
_BAR: Final = 16
_WORDS_ABOVE: Final = 17
_THIN: Final = 6
_LEAST_WIDTH: Final = 0.6  # per cent: a fault of three seconds must be seen
_MARKS_APART: Final = 3.0  # seconds: strikes that follow each other so closely are one
_TICKS: Final = ((60, 5), (600, 60))  # up to so many minutes, one mark in so many

Bar = tuple[float, float, str, str]
"""From and to in per cent, style class, and what is shown under the pointer."""


def picture(title: str, troubles: Sequence[Trouble], diaries: Sequence[Diary]) -> str:
    """One scenario, as inline SVG.

    Args:
        title: Read out by screen readers.
        troubles: What was wrong, in order.
        diaries: Of bots that lived equally long.
    """
    minutes = len(diaries[0].minutes)
    kinds = ", ".join(dict.fromkeys(trouble.kind for trouble in troubles)) or "well"
    lanes = [(f"Gateway: {kinds}", _faults(troubles, minutes))]
    lanes += [(f"{diary.bot}: {in_words(diary)}", _minutes(diary.minutes)) for diary in diaries]
    height = _LANE * len(lanes) + 20
    parts = [part for place, (words, bars) in enumerate(lanes) for part in _lane(place * _LANE, words, bars)]
    return (
        f'<svg class="bad-day" width="100%" height="{height}" role="img" aria-label="{escape(title)}">'
        + "".join([*parts, *_axis(minutes, _LANE * len(lanes))])
        + "</svg>"
    )


def in_words(diary: Diary) -> str:
    """How many minutes were worth what, leaving out what never was."""
    counts = [(diary.count(mark), mark.value) for mark in Mark]
    return ", ".join(f"{number} {word}" for number, word in counts if number)


def _faults(troubles: Sequence[Trouble], minutes: int) -> Iterable[Bar]:
    seconds = minutes * MINUTE
    for kind in dict.fromkeys(trouble.kind for trouble in troubles):
        spans: list[list[float]] = []
        for trouble in (each for each in troubles if each.kind == kind):
            ended = seconds if trouble.ended is None else min(max(trouble.ended, trouble.began), seconds)
            if spans and trouble.began <= spans[-1][1] + _MARKS_APART:
                spans[-1][1] = max(spans[-1][1], ended)
            else:
                spans.append([trouble.began, ended])
        for began, ended in spans:
            words = f"{kind} from {began / MINUTE:.1f} to {ended / MINUTE:.1f} min"
            yield 100 * began / seconds, 100 * ended / seconds, "fault", words


def _minutes(minutes: Sequence[Minute]) -> Iterable[Bar]:
    place, whole = 0, len(minutes)
    for (mark, word), group in groupby(minutes, key=lambda minute: (minute.mark, minute.word)):
        number = len(list(group))
        said = f"minutes {place} to {place + number - 1}: {mark}" + (f", {word}" if word else "")
        yield 100 * place / whole, 100 * (place + number) / whole, str(mark), said
        place += number


def _lane(top: int, words: str, bars: Iterable[Bar]) -> Iterable[str]:
    yield f'<text class="words" x="0" y="{top + _WORDS_ABOVE - 5}">{escape(words)}</text>'
    middle = top + _WORDS_ABOVE + _BAR // 2 + 2
    yield f'<line class="rail" x1="0" x2="100%" y1="{middle}" y2="{middle}"/>'
    for begin, end, kind, said in bars:
        height = _THIN if kind == Mark.SERVED else _BAR
        width = max(end - begin, _LEAST_WIDTH)
        yield (
            f'<rect class="{kind}" x="{begin:.2f}%" y="{middle - height // 2}" width="{width:.2f}%" height="{height}">'
            f"<title>{escape(said)}</title></rect>"
        )


def _axis(minutes: int, top: int) -> Iterable[str]:
    step = next((step for most, step in _TICKS if minutes <= most), minutes)
    for minute in range(0, minutes, step):
        x = 100 * minute / minutes
        yield f'<line class="tick" x1="{x:.2f}%" x2="{x:.2f}%" y1="{top}" y2="{top + 4}"/>'
        yield f'<text class="time" x="{x:.2f}%" y="{top + 16}">{minute} min</text>'
