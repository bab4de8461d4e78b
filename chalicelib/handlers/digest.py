"""``digest``: what its schedule runs."""

from __future__ import annotations

from chalicelib import composition
from chalicelib.logic.digest import Means, run
from chalicelib.logs import logger
from chalicelib.texts import texts


def prepare(function: str) -> None:
    """Make the clients that every run needs."""
    here = composition.root()
    _ = here.archive, here.digest_log, here.notifiers


def handle() -> None:
    """Tell each site's owner what happened in the days that have ended since the last time."""
    here = composition.root()
    if here.stage.digest is not None:
        means = Means(here.archive, here.digest_log, here.notifiers, texts, _told)
        run(here.stage.sites.values(), here.stage.digest, here.now(), means)


def _told(site: str, channel: str) -> None:
    logger.info("Digest sent", extra={"site": site, "channel": channel})
