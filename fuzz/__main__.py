"""Run a target under atheris: `python -m fuzz gateway [-max_total_time=60]`, libFuzzer's options."""

import sys
import tempfile
from importlib import import_module
from pathlib import Path

import atheris

TARGETS = {"gateway": "fuzz.gateway", "broker": "fuzz.broker"}


def main():
    name, *options = sys.argv[1:] or ["gateway"]
    with atheris.instrument_imports(include=["ibkeel"]):
        target = import_module(TARGETS[name])
        from fuzz.seeds import seeds

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds() if name == "gateway" else target.seeds()):
            (Path(folder) / f"{number:05}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, folder], lambda data: target.hears(bytes(data)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
