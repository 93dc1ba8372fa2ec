"""What may be asked of a session, as it is now."""

from ibkeel.errors import NotConnected
from ibkeel.ibkr.keeper import Keeper
from ibkeel.ibkr.link import Link


class Gate:
    """Lets a call pass, makes it wait while a sync is under way, or says why it is not sent.

    Args:
        link: The socket and its owner.
        keeper: Knows the session.
    """

    def __init__(self, link: Link, keeper: Keeper) -> None:
        self._link, self._keeper = link, keeper

    async def ready_for_requests(self) -> None:
        """Wait while a sync is under way.

        Raises:
            WrongLoopError: Called from a loop that does not own the connection.
            NotConnected: Nothing can be asked for now.
        """
        self._link.check_loop()
        await self._keeper.synced()
        if not self._keeper.session.may_request:
            raise self._keeper.refusal()
        self._link.check()

    async def ready_for_exits(self) -> None:
        """Wait while a sync is under way; an exit passes also while the servers are out of reach.

        Raises:
            NotConnected: There is no link.
        """
        self._link.check_loop()
        await self._keeper.synced()
        self.check_exit()

    def check_exit(self) -> None:
        """The same, without waiting.

        Raises:
            NotConnected: There is no link.
        """
        if not self._keeper.session.may_exit:
            raise self._keeper.refusal()
        self._link.check()

    async def ready_for_entries(self) -> None:
        """Wait while a sync is under way.

        Raises:
            NotConnected: The session is not good enough to open a position on.
        """
        self._link.check_loop()
        await self._keeper.synced()
        self.check_entry()

    def check_entry(self) -> None:
        """The same, without waiting.

        Raises:
            NotConnected: The session is not good enough to open a position on.
        """
        if not self._keeper.session.may_enter:
            raise NotConnected(f"no new position now: {self._keeper.session.entry_refusal}; nothing was sent")
        self._link.check()

    def check_link(self) -> None:
        """Refuse what needs no more than a link: probes, cancels, lists of orders.

        Raises:
            WrongLoopError: Called from a loop that does not own the connection.
            NotConnected: There is no link.
        """
        self._link.check_loop()
        if not self._keeper.session.has_link:
            raise self._keeper.refusal()
        self._link.check()
