"""What a release says of itself that the tree does not know: where it lives on the web; and a wheel packed tightly.

PyPI shows the README without the files beside it. `IBKEEL_HOME`, such as `https://github.com/OWNER/ibkeel`, and
`IBKEEL_REF`, a tag or a commit, make its links and its picture absolute; without them they stay as they are.
"""

import os
import re
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?:|#)([^)\s]+)\)")


def at_home(text: str, home: str, ref: str) -> str:
    """Markdown whose relative links lead to the files of a repository, and pictures to their bytes."""

    def absolute(link: re.Match[str]) -> str:
        kind = "raw" if link[1] else "blob"
        return f"{link[1]}{link[2]}({home}/{kind}/{ref}/{link[3]})"

    return LINK.sub(absolute, text)


class Home(MetadataHookInterface):
    """Sets the README, and the addresses of the project where they are known."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling before it writes the metadata."""
        text = COMMENT.sub("", (Path(self.root) / "README.md").read_text(encoding="utf-8"))
        home, ref = os.environ.get("IBKEEL_HOME", "").rstrip("/"), os.environ.get("IBKEEL_REF", "main")
        if home:
            text = at_home(text, home, ref)
            metadata["urls"] = {
                "Documentation": f"{home}/tree/{ref}/docs",
                "Source": home,
                "Issues": f"{home}/issues",
                "Changelog": f"{home}/blob/{ref}/CHANGELOG.md",
            }
        else:
            metadata["urls"] = {}
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def packed(wheel: bytes, names: zipfile.ZipFile) -> bytes:
    """The same archive, deflated by zopfli: only sizes and places change in its headers and its directory."""
    from zopfli.zopfli import compress  # what builds no wheel does not need it

    rows = names.infolist()
    with ThreadPoolExecutor() as pool:  # it lets go of the interpreter
        streams = pool.map(partial(compress, numiterations=300), map(names.read, rows))
    directory, entry = bytearray(wheel[names.start_dir :]), 0
    archive = bytearray()
    for info, zlib in zip(rows, streams, strict=True):
        stream = zlib[2:-4]  # without its frame
        head = bytearray(wheel[info.header_offset :][: 30 + len(info.filename.encode()) + len(info.extra)])
        struct.pack_into("<L", head, 18, len(stream))
        struct.pack_into("<L", directory, entry + 20, len(stream))
        struct.pack_into("<L", directory, entry + 42, len(archive))
        entry += 46 + sum(struct.unpack_from("<3H", directory, entry + 28))
        archive += head + stream
    struct.pack_into("<L", directory, entry + 16, len(archive))
    return bytes(archive + directory)


class Tight(BuildHookInterface[Any]):
    """Packs the finished wheel again, a fortieth smaller."""

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002  # hatchling's
        """Called by hatchling when the archive is written; an editable one is thrown away at once, and stays."""
        if version == "editable":
            return
        path = Path(artifact_path)
        with zipfile.ZipFile(path) as names:
            tight = packed(path.read_bytes(), names)
        path.write_bytes(tight)
