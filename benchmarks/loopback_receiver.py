"""A receiver in a process of its own: stamps every message that comes in over loopback."""

import json
import socket
import sys
import time
from typing import Final

SIZE: Final = 4


def main() -> None:
    """Print the port, take one connection to its end, print when each message came."""
    stamps: list[tuple[int, float]] = []
    pending = b""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(65536):
                at = time.monotonic()  # noqa: TID251 - the machine's clock is what counts here
                pending += data
                whole = len(pending) // SIZE * SIZE
                numbers = range(0, whole, SIZE)
                stamps += [(int.from_bytes(pending[start : start + SIZE]), at) for start in numbers]
                pending = pending[whole:]
    json.dump(stamps, sys.stdout)


if __name__ == "__main__":
    main()
