"""``digest``: what its schedule runs."""

from __future__ import annotations

from chalicelib import composition
from chalicelib.logic.digest import DigestDependencies, run
from chalicelib.logs import logger
from chalicelib.texts import texts


def prepare(function: str) -> None:
    """Make the clients that every run needs."""
    container = composition.get_container()
    _ = container.archive, container.digest_log, container.notifiers


def handle() -> None:
    """Tell each site's owner what happened in the days that have ended since the last time."""
    container = composition.get_container()
    if container.stage.digest is not None:
        means = DigestDependencies(container.archive, container.digest_log, container.notifiers, texts, _told)
        run(container.stage.sites.values(), container.stage.digest, container.now(), means)


def _told(site: str, channel: str) -> None:
    logger.info("Digest sent", extra={"site": site, "channel": channel})
