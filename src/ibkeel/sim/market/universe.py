"""The contracts of the seeded world: found by description, by id, and as option chains."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from ibkeel.errors import ConfigurationError
from ibkeel.sim.market.draws import digest
from ibkeel.sim.market.listing import (
    TABLE,
    Series,
    Underlying,
    fits,
    listed,
    local_symbol,
    made_up,
    series_number,
    wanted_symbol,
)
from ibkeel.sim.values import ContractPattern, OptionClass, SimContract

OPTION_EXCHANGES: Final = ("CBOE", "SMART")

# A contract id holds a block, one for each underlying, and within it series, right and strike in
# units of the near step, scrambled so that ids do not look ordered. 31 bits: the wire's int.
_CODE_BITS: Final = 21
_CODES: Final = 1 << _CODE_BITS
_STRIKE_BITS: Final = 12
_NUMBERS: Final = 256
_SPREADER: Final = 0x9E3B5
_GATHERER: Final = pow(_SPREADER, -1, _CODES)
_SHIFT: Final = 0x155A3
_TABLE_BLOCKS: Final = 64  # the table's rows, in their order: append rows, never insert
_BLOCKS: Final = 1 << 10
_ROOM: Final = (
    1_000  # symbols beside the table's; the last forty take blocks that the table does not need yet
)
_RIGHTS: Final = ("C", "P")


class Universe:
    """Contracts and option series, fixed by the session date; `extra` tickers get made-up figures.

    Options on `daily` ones expire on each session.

    Strikes are laid around `anchor`, the price of an underlying before that session.
    """

    def __init__(
        self,
        *,
        today: date,
        extra: Iterable[str],
        anchor: Callable[[Underlying], float],
        daily: Iterable[str] = (),
    ) -> None:
        self._today, self._anchor, self._daily = today, anchor, frozenset(daily)
        added = sorted({symbol for symbol in extra if symbol not in TABLE})
        self._rows = {**TABLE, **{symbol: made_up(symbol) for symbol in added}}
        unknown = sorted(each for each in self._daily if each not in self._rows)
        if unknown:
            raise ConfigurationError(
                f"{unknown} were asked for with daily options; valid: {sorted(self._rows)}"
            )
        self._blocks = _blocks(added)
        self._symbols = {block: symbol for symbol, block in self._blocks.items()}
        self._series = lru_cache(maxsize=None)(self._listed)
        self._contract = lru_cache(maxsize=100_000)(self._made)

    def row(self, symbol: str) -> Underlying:
        """Row of a listed symbol."""
        return self._rows[symbol]

    def series_of(self, contract: SimContract) -> Series:
        """The series that an option of this universe belongs to."""
        return self._series(contract.symbol)[series_number(contract.expiry or date.min)]

    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        """Contracts that fit, ordered by expiry, right and strike; empty when none."""
        if pattern.con_id:
            known = self.by_con_id(pattern.con_id)
            return (known,) if known is not None and fits(known, pattern) else ()
        symbol = wanted_symbol(pattern)
        if symbol not in self._rows:
            return ()
        if pattern.sec_type in {"STK", "IND"}:
            return tuple(c for c in (self._contract(symbol),) if fits(c, pattern))
        return tuple(c for c in self._options(symbol, pattern) if fits(c, pattern))

    def by_con_id(self, con_id: int) -> SimContract | None:
        """The contract of that id."""
        block, scrambled = divmod(con_id, _CODES)
        symbol = self._symbols.get(block)
        if symbol is None:
            return None
        code = (scrambled - _SHIFT) * _GATHERER % _CODES
        if code == 0:
            return self._contract(symbol)
        wanted, rest = divmod(code, 1 << (_STRIKE_BITS + 1))
        right, steps = divmod(rest, 1 << _STRIKE_BITS)
        strike = steps * self._rows[symbol].steps[0]
        for number, series in self._series(symbol).items():
            if number % _NUMBERS == wanted and _lists(series, strike):
                return self._contract(symbol, number, _RIGHTS[right], strike)
        return None

    def underlyings(self) -> Sequence[SimContract]:
        """Every stock and index, by symbol."""
        return tuple(self._contract(symbol) for symbol in sorted(self._rows))

    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        """Unions of expiries and of strikes, for each exchange and trading class."""
        contract = self.by_con_id(under_con_id)
        if contract is None or contract.sec_type == "OPT":
            return ()
        listing = tuple(self._series(contract.symbol).values())
        classes = sorted({series.trading_class for series in listing})
        return tuple(
            OptionClass(
                exchange=exchange,
                trading_class=name,
                multiplier=100,
                expiries=tuple(s.last_trading_day for s in listing if s.trading_class == name),
                strikes=tuple(sorted({k for s in listing if s.trading_class == name for k in s.strikes})),
            )
            for exchange in OPTION_EXCHANGES
            for name in classes
        )

    def _options(self, symbol: str, pattern: ContractPattern) -> Iterator[SimContract]:
        """A narrow superset of the options that fit; making every contract would be slow."""
        for number, series in self._series(symbol).items():
            dates = (f"{series.expiry:%Y%m%d}", f"{series.last_trading_day:%Y%m%d}")
            if not any(day.startswith(pattern.expiry) for day in dates):
                continue
            strikes: Sequence[float] = series.strikes
            if pattern.strike:
                strikes = (pattern.strike,) if _lists(series, pattern.strike) else ()
            for right in (pattern.right,) if pattern.right in _RIGHTS else _RIGHTS:
                for strike in strikes:
                    yield self._contract(symbol, number, right, strike)

    def _listed(self, symbol: str) -> Mapping[int, Series]:
        row = self._rows[symbol]
        series = listed(row, today=self._today, spot=self._anchor(row), daily=symbol in self._daily)
        return {series_number(each.expiry): each for each in series}

    def _made(
        self, symbol: str, number: int | None = None, right: str = "", strike: float = 0.0
    ) -> SimContract:
        row, con_id = self._rows[symbol], self._con_id(symbol, number, right, strike)
        if number is None:
            return SimContract(
                con_id=con_id,
                symbol=symbol,
                sec_type=row.sec_type,
                exchange=row.exchange if row.sec_type == "IND" else "SMART",
                primary_exchange=row.exchange,
                local_symbol=symbol,
                trading_class=row.trading_class,
                long_name=row.long_name,
            )
        series = self._series(symbol)[number]
        return SimContract(
            con_id=con_id,
            symbol=symbol,
            sec_type="OPT",
            expiry=series.expiry,
            last_trading_day=series.last_trading_day,
            strike=strike,
            right=right,
            multiplier=100,
            primary_exchange=OPTION_EXCHANGES[0],
            local_symbol=local_symbol(series.trading_class, series.expiry, right, strike),
            trading_class=series.trading_class,
            min_tick=row.option_ticks[0],
            long_name=row.long_name,
            under_con_id=self._con_id(symbol, None, "", 0.0),
        )

    def _con_id(self, symbol: str, number: int | None, right: str, strike: float) -> int:
        code = 0
        if number is not None:
            steps = round(strike / self._rows[symbol].steps[0])
            code = (number % _NUMBERS * 2 + _RIGHTS.index(right) << _STRIKE_BITS) + steps
        return self._blocks[symbol] * _CODES + (code * _SPREADER + _SHIFT) % _CODES


def _lists(series: Series, strike: float) -> bool:
    position = bisect_left(series.strikes, strike)
    return position < len(series.strikes) and series.strikes[position] == strike


def _blocks(added: Sequence[str]) -> dict[str, int]:
    """A block of contract ids for each symbol; the table's do not depend on `added`."""
    if len(added) > _ROOM:
        raise ConfigurationError(
            f"{len(added)} symbols beside the table's were asked for; the seeded market has room for {_ROOM}"
        )
    blocks = {symbol: number for number, symbol in enumerate(TABLE, start=1)}
    own = _BLOCKS - _TABLE_BLOCKS
    blocks |= {symbol: _TABLE_BLOCKS - 1 - number for number, symbol in enumerate(added[own:])}
    taken = set(blocks.values())
    for symbol in added[:own]:
        block = _TABLE_BLOCKS + digest("block", symbol) % own
        while block in taken:
            block = block + 1 if block + 1 < _BLOCKS else _TABLE_BLOCKS
        taken.add(block)
        blocks[symbol] = block
    return blocks
