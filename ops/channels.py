"""The tables ``[channels.<name>]`` of ``herald.toml``: one model for each kind of channel.

A kind of channel is: a model here, a notifier in ``chalicelib/adapters/``, what makes it in ``composition.py``, and
``notify_<kind>`` in ``functions.py`` and ``app.py``.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from chalicelib.logic.webhooks import WebhookMistake, check_template
from chalicelib.settings import Channel, Options
from ops.tables import Table, WebAddress

RESERVED = ("deployed", "functions", "spam")
"""Names below a stage's path in Parameter Store that no channel may have."""


class ChannelTable(Table):
    """What every channel has."""

    PROVIDER: ClassVar[str] = ""
    """Where the provider's API answers."""
    SHORTEST_PAUSE: ClassVar[int] = 1
    """Seconds that the provider wants between two attempts."""

    kind: str
    uncertain: Literal["ring again", "hold"] = "ring again"
    pause: int = Field(default=5, ge=1, le=3600)
    url: WebAddress | None = None

    def options(self) -> Options:
        """What only this kind has."""
        return {}

    def mistakes(self) -> dict[str, str]:
        """What is wrong between keys, by the key that it is told at."""
        return {}

    def compiled(self, name: str) -> Channel:
        return Channel(
            name=name,
            kind=self.kind,
            ring_again=self.uncertain == "ring again",
            pause=self.pause,
            url=self.url or self.PROVIDER,
            options=self.options(),
        )


class Pushover(ChannelTable):
    """https://pushover.net/api"""

    PROVIDER: ClassVar[str] = "https://api.pushover.net"
    SHORTEST_PAUSE: ClassVar[int] = 5


_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,510}[!-~])?")
_OURS = ("accept-encoding", "connection", "content-length", "content-type", "expect", "host", "te", "transfer-encoding")
_SECRET_HEADERS = re.compile(r"(?i)auth|cookie|key|password|secret|signature|token")


def _headers(found: dict[str, str]) -> dict[str, str]:
    for name, value in found.items():
        if not _HEADER.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError("expected names such as X-Tag, and values of printable ASCII, up to 512 characters")
        if _SECRET_HEADERS.search(name):
            raise PydanticCustomError("quiet", "a secret can't stand here; put it into the address, if it must be sent")
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            raise ValueError(f"{name} is set by Herald")
    return found


def _template(found: dict[str, Any]) -> dict[str, Any]:
    try:
        check_template(found)
    except WebhookMistake as mistake:
        raise ValueError(str(mistake)) from None
    if not found:
        raise ValueError("expected at least one key")
    return found


def _no_address(found: object) -> None:
    # Whatever was written here is a secret by now: it isn't repeated.
    raise PydanticCustomError(
        "quiet", "an address is a secret: it stands in Parameter Store, /herald/<stage>/<channel>/url"
    )


class Webhook(ChannelTable):
    """https://www.standardwebhooks.com, and the incoming webhooks of some services: docs/channels/webhook.md"""

    url: Annotated[None, BeforeValidator(_no_address)] = None
    format: Literal["standard", "slack", "discord", "teams", "ntfy", "template"] = "standard"
    template: Annotated[dict[str, Any], AfterValidator(_template)] = Field(default={})
    signed: bool | None = None
    longest: int | None = Field(default=None, ge=1, le=65_536)
    priority: int | None = Field(default=None, ge=1, le=5)
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default={}, max_length=10)

    def mistakes(self) -> dict[str, str]:
        found = {}
        if (self.format == "template") != bool(self.template):
            found["template"] = 'format = "template" and a table [channels.<name>.template] go together'
        if self.signed is not None and self.format != "template":
            found["signed"] = (
                'only for format = "template"; standard is always signed, the services look at no signature'
            )
        if self.longest is not None and self.format != "template":
            found["longest"] = 'only for format = "template"; each other format has a limit of its own'
        if self.priority is not None and self.format != "ntfy":
            found["priority"] = 'only for format = "ntfy"'
        return found

    def options(self) -> Options:
        return {
            "format": self.format,
            "signed": self.format == "standard" or bool(self.signed),
            "headers": tuple(f"{name}: {value}" for name, value in self.headers.items()),
            "priority": self.priority or 0,
            "template": json.dumps(self.template, ensure_ascii=False) if self.template else "",
            "longest": self.longest or 0,
        }


KINDS: dict[str, type[ChannelTable]] = {"pushover": Pushover, "webhook": Webhook}
