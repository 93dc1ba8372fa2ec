"""Serves the page until it is interrupted."""

from typing import Final

import uvicorn
from starlette.applications import Starlette

from ibkeel.errors import ConfigurationError

__all__ = ["serve_page"]

_HIGHEST_PORT: Final = 65535


async def serve_page(app: Starlette, host: str, port: int) -> None:
    """Serve an application; returns when the task is cancelled or the process is told to end.

    Args:
        app: From `dashboard_app`.
        host: Address to listen on.
        port: 1 to 65535.

    Raises:
        ConfigurationError: The port is taken, or none.
    """
    if not 0 < port <= _HIGHEST_PORT:
        raise ConfigurationError(f"port is {port}; valid: 1 to {_HIGHEST_PORT}")
    config = uvicorn.Config(
        app, host=host, port=port, log_level="critical", server_header=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    try:
        await server.serve()
    except SystemExit:  # its word for a port that is taken
        raise ConfigurationError(f"cannot listen on {host}:{port}; is a page served there already?") from None
