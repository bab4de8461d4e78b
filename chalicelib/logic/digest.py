"""The digest: once a day, one notification for each site with messages, which counts them by state.

A day ends at the hour (UTC) in ``[digest]`` of ``herald.toml``. The schedule runs every hour, so that the next run
makes up for a failed one. The end of the reported time is stored *before* the digest is sent, and put back if
certainly none was sent. So each digest is sent at most once. docs/digest.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from chalicelib.errors import FunctionError, HeraldError
from chalicelib.logic.channel_fallback import notify_owner
from chalicelib.logic.delivery_types import CheckingNotifier
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.stored_messages import Archive, Wanted
from chalicelib.settings import Digest, Notifications, Site

HOUR = 60 * 60
DAY = 24 * HOUR
MAX_SPAN = 7 * DAY
"""The longest time in seconds that one digest covers."""
SETTLED = HOUR // 2
"""Seconds to wait after a day's end, so that its last messages are delivered or have failed."""
MAX_QUERIES = 40
"""Most queries for one site's digest, of 50 messages each."""


@dataclass
class Counts:
    """How many of a site's messages are in which state."""

    states: Counter[MessageState] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    """How many messages each channel failed to deliver, by its name."""
    complete: bool = True
    """Whether all messages were counted; if not, only the newest were."""


class DigestLog(Protocol):
    """Stores the end of the time that each site's last digest covered.

    Its methods raise :class:`~chalicelib.errors.StoreError`.
    """

    def reported_until(self, site: str) -> int | None:
        """Return the end of that time, or None for a site without a recent digest."""

    def claim(self, site: str, before: int | None, until: int) -> bool:
        """Set it to ``until``; return False, and change nothing, if it isn't ``before``: another run sends it."""

    def put_back(self, site: str, until: int, before: int | None) -> None:
        """Set it back to ``before`` if it still is ``until``, as no digest was sent."""


@dataclass(frozen=True, slots=True)
class DigestDependencies:
    """What sending digests needs."""

    archive: Archive
    log: DigestLog
    notifiers: Mapping[str, CheckingNotifier]
    words: Callable[[Site | Notifications], Mapping[str, str]]
    """Returns the texts in the language of a site's owner."""
    on_sent: Callable[[str, str], None] = lambda site, channel: None
    """Called with the site and the channel of each digest that was sent."""


def run(sites: Iterable[Site | Notifications], digest: Digest, now: int, dependencies: DigestDependencies) -> None:
    """Send each site's digest that is due. An error of one site is raised after the others."""
    failed: HeraldError | None = None
    ready = _Readiness(dependencies.notifiers)
    for site in sites:
        try:
            _send_digest(site, digest, now, dependencies, ready)
        except HeraldError as error:
            failed = error
    if failed:
        raise failed


def _send_digest(
    site: Site | Notifications, digest: Digest, now: int, dependencies: DigestDependencies, ready: _Readiness
) -> None:
    before = dependencies.log.reported_until(site.name)
    span = due(before, now, digest.hour)
    if span is None:
        return
    since, until = span
    counts = count(dependencies.archive, site.name, since, until)
    notification = (
        summary(site, since, until, counts, ready.of(site.channels), dependencies.words) if counts.states else None
    )
    if not dependencies.log.claim(site.name, before, until) or notification is None:
        return
    try:
        channel = notify_owner(
            notification, digest.channels or site.channels, dependencies.notifiers, at_most_once=True
        )
    except FunctionError:
        dependencies.log.put_back(site.name, until, before)
        raise
    dependencies.on_sent(site.name, channel)


def due(reported_until: int | None, now: int, hour: int) -> tuple[int, int] | None:
    """Return the time to report, as its first second and the second after its last; None if it was reported."""
    end = now - SETTLED - (now - SETTLED - hour * HOUR) % DAY
    begin = max(end - DAY if reported_until is None else reported_until, end - MAX_SPAN)
    return (begin, end) if begin < end else None


def count(archive: Archive, site: str, since: int, until: int) -> Counts:
    """Count the messages received from ``since`` on and before ``until``, in at most :data:`MAX_QUERIES` queries."""
    counts = Counts()
    wanted = Wanted(site, since=since, until=until)
    for _ in range(MAX_QUERIES):
        page = archive.page(wanted)
        for message in page.messages:
            counts.states[message.state] += 1
            counts.failed.update(name for name, delivery in message.channels.items() if delivery.state.is_lost)
        if page.next is None:
            return counts
        wanted = Wanted(site, since=since, until=until, after=page.next)
    counts.complete = False
    return counts


def summary(
    site: Site | Notifications,
    since: int,
    until: int,
    counts: Counts,
    ready: Mapping[str, Quota | str | None],
    words_of: Callable[[Site | Notifications], Mapping[str, str]],
) -> Notification:
    """Make the digest in the site's language. It holds numbers, and names from ``herald.toml``.

    ``ready`` maps each channel to its quota, to None if no quota is known, or to the class of the error of its check.
    """
    words = words_of(site)
    labels = {
        MessageState.DELIVERED: words["digest_delivered"],
        MessageState.WAITING: words["digest_waiting"],
        MessageState.STORED: words["digest_stored"],
        MessageState.UNDELIVERABLE: words["digest_undeliverable"],
        MessageState.UNCERTAIN: words["digest_uncertain"],
        MessageState.QUARANTINED: words["digest_quarantined"],
        MessageState.SUMMARIZED: words["digest_summarized"],
        MessageState.DUPLICATE: words["digest_duplicate"],
        MessageState.REJECTED_PUBLICATION: words["digest_rejected"],
    }
    lines = [f"{words['digest_messages']}: {counts.states.total()}{'' if counts.complete else '+'}"]
    lines += [f"{label}: {counts.states[state]}" for state, label in labels.items() if counts.states[state]]
    lines += [f"{words['digest_failed']} {name}: {number}" for name, number in sorted(counts.failed.items())]
    for name, readiness in ready.items():
        if isinstance(readiness, Quota):
            lines.append(f"{words['digest_quota']} {name}: {readiness.remaining} / {readiness.limit}")
        elif readiness:
            lines.append(f"{words['digest_not_ready']} {name}: {readiness}")
    lines.append(f"{words['digest_period']}: {_time(since)} – {_time(until)} UTC")
    return Notification(f"digest-{site.name}-{until}", f"Herald: {site.name}", "\n".join(lines), until)


def _time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


class _Readiness:
    """Checks each channel once in a run."""

    def __init__(self, notifiers: Mapping[str, CheckingNotifier]) -> None:
        self._notifiers = notifiers
        self._checked: dict[str, Quota | str | None] = {}

    def of(self, channels: Iterable[str]) -> dict[str, Quota | str | None]:
        """Return for each channel its quota, None if no quota is known, or the class of its check's error."""
        for name in channels:
            if name not in self._checked:
                try:
                    self._checked[name] = self._notifiers[name].check(Notification("digest", "Check", "Check"))
                except FunctionError as error:
                    self._checked[name] = type(error).__name__
        return {name: self._checked[name] for name in channels}
