"""``retry_due``: what the schedule runs."""

from __future__ import annotations

from chalicelib import composition
from chalicelib.logic.retry_due import retry_due
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make the clients that every run needs."""
    container = composition.get_container()
    _ = container.due_messages, container.destined
    if container.stage.alarm_channels:
        _ = container.alarm_log, container.notifiers


def handle() -> None:
    """Have everything run once more that is due, and tell the owner of failures that nobody has told yet."""
    container = composition.get_container()
    try:
        run = retry_due(container.due_messages, container.destined, container.now())
        if run:
            logger.info("Retried", extra={"messages": run})
    finally:
        if container.stage.alarm_channels:
            _tell_owner()


def _tell_owner() -> None:
    from chalicelib.logic import alarm

    container = composition.get_container()
    now = container.now()
    number = container.alarm_log.untold(now, alarm.QUIET)
    if number:
        what = alarm.of_many(number, now)
        channel = alarm.tell(
            what,
            container.stage.alarm_channels,
            container.notifiers,
            container.alarm_log,
            number,
            now,
            alarm.BEFORE_THE_NEXT_RETRY,
        )
        logger.info("Owner told", extra={"channel": channel, "failures": number})
