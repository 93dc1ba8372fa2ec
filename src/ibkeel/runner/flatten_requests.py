"""A request to close everything, and its answer: two files by which a command speaks with a running bot."""

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import attrs
import cattrs

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, IbkeelError
from ibkeel.locks import replace_file
from ibkeel.model import make_converter
from ibkeel.model.checks import as_utc
from ibkeel.runner.tally import Held
from ibkeel.system import SystemClock

_MACHINE: Final = SystemClock()

_ASKED: Final = "flatten-request"
_ANSWERED: Final = "flatten-answer"
_CONVERTER: Final = make_converter()


@attrs.frozen(kw_only=True)
class Leftover:
    """A position that was to be closed and is not.

    Args:
        contract: What is held, in words.
        quantity: How much, negative when short.
        reason: Why.
    """

    contract: str
    quantity: float
    reason: str

    @classmethod
    def of(cls, held: Held) -> Self:
        """The same, in words."""
        return cls(contract=str(held.contract), quantity=held.signed_quantity, reason=held.reason)


@attrs.frozen(kw_only=True)
class Flattened:
    """What came of closing everything.

    Args:
        cancelled: Names of the entries that were cancelled.
        uncancelled: Entries that may still work, each with why.
        closed: What was closed, as quantity and contract.
        left: What was to be closed and is still held.
        untouched: What the account holds and nobody asked to close.
        failure: Why it could not be done at all; empty when it was.
    """

    cancelled: tuple[str, ...] = ()
    uncancelled: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    left: tuple[Leftover, ...] = ()
    untouched: tuple[str, ...] = ()
    failure: str = ""

    @property
    def is_flat(self) -> bool:
        """Whether nothing is left of what was to be closed, and no entry works."""
        return not (self.uncancelled or self.left or self.failure)


@attrs.frozen(kw_only=True)
class FlattenRequest:
    """Somebody wants everything closed.

    Args:
        name: Tells one request from another.
        wait: Seconds that the exits may take to fill.
        everything: Whether positions that the bot did not trade are closed too.
        asked_until: Nobody waits for the answer after that.
    """

    name: str
    wait: float
    everything: bool
    asked_until: datetime = attrs.field(converter=as_utc)


class FlattenRequests:
    """Two files for each request, in a state directory that command and bot share.

    Args:
        folder: The state directory.
        port: Of the bot's Gateway.
        client_id: The bot's: of several bots that share a state directory, one is asked.
        clock: The machine's, which whoever asks and the bot share: in a rehearsal the bot's own is on
            another day.
    """

    def __init__(self, folder: Path, *, port: int, client_id: int, clock: Clock = _MACHINE) -> None:
        self._folder, self._bot, self._clock = folder, f"{port}-{client_id}", clock

    def _path(self, which: str, name: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()
        return self._folder / f"{which}-{self._bot}-{digest[:16]}.json"

    def ask(self, request: FlattenRequest) -> None:
        """Leave a request.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        replace_file(self._path(_ASKED, request.name), _CONVERTER.unstructure(request))

    def withdraw(self, name: str) -> None:
        """Take a request back, answered or not."""
        for which in (_ASKED, _ANSWERED):
            self._path(which, name).unlink(missing_ok=True)

    def take(self) -> FlattenRequest | None:
        """A request that waits, taken away; None when there is none, or nobody waits for it any more."""
        try:
            left = os.listdir(self._folder)  # noqa: PTH208 - each second, and a fourth of what a glob takes
        except OSError:
            return None
        start = f"{_ASKED}-{self._bot}-"
        for name in sorted(each for each in left if each.startswith(start) and each.endswith(".json")):
            path = self._folder / name
            request = _read(path, FlattenRequest)
            path.unlink(missing_ok=True)
            if request is not None and self._clock.now() <= request.asked_until:
                return request
        return None

    def answer(self, request: FlattenRequest, done: Flattened) -> None:
        """Leave the answer; a disk that takes none costs the answer, not the bot."""
        try:
            data = {"name": request.name, "done": _CONVERTER.unstructure(done)}
            replace_file(self._path(_ANSWERED, request.name), data)
        except ConfigurationError:
            return

    def answered(self, name: str) -> Flattened | None:
        """The answer to a request, once it is there."""
        data = _plain(self._path(_ANSWERED, name))
        if data is None or data.get("name") != name:
            return None
        return _CONVERTER.structure(data["done"], Flattened)


def _plain(path: Path) -> Mapping[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _read(path: Path, kind: type[FlattenRequest]) -> FlattenRequest | None:
    data = _plain(path)
    if data is None:
        return None
    try:
        return _CONVERTER.structure(data, kind)
    except (IbkeelError, cattrs.BaseValidationError, KeyError, ValueError, TypeError):
        path.unlink(missing_ok=True)  # whoever wrote that does not speak our language
        return None
