"""Every check, by name: `nox -s lint types imports tests docs wheel examples`."""

import tempfile
import tomllib
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "imports", "tests"]

SOURCES = ("src", "tests", "examples", "noxfile.py")


@nox.session
def lint(session):
    """Style and formatting."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", *SOURCES)
    session.run("ruff", "format", "--check", *SOURCES)


@nox.session
def types(session):
    """mypy --strict."""
    session.install("-e", ".[all]", "mypy>=1.13", "pandas-stubs")
    session.run("mypy", "--strict", "src", "examples/reference_bot", "tests/typing")


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
def ib_async(session):
    """The adapter and the simulator with ib_async, which cannot share an environment with ib_insync."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["bot"], *extras["testing"]]
    session.install("ib_async>=2.1", *(name for name in wanted if not name.startswith("ib_")))
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
    session.run("mkdocs", "build", "--strict", "--site-dir", session.create_tmp())


@nox.session
def examples(session):
    """Every example runs."""
    session.install("-e", ".[bot,testing]")
    session.run("python", "examples/run_all.py")


@nox.session
def wheel(session):
    """The built wheel works elsewhere, without the source tree."""
    session.install("build>=1.2")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--wheel", "--sdist", "--outdir", folder)
        [built] = Path(folder).glob("*.whl")
        session.install("--force-reinstall", f"{built}[bot]")
        session.chdir(folder)
        session.run("python", "-c", "import ibkeel; print(ibkeel.__version__, ibkeel.__file__)")
        session.run("ibkeel", "demo", "--json", "--journal", str(Path(folder) / "journal.sqlite"))


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
def nightly(session):
    """The long matrices, by hand: every example, every client, the suite with real data and many examples."""
    session.install("-e", ".[test]")
    session.run("pytest", "--hypothesis-profile=nightly", *session.posargs)
