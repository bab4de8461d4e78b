"""The parameters of Pushover's API for a notification: https://pushover.net/api

``html`` is never one of them, as what visitors typed would be markup then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.logic import notification_text
from chalicelib.logic.channel_kind import CheckedText, Flag, Option, Text, WholeNumber, check_requested, invalid_option
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.provider_limits import CHARACTERS, Limit
from chalicelib.logic.reply_link import reply_label, reply_link
from chalicelib.settings import Options

_SOURCE = "https://pushover.net/api#limits"
TITLE = Limit("Pushover", "title", 250, CHARACTERS, source=_SOURCE, source_read="2026-11")
MESSAGE = Limit(
    "Pushover", "message", 1024, CHARACTERS, source=_SOURCE, source_read="2026-11", note="“4-byte UTF-8 characters”"
)
LINK = Limit(
    "Pushover",
    "link (`url`)",
    512,
    CHARACTERS,
    source=_SOURCE,
    source_read="2026-11",
    note="never cut: `./herald render` refuses a longer one",
)
LINK_TITLE = Limit("Pushover", "`link_title`", 100, CHARACTERS, source=_SOURCE, source_read="2026-11")
LIMITS = (TITLE, MESSAGE, LINK, LINK_TITLE)

EMERGENCY = 2
"""The priority that is repeated until somebody acknowledges it."""
DEFAULT_RETRY, DEFAULT_EXPIRE = 120, 3600
"""Defaults: seconds between two repetitions, and until the last. Pushover repeats 50 times at most; these are 30."""
DEFAULT_QUOTA_ALERT = 10
"""Default: percent of the month's messages below which a warning is logged."""
DEFAULT_RESET = 60 * 60
"""Seconds to wait when the quota is used up and Pushover names no time of its reset."""
MAX_RESET = 32 * 24 * 60 * 60
"""Quotas are reset once a month, so a longer wait is a mistake."""


def _one_line(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("expected one line of text")
    return value


_SENT_OPTIONS = (
    Option(
        "priority",
        WholeNumber(-2, EMERGENCY),
        "−2 no notification, −1 quiet, 0 normal, 1 also in quiet hours, 2 [until acknowledged](#priority-2)",
        default_doc="Pushover's: 0",
    ),
    Option(
        "retry",
        WholeNumber(30, 10_800),
        "30 to 10,800 seconds between two repetitions; priority 2 alone",
        default_doc="`120`",
    ),
    Option(
        "expire",
        WholeNumber(30, 10_800),
        "30 to 10,800 seconds until the last repetition; priority 2 alone",
        default_doc="`3600`",
    ),
    Option(
        "ttl",
        WholeNumber(1, 31_536_000),
        "1 to 31,536,000 seconds: then the message disappears from the devices; not with priority 2",
    ),
    Option(
        "sound",
        Text(r"[A-Za-z0-9_-]{1,50}", "the name of a sound: up to 50 letters, digits, - and _"),
        "[the name of a sound](https://pushover.net/api#sounds)",
        default_doc="your own choice in the app",
    ),
    Option(
        "device",
        Text(
            r"[A-Za-z0-9_-]{1,25}(,[A-Za-z0-9_-]{1,25})*",
            "names of devices, each up to 25 letters, digits, - and _, between commas without spaces",
        ),
        "names between commas, each up to 25 letters, digits, `-` and `_`; ignored with a group's key",
        default_doc="all devices",
    ),
    Option(
        "tags",
        Text(
            r"[A-Za-z0-9_.-]{1,100}(,[A-Za-z0-9_.-]{1,100}){0,9}",
            "up to 10 tags, each up to 100 letters, digits, -, _ and ., between commas without spaces",
        ),
        "up to 10 tags between commas, by which repetitions can be cancelled; priority 2 alone",
    ),
    # An address is refused if it is too long: cut, it would lead elsewhere.
    Option(
        "link",
        Text(
            r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+",
            f"an address such as https://www.example.com/, without spaces, up to {LINK.usable} characters",
            LINK.usable,
        ),
        "an address, up to 512 characters, below the message: Pushover's `url`",
        default_doc="[an answer to the visitor](README.md#answering)",
    ),
    Option(
        "callback",
        Text(
            r"https?://[!-~]+",
            f"an http:// or https:// address in ASCII, without spaces, up to {LINK.usable} characters",
            LINK.usable,
        ),
        "`http://` or `https://`, up to 512 characters: called once somebody has acknowledged; priority 2 alone",
    ),
    Option(
        "link_title",
        CheckedText(_one_line),
        "one line; 100 characters are shown: Pushover's `url_title`. Only with `link`",
        default_doc="the link itself",
    ),
    Option("monospace", Flag(), "a font of fixed width", default_doc="`false`"),
)
"""Those that become parameters of Pushover's; a request may override each. The others are Herald's own."""
OPTIONS = (
    *(replace(option, requestable=True) for option in _SENT_OPTIONS),
    Option(
        "quota_alert",
        WholeNumber(0, 100),
        "0 to 100 percent: [below it](#quota) each answer logs a warning; 0 for never. `herald.toml` alone",
        default_doc=f"`{DEFAULT_QUOTA_ALERT}`",
    ),
)
"""Those of a channel in ``herald.toml``."""
_EMERGENCY_ONLY = ("retry", "expire", "tags", "callback")
_PARAMETER_NAMES = {"link": "url", "link_title": "url_title"}
"""Pushover's name of an option, where it differs: a channel's ``url`` is the provider's address."""


def find_misplaced(options: Mapping[str, object]) -> dict[str, str]:
    """Return the options that have no effect beside the others, and why."""
    reasons: dict[str, str] = {}
    if options.get("priority") == EMERGENCY:
        if "ttl" in options:
            reasons["ttl"] = f"not with priority {EMERGENCY}: Pushover ignores it there"
    else:
        reasons = dict.fromkeys(
            (name for name in _EMERGENCY_ONLY if name in options), f"only with priority {EMERGENCY}"
        )
    if "link_title" in options and "link" not in options:
        reasons["link_title"] = "only with link"
    return reasons


def make_parameters(channel_options: Options, request_options: Mapping[str, object]) -> dict[str, str | int]:
    """Return the optional parameters of a message: its channel's, overridden by its request's.

    An option of the channel that has no effect beside the request's is left out. Raises
    :class:`~chalicelib.errors.InvalidRequestError` for the request's options.
    """
    if "html" in request_options:
        raise invalid_option("html", "there is none: what visitors typed would be markup")
    requested = check_requested(OPTIONS, request_options)
    of_channel = {each.name: channel_options[each.name] for each in _SENT_OPTIONS if each.name in channel_options}
    if "link" in requested:
        # The channel's link title belongs to another link.
        of_channel.pop("link_title", None)
    options: dict[str, Any] = of_channel | requested
    for name, why in find_misplaced(options).items():
        if name in requested:
            raise invalid_option(name, why)
        del options[name]
    if options.get("priority") == EMERGENCY:
        options.setdefault("retry", DEFAULT_RETRY)
        options.setdefault("expire", DEFAULT_EXPIRE)
    if "link_title" in options:
        options["link_title"] = cut(str(options["link_title"]), LINK_TITLE.usable)
    return {
        _PARAMETER_NAMES.get(name, name): int(value) if isinstance(value, bool) else value
        for name, value in options.items()
        if value is not False
    }


def make_texts(notification: Notification) -> dict[str, str | int]:
    """Return the title and the message, cut to Pushover's limits."""
    return {
        "title": cut(one_line(notification.title), TITLE.usable),
        "message": notification_text.lay_out(notification, MESSAGE.fits),
    }


def make_reply(notification: Notification) -> dict[str, str]:
    """Return the link with which the owner replies to the visitor by mail, and its label; empty where none can be made.

    For a notification without a link of its own.
    """
    link = reply_link(notification)
    return {"url": link, "url_title": reply_label(notification)} if link else {}


def parse_quota(limit: object, remaining: object, reset: object) -> Quota | None:
    """Read the month's quota and its reset from Pushover's numbers: https://pushover.net/api#limits

    Returns None for numbers that make no sense, as of an unknown token.
    """
    try:
        quota = Quota(*(int(str(number)) for number in (limit, remaining, reset)))
    except ValueError:
        return None
    return quota if 0 <= quota.remaining <= quota.limit and quota.limit > 0 else None


def read_quota(headers: Mapping[str, str]) -> Quota | None:
    """Read the quota from the headers of an answer; None if it has none."""
    return parse_quota(*(headers.get(f"X-Limit-App-{name}") for name in ("Limit", "Remaining", "Reset")))


def seconds_until_reset(reset: object, now: float, least: int) -> int:
    """Return the seconds until the quota is reset, at least ``least``; an hour where ``reset`` makes no sense."""
    try:
        wait = int(str(reset)) - int(now)
    except ValueError:
        return DEFAULT_RESET
    return max(least, wait) if wait <= MAX_RESET else DEFAULT_RESET
