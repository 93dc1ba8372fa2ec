"""Whether a contract is what a client's description names."""

from collections.abc import Callable
from datetime import date
from typing import Final

from ibkeel.sim.values import ContractPattern, SimContract

_OCC_LENGTH: Final = 21
_OCC_ROOT: Final = 6


def wanted_symbol(pattern: ContractPattern) -> str:
    """The underlying that a pattern names; by its local symbol when it gives no symbol."""
    if pattern.symbol or len(pattern.local_symbol) != _OCC_LENGTH:
        return pattern.symbol or pattern.local_symbol
    return pattern.local_symbol[:_OCC_ROOT].strip()


def fits(contract: SimContract, pattern: ContractPattern) -> bool:
    """Whether every field that the pattern gives agrees with the contract.

    The symbol is not compared when the pattern only has a local symbol; an `expiry` may name
    the expiry or the last trading day, a whole date or a month.
    """
    return all(test(contract, pattern) for test in _TESTS)


def listing_order(contract: SimContract) -> tuple[str, date, str, float]:
    """Sort key: by expiry, right and strike within a symbol."""
    return (contract.symbol, contract.expiry or date.min, contract.right, contract.strike)


def _exchange_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    known = {"", contract.exchange, contract.primary_exchange}
    return pattern.exchange in known and pattern.primary_exchange in {
        "",
        contract.primary_exchange,
    }


def _expiry_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    if not pattern.expiry:
        return True
    dates = (contract.expiry, contract.last_trading_day)
    return any(day is not None and f"{day:%Y%m%d}".startswith(pattern.expiry) for day in dates)


def _strike_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    return not pattern.strike or abs(contract.strike - pattern.strike) < 1e-6  # noqa: PLR2004 - wire rounding


def _multiplier_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    return pattern.multiplier in {"", str(contract.multiplier)}


def _texts_fit(contract: SimContract, pattern: ContractPattern) -> bool:
    pairs = (
        (pattern.symbol, contract.symbol),
        (pattern.sec_type, contract.sec_type),
        (pattern.right, contract.right),
        (pattern.currency, contract.currency),
        (pattern.local_symbol, contract.local_symbol),
        (pattern.trading_class, contract.trading_class),
    )
    return all(given in {"", has} for given, has in pairs)


_TESTS: Final[tuple[Callable[[SimContract, ContractPattern], bool], ...]] = (
    _texts_fit,
    _strike_fits,
    _expiry_fits,
    _multiplier_fits,
    _exchange_fits,
)
