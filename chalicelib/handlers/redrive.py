"""``redrive``: what the schedule runs."""

from __future__ import annotations

from chalicelib import composition
from chalicelib.logic.redrive import redrive
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make the clients that every run needs."""
    here = composition.root()
    _ = here.due_messages, here.destined


def handle() -> None:
    """Have everything run once more that is due."""
    here = composition.root()
    run = redrive(here.due_messages, here.destined, here.now())
    if run:
        logger.info("Redriven", extra={"messages": run})
