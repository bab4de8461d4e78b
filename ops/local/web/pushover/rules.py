"""Decide which messages Pushover accepts, and what it answers to the others: https://pushover.net/api.

Pushover documents the limits and the shape of an answer, but few error texts. Texts that users have published are used
word for word (the samples beside the tests name each source). The others follow their pattern. Clients must rely on the
status code and ``status``, not on the texts.

Pushover is said to accept some things that its documentation forbids, such as an ``expire`` above three hours. The
stand-in is strict: it accepts only what is within the documented limits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST = {"message": 1024, "title": 250, "url": 512, "url_title": 100}
"""Characters, https://pushover.net/api#limits."""
MOST_USERS = 50
LOWEST_PRIORITY, EMERGENCY = -2, 2
SHORTEST_RETRY = 30
LONGEST_EXPIRE = 10_800

_IDENTIFIER = re.compile(r"[A-Za-z0-9]{30}")
_DEVICES = re.compile(r"[A-Za-z0-9_-]{1,25}(,[A-Za-z0-9_-]{1,25})*")
_INTEGER = re.compile(r"[+-]?\d{1,15}")
_LINK = "see https://pushover.net/api"


@dataclass(slots=True)
class Faults:
    """The mistakes in a request: a word for each parameter, and the texts for ``errors``."""

    parameters: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def add(self, parameter: str, word: str, text: str) -> None:
        self.parameters.setdefault(parameter, word)
        self.errors.append(text)

    def __bool__(self) -> bool:
        return bool(self.errors)

    def body(self, request: str) -> dict[str, Any]:
        """``{"user": "invalid", "errors": […], "status": 0, "request": "…"}``, https://pushover.net/api#response."""
        return {**self.parameters, "errors": self.errors, "status": 0, "request": request}


def is_identifier(value: object) -> bool:
    """Whether the value has the form of a token or a user key, https://pushover.net/api#identifiers."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def token_faults(parameters: Mapping[str, Any], known: str) -> Faults:
    faults = Faults()
    token = parameters.get("token")
    if not is_identifier(token) or token != known:
        faults.add("token", "invalid", f"application token is invalid, {_LINK}")
    return faults


def over_quota(limit: int) -> Faults:
    """Return the content of a 429 answer."""
    faults = Faults()
    faults.add("token", "invalid", f"application has exceeded current limit of {limit} messages")
    return faults


def validation_faults(parameters: Mapping[str, Any], users: Collection[str], devices: Collection[str]) -> Faults:
    """Check a request to ``users/validate.json``, https://pushover.net/api#validate. It takes only one user."""
    faults = Faults()
    user = parameters.get("user")
    if not is_identifier(user) or user not in users:
        faults.add("user", "invalid", "user key is invalid")
    elif not _blank(device := parameters.get("device")) and device not in devices:
        faults.add("device", "invalid for this user", "device name is not valid for user")
    return faults


LARGEST_ATTACHMENT = 5_242_880
"""Bytes of the one image: https://pushover.net/api#attachments"""


def message_faults(parameters: Mapping[str, Any], users: Collection[str]) -> Faults:
    """Check everything in a message except its token."""
    faults = Faults()
    _check_user(parameters.get("user"), users, faults)
    if _blank(parameters.get("message")):
        faults.add("message", "cannot be blank", "message cannot be blank")
    for name, longest in LONGEST.items():
        value = parameters.get(name)
        if value is not None and not isinstance(value, str | int | float):
            faults.add(name, "is invalid", f"{name} is invalid")
        elif value is not None and len(str(value)) > longest:
            faults.add(name, f"is too long, must be at most {longest} characters", f"{name} is too long")
    attachment = parameters.get("attachment")
    if isinstance(attachment, Mapping) and not (
        attachment["bytes"] <= LARGEST_ATTACHMENT and str(attachment["content_type"]).startswith("image/")
    ):
        faults.add("attachment", "is invalid", "attachment is invalid")
    _check_numbers(parameters, faults)
    device = parameters.get("device")
    # An unknown device is allowed: the message then goes to all devices, "to avoid losing messages".
    if not _blank(device) and not (isinstance(device, str) and _DEVICES.fullmatch(device)):
        faults.add("device", "is invalid", "device name is invalid")
    if _is_set(parameters.get("html")) and _is_set(parameters.get("monospace")):
        faults.add("monospace", "may not be used with html", "monospace may not be used if html is used")
    return faults


def priority_of(parameters: Mapping[str, Any]) -> int:
    """Return the priority of a valid message."""
    return integer(parameters.get("priority")) or 0


def recipients(parameters: Mapping[str, Any]) -> list[str]:
    """Return the user keys of a valid message."""
    return str(parameters["user"]).split(",")


def integer(value: object) -> int | None:
    """Return the integer in a parameter, given as a number (JSON) or as text; None if it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    return None


def next_reset(now: float) -> int:
    """Return the next reset of quotas in seconds since the epoch.

    Pushover documents it as "00:00:00 Central Time on the 1st of each month".
    """
    try:
        zone: ZoneInfo | timezone = ZoneInfo("America/Chicago")
    except ZoneInfoNotFoundError:  # no time zone database on this machine: an hour off in summer
        zone = timezone(timedelta(hours=-6))
    today = datetime.fromtimestamp(now, zone)
    year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
    return int(datetime(year, month, 1, tzinfo=zone).timestamp())


def _check_user(value: object, users: Collection[str], faults: Faults) -> None:
    keys = value.split(",") if isinstance(value, str) else []
    if not keys or len(keys) > MOST_USERS or not all(is_identifier(key) and key in users for key in keys):
        faults.add(
            "user",
            "invalid",
            f"user identifier is not a valid user, group, or subscribed user key, {_LINK}#identifiers",
        )


def _check_numbers(parameters: Mapping[str, Any], faults: Faults) -> None:
    given = {name: value for name, value in parameters.items() if not _blank(value)}
    priority = integer(given.get("priority", 0))
    if priority is None or not LOWEST_PRIORITY <= priority <= EMERGENCY:
        faults.add("priority", "is invalid, can only be -2, -1, 0, 1, or 2", "priority is invalid")
    if priority == EMERGENCY:
        for name in ("expire", "retry"):
            if name not in given:
                faults.add(name, "must be supplied with priority=2", f"{name} must be supplied with priority=2")
        retry, expire = (
            integer(given.get("retry", SHORTEST_RETRY)),
            integer(given.get("expire", LONGEST_EXPIRE)),
        )
        if retry is None or retry < SHORTEST_RETRY:
            faults.add("retry", f"is too small, must be at least {SHORTEST_RETRY} seconds", "retry is invalid")
        if expire is None or not 0 < expire <= LONGEST_EXPIRE:
            faults.add("expire", f"must be at most {LONGEST_EXPIRE} seconds", "expire is invalid")
    elif "ttl" in given and (integer(given["ttl"]) or 0) <= 0:  # ignored with priority 2
        faults.add("ttl", "must be a positive number of seconds", "ttl is invalid")
    if "timestamp" in given and (integer(given["timestamp"]) or 0) <= 0:
        faults.add("timestamp", "must be a Unix timestamp", "timestamp is invalid")


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_set(value: object) -> bool:
    return value is True or integer(value) == 1
