"""One attempt to open a session, and what its failure means."""

import asyncio
from typing import Any, Final

from ibkeel.errors import (
    ClientIdInUse,
    ConnectionFailure,
    GatewayMute,
    GatewayUnreachable,
    UnsupportedVersion,
)
from ibkeel.ibkr.config import IBKRConfig

_ID_IN_USE: Final = 326
_A_MOMENT: Final = 0.1
_MOST: Final = 6  # deadlines
_STILL_TOO_OLD: Final = "version must be"


class _Refusal:
    """Listens for the ways in which a Gateway turns a client away."""

    def __init__(self, ib: Any, config: IBKRConfig) -> None:
        self._ib = ib
        self._config = config
        self.error: asyncio.Future[ConnectionFailure] = asyncio.get_running_loop().create_future()
        ib.errorEvent += self._on_error
        ib.client.apiError += self._on_api_error
        ib.client.conn.disconnected += self._on_disconnected

    def stop(self) -> None:
        self._ib.errorEvent -= self._on_error
        self._ib.client.apiError -= self._on_api_error
        self._ib.client.conn.disconnected -= self._on_disconnected
        self.error.cancel()

    def _on_error(self, _: int, code: int, text: str, *__: object) -> None:
        if code == _ID_IN_USE:
            self._refuse(
                ClientIdInUse(
                    f"{_where(self._config)} has client id {self._config.client_id} in use already ({text}); end the other "
                    "program, or wait a minute if it just ended. Another id would not see the orders of this one"
                )
            )

    def _on_api_error(self, text: str) -> None:
        if _STILL_TOO_OLD in text:
            self._refuse(UnsupportedVersion(f"{_where(self._config)}: {text}; update the Gateway"))
        # Of an id in use the library only guesses.

    def _on_disconnected(self, _: str) -> None:
        # What else was said in the same batch knows better why.
        asyncio.get_running_loop().call_soon(self._refuse, self.closed())

    def closed(self) -> ConnectionFailure:
        """What to say when the Gateway closed the connection and did not say why."""
        return GatewayMute(
            f"{_where(self._config)} accepted the connection and closed it during the start-up; is it the API's port, "
            "is this address trusted, and is the Gateway logged in?"
        )

    async def ended(self, opening: asyncio.Future[Any], patience: float) -> None:
        """Wait for an end of either kind; longer while bytes come."""
        for half in range(2 * _MOST):
            heard_at = self._ib.wrapper.lastTime
            ends = {opening, self.error}
            if (await asyncio.wait(ends, timeout=patience / 2, return_when=asyncio.FIRST_COMPLETED))[0]:
                return
            if half and self._ib.wrapper.lastTime == heard_at:
                break
        raise TimeoutError

    def _refuse(self, error: ConnectionFailure) -> None:
        if not self.error.done():
            self.error.set_result(error)


def _where(config: IBKRConfig) -> str:
    return f"the Gateway at {config.host}:{config.port}"


async def attempt(ib: Any, config: IBKRConfig) -> None:
    """Open the session once; returns when every start-up answer is in."""
    refusal, is_open = _Refusal(ib, config), False
    # Our own deadline ends first, so that the library cannot call a partial start a success.
    patience = config.deadlines.connect
    opening = asyncio.ensure_future(
        # No account: among several the library would wait for updates that another client's may keep away (2101).
        ib.connectAsync(config.host, config.port, clientId=config.client_id, timeout=_MOST * patience + 1)
    )
    try:
        await refusal.ended(opening, patience)
        if refusal.error.done():
            raise refusal.error.result()
        await opening
        if not ib.isConnected():  # closed at the same instant, and nobody has had the time to say so
            raise refusal.closed()
        is_open = True
    except TimeoutError as error:
        # Where nobody refused either, what is sent is dropped on its way.
        if not ib.client.conn.isConnected():
            raise GatewayUnreachable(
                f"cannot reach {_where(config)}: nobody took the connection within {patience:g} s; check host, port, its "
                "machine and the firewalls between"
            ) from error
        raise GatewayMute(
            f"{_where(config)} accepts connections, but its API did not finish the start-up within {patience:g} s, or "
            f"{_MOST} times as long while bytes came; check that the API is enabled, the address is trusted and no login "
            "or dialog waits"
        ) from error
    except ConnectionFailure:
        raise
    except OSError as error:
        raise GatewayUnreachable(
            f"cannot reach {_where(config)}: {error}; start the Gateway, and check host, port and that its API is enabled"
        ) from error
    finally:
        refusal.stop()
        if not is_open:
            await _abandon(ib, opening)


async def _abandon(ib: Any, opening: asyncio.Future[Any]) -> None:
    """Leave no session behind that nobody knows of.

    A cancel can get lost in the library's `asyncio.wait_for` when it comes at the instant at which
    the socket opens, so it is repeated.
    """
    while not opening.done():
        opening.cancel()
        await asyncio.wait({opening}, timeout=_A_MOMENT)
    await asyncio.gather(opening, return_exceptions=True)
    ib.disconnect()


def should_try_again(error: ConnectionFailure) -> bool:
    """Whether waiting may help; a version or an account will not change by itself."""
    return isinstance(error, GatewayUnreachable | GatewayMute | ClientIdInUse)
