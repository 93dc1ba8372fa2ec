"""The numbers that the venue gives to orders and fills."""

from datetime import datetime
from itertools import count
from typing import Final

import numpy as np

__all__ = ["Stamps"]

# Permanent ids of real accounts have nine or ten digits and fit 31 bits.
_LOWEST_PERM, _HIGHEST_PERM = 1_000_000_000, 2_000_000_000
_EXEC_PREFIXES: Final = 0xFFFF


class Stamps:
    """Permanent ids and execution ids, the same for the same seed.

    Args:
        seed: Chooses where the numbers start.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        random = np.random.default_rng(seed)
        self._perm_ids = count(int(random.integers(_LOWEST_PERM, _HIGHEST_PERM)))
        self._prefix = int(random.integers(1, _EXEC_PREFIXES))
        self._fills = count(1)

    def perm_id(self) -> int:
        """The next permanent order id."""
        return next(self._perm_ids)

    def exec_id(self, at: datetime) -> str:
        """The next execution id, in IB's form of four hexadecimal groups."""
        return f"{self._prefix:08x}.{int(at.timestamp()):08x}.{next(self._fills):02x}.01"
