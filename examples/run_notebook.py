"""Runs every cell of the notebook in a kernel of its own: `python examples/run_notebook.py [--show OUT.ipynb]`."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("notebook.ipynb")


def main(shown: Path | None) -> None:
    """The first cell that fails ends the run; the notebook itself stays without outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "the notebook is kept without outputs"
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    said = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream"
    )
    print(said)
    assert said.endswith("closed\n")
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    assert any("image/svg+xml" in output.data for output in pictures), "there is no picture of the payoff"
    if shown is not None:
        nbformat.write(notebook, shown)


if __name__ == "__main__":
    main(Path(sys.argv[2]) if sys.argv[1:2] == ["--show"] else None)
