"""What Pushover is told of a message: the parameters of its API, each checked, counted and cut as Pushover says.

https://pushover.net/api. ``html`` is never among them: what visitors typed would be markup there.
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
"""The priority that rings until somebody has acknowledged it."""
RETRY, EXPIRE = 120, 3600
"""Seconds between two rings, and until the last, unless set. Pushover rings 50 times at most: these are 30."""
QUOTA_ALERT = 10
"""Percent of the month's messages below which a warning is logged, unless set."""
WITHOUT_RESET = 60 * 60
"""Seconds to wait when Pushover is over quota and doesn't say until when."""
LONGEST_RESET = 32 * 24 * 60 * 60
"""Quotas are reset once a month: what is said to take longer was not understood."""

_WHOLE = {"priority": (-2, EMERGENCY), "retry": (30, 10_800), "expire": (30, 10_800), "ttl": (1, 31_536_000)}
_ADDRESSES = {
    "link": (
        re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+"),
        f"an address such as https://www.example.com/, without spaces, up to {PUSHOVER_LINK.room} characters",
    ),
    "callback": (
        re.compile(r"https?://[!-~]+"),
        f"an http:// or https:// address in ASCII, without spaces, up to {PUSHOVER_LINK.room} characters",
    ),
}
_NAMES = {
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
OPTIONS = (*_WHOLE, *_NAMES, *_ADDRESSES, "link_title", "monospace")
"""What a channel or a request may set."""

_EMERGENCY_ALONE = ("retry", "expire", "tags", "callback")
_PARAMETERS = {"link": "url", "link_title": "url_title"}
"""Pushover's name of an option, where it is another: a channel's ``url`` is where the provider answers."""

Value = str | int | bool


class OptionMistake(ValueError):
    """An option that can't be used. The text says what it must be, and quotes nothing."""

    def __init__(self, option: str, expected: str) -> None:
        super().__init__(expected)
        self.option = option


def checked(name: str, value: object) -> Value:
    """The value of an option, as it is; raises :class:`OptionMistake` for one that it can't have."""
    if name in _WHOLE:
        least, most = _WHOLE[name]
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
        # One that is cut would lead elsewhere.
        if not isinstance(value, str) or len(value) > PUSHOVER_LINK.room or not form.fullmatch(value):
            raise OptionMistake(name, f"expected {expected}")
        return value
    if name in _NAMES:
        form, expected = _NAMES[name]
        if not isinstance(value, str) or not form.fullmatch(value):
            raise OptionMistake(name, f"expected {expected}")
        return value
    if name == "html":
        raise OptionMistake(name, "there is none: what visitors typed would be markup")
    raise OptionMistake(name, f"unknown; expected one of: {', '.join(OPTIONS)}")


def misplaced(options: Mapping[str, object]) -> dict[str, str]:
    """The options that mean nothing beside the others, and why."""
    found: dict[str, str] = {}
    if options.get("priority") == EMERGENCY:
        if "ttl" in options:
            found["ttl"] = f"not with priority {EMERGENCY}: Pushover ignores it there"
    else:
        found |= dict.fromkeys(
            (name for name in _EMERGENCY_ALONE if name in options), f"only with priority {EMERGENCY}"
        )
    if "link_title" in options and "link" not in options:
        found["link_title"] = "only with link"
    return found


def parameters(of_channel: Options, of_request: Mapping[str, object]) -> dict[str, str | int]:
    """The optional parameters of a message: those of its channel, and over them those of its request.

    What the channel has and the request makes meaningless is left out. Raises :class:`OptionMistake` for the request's.
    """
    own = {name: checked(name, value) for name, value in of_request.items()}
    common = {name: checked(name, of_channel[name]) for name in OPTIONS if name in of_channel}
    if "link" in own:
        # The channel's title names another page.
        common.pop("link_title", None)
    options: dict[str, Value] = common | own
    for name, why in misplaced(options).items():
        if name in own:
            raise OptionMistake(name, why)
        del options[name]
    if options.get("priority") == EMERGENCY:
        options.setdefault("retry", RETRY)
        options.setdefault("expire", EXPIRE)
    if "link_title" in options:
        options["link_title"] = cut(str(options["link_title"]), PUSHOVER_LINK_TITLE.room)
    return {
        _PARAMETERS.get(name, name): int(value) if isinstance(value, bool) else value
        for name, value in options.items()
        if value is not False
    }


def texts(notification: Notification) -> dict[str, str | int]:
    """The title and the message, as far as Pushover takes them."""
    return {
        "title": cut(one_line(notification.title), PUSHOVER_TITLE.room),
        "message": notification_text.text(notification, PUSHOVER_MESSAGE.fits),
    }


def quota_of(limit: object, remaining: object, reset: object) -> Quota | None:
    """How many messages may be sent until when, as Pushover says it: https://pushover.net/api#limits

    None where it says nothing that makes sense, as when the token is unknown.
    """
    try:
        found = Quota(*(int(str(number)) for number in (limit, remaining, reset)))
    except ValueError:
        return None
    return found if 0 <= found.remaining <= found.limit and found.limit > 0 else None


def quota_in(headers: Mapping[str, str]) -> Quota | None:
    """What is said of the quota with every message that is taken or refused."""
    return quota_of(*(headers.get(f"X-Limit-App-{name}") for name in ("Limit", "Remaining", "Reset")))


def until_reset(reset: object, now: float, least: int) -> int:
    """Seconds until the quota is reset, at least ``least``; an hour where that second makes no sense."""
    try:
        wait = int(str(reset)) - int(now)
    except ValueError:
        return WITHOUT_RESET
    return max(least, wait) if wait <= LONGEST_RESET else WITHOUT_RESET
