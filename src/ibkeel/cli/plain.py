"""What clients and the Gateway said, as text of a table: neither markup nor commands to the terminal."""

from rich.text import Text

from ibkeel.telemetry.printing import printable


def plain(text: str, style: str = "") -> Text:
    """The text as it stands, whatever brackets and control characters are in it."""
    return Text(printable(text), style)
