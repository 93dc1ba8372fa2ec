"""Random numbers that depend on their name alone.

Every draw is keyed by what it is for (seed, symbol, day, purpose), so the order in which a
market is asked cannot change an answer, and neither can PYTHONHASHSEED.
"""

import hashlib
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

_STANDARD = NormalDist()
_WORD = (1 << 64) - 1


def digest(*parts: object) -> int:
    """A 64-bit number that is a function of the text of its arguments."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def uniform(*parts: object) -> float:
    """A draw from the open interval (0, 1)."""
    return ((digest(*parts) >> 12) + 0.5) / (1 << 52)


def normal(*parts: object) -> float:
    """A draw from the standard normal distribution."""
    return _STANDARD.inv_cdf(uniform(*parts))


def generator(*parts: object) -> np.random.Generator:
    """A numpy generator of its own for each name."""
    return np.random.Generator(np.random.PCG64(digest(*parts)))


def mixed(key: int, step: int) -> int:
    """The 64-bit draw number `step` of a stream; cheap enough for every quote.

    Source: the finaliser of SplitMix64; Steele, Lea, Flood, "Fast splittable pseudorandom
    number generators" (2014).
    """
    word = (key + step * 0x9E3779B97F4A7C15) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)


def mixed_all(key: int, steps: int) -> npt.NDArray[np.uint64]:
    """The same for every step from 0 to `steps` - 1."""
    word = np.uint64(key) + np.arange(steps, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
