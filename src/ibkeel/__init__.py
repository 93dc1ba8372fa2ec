"""ibkeel keeps Interactive Brokers bots upright.

The names of everyday use live here; each layer has a package of its own (`ibkeel.ibkr`,
`ibkeel.options`, `ibkeel.risk`, `ibkeel.strategy`, `ibkeel.runner`, `ibkeel.journal`,
`ibkeel.sim`, `ibkeel.virtual`, `ibkeel.testing`).
"""

from importlib.metadata import version

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

__version__ = version("ibkeel")

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
