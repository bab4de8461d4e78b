"""``canary``: publishes a canary on a schedule."""

from __future__ import annotations

import uuid
from typing import Any

from chalicelib import composition
from chalicelib.logic.canary_arrival import NO_SITE, Canary
from chalicelib.logic.message_kinds import KIND_CANARY
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make the client that every run needs, while the function starts (``handlers.preload``)."""
    _ = composition.get_container().topic


def send(context: Any) -> None:
    """Publish a canary to the topic. From there it takes the same path as every message."""
    container = composition.get_container()
    canary = Canary(f"canary-{uuid.uuid4()}", container.now())
    logger.set_correlation_id(canary.id)
    container.topic.publish(
        canary.serialize(), site=NO_SITE, kind=KIND_CANARY, function_arn=context.invoked_function_arn
    )
    logger.info("Canary sent", extra={"message_id": canary.id})
