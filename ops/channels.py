"""The tables ``[channels.<name>]`` of ``herald.toml``: one model for each kind of channel.

A kind of channel is: a model here, a notifier in ``chalicelib/adapters/``, what makes it in ``composition.py``, and
``notify_<kind>`` in ``functions.py`` and ``app.py``.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from chalicelib.logic.mail import PLACEHOLDERS
from chalicelib.settings import Channel, Options
from ops.addresses import Sender, address, covers, identity, sender
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


def _sender(value: str) -> str:
    sender(value)
    return value


def _configuration_set(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise ValueError("a configuration set's name has up to 64 of a-z, A-Z, 0-9, - and _")
    return value


def _subject(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be one line of text, or be left out")
    unknown = [name for name in re.findall(r"\{(.*?)\}", value) if name not in PLACEHOLDERS]
    if unknown:
        raise ValueError(f"{{{unknown[0]}}} is unknown; expected {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}")
    return value


class Email(ChannelTable):
    """Amazon SES: https://docs.aws.amazon.com/ses/latest/dg/Welcome.html"""

    from_: Annotated[str, AfterValidator(_sender)] = Field(alias="from")
    to: list[Annotated[str, AfterValidator(address)]] = Field(min_length=1, max_length=50)
    subject: Annotated[str, Field(max_length=200), AfterValidator(_subject)] | None = None
    configuration_set: Annotated[str, AfterValidator(_configuration_set)] | None = None
    identities: list[Annotated[str, AfterValidator(identity)]] = Field(default=[], validate_default=True)

    @field_validator("url")
    @classmethod
    def _is_aws(cls, value: str | None) -> None:
        if value is not None:
            raise ValueError("a channel of kind email has no address of its own: it is AWS's service in the region")

    @field_validator("to")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("names an address twice")
        return value

    @field_validator("identities")
    @classmethod
    def _own_the_sender(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if "from_" not in info.data:
            return value  # Its own mistake is told.
        of = sender(info.data["from_"]).address
        found = value or [of.rpartition("@")[2]]
        if not any(covers(one, of) for one in found):
            raise ValueError(f"one of them must be {of}, its domain or a domain above it")
        return found

    @property
    def sender(self) -> Sender:
        return sender(self.from_)

    def options(self) -> Options:
        return {
            "from": self.sender.header,
            "from_address": self.sender.address,
            "to": tuple(self.to),
            "subject": self.subject or "",
            "configuration_set": self.configuration_set or "",
            "identities": tuple(self.identities),
        }


KINDS: dict[str, type[ChannelTable]] = {"pushover": Pushover, "email": Email}
