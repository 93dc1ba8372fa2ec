"""What others said, as it may be shown in a terminal."""


def printable(text: str) -> str:
    """The same text with every character escaped that a terminal would obey instead of showing."""
    if text.isprintable():  # as nearly always
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
