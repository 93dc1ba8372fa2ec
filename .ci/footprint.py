"""What `pip install` brings, and under which licences: run it with the Python of a fresh environment.

    python .ci/footprint.py [--readme README.md]

With `--readme` the README's own sentence about it must be true, within a tolerance.
"""

import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

TOOLS = {"pip", "setuptools", "wheel"}
TOLERANCE = 0.25  # of the megabytes; other platforms have other wheels
# Words of licences that let an MIT program be used with them.
FREE = (
    "mit",
    "bsd",
    "apache",
    "psf",
    "python software foundation",
    "mpl",
    "mozilla",
    "isc",
    "unlicense",
    "0bsd",
    "cc0",
    "zlib",
)


def megabytes(distribution: Distribution) -> float:
    """Of the installed files; compiled caches come later and are not counted."""
    files = [Path(str(file.locate())) for file in distribution.files or () if not str(file).endswith(".pyc")]
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def licence(distribution: Distribution) -> str:
    """What the metadata says, the most exact first."""
    data = distribution.metadata
    classified = [
        row.rpartition(" :: ")[2] for row in data.get_all("Classifier") or () if row.startswith("License")
    ]
    text = data.get("License-Expression") or "; ".join(classified) or data.get("License") or ""
    return text.strip().splitlines()[0][:60] if text.strip() else "unknown"


def is_free(text: str) -> bool:
    """Whether each licence that applies is a known one; of a choice, one will do."""
    return all(
        any(re.search(rf"\b{re.escape(word)}", part) for word in FREE)
        for part in re.split(r" and |;", text.lower())
    )


def main(arguments: list[str]) -> int:
    """Print the table; 1 when a licence is not known to fit, or the README is wrong."""
    found = sorted(
        (d for d in distributions() if d.metadata["Name"].lower() not in TOOLS),
        key=lambda d: d.metadata["Name"].lower(),
    )
    rows = [(d.metadata["Name"], d.version, megabytes(d), licence(d)) for d in found]
    for name, version, size, text in rows:
        print(f"{name:28}{version:16}{size:8.1f} MB  {text}")
    count, total = len(rows), sum(row[2] for row in rows)
    print(f"{count} distributions, {total:.0f} MB")
    troubles = [f"the licence of {name} is {text!r}" for name, _, _, text in rows if not is_free(text)]
    if "--readme" in arguments:
        text = Path(arguments[arguments.index("--readme") + 1]).read_text(encoding="utf-8")
        said = re.search(r"(\d+) distributions, (\d+) MB", text)
        if said is None:
            troubles.append("the README does not say `N distributions, M MB`")
        elif int(said[1]) != count or abs(int(said[2]) - total) > TOLERANCE * total:
            troubles.append(f"the README says {said[0]}; it is {count} distributions, {total:.0f} MB")
    for trouble in troubles:
        print(trouble)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
