"""Tasks that nobody awaits: one that breaks is told of, and begun again; and what must not end half-way."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

_FIRST: Final = 1.0
_LONGEST: Final = 60.0


async def keep_running(
    begin: Callable[[], Coroutine[Any, Any, None]], meaning: str, broke: Callable[[BaseException, str], None]
) -> None:
    """Run a coroutine, and again after an error, until it returns or this is cancelled.

    The pause grows from one second to a minute, and is short again once it has run for longer than that.
    The loop's exception handler, which by default logs, hears of each error too.

    Args:
        begin: Makes the coroutine.
        meaning: What it means that it does not run.
        broke: Told of each error, and of it in words for a person.
    """
    loop, task, pause = asyncio.get_running_loop(), asyncio.current_task(), _FIRST
    assert task is not None
    while True:
        began = loop.time()
        try:
            return await begin()
        except asyncio.CancelledError as cancelled:
            if task.cancelling():
                raise
            error: BaseException = cancelled  # that of something it awaited: nobody ended this task
        except Exception as failure:  # noqa: BLE001 - what nobody awaits would die unseen
            error = failure
        if loop.time() - began > _LONGEST:
            pause = _FIRST
        loop.call_exception_handler({"message": "a task broke, and is begun again", "exception": error})
        words = f"a fault in ibkeel, {type(error).__name__}: {error}. For {pause:g} s {meaning}, then it is "
        broke(error, f"{words}begun again; what works at the venue works on. Report this, with the log")
        if task.cancelling():  # by whoever was told
            return None
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)


async def finish(work: Coroutine[Any, Any, None], patience: float = 20.0) -> None:
    """Await what must not end half-way: whoever is cancelled meanwhile waits for it.

    An error that it then ends with goes to the loop's exception handler: nobody is left to take it.

    Args:
        work: What must not.
        patience: Seconds to wait, once cancelled; then it is cancelled too.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([task], timeout=patience)
        finally:
            was_done = not task.cancel()
        if was_done and not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "what a cancelled task had to finish broke", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        raise
