"""Steps of a command, one after the other: each says what it does, and a run that ends early says where it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step, which may be repeated at any time."""

    name: str
    does: str
    """What it works on, for the line that is printed before."""
    run: Callable[[], str | None]
    """Does it, and says what was done; None where there was nothing to do."""


def take(steps: Sequence[Step], say: Callable[[str], None], advice: str) -> None:
    """Take every step; whatever ends one, Ctrl-C too, is said with what stands and the ``advice`` before it escapes."""
    for position, step in enumerate(steps):
        say(f"{step.name:<11} {step.does} …")
        try:
            done = step.run()
        except BaseException:
            for line in _standing(steps, position):
                say(line)
            if advice:
                say(advice)
            raise
        if done:
            say(f"{'':<11} {done}")


def _standing(steps: Sequence[Step], position: int) -> list[str]:
    done = [step.name for step in steps[:position]]
    rest = [step.name for step in steps[position + 1 :]]
    return [
        "",
        f"Stopped at: {steps[position].name}, which may be done in part",
        f"Done:       {', '.join(done) or 'nothing'}",
        f"Not begun:  {', '.join(rest) or 'nothing'}",
    ]
