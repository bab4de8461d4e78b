"""``retry_due``: what the schedule runs."""

from __future__ import annotations

from chalicelib import composition
from chalicelib.logic.retry_due import retry_due
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make the clients that every run needs."""
    here = composition.root()
    _ = here.due_messages, here.destined
    if here.stage.alarm_channels:
        _ = here.alarm_log, here.notifiers


def handle() -> None:
    """Have everything run once more that is due, and tell the owner of failures that nobody has told yet."""
    here = composition.root()
    try:
        run = retry_due(here.due_messages, here.destined, here.now())
        if run:
            logger.info("Retried", extra={"messages": run})
    finally:
        if here.stage.alarm_channels:
            _tell_owner()


def _tell_owner() -> None:
    from chalicelib.logic import alarm

    here = composition.root()
    now = here.now()
    number = here.alarm_log.untold(now, alarm.QUIET)
    if number:
        what = alarm.of_many(number, now)
        channel = alarm.tell(
            what, here.stage.alarm_channels, here.notifiers, here.alarm_log, number, now, alarm.BEFORE_THE_NEXT_RETRY
        )
        logger.info("Owner told", extra={"channel": channel, "failures": number})
