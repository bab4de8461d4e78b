"""Configurations that decide which functions exist and what each may do, and a small set that covers their pairs.

Each key of ``herald.toml`` that a template, or a ``needed`` of a grant or a function, reads is a factor here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ops.config.loader import StageConfig, load
from tests.declared import HTTP, toml

CHANNELS = ("pushover", "email", "webhook", "all")
"""Each kind of channel alone, those asked by HTTP with webhooks, and all together."""

_TOGETHER = {
    "proof_of_work": 0b0000,
    "send_event": 0b0101,
    "function_url": 0b0011,
    "tells_owner": 0b0110,
    "canary": 0b1000,
    "digest": 0b0100,
    "xray": 0b0010,
    # One factor: a captcha is a grant of destined alone, an autoreply a function of its own.
    "captcha_and_autoreply": 0b0001,
}
"""Each switch and the bit mask by which :func:`pairwise` sets it. No mask equals another one or its complement."""
SWITCHES = (*_TOGETHER, "files")
"""With files, there is an inbox in the pocket too: one factor, as both are a grant of destined and a function."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One combination of the factors."""

    channels: str
    on: frozenset[str]
    added: bool = False
    """Whether the owner has also added rules, subscribers and grants: docs/rules.md."""

    def __str__(self) -> str:
        return ", ".join([self.channels, *sorted(self.on)])

    def toml(self) -> str:
        """Return a ``herald.toml`` with the stages ``dev`` and ``local``, both with this configuration."""
        kinds = CHANNELS[:-1] if self.channels == "all" else (self.channels,)
        names = [name for kind in kinds for name in _NAMES[kind]]
        text = "\n".join(
            [
                "version = 1",
                _SITE.format(channels=names),
                _FILES if "files" in self.on else "",
                "[sites.default.spam]" if self.on & set(_SIGNS) else "",
                *(_SIGNS[sign] for sign in SWITCHES if sign in self.on and sign in _SIGNS),
                _AUTOREPLY if "captcha_and_autoreply" in self.on else "",
                *(_TABLES[kind] for kind in kinds),
                _ALARMS.format(channels=names[:1] if "tells_owner" in self.on else []) if self.has_alarms else "",
                *(f"[{table}]" for table in ("canary", "digest") if table in self.on),
                *(
                    _STAGE.format(
                        name=name,
                        more=more,
                        **{
                            switch: str(switch in self.on).lower()
                            for switch in ("send_event", "function_url", "files", "xray")
                        },
                    )
                    for name, more in (("dev", ""), ("local", _LOCAL))
                ),
                _STAND_IN if "pushover" in kinds else "",
                _CAPTCHA_STAND_IN if "captcha_and_autoreply" in self.on else "",
                _ADDED if self.added else "",
            ]
        )
        # A budget that no configuration spends before the next.
        return re.sub(r"^\[channels\..+\]$", r"\g<0>\nrings = { hour = 1000, day = 10000 }", text, flags=re.MULTILINE)

    @property
    def has_alarms(self) -> bool:
        """Whether somebody is notified of alarms. A canary needs an alarm too."""
        return bool(self.on & {"tells_owner", "canary"})

    def load(self, folder: Path) -> dict[str, StageConfig]:
        """Load the stages ``dev`` and ``local`` of this configuration from a file written into the folder."""
        (folder / "herald.toml").write_text(self.toml(), encoding="utf-8")
        return load(folder)


_NAMES = {"pushover": ("pushover",), "email": ("email",), "webhook": ("own", "slack", *HTTP)}

_SITE = """
[sites.default]
thanks = "http://127.0.0.1:8080/thanks.html"
origins = ["http://127.0.0.1:8080"]
channels = {channels}
"""
_SIGNS = {
    "proof_of_work": "proof_of_work = { points = 1, tries = 2 }",
    "captcha_and_autoreply": 'captcha = { points = 1, kind = "turnstile" }',
}
_FILES = """
[sites.default.files]
kinds = ["image", "pdf", "text"]
"""
_CAPTCHA_STAND_IN = """
[stages.local.sites.default.spam.captcha]
url = "http://127.0.0.1:8080/captcha/turnstile"
hostnames = ["localhost"]
"""
_AUTOREPLY = """
[sites.default.autoreply]
from = "Shop <hello@shop.example.com>"
identities = ["example.com"]
configuration_set = "answers"

[sites.default.autoreply.texts.en]
subject = "We got your message"
text = "Hello."
"""
_TABLES = {
    "pushover": """
[channels.pushover]
kind = "pushover"
pause = 5
""",
    "email": """
[channels.email]
kind = "email"
from = "Herald <herald@mail.example.com>"
to = ["owner@example.org"]
configuration_set = "own"
identities = ["example.com"]
""",
    "webhook": """
[channels.own]
kind = "webhook"
inbox_link = true

[channels.slack]
kind = "webhook"
format = "slack"
"""
    + toml(*HTTP),
}
_ALARMS = """
[alarms]
email = "owner@example.com"
channels = {channels}
"""
_STAGE = """
[stages.{name}]
send_event = {send_event}
function_url = {function_url}
inbox = {files}
xray = {xray}
{more}"""
_LOCAL = """
endpoint = "http://127.0.0.1:4566"
account = "000000000000"
region = "us-east-1"
"""
_STAND_IN = """
[stages.local.channels.pushover]
url = "http://127.0.0.1:8080/pushover"
"""
_ADDED = """
[[rule]]
name = "inbox"
action = "undeliverable"
to = "sqs:inbox"

[[rule]]
name = "team"
to = "sns:team"

[[rule]]
name = "slack"
condition = "RetriesExhausted"
to = "lambda:slack"

[[rule]]
name = "machine"
action = "undeliverable"
to = "states:orders"

[[rule]]
name = "log"
action = "undeliverable"
to = "logs:/aws/events/forms"

[[rule]]
name = "bus"
action = "undeliverable"
to = "events:mine"

[[subscriber]]
name = "copies"
raw = true
to = "sqs:copies"

[[subscriber]]
name = "crm"
to = "lambda:crm"

[[grant]]
name = "report"
functions = ["list_messages", "get_message"]
roles = ["nightly-report"]
"""


def pairwise() -> list[Configuration]:
    """Return sixteen configurations that together contain each pair of levels of any two factors.

    Eight would do for that. Each is there with files and without: captchas and files both change what ``destined`` may.
    """
    return [
        Configuration(
            channels,
            frozenset(name for name, mask in _TOGETHER.items() if half ^ (mask >> index & 1))
            | ({"files"} if half == with_files else set()),
        )
        for with_files in (0, 1)
        for index, channels in enumerate(CHANNELS)
        for half in (0, 1)
    ]


def everything() -> list[Configuration]:
    """Return every configuration, those with the most switches first. The first one also has the owner's additions.

    X-Ray changes only one statement of every policy. So it is on in one half and off in the other, which saves doubling
    the number.
    """
    switches = [switch for switch in SWITCHES if switch != "xray"]
    combinations = (
        {name for name, on in zip(switches, levels, strict=True) if on}
        for levels in product((True, False), repeat=len(switches))
    )
    return [
        Configuration("all", frozenset(SWITCHES), added=True),
        *(
            Configuration(channels, frozenset(on | ({"xray"} if "function_url" in on else set())))
            for on, channels in product(combinations, reversed(CHANNELS))
        ),
    ]
