"""What the runner asks of the market: timed, and every quote journaled as it was used."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from ibkeel.clock import Clock
from ibkeel.errors import QuoteUnavailable, RequestFailed
from ibkeel.journal import QuoteSeen
from ibkeel.model import (
    Bars,
    BarSpec,
    Contract,
    ContractDetails,
    OptionChain,
    Quote,
    Stock,
)
from ibkeel.options import QuotedChains
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.strategy import Needs, StrategyContext

T = TypeVar("T")


def spot_of(quote: Quote) -> float:
    """The price of an underlying: mid, else the last trade, else QuoteUnavailable."""
    spot = quote.mid if quote.mid is not None else quote.last
    if spot is None:
        raise QuoteUnavailable(
            f"the quote of {quote.contract} at {quote.at.isoformat()} has no price to go by"
        )
    return spot


class Feed:
    """Asks the broker on behalf of one run."""

    def __init__(self, broker: QuotedChains, recorder: Recorder, tally: Tally, clock: Clock) -> None:
        self._broker, self._recorder, self._tally, self._clock = broker, recorder, tally, clock
        self._chains: dict[str, OptionChain] = {}
        self._stocks: dict[str, Stock] = {}

    def begin_session(self) -> None:
        """Forget the chains: new expiries and strikes are listed overnight."""
        self._chains.clear()

    def now(self) -> datetime:
        """The present instant, by which what is asked here is stamped."""
        return self._clock.now()

    def stock(self, symbol: str) -> Stock:
        """The stock behind a ticker, made once."""
        if symbol not in self._stocks:
            self._stocks[symbol] = Stock(symbol)
        return self._stocks[symbol]

    async def quote(self, symbol: str, contract: Contract) -> Quote:
        """One quote, journaled under a symbol."""
        quote = await self.timed("quote", self._broker.quote(contract))
        self.saw(symbol, quote, self._clock.now())
        return quote

    async def underlying(self, symbol: str) -> Quote:
        """The quote of a stock, not journaled yet: whoever asks calls `saw`, or journals it in a look."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            return await self._broker.quote(self.stock(symbol))
        finally:
            self._tally.took("quote", loop.time() - started)

    def saw(self, symbol: str, quote: Quote, at: datetime) -> None:
        """Journal a quote."""
        self._recorder.note(QuoteSeen(at=at, symbol=symbol, quote=quote))

    async def quotes(
        self, symbol: str, contracts: Sequence[Contract]
    ) -> Mapping[Contract, Quote | RequestFailed]:
        """One quote or one typed error for each contract; the quotes are journaled."""
        answers = await self.timed("quotes", self._broker.quotes(contracts))
        for answer in answers.values():
            if isinstance(answer, Quote):
                self.saw(symbol, answer, self._clock.now())
        return answers

    async def chain(self, symbol: str) -> OptionChain:
        """The option chain of a stock; asked once a session."""
        if symbol not in self._chains:
            self._chains[symbol] = await self.timed(
                "option_chain", self._broker.option_chain(self.stock(symbol))
            )
        return self._chains[symbol]

    async def bars(self, stock: Stock, spec: BarSpec) -> Bars:
        """Historical bars of a stock."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            return await self._broker.bars(stock, spec)
        finally:
            self._tally.took("bars", loop.time() - started)

    async def definition(self, symbol: str) -> ContractDetails:
        """What the broker knows about a stock."""
        return await self.timed("qualify", self._broker.qualify(self.stock(symbol)))

    async def context(
        self, symbol: str, needs: Needs, *, last_entry_at: datetime | None = None
    ) -> StrategyContext:
        """What a strategy must be given to decide on a symbol."""
        bars: dict[BarSpec, Bars] = {}
        for spec in needs.bars:
            bars[spec] = await self.bars(self.stock(symbol), spec)
        quotes = {contract: await self.quote(symbol, contract) for contract in needs.quotes}
        chain = await self.chain(symbol) if needs.chain else None
        now = self._clock.now()
        if last_entry_at is not None and (now - last_entry_at).total_seconds() > needs.memory:
            last_entry_at = None
        return StrategyContext(
            symbol=symbol, now=now, bars=bars, quotes=quotes, chain=chain, last_entry_at=last_entry_at
        )

    async def timed(self, kind: str, answer: Awaitable[T]) -> T:
        """Await an answer and note how long it took, whatever came of it."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            return await answer
        finally:
            self._tally.took(kind, loop.time() - started)
