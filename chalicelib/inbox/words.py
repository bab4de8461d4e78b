"""What the pages call things: states, signals and times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.logic.delivery_types import State
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.replay import Replayed
from chalicelib.logic.spam import Signal
from chalicelib.logic.stored_messages import OwnerMark

MESSAGE_STATES: dict[MessageState, str] = {
    MessageState.QUARANTINED: "Held as spam: nothing is sent. Release what is not spam.",
    MessageState.UNDELIVERABLE: "At least one channel gave up: its provider refused for good, or for too long.",
    MessageState.UNCERTAIN: "A provider may or may not have accepted it, and its channel waits for you to decide.",
    MessageState.WAITING: "At least one channel still has to deliver, and will be tried again by itself.",
    MessageState.STORED: "Stored; nothing was tried yet.",
    MessageState.DELIVERED: "Every channel delivered.",
    MessageState.SUMMARIZED: "Too many came at once: one summary tells of all of them.",
    MessageState.DUPLICATE: "Held because another message had the same content: that one was delivered.",
    MessageState.REJECTED_PUBLICATION: (
        "A program published it, but it is not a valid notification. Only the reason is stored."
    ),
}
"""What each state means, in the order in which an owner wants to see them."""

CHANNEL_STATES: dict[State, str] = {
    State.PENDING: "nothing was tried",
    State.SENDING: "being sent at this moment",
    State.DELIVERED: "the provider accepted",
    State.REJECTED: "the provider refused it for good",
    State.WAITING: "not delivered; will be tried again",
    State.UNCERTAIN: "the provider may or may not have accepted",
    State.EXPIRED: "tried until it was too old",
    State.SUMMARIZED: "told in a summary, because the channel had reached its limit",
}

SIGNALS: dict[str, str] = {
    Signal.HONEYPOT: "filled in a field that people don't see",
    Signal.FILL_TIME: "filled in faster than a person types",
    Signal.LINKS: "many links",
    Signal.RATE: "many messages from one address",
    Signal.NO_PROOF: "no solved challenge",
    Signal.WRONG_PROOF: "a wrong or expired challenge",
    Signal.REPLAYED_PROOF: "a challenge that was used before",
    Signal.NO_CAPTCHA: "no captcha solved",
    Signal.WRONG_CAPTCHA: "a forged captcha",
    Signal.SPENT_CAPTCHA: "a captcha that had expired or was used before",
    Signal.FOREIGN_CAPTCHA: "a captcha of another website's page",
    Signal.LOW_CAPTCHA: "a captcha with a low score",
    Signal.UNCHECKED_CAPTCHA: "its captcha could not be verified",
    Signal.UNCHECKED: "could not be checked fully",
}


MARKS: dict[OwnerMark, str] = {
    OwnerMark.SPAM: "Marked as spam",
    OwnerMark.NOT_SPAM: "Marked as not spam",
    OwnerMark.ANSWERED: "Marked as answered",
    OwnerMark.NOT_ANSWERED: "Marked as not answered",
}


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(names: list[str]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def replayed(done: Replayed) -> str:
    """What a replay or a release did."""
    left = [f"{name} ({why})" for name, why in done.left.items()]
    alone = f" Left alone: {listed(left)}." if left else ""
    if not done.channels:
        return f"Nothing is left to deliver.{alone}"
    if not done.asked:
        return f"Will deliver by {listed(list(done.channels))} within 15 minutes: destined can't be reached now.{alone}"
    return f"Delivering by {listed(list(done.channels))}.{alone}"


def moment(at: int) -> str:
    """A second since the epoch, by the clock of this machine: ``25 November 2026, 21:40:07``."""
    when = datetime.fromtimestamp(at)
    return f"{when.day} {when:%B %Y, %H:%M:%S}"


def spoken(at: int, now: int) -> str:
    """A second since the epoch as people say it: ``3 minutes ago``, ``in 2 hours``, ``yesterday``, ``5 days ago``; from
    a week on the day."""
    when, today = datetime.fromtimestamp(at), datetime.fromtimestamp(now)
    apart, days = abs(at - now), (when.date() - today.date()).days
    if apart < 60:
        return "just now" if at <= now else "in a moment"
    if (minutes := round(apart / 60)) < 60:
        return _ago_or_in(counted(minutes, "minute"), at, now)
    if not days or apart < 6 * 3600:
        return _ago_or_in(counted(round(apart / 3600), "hour"), at, now)
    if abs(days) == 1:
        return "yesterday" if days < 0 else "tomorrow"
    if abs(days) < 7:
        return _ago_or_in(counted(abs(days), "day"), at, now)
    return f"{when.day} {when:%b}" if when.year == today.year else f"{when.day} {when:%b %Y}"


def _ago_or_in(long: str, at: int, now: int) -> str:
    return f"{long} ago" if at <= now else f"in {long}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A second since the epoch in words."""

    text: str
    """What is shown."""
    full: str
    """With date and seconds."""
    machine: str
    """For programs (HTML, 2.3.5.7)."""


def when(at: int, now: int | None = None) -> Moment:
    """A second since the epoch for a page, as people say it at the second ``now``, else in full."""
    text = moment(at) if now is None else spoken(at, now)
    return Moment(text, moment(at), datetime.fromtimestamp(at).astimezone().isoformat())


def lasting(seconds: int) -> str:
    """How long something took, in its largest unit or two."""
    days, rest = divmod(max(0, seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{value} {unit}" for value, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")) if value]
    return " ".join(parts[:2]) or "0 s"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is nothing to see, and what to do about it."""

    title: str
    advice: str
    reason: str = ""
    """The name that AWS or its SDK has for it."""
