"""What a bot tells of itself on loopback, from a thread of its own: the board, and nothing can be changed."""

import json
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.monitor.board import Board, snapshot_data

__all__ = ["API_FILE", "BoardApi"]

API_FILE: Final = "api.json"
"""Name of the file in the state directory that says where a bot's API is, and by which token."""

_OWNER_ONLY: Final = 0o600
_HOST: Final = "127.0.0.1"
_PATIENCE: Final = 5.0  # seconds that a client may hold a thread


class BoardApi:
    """Serves a board to `ibkeel monitor`, to those who can read the bot's state directory.

    The trading loop only folds events; reading, turning into text and sending happen in threads of
    the server, and a client that hangs holds up nobody.

    Args:
        board: Any thread may read it.
        clock: For ages.
    """

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board, self._clock = board, clock
        self._token = secrets.token_urlsafe(24)

    def text(self) -> bytes:
        """The board now, as JSON."""
        data = snapshot_data(self._board.snapshot, now=self._clock.now())
        return json.dumps(data, separators=(",", ":")).encode()

    @contextmanager
    def served(self, folder: Path, port: int = 0) -> Iterator[int]:
        """Serve within the block, and say in the folder's `api.json` where and by which token.

        Args:
            folder: The bot's state directory.
            port: To listen on; 0 takes a free one.

        Raises:
            ConfigurationError: The port is taken, or the file cannot be written.
        """
        try:
            server = _Server((_HOST, port), self, self._token)
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {_HOST}:{port}: {error.strerror}") from error
        thread = threading.Thread(target=server.serve_forever, name="ibkeel api", daemon=True)
        path = folder / API_FILE
        with server:
            thread.start()
            try:
                self._announce(path, server.server_port)
                yield server.server_port
            finally:
                path.unlink(missing_ok=True)
                server.shutdown()
                thread.join()

    def _announce(self, path: Path, port: int) -> None:
        address = {"host": _HOST, "port": port, "token": self._token, "pid": os.getpid()}
        new = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(address, stream)
            new.replace(path)
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], api: BoardApi, token: str) -> None:
        super().__init__(address, _Handler)
        self.api, self.token = api, token

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nobody's fault."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), self.server.token.encode()):
            self._answer(HTTPStatus.UNAUTHORIZED, b'{"error":"no token, or a wrong one"}')
        elif self.path != "/board":
            self._answer(HTTPStatus.NOT_FOUND, b'{"error":"valid: /board"}')
        else:
            self._answer(HTTPStatus.OK, self.server.api.text())

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
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
