"""The recorded feed of each contract, read from files; options only when they are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, Self

import attrs

from ibkeel.sim.market.calendar import FIRST_YEAR, session_on
from ibkeel.sim.market.recordings import Recording, lines
from ibkeel.sim.market.tapes import (
    Printed,
    RecordedBar,
    Steps,
    epoch,
    middles,
    parsed_bar,
    printed,
    sides,
)

OptionKey = tuple[str, str, str, str]  # root, expiry, strike and right, as the file writes them

_BID: Final = slice(0, 5)
_ASK: Final = slice(5, 10)
_DATE: Final = 10
_NO_BARS: Final[tuple[RecordedBar, ...]] = ()


@attrs.frozen(kw_only=True)
class DailyBar:
    """One row of a daily file; an index may have no volume."""

    open: float
    high: float
    low: float
    close: float
    volume: int


@attrs.frozen(kw_only=True, eq=False)
class Feed:
    """All that was recorded of one contract.

    Args:
        bars: Bars by kind: TRADES, BID, ASK and MIDPOINT; of quotes, without the minutes in
            which the side did not move.
        tape: What the tape of trades shows.
        bid: Best bid.
        bid_size: Its size, which shows with the close of a minute.
        ask: Best offer.
        ask_size: Its size.
        interest: Open interest from the time of its publication.
        changes: Every instant at which something above changes, ascending.
    """

    bars: Mapping[str, Sequence[RecordedBar]]
    tape: Steps[Printed]
    bid: Steps[float]
    bid_size: Steps[int]
    ask: Steps[float]
    ask_size: Steps[int]
    interest: Steps[int]
    changes: Sequence[int]

    @classmethod
    def of(
        cls,
        trades: Sequence[RecordedBar],
        bids: Sequence[RecordedBar] = _NO_BARS,
        asks: Sequence[RecordedBar] = _NO_BARS,
        interest: Sequence[tuple[int, int]] = (),
    ) -> Self:
        """A feed from the bars of each kind, each ascending."""
        (bid, bid_size), (ask, ask_size) = sides(bids), sides(asks)
        tape = printed(trades)
        published = Steps(times=[at for at, _ in interest], values=[count for _, count in interest])
        return cls(
            bars={"TRADES": trades, "BID": bids, "ASK": asks, "MIDPOINT": middles(bids, asks)},
            tape=tape,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            interest=published,
            changes=sorted({*tape.times, *bid.times, *ask.times, *published.times}),
        )


class OptionLines:
    """The lines of the option files of one day, sorted into contracts, not yet numbers.

    A day of one underlying can have hundreds of thousands of lines; most contracts are never
    asked for.

    Args:
        files: Files of option trades, quotes and open interest.
        day: Lines of other days are left out.
    """

    def __init__(self, files: Iterable[Recording], day: date) -> None:
        self._rows: dict[str, dict[OptionKey, list[tuple[int, str, int]]]] = {}
        for file in files:
            self._read(file, day.isoformat())

    def contracts(self) -> Sequence[OptionKey]:
        """Contracts of the day that were quoted or traded, or else that had open interest.

        After a split the morning's open interest is still on the old terms, so with quotes or
        trades at hand it does not count as a listing.
        """
        live = {*self._rows.get("option quote", {}), *self._rows.get("option trade", {})}
        return sorted(live or self._rows.get("option openinterest", {}))

    def feed(self, key: OptionKey) -> Feed:
        """The feed of one contract."""
        trades = [
            parsed_bar(at, text.split(","), seconds=seconds)
            for at, text, seconds in self._of("option trade", key)
        ]
        quotes = [(at, text.split(","), seconds) for at, text, seconds in self._of("option quote", key)]
        return Feed.of(
            trades,
            _moved(quotes, _BID),
            _moved(quotes, _ASK),
            [(at, int(text)) for at, text, _ in self._of("option openinterest", key)],
        )

    def _of(self, kind: str, key: OptionKey) -> Sequence[tuple[int, str, int]]:
        return self._rows.get(kind, {}).get(key, ())

    def _read(self, file: Recording, day: str) -> None:
        rows = self._rows.setdefault(file.kind, {})
        for line in lines(file.path):
            if line.startswith(day):
                stamp, root, expiry, strike, right, rest = line.split(",", 5)
                row = (epoch(stamp), rest, file.seconds)
                rows.setdefault((root, expiry, strike, right), []).append(row)


def spot_feed(files: Iterable[Recording]) -> Feed:
    """The feed of a stock or index from its trade and quote files, oldest first."""
    trades: dict[int, RecordedBar] = {}
    quotes: dict[int, tuple[int, list[str], int]] = {}
    for file in files:
        for line in lines(file.path):
            stamp, _, rest = line.split(",", 2)
            at, fields = epoch(stamp), rest.split(",")
            if file.kind == "trades":
                trades.setdefault(at, parsed_bar(at, fields))
            else:
                quotes.setdefault(at, (at, fields, file.seconds))
    ordered = [quotes[at] for at in sorted(quotes)]
    return Feed.of([trades[at] for at in sorted(trades)], _moved(ordered, _BID), _moved(ordered, _ASK))


def daily_bars(files: Iterable[Recording]) -> Mapping[date, DailyBar]:
    """Daily bars by date, ascending; dates before the calendar's first year are left out."""
    found: dict[date, DailyBar] = {}
    for file in files:
        for line in lines(file.path):
            if line[:4] < str(FIRST_YEAR):
                continue
            first, high, low, last, *volume = line[_DATE + 1 :].split(",")
            found[date.fromisoformat(line[:_DATE])] = DailyBar(
                open=float(first),
                high=float(high),
                low=float(low),
                close=float(last),
                volume=int(float(volume[0])) if volume and volume[0] else 0,
            )
    return dict(sorted(found.items()))


def day_long_bar(day: date, bar: DailyBar) -> RecordedBar:
    """A daily bar as the only bar of its session, for a symbol without minute data."""
    session = session_on(day)
    assert session is not None, "daily files hold sessions"
    opens, closes = int(session.opens_at.timestamp()), int(session.closes_at.timestamp())
    return RecordedBar(opens, closes - 1, bar.open, bar.high, bar.low, bar.close, bar.volume)


def _moved(quotes: Iterable[tuple[int, Sequence[str], int]], side: slice) -> Sequence[RecordedBar]:
    """Bars of one side; a blank side did not move in that bar."""
    return [
        parsed_bar(at, fields[side], seconds=seconds) for at, fields, seconds in quotes if fields[side][0]
    ]
