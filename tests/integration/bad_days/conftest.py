"""The two bots are an example, beside the package."""

import sys
from pathlib import Path

EXAMPLES = str(Path(__file__).parents[3] / "examples")

if EXAMPLES not in sys.path:
    sys.path.append(EXAMPLES)
