"""How messages on their way to a client go wrong: frames in, frames out, nothing else."""

from collections.abc import Sequence
from typing import Final

from ibkeel.sim.codec import REPLIES
from ibkeel.sim.faults import Duplicated, Fault, Garbage, Reordered, Truncated
from ibkeel.sim.wire import encode, split

__all__ = ["spoiled"]

_HEADER: Final = 4
_NO_MESSAGE: Final = encode(("99999", "no", "message"))
_NO_FRAME: Final = b"\xff" * 12


def spoiled(frames: Sequence[bytes], faults: Sequence[Fault]) -> tuple[list[bytes], bool]:
    """What becomes of the messages of one instant, and whether the connection ends after them.

    Args:
        frames: Whole frames, in order; not empty.
        faults: What happens to them, one after the other; faults of other kinds do nothing.
    """
    made, ends = list(frames), False
    for fault in faults:
        match fault:
            case Duplicated():
                made = [each for frame in made for each in [frame] * (1 + _is_of(frame, fault.messages))]
            case Reordered():
                turned = [frame for frame in made if _is_of(frame, fault.messages)]
                made = [turned.pop() if _is_of(frame, fault.messages) else frame for frame in made]
            case Truncated():
                made[-1], ends = made[-1][: len(made[-1]) // 2], True
            case Garbage():
                made.append(_NO_MESSAGE if fault.framed else _NO_FRAME)
    return made, ends


def _is_of(frame: bytes, names: Sequence[str]) -> bool:
    """Whether it is a message of one of those names, or of any where none is given."""
    return not names or split(frame[_HEADER:])[0] in {str(REPLIES[name].number) for name in names}
