"""Builds wheel and sdist as a release would, and holds them to what they promise: `python .ci/archives.py OUT`.

Twice the same bytes; only what belongs in them; no large wheel; and a build also from the source distribution itself, from
a tree without `.git` and from a clone without tags. Needs build, hatchling, hatch-vcs and zopfli in this environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST_WHEEL = 1_000_000  # bytes
EPOCH = "1704067200"  # any fixed instant will do
DATA = {".toml", ".json", ".yml", ".html", ".css", ".js", ".typed"}
TOP_OF_SDIST = {
    ".ci",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "SECURITY.md",
    "benchmarks",
    "conformance",
    "deploy",
    "docs",
    "examples",
    "fuzz",
    "hatch_build.py",
    "mkdocs.yml",
    "newsfragments",
    "noxfile.py",
    "pyproject.toml",
    "src",
    "tests",
}
NEVER = (
    "__pycache__",
    ".pyc",
    ".sqlite",
    ".env",
    "secrets",
    ".ipynb_checkpoints",
    ".hypothesis",
    ".DS_Store",
)
METADATA = ("License-Expression: MIT", "Requires-Python: >=3.11", "Classifier: Typing :: Typed")


def build(tree: Path, out: Path) -> tuple[Path, Path]:
    """Wheel and sdist of a tree."""
    make(tree, out, "--wheel", "--sdist")
    [wheel], [sdist] = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def make(tree: Path, out: Path, *what: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", str(out), str(tree)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(command, env=environment, check=False, text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"the build of {tree} failed:\n{done.stdout}{done.stderr}")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_wheel(path: Path) -> None:
    """Every module and data file of the package, licence and metadata, and nothing else."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        head = archive.read(metadata).decode()
        assert archive.testzip() is None
    source = ROOT / "src"
    wanted = {
        file.relative_to(source).as_posix()
        for file in (source / "ibkeel").rglob("*")
        if (file.suffix == ".py" or file.suffix in DATA)
        and not any(part.startswith(".") for part in file.relative_to(source).parts)
    }
    packed = {name for name in names if ".dist-info/" not in name}
    assert packed == wanted, f"wheel and source differ: {sorted(packed ^ wanted)[:10]}"
    assert "ibkeel/py.typed" in packed
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert [line for line in METADATA if line not in head] == []
    size = path.stat().st_size
    assert size < LARGEST_WHEEL, f"{path.name} has {size:,} bytes, more than {LARGEST_WHEEL:,}"
    print(f"{path.name}: {len(packed)} files, {size:,} bytes")


def check_sdist(path: Path) -> None:
    """All that a packager needs to build and test, and nothing that a run left behind."""
    with tarfile.open(path) as archive:
        members = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
    assert {name.partition("/")[0] for name in members} == TOP_OF_SDIST
    assert [name for name in members if any(word in name for word in NEVER)] == []
    print(f"{path.name}: {len(members)} files, {path.stat().st_size:,} bytes")


def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def without_git(folder: Path) -> Path:
    """The tree as an archive of the repository unpacks."""
    tree = folder / "plain"
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    return tree


def without_tags(folder: Path) -> Path:
    """What a shallow checkout in a CI has."""
    clone = folder / "clone"
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", "--no-tags", ROOT.resolve().as_uri(), str(clone)], check=True
    )
    return clone


def main(out: Path) -> None:
    """Leave wheel and sdist in a folder, checked."""
    out.mkdir(parents=True, exist_ok=True)
    wheel, sdist = build(ROOT, out)
    check_wheel(wheel)
    check_sdist(sdist)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not (ROOT / ".git").exists():
            check_from_source(wheel, sdist, folder)
            check_twice(ROOT, folder)
            print("no repository here: builds without .git and without tags were left out")
            return
        # A wheel is packed by one process, and most machines have more than one processor.
        with ThreadPoolExecutor(1) as beside:
            same = beside.submit(check_from_source, wheel, sdist, folder)
            untagged = beside.submit(build, without_tags(folder), folder / "untagged")
            check_twice(without_git(folder), folder)
        same.result()
        built, _ = untagged.result()
        print(f"built from a clone without tags: {built.name}")


def check_from_source(wheel: Path, sdist: Path, folder: Path) -> None:
    """Who builds from the source distribution gets the same wheel, its version too."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    [tree] = (folder / "source").iterdir()
    make(tree, folder / "from-source", "--wheel")
    [built] = (folder / "from-source").glob("*.whl")
    assert (built.name, digest(built)) == (wheel.name, digest(wheel)), f"{built.name} from the source differs"
    print(f"built from {sdist.name}, the same bytes: {built.name}")


def check_twice(tree: Path, folder: Path) -> None:
    """Two builds of a tree that nobody edits meanwhile have the same bytes."""
    first, again = build(tree, folder / "first"), build(tree, folder / "again")
    for one, other in zip(first, again, strict=True):
        assert digest(one) == digest(other), f"{one.name} was built twice, and differs"
    print(f"built twice from {tree.name}, the same bytes: {first[0].name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
