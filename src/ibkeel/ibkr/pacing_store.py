"""Where pacing windows are kept while no program runs."""

import json
import os
from pathlib import Path
from typing import Any

from ibkeel.errors import ConfigurationError


class PacingStore:
    """A small file, replaced whole each time, readable by its owner alone.

    Args:
        path: The file; its folder is made when it is first written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None when nothing was.

        Raises:
            ConfigurationError: The file holds something else.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"the pacing windows in {self._path} cannot be read: {error}") from error
        try:
            saved: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise ConfigurationError(
                f"{self._path} holds no pacing windows ({error}); delete it, and send nothing for 10 minutes"
            ) from error
        return saved

    def save(self, saved: dict[str, Any]) -> None:
        """Replace what was saved.

        Raises:
            ConfigurationError: It cannot be written.
        """
        half = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(saved, stream)
            half.replace(self._path)
        except (OSError, TypeError) as error:  # the latter for keys of somebody's own that are no JSON
            raise ConfigurationError(
                f"the pacing windows cannot be written to {self._path}: {error}"
            ) from error
