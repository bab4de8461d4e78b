"""``retry_due``: queues on a schedule the retries of messages that are due."""

from __future__ import annotations

from chalicelib import composition
from chalicelib.logic.retry_due import retry_due
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make the clients that every run needs, while the function starts (``handlers.preload``)."""
    container = composition.get_container()
    _ = container.due_messages, container.destined
    if container.stage.alarm_channels:
        _ = container.alarm_log, container.notifiers


def handle() -> None:
    """Queue a run of ``destined`` for each message that is due, and report failures that are still unreported."""
    container = composition.get_container()
    try:
        queued = retry_due(container.due_messages, container.destined, container.now())
        if queued:
            logger.info("Retried", extra={"messages": queued})
    finally:
        if container.stage.alarm_channels:
            _notify_owner()


def _notify_owner() -> None:
    from chalicelib.logic import failure_alarm

    container = composition.get_container()
    now = container.now()
    turn = container.alarm_log.unreported(now)
    if turn is not None:
        alarm = failure_alarm.from_count(turn, now)
        channels = container.stage.alarm_channels
        sent = failure_alarm.send(alarm, channels, container.notifiers, container.alarm_log, turn, now)
        logger.info("Owner notified", extra={"failures": turn.counted, **sent._asdict()})
