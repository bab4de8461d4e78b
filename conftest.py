"""For every test: temporary files stay inside the checkout, also when two runs go on side by side."""

import os
from pathlib import Path

_SCRATCH = Path(__file__).parent / ".herald" / "pytest"
_SCRATCH.mkdir(parents=True, exist_ok=True)
os.environ["PYTEST_DEBUG_TEMPROOT"] = str(_SCRATCH)
