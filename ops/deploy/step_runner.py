"""Run the steps of a command in order, and report how far a run came that ended early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step. Running it again does no harm."""

    name: str
    does: str
    """What it works on, for the line that is printed before it."""
    run: Callable[[], str | None]
    """Does it and returns what was done; None for nothing to report."""


def run_steps(steps: Sequence[Step], report: Callable[[str], None], advice: str) -> None:
    """Run every step. When one fails, or at Ctrl-C, report what was done and the ``advice``, then raise the error."""
    for position, step in enumerate(steps):
        report(f"{step.name:<11} {step.does} …")
        try:
            done = step.run()
        except BaseException:
            for line in _progress(steps, position):
                report(line)
            if advice:
                report(advice)
            raise
        if done:
            report(f"{'':<11} {done}")


def _progress(steps: Sequence[Step], position: int) -> list[str]:
    done = [step.name for step in steps[:position]]
    rest = [step.name for step in steps[position + 1 :]]
    return [
        "",
        f"Stopped at: {steps[position].name}, which may be done in part",
        f"Done:       {', '.join(done) or 'nothing'}",
        f"Not begun:  {', '.join(rest) or 'nothing'}",
    ]
