"""``digest``: runs every hour, and sends each site's daily digest once."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib import composition
from chalicelib.logic.digest import DigestDependencies, run
from chalicelib.logs import logger
from chalicelib.settings import Notifications, Site
from chalicelib.texts import texts


def prepare(function: str) -> None:
    """Make the clients that every run needs, while the function starts (``handlers.preload``)."""
    container = composition.get_container()
    _ = container.archive, container.digest_log, container.notifiers


def handle() -> None:
    """Send each site's digest if its day has ended."""
    container = composition.get_container()
    if container.stage.digest is not None:
        dependencies = DigestDependencies(
            container.archive, container.digest_log, container.notifiers, _texts, _on_sent
        )
        sites: list[Site | Notifications] = [*container.stage.sites.values(), container.stage.notifications]
        run(sites, container.stage.digest, container.now(), dependencies)


def _texts(site: Site | Notifications) -> Mapping[str, str]:
    return texts(site.language, site.texts) if isinstance(site, Site) else texts(site.language)


def _on_sent(site: str, channel: str) -> None:
    logger.info("Digest sent", extra={"site": site, "channel": channel})
