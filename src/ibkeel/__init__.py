"""ibkeel keeps Interactive Brokers bots upright.

The names of everyday use live here; each layer has a package of its own (`ibkeel.ibkr`,
`ibkeel.options`, `ibkeel.risk`, `ibkeel.strategy`, `ibkeel.runner`, `ibkeel.journal`,
`ibkeel.sim`, `ibkeel.virtual`, `ibkeel.testing`).

Names are imported on their first use: pytest loads a plugin of ours in every suite of every user,
and that must cost nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ibkeel.errors import IbkeelError
    from ibkeel.model import (
        Bars,
        BarSpec,
        Bracket,
        Broker,
        Health,
        Index,
        Option,
        OptionChain,
        OrderTicket,
        Quote,
        Right,
        Side,
        Stock,
    )

    __version__: str

__all__ = [
    "BarSpec",
    "Bars",
    "Bracket",
    "Broker",
    "Health",
    "IbkeelError",
    "Index",
    "Option",
    "OptionChain",
    "OrderTicket",
    "Quote",
    "Right",
    "Side",
    "Stock",
    "__version__",
]

_HOMES: Final = {"IbkeelError": "ibkeel.errors"}


if not TYPE_CHECKING:  # else a misspelt name would be one of any type

    def __getattr__(name: str) -> Any:
        """Import a name of `__all__` on its first use."""
        if name == "__version__":
            return import_module("importlib.metadata").version("ibkeel")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES.get(name, "ibkeel.model")), name)


def __dir__() -> list[str]:
    """What a prompt completes: names that nobody has used yet, too."""
    return sorted({*globals(), *__all__})
