"""The tables ``[channels.<name>]`` of ``herald.toml``: one model for each kind of channel.

A kind of channel consists of a model here, a notifier in ``chalicelib/adapters/providers/``, its construction in
``composition.py``, and ``notify_<kind>`` in ``functions.py`` and ``app.py``.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from chalicelib.logic import pushover
from chalicelib.logic.webhook_bodies import WebhookMistake, check_template
from chalicelib.settings import Channel, Options, Rings
from ops.config.email_addresses import Sender, address, covers, identity, sender
from ops.config.notification_templates import Body, Title
from ops.config.table import Table
from ops.config.web_addresses import WebAddress

RESERVED = ("captcha", "deployed", "functions", "spam")
"""Names that no channel may have, as they are used below a stage's path in Parameter Store."""


class RingsTable(Table):
    """How often a channel rings for messages at most."""

    hour: int = Field(ge=1, le=1_000)
    day: int = Field(ge=1, le=10_000)


class ChannelTable(Table):
    """The keys that every kind of channel has."""

    PROVIDER: ClassVar[str] = ""
    """The address of the provider's API."""
    SHORTEST_PAUSE: ClassVar[int] = 1
    """The least number of seconds between two attempts that the provider asks for."""
    RINGS: ClassVar[Rings] = Rings(hour=60, day=300)
    """What a channel of this kind may ring unless its own table says otherwise."""

    kind: str
    uncertain: Literal["ring again", "hold"] = "ring again"
    pause: int = Field(default=5, ge=1, le=3600)
    url: WebAddress | None = None
    title: Title = ""
    body: Body = ""
    rings: RingsTable | Literal[False] | None = None

    def options(self) -> Options:
        """The options of this kind alone."""
        return {}

    def mistakes(self) -> dict[str, str]:
        """The mistakes between several keys, by the key at which each is reported."""
        return {}

    def compiled(self, name: str) -> Channel:
        return Channel(
            name=name,
            kind=self.kind,
            ring_again=self.uncertain == "ring again",
            pause=self.pause,
            url=self.url or self.PROVIDER,
            options=self.options(),
            title=self.title,
            body=self.body,
            rings=self._rings(),
        )

    def _rings(self) -> Rings | None:
        if self.rings is None:
            return self.RINGS
        return Rings(self.rings.hour, self.rings.day) if self.rings else None


class Pushover(ChannelTable):
    """https://pushover.net/api"""

    PROVIDER: ClassVar[str] = "https://api.pushover.net"
    SHORTEST_PAUSE: ClassVar[int] = 5
    # A month of these is a third of the 10,000 messages that are free: https://pushover.net/api#limits
    RINGS: ClassVar[Rings] = Rings(hour=30, day=120)

    priority: Annotated[int | None, BeforeValidator(partial(pushover.check_option, "priority"))] = None
    retry: Annotated[int | None, BeforeValidator(partial(pushover.check_option, "retry"))] = None
    expire: Annotated[int | None, BeforeValidator(partial(pushover.check_option, "expire"))] = None
    ttl: Annotated[int | None, BeforeValidator(partial(pushover.check_option, "ttl"))] = None
    sound: Annotated[str | None, BeforeValidator(partial(pushover.check_option, "sound"))] = None
    device: Annotated[str | None, BeforeValidator(partial(pushover.check_option, "device"))] = None
    tags: Annotated[str | None, BeforeValidator(partial(pushover.check_option, "tags"))] = None
    link: Annotated[str | None, BeforeValidator(partial(pushover.check_option, "link"))] = None
    callback: Annotated[str | None, BeforeValidator(partial(pushover.check_option, "callback"))] = None
    link_title: Annotated[str | None, BeforeValidator(partial(pushover.check_option, "link_title"))] = None
    monospace: Annotated[bool | None, BeforeValidator(partial(pushover.check_option, "monospace"))] = None
    quota_alert: int | None = Field(default=None, ge=0, le=100)

    def mistakes(self) -> dict[str, str]:
        return pushover.find_misplaced(self.options())

    def options(self) -> Options:
        return {
            name: value for name in (*pushover.OPTIONS, "quota_alert") if (value := getattr(self, name)) is not None
        }


def _sender(value: str) -> str:
    sender(value)
    return value


def _configuration_set(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise ValueError("a configuration set's name has up to 64 of a-z, A-Z, 0-9, - and _")
    return value


class Email(ChannelTable):
    """Amazon SES: https://docs.aws.amazon.com/ses/latest/dg/Welcome.html"""

    from_: Annotated[str, AfterValidator(_sender)] = Field(alias="from")
    to: list[Annotated[str, AfterValidator(address)]] = Field(min_length=1, max_length=50)
    configuration_set: Annotated[str, AfterValidator(_configuration_set)] | None = None
    identities: list[Annotated[str, AfterValidator(identity)]] = Field(default=[], validate_default=True)

    @field_validator("url")
    @classmethod
    def _is_aws(cls, value: str | None) -> None:
        if value is not None:
            raise ValueError("a channel of kind email has no address of its own: it is AWS's service in the region")

    @field_validator("identities")
    @classmethod
    def _own_the_sender(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if "from_" not in info.data:
            return value  # That mistake is reported itself.
        of = sender(info.data["from_"]).address
        found = value or [of.rpartition("@")[2]]
        if not any(covers(identity, of) for identity in found):
            raise ValueError(f"one of them must be {of}, its domain or a parent domain")
        return found

    @property
    def sender(self) -> Sender:
        return sender(self.from_)

    def options(self) -> Options:
        return {
            "from": self.sender.header,
            "from_address": self.sender.address,
            "to": tuple(self.to),
            "configuration_set": self.configuration_set or "",
            "identities": tuple(self.identities),
        }


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
    # The text that was written here may be a secret, so it is not repeated.
    raise PydanticCustomError(
        "quiet",
        "an address is a secret. Put it into Parameter Store (/herald/<stage>/<channel>/url) with: "
        "./herald secrets set --stage <stage> <channel>",
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


KINDS: dict[str, type[ChannelTable]] = {"pushover": Pushover, "email": Email, "webhook": Webhook}
