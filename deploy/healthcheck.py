"""Does the bot of this state directory live? Exit status 0 if it does, else 1 and one sentence.

It asks the bot's own API on loopback, with the token that only the owner of the state directory can read.
A Gateway that is away is no reason to restart a bot, so it does not count here: alerts tell of that.
"""

import http.client
import json
import os
import sys
from pathlib import Path

PATIENCE = 5.0  # seconds for one answer
SILENT = 300.0  # seconds without any event, as in the alert IbkeelSilent


def ailing(folder: Path) -> str | None:
    """What is wrong with the bot; None when it lives."""
    try:
        api = json.loads((folder / "api.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"no bot runs here: {error}"
    connection = http.client.HTTPConnection(api["host"], api["port"], timeout=PATIENCE)
    try:
        connection.request("GET", "/board", headers={"Authorization": f"Bearer {api['token']}"})
        answer = connection.getresponse()
        board = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"the bot does not answer: {error}"
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return f"the bot refuses: {answer.status} {board}"
    age = board["age"]
    return None if age is None or age <= SILENT else f"nothing has happened in the bot for {age:.0f} s"


def main() -> int:
    """Judge the state directory that IBKEEL_STATE names."""
    trouble = ailing(Path(os.environ.get("IBKEEL_STATE", "/state")))
    print(trouble or "the bot lives")
    return 0 if trouble is None else 1


if __name__ == "__main__":
    sys.exit(main())
