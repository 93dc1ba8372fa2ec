"""Who may look, who may halt, decided from a request's headers alone; and how many may come at once."""

import contextlib
import secrets
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from http.server import ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.system import SystemClock

_LONGEST_BODY: Final = 2048
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_JSON: Final = "application/json"
_LONGEST: Final = 10.0  # seconds that a client may hold a thread
_PATIENCE: Final = 5.0  # seconds that it may be silent
_CLIENTS: Final = 16  # at once
_POLL: Final = 0.1  # seconds after which a server that is to stop notices


class FewClients(ThreadingHTTPServer):
    """Serves a few clients at once, and none of them for long: strangers must not use up the bot's threads and files."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Any, clock: Clock | None = None) -> None:
        self._since: dict[Any, float] = {}
        self.clock: Clock = clock or SystemClock()
        super().__init__(address, handler)

    @contextlib.contextmanager
    def serving(self, name: str) -> Iterator[int]:
        """Serve within the block, in a thread of that name; gives the port."""
        thread = threading.Thread(target=self.serve_forever, args=[_POLL], name=name, daemon=True)
        thread.start()
        try:
            yield self.server_port
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nobody's fault."""

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._since) >= _CLIENTS:
            self.shutdown_request(request)
            return
        self._since[request] = self.clock.monotonic()
        request.settimeout(_PATIENCE)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        self._since.pop(request, None)
        super().shutdown_request(request)

    @override
    def service_actions(self) -> None:
        now = self.clock.monotonic()
        for request, since in tuple(self._since.items()):
            if now - since > _LONGEST:
                with contextlib.suppress(OSError):  # it went by itself
                    request.shutdown(socket.SHUT_RDWR)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def answers_to(given: str, host: str, names: Iterable[str]) -> bool:
    """Whether what listens on a host goes by the name that a request gave; a foreign site borrows none of ours.

    Args:
        given: The request's header `Host`.
        host: What is listened on; where others can reach it anyway and `names` are none, any name will do.
        names: Further ones.
    """
    if not is_loopback(host) and not names:
        return True
    name, _, port = given.rpartition(":")
    if not port.isdigit():
        name = given
    return name in {*_LOCAL_NAMES, host, *names}


@attrs.frozen(kw_only=True)
class Access:
    """The rule of one page.

    A page on loopback may be read by whoever sits at the machine; it answers to the names of the
    machine only, so that no foreign site can borrow them. Bound elsewhere it needs a token. What
    changes anything needs, besides, a word that only the page itself knows.

    Args:
        host: What the page listens on.
        token: What a reader must know; required when others can reach the page.
        names: Further names under which the page is reached, such as that of a proxy.

    Raises:
        ConfigurationError: Others can reach the page and there is no token, or a short one.
    """

    host: str = "127.0.0.1"
    token: str | None = attrs.field(default=None, repr=False)
    names: tuple[str, ...] = ()
    csrf: str = attrs.field(factory=lambda: secrets.token_urlsafe(24), repr=False)

    def __attrs_post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise ConfigurationError(
                f"the page would listen on {self.host}, where others can reach it, without a token; give --token, or let "
                "it listen on 127.0.0.1"
            )
        if self.token is not None and (not isinstance(self.token, str) or len(self.token) < 16):
            raise ConfigurationError("the page's token is too short; valid: 16 characters or more")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ConfigurationError("the page's token is not plain ASCII, which headers and cookies must be")

    def against_reading(self, headers: Mapping[str, str], cookie: str | None) -> str:
        """What speaks against letting a request read; empty for nothing.

        Args:
            headers: By lower-case name.
            cookie: The page's own cookie, when it was sent.
        """
        if not answers_to(headers.get("host", ""), self.host, self.names):
            return "this page does not answer to that name"
        if self.token is None:
            return ""
        given = headers.get("authorization", "").removeprefix("Bearer ") or cookie or ""
        return "" if secrets.compare_digest(given.encode(), self.token.encode()) else "a token is needed"

    def against_changing(self, headers: Mapping[str, str]) -> str:
        """What speaks against letting a request, which may read, change something; empty for nothing."""
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            return "it came from another site"
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return "it came from another site"
        if headers.get("content-type", "").partition(";")[0].strip() != _JSON:
            return f"its content is no {_JSON}"
        if not secrets.compare_digest(headers.get("x-ibkeel-page", "").encode(), self.csrf.encode()):
            return "it does not come from this page; load the page anew"
        return ""

    def is_too_long(self, headers: Mapping[str, str]) -> bool:
        """Whether a request says that its body is longer than any of ours, or does not say."""
        length = headers.get("content-length", "")
        return not length.isdigit() or int(length) > _LONGEST_BODY
