"""The parameters of Pushover's API for a notification: https://pushover.net/api

``html`` is never one of them, as what visitors typed would be markup then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chalicelib.logic import notification_text
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.provider_limits import PUSHOVER_LINK, PUSHOVER_LINK_TITLE, PUSHOVER_MESSAGE, PUSHOVER_TITLE
from chalicelib.settings import Options

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

_WHOLE_NUMBERS = {"priority": (-2, EMERGENCY), "retry": (30, 10_800), "expire": (30, 10_800), "ttl": (1, 31_536_000)}
_ADDRESSES = {
    "link": (
        re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+"),
        f"an address such as https://www.example.com/, without spaces, up to {PUSHOVER_LINK.usable} characters",
    ),
    "callback": (
        re.compile(r"https?://[!-~]+"),
        f"an http:// or https:// address in ASCII, without spaces, up to {PUSHOVER_LINK.usable} characters",
    ),
}
_WORDS = {
    "sound": (re.compile(r"[A-Za-z0-9_-]{1,50}"), "the name of a sound: up to 50 letters, digits, - and _"),
    "device": (
        re.compile(r"[A-Za-z0-9_-]{1,25}(,[A-Za-z0-9_-]{1,25})*"),
        "names of devices, each up to 25 letters, digits, - and _, between commas without spaces",
    ),
    "tags": (
        re.compile(r"[A-Za-z0-9_.-]{1,100}(,[A-Za-z0-9_.-]{1,100}){0,9}"),
        "up to 10 tags, each up to 100 letters, digits, -, _ and ., between commas without spaces",
    ),
}
OPTIONS = (*_WHOLE_NUMBERS, *_WORDS, *_ADDRESSES, "link_title", "monospace")
"""The options that a channel or a request may set."""

_EMERGENCY_ALONE = ("retry", "expire", "tags", "callback")
_PARAMETERS = {"link": "url", "link_title": "url_title"}
"""Pushover's name of an option, where it differs: a channel's ``url`` is the provider's address."""

Value = str | int | bool


class OptionMistake(ValueError):
    """A wrong option. The message says what is expected, and doesn't quote the value."""

    def __init__(self, option: str, expected: str) -> None:
        super().__init__(expected)
        self.option = option


def check_option(name: str, value: object) -> Value:
    """Return an option's value; raises :class:`OptionMistake` for a wrong one."""
    if name in _WHOLE_NUMBERS:
        least, most = _WHOLE_NUMBERS[name]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise OptionMistake(name, f"expected a whole number from {least} to {most:,}")
        return value
    if name == "monospace":
        if not isinstance(value, bool):
            raise OptionMistake(name, "expected true or false")
        return value
    if name == "link_title":
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise OptionMistake(name, "expected one line of text")
        return value
    if name in _ADDRESSES:
        form, expected = _ADDRESSES[name]
        # A shortened address would lead elsewhere.
        if not isinstance(value, str) or len(value) > PUSHOVER_LINK.usable or not form.fullmatch(value):
            raise OptionMistake(name, f"expected {expected}")
        return value
    if name in _WORDS:
        form, expected = _WORDS[name]
        if not isinstance(value, str) or not form.fullmatch(value):
            raise OptionMistake(name, f"expected {expected}")
        return value
    if name == "html":
        raise OptionMistake(name, "there is none: what visitors typed would be markup")
    raise OptionMistake(name, f"unknown; expected one of: {', '.join(OPTIONS)}")


def find_misplaced(options: Mapping[str, object]) -> dict[str, str]:
    """Return the options that have no effect beside the others, and why."""
    reasons: dict[str, str] = {}
    if options.get("priority") == EMERGENCY:
        if "ttl" in options:
            reasons["ttl"] = f"not with priority {EMERGENCY}: Pushover ignores it there"
    else:
        reasons |= dict.fromkeys(
            (name for name in _EMERGENCY_ALONE if name in options), f"only with priority {EMERGENCY}"
        )
    if "link_title" in options and "link" not in options:
        reasons["link_title"] = "only with link"
    return reasons


def make_parameters(of_channel: Options, of_request: Mapping[str, object]) -> dict[str, str | int]:
    """Return the optional parameters of a message: its channel's, overridden by its request's.

    An option of the channel that has no effect beside the request's is left out. Raises :class:`OptionMistake` for the
    request's options.
    """
    requested = {name: check_option(name, value) for name, value in of_request.items()}
    usual = {name: check_option(name, of_channel[name]) for name in OPTIONS if name in of_channel}
    if "link" in requested:
        # The channel's link title belongs to another link.
        usual.pop("link_title", None)
    options: dict[str, Value] = usual | requested
    for name, why in find_misplaced(options).items():
        if name in requested:
            raise OptionMistake(name, why)
        del options[name]
    if options.get("priority") == EMERGENCY:
        options.setdefault("retry", DEFAULT_RETRY)
        options.setdefault("expire", DEFAULT_EXPIRE)
    if "link_title" in options:
        options["link_title"] = cut(str(options["link_title"]), PUSHOVER_LINK_TITLE.usable)
    return {
        _PARAMETERS.get(name, name): int(value) if isinstance(value, bool) else value
        for name, value in options.items()
        if value is not False
    }


def make_texts(notification: Notification) -> dict[str, str | int]:
    """Return the title and the message, cut to Pushover's limits."""
    return {
        "title": cut(one_line(notification.title), PUSHOVER_TITLE.usable),
        "message": notification_text.lay_out(notification, PUSHOVER_MESSAGE.fits),
    }


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
