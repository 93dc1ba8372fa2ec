"""Single data farms, and what the Gateway's notices mean for the session."""

from types import MappingProxyType
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.ibkr.meaning import About, Farm, Meaning, Reaction
from ibkeel.ibkr.states import SessionEvent


@attrs.frozen
class DataFarm:
    """One of the Gateway's sources of data.

    Args:
        kind: What it serves.
        name: As the notices call it, such as `usfarm`.
    """

    kind: Farm
    name: str

    @override
    def __str__(self) -> str:
        return f"{self.kind.value} farm {self.name}"


# A farm that is idle answers when it is asked, so it is well; one that is connecting says nothing yet.
_EVENTS: Final = MappingProxyType(
    {
        Reaction.UPSTREAM_LOST: SessionEvent.UPSTREAM_LOST,
        Reaction.RESTORED_DATA_LOST: SessionEvent.RESTORED_DATA_LOST,
        Reaction.RESTORED_DATA_KEPT: SessionEvent.RESTORED_DATA_KEPT,
        Reaction.FARM_BROKEN: SessionEvent.FARM_BROKEN,
        Reaction.FARM_OK: SessionEvent.FARM_WELL,
        Reaction.FARM_IDLE: SessionEvent.FARM_WELL,
        Reaction.RECONNECT: SessionEvent.PORT_RESET,
    }
)


def heard(meaning: Meaning, text: str) -> tuple[SessionEvent, DataFarm | None] | None:
    """What a notice means for the session; None when it means nothing.

    Args:
        meaning: The row of its code; rows about a request or an order mean nothing for the session.
        text: A farm's name stands after its last colon.

    Examples:
        >>> from ibkeel.ibkr import ERROR_TABLE
        >>> text = "Market data farm connection is broken:usfarm"
        >>> event, farm = heard(ERROR_TABLE.find(2103, text, About.SYSTEM), text)
        >>> print(event, "-", farm)
        farm broken - market data farm usfarm
    """
    event = _EVENTS.get(meaning.reaction)
    if event is None or meaning.about is not About.SYSTEM:
        return None
    if meaning.farm is None:
        return event, None
    return event, DataFarm(meaning.farm, text.rpartition(":")[2].strip() or "unnamed")
