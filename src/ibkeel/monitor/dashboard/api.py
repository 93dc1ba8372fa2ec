"""What a bot tells of itself on loopback, from a thread of its own, and the file that says where.

The board, and nothing can be changed.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from math import inf
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.locks import replace_file
from ibkeel.monitor.board import Board, snapshot_data
from ibkeel.monitor.doors import FewClients

API_FILE: Final = "api.json"
"""Name of the file in the state directory that says where a bot's API is, and by which token."""
PROOF: Final = "X-Ibkeel-Proof"
"""Header by which a bot shows that it wrote the file: whoever takes the port of one that is gone hears the token only."""

_HOST: Final = "127.0.0.1"
_KNOCK: Final = 0.2
_FRESH: Final = 0.4  # seconds for which one text serves all who ask
_ROUND: Final = 1.0  # seconds between two looks at the file


class Sign:
    """Names one bot's API, and leaves those of others alone."""

    def __init__(self, path: Path, token: str) -> None:
        self._path, self.token = path, token
        self.proof = secrets.token_urlsafe(24)

    def put_up(self, port: int) -> None:
        """Write the file, for its owner's eyes only; another's is replaced."""
        address = {"host": _HOST, "port": port, "token": self.token, "proof": self.proof, "pid": os.getpid()}
        with contextlib.suppress(ConfigurationError):  # a full disk; the next look may do better
            replace_file(self._path, address)

    def look_after(self, port: int) -> None:
        """Put the file up again when it is gone, or names a bot that is."""
        address = self._read()
        if address.get("token") == self.token or _is_listening(address.get("port")):
            return
        self.put_up(port)

    def take_down(self) -> None:
        """Remove the file, if it is still this one."""
        if self._read().get("token") == self.token:
            self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            address = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return address if isinstance(address, dict) else {}


class BoardApi:
    """Serves a board to `ibkeel monitor`, to those who can read the bot's state directory.

    The trading loop only folds events; reading, turning into text and sending happen in threads of
    the server, and a client that hangs holds up nobody.

    Args:
        board: Any thread may read it.
        clock: For ages.
    """

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board, self.clock = board, clock
        self._token = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._made: tuple[float, bytes] | None = None

    def text(self) -> bytes:
        """The board now, as JSON; those who ask at the same time share it."""
        with self._lock:
            now = self.clock.monotonic()
            if self._made is None or not 0 <= now - self._made[0] < _FRESH:
                data = snapshot_data(self._board.snapshot, now=self.clock.now())
                self._made = (now, json.dumps(data, separators=(",", ":")).encode())
            return self._made[1]

    @contextmanager
    def served(self, folder: Path, port: int = 0) -> Iterator[int]:
        """Serve within the block, and say in the folder's `api.json` where and by which token.

        Of several bots in one folder the one that began last is named there; when it is gone, another
        puts its own name back within seconds. A disk that takes no file costs the name, until it takes one.

        Args:
            folder: The bot's state directory.
            port: To listen on; 0 takes a free one.

        Raises:
            ConfigurationError: The port is taken.
        """
        try:
            server = _Server((_HOST, port), self, Sign(folder / API_FILE, self._token))
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {_HOST}:{port}: {error.strerror}") from error
        try:
            with server.serving("ibkeel api") as bound:
                server.sign.put_up(bound)
                server.rounds_at = self.clock.monotonic()
                yield bound
        finally:  # nobody looks after it by now
            server.sign.take_down()


class _Server(FewClients):
    def __init__(self, address: tuple[str, int], api: BoardApi, sign: Sign) -> None:
        super().__init__(address, _Handler, api.clock)
        self.api, self.sign = api, sign
        self.rounds_at = inf  # until the file is there: two that write it at once fail

    @override
    def service_actions(self) -> None:
        super().service_actions()
        now = self.clock.monotonic()
        if now - self.rounds_at >= _ROUND:
            self.rounds_at = now
            self.sign.look_after(self.server_port)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), self.server.sign.token.encode()):
            self._answer(HTTPStatus.UNAUTHORIZED, b'{"error":"no token, or a wrong one"}')
        elif self.path != "/board":
            self._answer(HTTPStatus.NOT_FOUND, b'{"error":"valid: /board"}')
        else:
            self._answer(HTTPStatus.OK, self.server.api.text(), self.server.sign.proof)

    def _answer(self, status: HTTPStatus, body: bytes, proof: str = "") -> None:
        self.send_response(status)
        if proof:
            self.send_header(PROOF, proof)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    @override
    def version_string(self) -> str:
        return "ibkeel"

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not news."""


def _is_listening(port: object) -> bool:
    """Another program on a dead bot's port passes for it; that is no worse than the bot itself."""
    if not isinstance(port, int):
        return False
    try:
        with socket.create_connection((_HOST, port), _KNOCK):
            return True
    except (OSError, OverflowError):
        return False
