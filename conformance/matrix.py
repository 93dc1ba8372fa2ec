"""Which client meets which version, and what came of it."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from conformance.environments import MissingClient, python_of
from conformance.gateway import served
from ibkeel.sim import SimulatedGateway

__all__ = ["CLIENTS", "GATES", "Case", "Library", "Outcome", "cases", "play"]

GATES: Final = (
    157, 163, 164, 166, 170, 176, 177, 178, 182, 186, 189, 192, 193, 194, 195, 196, 198, 199, 200,
)  # fmt: skip
FEW: Final = (157, 176, 178, 200)
AT_ONCE: Final = 6
SECONDS: Final = 120.0
_SCRIPTS: Final = Path(__file__).resolve().parent / "scripts"


@attrs.frozen(kw_only=True)
class Library:
    """A client library as it is published, and the highest version that it offers."""

    name: str
    requirement: str
    newest: int
    script: str
    module: str = ""

    def command(self, python: Path, port: int, client_id: int) -> list[str]:
        """What runs the common round."""
        words = [self.module] if self.module else []
        return [str(python), str(_SCRIPTS / self.script), *words, str(port), str(client_id)]


CLIENTS: Final = (
    Library(
        name="ib_insync 0.9.86",
        requirement="ib_insync==0.9.86",
        newest=176,
        script="plain_ib.py",
        module="ib_insync",
    ),
    Library(
        name="ib_async 2.1.0",
        requirement="ib_async==2.1.0",
        newest=178,
        script="plain_ib.py",
        module="ib_async",
    ),
    Library(name="ibapi 9.81.1.post1", requirement="ibapi==9.81.1.post1", newest=157, script="official.py"),
    Library(
        name="ibapi-stable 10.50.2", requirement="ibapi-stable==10.50.2", newest=200, script="official.py"
    ),
    Library(
        name="ibapi-latest 10.51.1", requirement="ibapi-latest==10.51.1", newest=200, script="official.py"
    ),
)


@attrs.frozen(kw_only=True)
class Case:
    """One or more libraries, each as a client of the same Gateway at the same time."""

    libraries: tuple[Library, ...]
    version: int

    @property
    def is_shared(self) -> bool:
        """Whether several clients are served at once."""
        return len(self.libraries) > 1


@attrs.frozen(kw_only=True)
class Outcome:
    """What a library's round came to.

    Args:
        library: Who.
        version: What both sides agreed on; 0 when they did not.
        is_shared: Whether other libraries were served at the same time.
        steps: Steps done, by name: `ok` or what went wrong.
        frames: Messages that the library decoded, after the handshake.
        kinds: Numbers of those messages.
        troubles: What the decoder left unread or could not read, and what the Gateway noticed.
    """

    library: str
    version: int
    is_shared: bool
    steps: dict[str, str]
    frames: int = 0
    kinds: tuple[int, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """Steps that did not pass, with the reason."""
        return tuple(f"{step}: {told}" for step, told in self.steps.items() if told != "ok")

    @property
    def is_ok(self) -> bool:
        """Whether everything passed and nothing was left unread."""
        return bool(self.steps) and not self.failed and not self.troubles


def cases(*, few: bool, only: Sequence[str] = ()) -> list[Case]:
    """The matrix: each library at each version that it knows, and all of them together.

    Args:
        few: The four layouts that matter in practice only, each with the library that settles on it.
        only: Words of the names wanted; empty: all.
    """
    wanted = [each for each in CLIENTS if not only or any(word in each.name for word in only)]
    if few:
        versions = {each.name: each.newest for each in wanted}
        chosen = [
            Case(libraries=(each,), version=versions[each.name]) for each in wanted if each.newest in FEW
        ]
    else:
        chosen = [
            Case(libraries=(each,), version=version)
            for each in wanted
            for version in GATES
            if version <= each.newest
        ]
    together = [Case(libraries=tuple(wanted), version=max(GATES))] if len(wanted) > 1 else []
    return [*chosen, *together]


async def play(chosen: Iterable[Case], environments: Path) -> list[Outcome]:
    """Play every case, a few at a time; outcomes in the order of the cases."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> list[Outcome]:
        async with slots:
            return await _played(case, environments)

    return [outcome for outcomes in await asyncio.gather(*map(one, chosen)) for outcome in outcomes]


async def _played(case: Case, environments: Path) -> list[Outcome]:
    async with served(case.version) as (gateway, port):
        rounds = [
            _round(library, environments, port, number)
            for number, library in enumerate(case.libraries, start=1)
        ]
        told = await asyncio.gather(*rounds)
        await asyncio.sleep(0.2)  # the last of them has just hung up
        noticed = _noticed(gateway)
    return [
        _outcome(library, case, each, noticed) for library, each in zip(case.libraries, told, strict=True)
    ]


async def _round(library: Library, environments: Path, port: int, client_id: int) -> dict[str, Any]:
    try:
        python = await asyncio.to_thread(python_of, environments, library.requirement)
    except MissingClient as missing:
        return {"steps": {"install": str(missing)}}
    process = await asyncio.create_subprocess_exec(
        *library.command(python, port, client_id),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return {"steps": {"end": f"still running after {SECONDS:g} s"}}
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        return {"steps": {"end": f"exit status {process.returncode}: {err.decode()[-200:]}"}}
    return told


def _noticed(gateway: SimulatedGateway) -> tuple[str, ...]:
    """What the Gateway has against its clients, or against itself."""
    counters = gateway.counters
    found = {
        "requests that failed": counters.failures,
        "requests that could not be read": counters.malformed,
        "requests of unknown kind": sum(counters.unknown.values()),
        "violations": sum(counters.violations.values()),
        "lines left open": counters.open_lines,
        "histories left open": counters.open_histories,
    }
    return tuple(f"{count} {what}" for what, count in found.items() if count)


def _outcome(library: Library, case: Case, told: dict[str, Any], noticed: tuple[str, ...]) -> Outcome:
    unread = [f"message {number}: {what}" for number, what in told.get("unread", {}).items()]
    expected, version = min(case.version, library.newest), told.get("version", 0)
    disagreed = [] if version in {0, expected} else [f"settled on {version}, not {expected}"]
    return Outcome(
        library=library.name,
        version=version or expected,
        is_shared=case.is_shared,
        steps=told["steps"],
        frames=told.get("frames", 0),
        kinds=tuple(told.get("kinds", ())),
        troubles=(*unread, *told.get("failures", ()), *disagreed, *noticed),
    )
