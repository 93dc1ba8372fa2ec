"""A Gateway that says again what a simulated one said, for next to no CPU, and counts what that little was."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from typing_extensions import override

from ibkeel.ibkr.wire_table import MESSAGES
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame, split

__all__ = ["CannedGateway", "Recorder"]

_HELLO: Final = "hello"
_QUIET: Final = 0.5  # virtual seconds after which a Gateway without latency has said all

Answer = tuple[tuple[str, ...], int | None]
"""Fields of a message, and which of them holds the request's id."""


class Recorder:
    """Stands between a client and a Gateway, lets one request pass at a time, and keeps the answers.

    Args:
        behind: Address of the Gateway.
    """

    def __init__(self, behind: tuple[str, int]) -> None:
        self._behind = behind
        self.answers: dict[str, list[Answer]] = {}
        """What was said to each kind of request, by its number; the last one counts."""

    async def play(
        self, host: str, port: int, script: Callable[[], Awaitable[None]]
    ) -> dict[str, list[Answer]]:
        """Run a script against the Gateway; gives what was said."""
        server = await asyncio.get_running_loop().create_server(lambda: _Between(self), host, port)
        try:
            await script()
        finally:
            server.close()
        return self.answers

    async def reach(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Connect to the Gateway."""
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, *self._behind)
        return transport


class _Replies(asyncio.Protocol):
    """The Gateway's side: collects what it says."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self.payloads: list[bytes] = []

    @override
    def data_received(self, data: bytes) -> None:
        self.payloads += self._reader.payloads(data)

    def take(self) -> list[bytes]:
        """What was said since the last time."""
        taken, self.payloads = self.payloads, []
        return taken


class _Between(asyncio.Protocol):
    """The client's side."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._reader = recorder, FrameReader()
        self._requests: asyncio.Queue[bytes] = asyncio.Queue()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._passing = asyncio.create_task(self._pass_on())

    @override
    def data_received(self, data: bytes) -> None:
        for payload in self._reader.payloads(data.removeprefix(GREETING)):
            self._requests.put_nowait(payload)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._passing.cancel()

    async def _pass_on(self) -> None:
        replies = _Replies()
        gateway = await self._recorder.reach(replies)
        gateway.write(GREETING)
        is_first = True
        while True:
            request = await self._requests.get()
            gateway.write(frame(request))
            await asyncio.sleep(_QUIET)
            number, key = (_HELLO, None) if is_first else _read(request)
            is_first = False
            said = replies.take()
            self._recorder.answers[number] = [_answer(payload, key) for payload in said]
            for payload in said:
                self._transport.write(frame(payload))


def _read(request: bytes) -> tuple[str, str | None]:
    """Number of a request, and its id."""
    fields = split(request)
    at = getattr(MESSAGES.get(fields[0]), "id_at", None)
    return fields[0], None if at is None else fields[at]


def _answer(payload: bytes, key: str | None) -> Answer:
    fields = split(payload)
    return fields, None if key is None or key not in fields[1:3] else fields.index(key, 1, 3)


class CannedGateway:
    """Answers each request with what was recorded, under the request's own id.

    Args:
        answers: As a `Recorder` gives them.
    """

    def __init__(self, answers: dict[str, list[Answer]]) -> None:
        self._answers = {number: list(map(_halves, said)) for number, said in answers.items()}
        self.requests: Counter[str] = Counter()
        """Requests by number."""
        self.seconds = 0.0
        """CPU time spent here."""

    def __call__(self) -> asyncio.Protocol:
        """A protocol for one more client."""
        return _Session(self)

    def reply(self, payload: bytes, *, is_first: bool) -> bytes:
        """All that is to be said to a request, framed."""
        number, key = (_HELLO, None) if is_first else _read(payload)
        self.requests[number] += 1
        return b"".join(
            head if tail is None else frame(head + (key or "").encode() + tail)
            for head, tail in self._answers.get(number, ())
        )


def _halves(answer: Answer) -> tuple[bytes, bytes | None]:
    """What stands before and after the id; a whole frame and None when there is no id."""
    fields, at = answer
    if at is None:
        return encode(fields), None
    before, after = "".join(field + "\0" for field in fields[:at]), fields[at + 1 :]
    return before.encode(), ("\0" + "".join(field + "\0" for field in after)).encode()


class _Session(asyncio.Protocol):
    def __init__(self, gateway: CannedGateway) -> None:
        self._gateway, self._reader, self._is_first = gateway, FrameReader(), True

    @override
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        began = time.process_time()
        if self._is_first:
            data = data.removeprefix(GREETING)
        for payload in self._reader.payloads(data):
            said = self._gateway.reply(payload, is_first=self._is_first)
            self._is_first = False
            if said:
                self._transport.write(said)
        self._gateway.seconds += time.process_time() - began
