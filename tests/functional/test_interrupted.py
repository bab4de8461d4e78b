"""Ctrl-C where Python loses it: in what clears away an object that is no longer used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOST = """
import signal
# A shell starts background jobs with SIGINT ignored; whoever runs the tests may be one.
signal.signal(signal.SIGINT, signal.default_int_handler)
from ops.cli.diagnostics import _until_interrupted

class Unused:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

with _until_interrupted() as stopped:
    Unused()
    print("goes on, stopped:", stopped())
with _until_interrupted() as stopped:
    print("anew, stopped:", stopped())
    signal.raise_signal(signal.SIGINT)
    print("never printed")
print("restored:", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def test_an_interrupt_that_python_loses_is_known_and_any_other_ends_it_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["goes on, stopped: True", "anew, stopped: False", "restored: True"]
