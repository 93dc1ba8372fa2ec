"""Names of orders that no other order of the account bears, whoever sent it."""

from collections.abc import Container
from datetime import date, datetime
from typing import Final

from ibkeel.model import ClientOrderId
from ibkeel.orders import client_order_id

_ROOM: Final = 20  # letters and digits that a name has left for the run


class Names:
    """Names orders, one after the other.

    Two bots of one account may call their runs the same, and a bot whose journal was lost begins its count
    anew: so a name has the client id and the time of day at which the run began.

    Args:
        run: Name of the run; what is too long of it is left out.
        client_id: Whose orders they are.
        began: When the run began.
    """

    def __init__(self, run: str, client_id: int, began: datetime) -> None:
        mark = f"c{client_id}t{began:%H%M%S}"
        self._run = run[: _ROOM - len(mark)] + mark
        self._sequence = 0

    def next(self, session: date, taken: Container[ClientOrderId]) -> ClientOrderId:
        """A name that is not taken.

        Args:
            session: Trading date.
            taken: Names of orders that are known, an earlier run's included.
        """
        while True:
            self._sequence += 1
            name = client_order_id(session, self._run, self._sequence)
            if name not in taken:
                return name
