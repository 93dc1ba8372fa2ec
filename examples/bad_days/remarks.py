"""What the page says of a scenario beside its figures; where ibkeel costs something, that."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["REMARKS"]

REMARKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "client-id-clash": (
            "ibkeel waits for the id instead of taking another, which would not see its orders: half a "
            "minute in which it knows nothing of them."
        ),
        "competing-session": (
            "Nothing on our side brings the data back: ibkeel asks again every two minutes, so up to two "
            "minutes more are lost after the other session ends."
        ),
        "data-kept": (
            "Both lose the minute. The naive bot reads its empty list as a symbol without data, and hangs "
            "for the next minute too."
        ),
        "farm-blip": (
            "ibkeel waits for up to 30 s to see whether the stream moves by itself before it asks again: "
            "a gap of half a minute that a stricter deadline would halve."
        ),
        "half-open": (
            "It takes ibkeel two unanswered probes to believe it. A naive bot is served again here as "
            "soon as the Gateway wakes up, at the same minute as ibkeel; but it has doubled an order."
        ),
        "history-farm": (
            "A request that was sent just after the farm broke runs into its deadline: ibkeel does not "
            "recall it."
        ),
        "lost-acknowledgement": (
            "ibkeel finds both orders by their own names when it compares its books, and sends none again."
        ),
        "option-farm-wakes": (
            "Nothing is wrong, and neither bot minds. A bot that stops at every code would."
        ),
        "pacing-rejections": (
            "The difference is the word: the naive bot takes a refusal for a symbol without data."
        ),
        "reset-never-ends": (
            "ibkeel calls a person after two minutes, and cannot do more. The naive bot's orders that "
            "nobody confirmed were kept by the Gateway, and all of them left when it was back."
        ),
        "rolled-back-ids": (
            "Two orders are lost on their way. ibkeel sends none of them again on a guess: it reads the "
            "venue's lists until they prove that the order is not there, 41 s after it was sent, tells a "
            "person, and only then the bot sends it anew. The naive bot does so after a minute without any "
            "proof, which was right this time, as it was wrong in `lost-acknowledgement`."
        ),
        "seed-five-minutes": (
            "The fault is in the bot: from its sixth round on it asks from a thread with a loop of its "
            "own. On virtual time the Gateway stands still with the loop; on a real one its answer lies "
            "unread. ibkeel refuses the call before anything is sent, and the bot does what the error "
            "says."
        ),
        "seed-sixty-seconds": (
            "After three time-outs ibkeel asks no more for a while, and connects anew. Its caution costs "
            "it a little when history is back: the naive bot, which learned nothing, is served at once."
        ),
        "silent-streams": (
            "Requests for a price are streams as well, so nothing helps here before the Gateway moves: "
            "ibkeel says so within half a minute, subscribes again, connects once anew, and then tells a "
            "person."
        ),
        "slow-consumer": (
            "Both bots sleep for 38 s in each round. ibkeel cannot wake them; it says that the loop "
            "stands still, and asks for a fresh price instead of handing out the last one."
        ),
        "slow-history": (
            "Late is late: who waits 35 s for a history has it, and the one in twenty that never comes "
            "costs a minute. The naive bot waits 60 s for that one, and takes it for an empty history."
        ),
        "summary-leak": (
            "Both are served; the naive bot's account values stand still after the second outage, which "
            "it does not see."
        ),
        "weekly-login": (
            "Nobody can trade without a login. ibkeel tries once a minute and calls a person once."
        ),
    }
)
