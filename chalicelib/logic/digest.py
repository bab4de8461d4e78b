"""The digest: once a day, for each site to which anything happened, one notification with counts and nothing else.

A day ends at the hour that ``[digest]`` of ``herald.toml`` names, in UTC. The schedule runs more often than that, so a
run that failed or never was is caught up by the next. What a site was told until is written down *before* it is told,
and put back only where certainly nothing was: at most once, as nothing is lost with a digest. docs/digest.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from chalicelib.errors import ChannelUncertainError, HeraldError, InvokeError
from chalicelib.logic.archive import Archive, MessageState, Wanted
from chalicelib.logic.delivery_types import CheckingNotifier, State
from chalicelib.logic.notification import Notification, Quota
from chalicelib.settings import Digest, Site

HOUR = 60 * 60
DAY = 24 * HOUR
MAX_SPAN = 7 * DAY
"""Seconds that one digest looks back at most, however long there was none."""
SETTLED = HOUR // 2
"""Seconds that a day has to be over: what came in its last minutes is stored and delivered then, or fails."""
MAX_QUERIES = 40
"""Queries for one site's digest at most, of 50 messages each."""


@dataclass
class Counts:
    """What happened to a site's messages. No message is in it."""

    states: Counter[MessageState] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    """How many messages a channel was lost for, by its name."""
    complete: bool = True
    """Whether all were counted; else the newest."""


class DigestLog(Protocol):
    """Remembers until when each site was told; raises :class:`~chalicelib.errors.StoreError` where it can't."""

    def told_until(self, site: str) -> int | None:
        """The second after the last one that was told; None for a site that was told nothing lately."""

    def claim(self, site: str, before: int | None, until: int) -> bool:
        """Let it be ``until``; False, and nothing changed, where it is no longer ``before``: another run tells it."""

    def put_back(self, site: str, until: int, before: int | None) -> None:
        """Let it be ``before`` again, if it still is ``until``: nobody was told."""


@dataclass(frozen=True, slots=True)
class DigestDependencies:
    """What a run works with."""

    archive: Archive
    log: DigestLog
    notifiers: Mapping[str, CheckingNotifier]
    words: Callable[[str], Mapping[str, str]]
    """The texts of a language."""
    told: Callable[[str, str], None] = lambda site, channel: None
    """Is told of each site that was told, and by which channel."""


def run(sites: Iterable[Site], digest: Digest, now: int, means: DigestDependencies) -> None:
    """Tell every site's owner what there is to tell; an error with one site leaves the others their turn."""
    failed: HeraldError | None = None
    ready = _Ready(means.notifiers)
    for site in sites:
        try:
            _one(site, digest, now, means, ready)
        except HeraldError as error:
            failed = error
    if failed:
        raise failed


def _one(site: Site, digest: Digest, now: int, means: DigestDependencies, ready: _Ready) -> None:
    before = means.log.told_until(site.name)
    span = due(before, now, digest.hour)
    if span is None:
        return
    since, until = span
    counts = count(means.archive, site.name, since, until)
    what = summary(site, since, until, counts, ready.of(site.channels), means.words) if counts.states else None
    if not means.log.claim(site.name, before, until) or what is None:
        return
    try:
        channel = _tell(what, digest.channels or site.channels, means.notifiers)
    except InvokeError:
        means.log.put_back(site.name, until, before)
        raise
    means.told(site.name, channel)


def due(told_until: int | None, now: int, hour: int) -> tuple[int, int] | None:
    """From which second until before which one there is something to tell; None where the last day was told."""
    end = now - SETTLED - (now - SETTLED - hour * HOUR) % DAY
    begin = max(end - DAY if told_until is None else told_until, end - MAX_SPAN)
    return (begin, end) if begin < end else None


def count(archive: Archive, site: str, since: int, until: int) -> Counts:
    """Look at the messages that came from ``since`` on and before ``until``, in no more than :data:`PAGES` queries."""
    counts = Counts()
    wanted = Wanted(site, since=since, until=until)
    for _ in range(MAX_QUERIES):
        page = archive.page(wanted)
        for message in page.messages:
            counts.states[message.state] += 1
            lost = (State.REJECTED, State.EXPIRED)
            counts.failed.update(name for name, delivery in message.channels.items() if delivery.state in lost)
        if page.next is None:
            return counts
        wanted = Wanted(site, since=since, until=until, after=page.next)
    counts.complete = False
    return counts


def summary(
    site: Site,
    since: int,
    until: int,
    counts: Counts,
    ready: Mapping[str, Quota | str | None],
    words_of: Callable[[str], Mapping[str, str]],
) -> Notification:
    """What the owner reads, in the site's language: numbers, and names out of ``herald.toml``.

    ``ready`` has of each channel its quota, None where none is known, or the class of what it would fail with.
    """
    words = words_of(site.language)
    labels = {
        MessageState.DELIVERED: words["digest_delivered"],
        MessageState.WAITING: words["digest_waiting"],
        MessageState.STORED: words["digest_stored"],
        MessageState.UNDELIVERABLE: words["digest_undeliverable"],
        MessageState.UNCERTAIN: words["digest_uncertain"],
        MessageState.QUARANTINED: words["digest_quarantined"],
        MessageState.DUPLICATE: words["digest_duplicate"],
    }
    lines = [f"{words['digest_messages']}: {counts.states.total()}{'' if counts.complete else '+'}"]
    lines += [f"{label}: {counts.states[state]}" for state, label in labels.items() if counts.states[state]]
    lines += [f"{words['digest_failed']} {name}: {number}" for name, number in sorted(counts.failed.items())]
    for name, found in ready.items():
        if isinstance(found, Quota):
            lines.append(f"{words['digest_quota']} {name}: {found.remaining} / {found.limit}")
        elif found:
            lines.append(f"{words['digest_not_ready']} {name}: {found}")
    lines.append(f"{words['digest_period']}: {_time(since)} – {_time(until)} UTC")
    return Notification(f"digest-{site.name}-{until}", f"Herald: {site.name}", "\n".join(lines), until)


def _time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


def _tell(what: Notification, channels: Sequence[str], notifiers: Mapping[str, CheckingNotifier]) -> str:
    """Tell by the first channel that takes it, or may have; returns its name. Raises the last error where none does."""
    last: InvokeError | None = None
    for channel in channels:
        try:
            notifiers[channel].notify(what)
            return channel
        except ChannelUncertainError:
            return channel
        except InvokeError as error:
            last = error
    raise last or ValueError("there is no channel to tell by")


class _Ready:
    """What each channel's notifier finds of itself, asked once in a run."""

    def __init__(self, notifiers: Mapping[str, CheckingNotifier]) -> None:
        self._notifiers = notifiers
        self._found: dict[str, Quota | str | None] = {}

    def of(self, channels: Iterable[str]) -> dict[str, Quota | str | None]:
        """By the channel's name: its quota, None where none is known, or the class of what it would fail with."""
        for name in channels:
            if name not in self._found:
                try:
                    self._found[name] = self._notifiers[name].check(Notification("digest", "Check", "Check"))
                except InvokeError as error:
                    self._found[name] = type(error).__name__
        return {name: self._found[name] for name in channels}
