"""What one cycle saw and decided about one symbol, kept in one row of the table.

Most cycles send nothing, so that this is most of what a journal holds. To whoever reads, a look is the three
records that it is made of, each under a number of its own: the row bears the last of the three.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import attrs

from ibkeel.journal.records import CycleDone, Decision, QuoteSeen, to_plain
from ibkeel.model import ConId, Contract, Quote, Reason, Signal, Stock
from ibkeel.model.checks import as_utc

KIND: Final = "look"
"""Name under which a look is stored."""

PARTS: Final = ("quote_seen", "decision", "cycle_done")
"""Names of the records that it is read as, in their order."""

RECORDS: Final = len(PARTS)

_MICROSECOND: Final = timedelta(microseconds=1)
_ENCODER: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"), ensure_ascii=False)
_NO_WISH: Final = attrs.fields(Signal).wish.default
_NO_EXITS: Final = attrs.fields(Signal).exits.default


@attrs.frozen(kw_only=True)
class Look:
    """A symbol's part of a cycle that sent nothing.

    Args:
        at: When it ended.
        symbol: Ticker.
        cycle: Counts the cycles of the run, 1 or more.
        outcome: One word, such as `no_signal` or `refused`.
        seconds: How long it took.
        quote: What the underlying was quoted at.
        quoted_at: When that came.
        signal: What the strategy said.
        decided_at: When it said so.
        reasons: Why it went no further.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    cycle: int
    outcome: str
    seconds: float
    quote: Quote
    quoted_at: datetime = attrs.field(converter=as_utc)
    signal: Signal
    decided_at: datetime = attrs.field(converter=as_utc)
    reasons: tuple[str, ...] = ()

    @property
    def records(self) -> tuple[QuoteSeen, Decision, CycleDone]:
        """What it is made of."""
        symbol, outcome = self.symbol, self.outcome
        return (
            QuoteSeen(at=self.quoted_at, symbol=symbol, quote=self.quote),
            Decision(
                at=self.decided_at, symbol=symbol, signal=self.signal, outcome=outcome, reasons=self.reasons
            ),
            CycleDone(at=self.at, symbol=symbol, cycle=self.cycle, outcome=outcome, seconds=self.seconds),
        )


def data_of(look: Look) -> str:
    """JSON of a look: a list, for names in every row would be half of the file.

    Its own instant and symbol are columns of the row. Other instants are microseconds before that one.
    """
    at, quote, signal = look.at, look.quote, look.signal
    return _ENCODER.encode(
        (
            look.cycle,
            look.outcome,
            look.seconds,
            look.reasons,
            (at - look.quoted_at) // _MICROSECOND,
            (at - look.decided_at) // _MICROSECOND,
            _plain_contract(look.symbol, quote.contract, quote.contract.con_id),
            (at - quote.at) // _MICROSECOND,
            quote.data_type,
            quote.bid,
            quote.ask,
            quote.last,
            quote.bid_size,
            quote.ask_size,
            quote.last_size,
            quote.volume,
            quote.open_interest,
            quote.close,
            None if quote.greeks is None else to_plain(quote.greeks),
            signal.direction,
            signal.confidence,
            [(reason.name, reason.value, reason.rule) for reason in signal.reasons],
            None if signal.wish is _NO_WISH else to_plain(signal.wish),
            None if signal.exits is _NO_EXITS else to_plain(signal.exits),
            *((True,) if quote.is_halted else ()),
        )
    )


def parts(ended: str, symbol: str, data: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """Plain data of the records that a stored look is read as, in the order of `PARTS`.

    Data that are no look raise a TypeError or a ValueError.
    """
    cycle, outcome, seconds, reasons, quoted, decided, contract, *rest = data
    quote = rest[: len(_QUOTE)]
    direction, confidence, facts, wish, exits, *halted = rest[len(_QUOTE) :]
    [is_halted] = halted or [False]
    at = datetime.fromisoformat(ended)
    signal = {
        "direction": direction,
        "confidence": confidence,
        "reasons": [dict(zip(_REASON, fact, strict=True)) for fact in facts],
        "wish": to_plain(_NO_WISH) if wish is None else wish,
        "exits": to_plain(_NO_EXITS) if exits is None else exits,
    }
    shown = dict(zip(_QUOTE, [_before(at, quote[0]), *quote[1:]], strict=True)) | {"is_halted": is_halted}
    stock = to_plain(Stock(symbol), Contract) if contract is None else contract
    return (
        {"at": _before(at, quoted), "symbol": symbol, "quote": {"contract": stock, **shown}},
        {
            "at": _before(at, decided),
            "symbol": symbol,
            "signal": signal,
            "outcome": outcome,
            "reasons": reasons,
        },
        {"at": at.isoformat(), "symbol": symbol, "cycle": cycle, "outcome": outcome, "seconds": seconds},
    )


def _before(at: datetime, microseconds: int) -> str:
    return (at - microseconds * _MICROSECOND).isoformat()


_REASON: Final = tuple(field.name for field in attrs.fields(Reason))
_QUOTE: Final = tuple(
    field.name for field in attrs.fields(Quote) if field.name not in {"contract", "is_halted"}
)


@lru_cache(maxsize=4096)
def _plain_contract(symbol: str, contract: Contract, con_id: ConId | None) -> dict[str, Any] | None:
    """The same few are looked at again and again; None for the stock that the ticker alone names."""
    if con_id is None and contract == Stock(symbol):
        return None
    plain: dict[str, Any] = to_plain(contract, Contract)
    return plain
