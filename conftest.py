"""For every test: what the machine has set for other programs is not there, and temporary files stay inside the
checkout, also when two runs go on side by side."""

import os
import signal
import sys
from pathlib import Path

_SCRATCH = Path(__file__).parent / ".herald" / "pytest"
_SCRATCH.mkdir(parents=True, exist_ok=True)
os.environ["PYTEST_DEBUG_TEMPROOT"] = str(_SCRATCH)

_OURS = {"HERALD_SKIP_NOTHING", "HERALD_REHEARSE", "HERALD_LOCAL_WITHOUT", "HERALD_IMAGE_CORPUS"}
for _name in list(os.environ):
    if _name.startswith(("AWS_", "BOTO", "CHALICE_", "GIT_", "HERALD_", "PUSHOVER_")) and _name not in _OURS:
        del os.environ[_name]
# What changes how a terminal is written to, and what would have Python warn or compile anew in every process.
for _name in ("CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "TTY_COMPATIBLE"):
    os.environ.pop(_name, None)
for _name in ("PYTHONDONTWRITEBYTECODE", "PYTHONOPTIMIZE", "PYTHONWARNINGS"):
    os.environ.pop(_name, None)
sys.dont_write_bytecode = False
# Tests reach the servers that they start, whatever proxy the machine has for others.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1", "localhost"]))
# A shell starts background jobs with SIGINT ignored, and so would be what a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# As a test's files have it that doesn't say otherwise.
os.umask(0o022)
