"""Quotes, streams of quotes, and bars: by the column and not by the bar."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ibkeel.errors import (
    AmbiguousContract,
    InvalidInput,
    NoData,
    NotConnected,
    QuoteUnavailable,
    RequestFailed,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr.client import BAR_FIELDS, UNSET_DOUBLE
from ibkeel.ibkr.definitions import Definitions, key_of
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.requests import Pending
from ibkeel.ibkr.services import loop_time
from ibkeel.ibkr.streams import Streams, subscribe, to_read
from ibkeel.ibkr.ticks import TickCollector
from ibkeel.ibkr.translate import day_of, reading, utc_of, zone
from ibkeel.model import Bars, BarSpec, Contract, Quote, StaleBars
from ibkeel.resilience import CacheKind, Deadlines, Fresh, RequestKind, Stale
from ibkeel.validators import expect, series

_DAY: Final = len("20260105")
_EPOCH: Final = len("1767623400")  # from 2001 to 2286


class Prices:
    """Asks for prices over one session."""

    def __init__(self, link: Link, definitions: Definitions, streams: Streams) -> None:
        self._link = link
        self._definitions = definitions
        self._streams = streams

    async def quote(self, contract: Contract, deadlines: Deadlines) -> Quote:
        """One quote, by a stream that is cancelled as soon as the fields are in.

        A snapshot would hold its line for 11 s and carry no open interest.
        """
        self._definitions.refuse_known_bad(contract)
        streamed = self._streams.fresh(contract)
        if streamed is not None:
            return streamed
        return await self._link.shared(
            ("quote", *key_of(contract), deadlines.quote), lambda: self._fetch_quote(contract, deadlines)
        )

    async def _fetch_quote(self, contract: Contract, deadlines: Deadlines) -> Quote:
        collector = TickCollector(contract, self._link.clock)
        async with self._link.lines.lease(str(contract), self._link.request_id) as key:
            try:
                return await self._collect(key, contract, collector, deadlines)
            except QuoteUnavailable:
                if collector.is_priced:
                    return collector.quote()
                raise
            except RequestTimeout as late:
                raise QuoteUnavailable(
                    f"no quote of {contract} within {deadlines.quote:g} s: neither bid, ask nor last came, nor anything "
                    "else; ask health() what is wrong"
                ) from late
            except (UnknownContract, AmbiguousContract) as error:
                self._definitions.note_refusal(contract, error)
                raise

    async def _collect(
        self, key: int, contract: Contract, collector: TickCollector, deadlines: Deadlines
    ) -> Quote:
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
            was_priced, was_two_sided = collector.is_priced, collector.is_two_sided
            if pending.delayed:
                collector.delayed()
            collector.on_message(message, args)
            if collector.is_complete:
                loop.call_soon(pending.finish)  # what came with it, such as a halt, is heard too
            elif collector.is_two_sided and not was_two_sided:
                timers.append(loop.call_later(self._link.config.quote_settle, pending.finish))
            elif collector.is_priced and not was_priced:
                timers.append(loop.call_later(self._link.config.quote_one_sided, pending.finish))

        try:
            await self._link.requests.ask(
                key,
                RequestKind.QUOTE,
                f"a quote of {contract}",
                deadline=deadlines.quote,
                send=lambda: subscribe(self._link, self._definitions, key, contract),
                cancel=lambda: self._link.ib.client.cancelMktData(key),
                goes_on=True,
                heard=heard,
            )
        finally:
            for timer in timers:
                timer.cancel()
        return collector.quote()

    async def quotes(
        self, contracts: Sequence[Contract], deadlines: Deadlines
    ) -> Mapping[Contract, Quote | RequestFailed]:
        """One quote or one typed error for each contract, in the order asked."""
        contracts = series(contracts)
        keys = [key_of(each) for each in contracts]
        numbered = {key for key in keys if key[1]}
        if len({contract for contract, _ in numbered}) < len(numbered):
            raise InvalidInput(
                "two contracts are alike but for their con_id, and one answer would stand for both; ask quote() for each"
            )

        async def one(contract: Contract) -> Quote | RequestFailed | NotConnected | InvalidInput:
            try:
                return await self.quote(contract, deadlines)
            except (RequestFailed, NotConnected, InvalidInput) as error:
                return error

        async with asyncio.TaskGroup() as group:
            tasks = {each: group.create_task(one(each)) for each in dict(keys)}
        answers: dict[Contract, Quote | RequestFailed] = {}
        for contract, task in tasks.items():
            answer = task.result()
            if isinstance(answer, NotConnected | InvalidInput):
                raise answer
            answers[contract] = answer
        return answers

    async def bars(self, contract: Contract, spec: BarSpec, deadlines: Deadlines) -> Bars:
        """Historical bars; never empty. Those who ask for the same at once get the same."""
        expect(spec, BarSpec)
        found = self._link.cache.get((*key_of(contract), spec), loop_time())
        if isinstance(found, Fresh):
            bars: Bars = found.value
            return bars
        return await self.new_bars(contract, spec, deadlines)

    async def new_bars(self, contract: Contract, spec: BarSpec, deadlines: Deadlines) -> Bars:
        """The same, whatever was heard before."""
        return await self._link.shared(
            (*key_of(contract), spec, deadlines.history), lambda: self._fetch_bars(contract, spec, deadlines)
        )

    def last_good_bars(self, contract: Contract, spec: BarSpec) -> StaleBars | None:
        """The last bars that came, with their age; None when they are too old or never came."""
        expect(spec, BarSpec)
        found = self._link.cache.get((*key_of(contract), spec), loop_time())
        if isinstance(found, Fresh | Stale):
            return StaleBars(bars=found.value, age=found.age)
        return None

    async def _fetch_bars(self, contract: Contract, spec: BarSpec, deadlines: Deadlines) -> Bars:
        details = await self._definitions.qualify(contract, deadlines)
        request_id = self._link.request_id()
        end = "" if spec.end is None else f"{spec.end:%Y%m%d %H:%M:%S} UTC"
        ib_contract = to_read(details.contract)
        what = f"{spec.duration} of {spec.size} bars of {contract}"

        def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
            if message == "historicalDataEnd":
                pending.finish(pending.rows)
            elif message == "historicalTable":
                pending.rows.append(args[0])
            elif message == "historicalData":
                pending.rows.append(bar_fields(args[0]))

        parts = await self._link.requests.ask(
            request_id,
            RequestKind.HISTORY,
            what,
            deadline=deadlines.history,
            # Format 2 dates bars by the epoch, so that no time zone can be mistaken.
            send=lambda: self._link.ib.client.reqHistoricalData(
                request_id,
                ib_contract,
                end,
                spec.duration,
                spec.size,
                spec.kind.value,
                spec.rth,
                2,
                False,
                [],
            ),
            cancel=lambda: self._link.ib.client.cancelHistoricalData(request_id),
            heard=heard,
        )
        fields = parts[0] if len(parts) == 1 else tuple(chain.from_iterable(parts))
        if not fields:
            raise NoData(f"{what}: the Gateway sent none")
        bars = bars_of(fields, contract=contract, spec=spec, timezone=details.timezone)
        self._link.cache.put((*key_of(contract), spec), bars, loop_time(), kind=CacheKind.BARS)
        return bars


def bars_of(fields: Sequence[Any], *, contract: Contract, spec: BarSpec, timezone: str) -> Bars:
    """Bars, ascending; daily ones start at midnight of the exchange's day.

    Args:
        fields: Of each bar date, open, high, low, close, volume, average and count, as text or number.
        contract: What the bars are of.
        spec: What was asked for.
        timezone: The exchange's time zone, for dates that name none.
    """
    with reading(f"{spec.size} bars of {contract}"):
        number = len(fields) // BAR_FIELDS
        # Faster than numpy's own reading of texts by half.
        columns = chain.from_iterable(fields[first::BAR_FIELDS] for first in range(1, 6))
        table = np.fromiter(map(float, columns), np.float64, 5 * number).reshape(5, number)
        table[table >= UNSET_DOUBLE] = np.nan
        opened, high, low, closed, volume = table
        # Where a kind has no volume it comes as -1, as NaN or as the largest number there is.
        volume[~(volume >= 0)] = 0.0
        return Bars(
            contract=contract,
            spec=spec,
            at=_instants(fields[::BAR_FIELDS], timezone),
            open=opened,
            high=high,
            low=low,
            close=closed,
            volume=volume,
            timezone=timezone,
        )


def bar_fields(bar: Any) -> tuple[Any, ...]:
    """The fields of one bar of the client library, its date still as it came."""
    return bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average, bar.barCount


def _instants(dates: Sequence[Any], timezone: str) -> npt.NDArray[np.datetime64]:
    """Asked in format 2, the Gateway dates all but daily bars by the seconds of the epoch."""
    seconds: Iterable[int] = (
        map(int, dates) if _are_epochs(dates) else (int(_start(text, timezone).timestamp()) for text in dates)
    )
    return np.fromiter(seconds, np.int64, len(dates)).view("datetime64[s]")


def _are_epochs(dates: Sequence[Any]) -> bool:
    """Whether all are seconds of the epoch, as text; read all at once, for that is nearly always so."""
    try:
        joined = "".join(dates)
    except TypeError:
        return False
    # Texts of other lengths may come to the same sum.
    return len(joined) == len(dates) * _EPOCH and joined.isdecimal() and len(min(dates, key=len)) == _EPOCH


def _start(at: Any, timezone: str) -> datetime:
    if isinstance(at, datetime):
        return at
    if not isinstance(at, date) and len(at) != _DAY:
        if at.isdecimal():
            return datetime.fromtimestamp(int(at), UTC)
        return utc_of(at, default_zone=timezone)
    day = at if isinstance(at, date) else day_of(at)
    return datetime(day.year, day.month, day.day, tzinfo=zone(timezone))
