"""For your tests: a broker in memory, what every broker and every strategy must do, strategies for Hypothesis.

The pytest plugin `ibkeel.testing.plugin` is loaded by pytest itself once ibkeel is installed, in
every suite: so this package imports what it offers only when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ibkeel.testing.contract import CHECKS, Check, World, run_check
    from ibkeel.testing.fake import KINDS, Call, FakeBroker
    from ibkeel.testing.gateways import GatewayMaker, simulated_gateway
    from ibkeel.testing.strategy_contract import StrategyContract

__all__ = [
    "CHECKS",
    "KINDS",
    "Call",
    "Check",
    "FakeBroker",
    "GatewayMaker",
    "StrategyContract",
    "World",
    "run_check",
    "simulated_gateway",
]

_EXTRA: Final = ("hypothesis", "pytest")
_HOMES: Final = {
    "CHECKS": "ibkeel.testing.contract",
    "Call": "ibkeel.testing.fake",
    "Check": "ibkeel.testing.contract",
    "FakeBroker": "ibkeel.testing.fake",
    "GatewayMaker": "ibkeel.testing.gateways",
    "KINDS": "ibkeel.testing.fake",
    "StrategyContract": "ibkeel.testing.strategy_contract",
    "World": "ibkeel.testing.contract",
    "run_check": "ibkeel.testing.contract",
    "simulated_gateway": "ibkeel.testing.gateways",
}


if not TYPE_CHECKING:  # else a misspelt name would be one of any type

    def __getattr__(name: str) -> Any:
        """Import a name of `__all__` on its first use."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            home = import_module(_HOMES[name])
        except ModuleNotFoundError as missing:
            if missing.name not in _EXTRA:
                raise
            raise ImportError(f"{name} needs {missing.name}: pip install 'ibkeel[testing]'") from missing
        return getattr(home, name)


def __dir__() -> list[str]:
    """What a prompt completes: names that nobody has used yet, too."""
    return sorted({*globals(), *__all__})
