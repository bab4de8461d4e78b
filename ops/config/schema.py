"""The tables of ``herald.toml`` as models: keys, defaults and limits. loader.py checks what spans several tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from chalicelib.logic.captcha import SERVICES
from chalicelib.logic.fields import Role, meaning_of
from chalicelib.logic.origins import origin_of
from chalicelib.settings import Captcha, Digest, FileRules, Persistence, Spam
from chalicelib.texts import FALLBACK
from ops.config import regions
from ops.config.autoreply import AutoreplyTable
from ops.config.extensions import GrantTable, RuleTable, SubscriberTable
from ops.config.notification_templates import Body, Title
from ops.config.table import Table
from ops.config.web_addresses import WebAddress, is_loopback, web_address
from ops.naming import IN_TEMPLATES, MAX_CANARY_HOURS

_DAYS = 3650


def _origin(value: str) -> str:
    if value == "null":
        raise ValueError("to allow pages without an origin, set null_origin = true")
    if "*" in value:
        raise ValueError(
            "no wildcards: list each origin whose pages may send, such as https://www.example.com. With * a forgotten"
            " subdomain that somebody else took over could send, too"
        )
    if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?|localhost(:[0-9]+)?", value):
        raise ValueError(
            f"expected an origin; meant {'http' if is_loopback(value.split(':')[0]) else 'https'}://{value}?"
        )
    if "://" not in value:
        raise ValueError("expected an origin such as https://www.example.com")
    web_address(value)
    if origin_of(value) != value:
        raise ValueError(
            f"must be an origin such as https://www.example.com, without a path; meant {origin_of(value)}?"
        )
    return value


_CERTIFICATE = r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$"


def _domain(value: str) -> str:
    if "://" in value or "/" in value:
        raise ValueError("expected a host name alone, such as forms.example.com")
    if not re.fullmatch(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError("expected a host name in lower case such as forms.example.com, without *")
    if len(value) > 64:
        raise ValueError("has over 64 characters, which no certificate of ACM takes")
    return value


def _own_name(value: str) -> str:
    found = meaning_of(value)
    if found.role is not Role.FIELD:
        raise ValueError("expected a field of the message; what has this name never becomes one")
    if found.field != value:
        raise ValueError(f"expected a field's own name; it arrives as {found.field}, so write {found.field}")
    return value


def _region(value: str) -> str:
    if mistake := regions.mistake(value):
        raise ValueError(mistake)
    return value


def _address(value: str) -> str:
    try:
        found = validate_email(value, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        raise ValueError("expected an e-mail address such as owner@example.com") from None
    return found.ascii_email or value


Origin = Annotated[str, AfterValidator(_origin)]
_OwnName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_own_name)]

MAX_CHARACTERS = {"source": 200, "name": 200, "email": 254, "subject": 200, "message": 10_240}
"""The default limits in characters. SMTP allows addresses of up to 254 (RFC 5321, 4.5.3.1.3)."""


Points = Annotated[int, Field(ge=1, le=1000)]


class SignTable(Table):
    points: Points


class FillTimeTable(SignTable):
    seconds: float = Field(default=3, gt=0, le=3600)


class LinksTable(SignTable):
    most: int = Field(default=2, ge=0, le=1000)


class RateTable(SignTable):
    most: int = Field(default=5, ge=1, le=100)
    minutes: int = Field(default=60, ge=1, le=1440)


class ProofOfWorkTable(SignTable):
    tries: int = Field(default=200, ge=2, le=100_000)


def _host(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", value):
        raise ValueError("expected a host name alone, in lower case, such as www.example.com")
    return value


class CaptchaTable(SignTable):
    """A captcha that the site's forms have: docs/spam.md#captchas"""

    kind: str
    hostnames: Annotated[list[Annotated[str, AfterValidator(_host)]], Field(min_length=1, max_length=20)] | None = None
    score: float | None = Field(default=None, gt=0, le=1)
    url: WebAddress | None = None

    @field_validator("kind")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in SERVICES:
            raise ValueError(f"expected one of: {', '.join(SERVICES)}")
        return value

    @field_validator("score")
    @classmethod
    def _has_score(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("kind", "recaptcha") != "recaptcha":
            raise ValueError('only kind = "recaptcha" has one, for keys of version 3')
        return value

    def compiled(self, origins: Iterable[str]) -> Captcha:
        hosts = dict.fromkeys(urlsplit(origin).hostname or "" for origin in origins)
        return Captcha(
            kind=self.kind,
            url=self.url or SERVICES[self.kind].url,
            hostnames=tuple(self.hostnames or hosts),
            score=self.score or 0,
        )


class SpamTable(Table):
    """The signs of spam that a site checks, each with its points."""

    quarantine_from: Points = 10
    honeypot: SignTable | None = None
    fill_time: FillTimeTable | None = None
    links: LinksTable | None = None
    rate: RateTable | None = None
    proof_of_work: ProofOfWorkTable | None = None
    captcha: CaptchaTable | None = None

    def compiled(self, origins: Iterable[str]) -> Spam:
        signs = {name: getattr(self, name) for name in type(self).model_fields if name != "quarantine_from"}
        return Spam(
            points={name: sign.points for name, sign in signs.items() if sign},
            quarantine_from=self.quarantine_from,
            fill_seconds=self.fill_time.seconds if self.fill_time else 0,
            most_links=self.links.most if self.links else 0,
            most_messages=self.rate.most if self.rate else 0,
            minutes=self.rate.minutes if self.rate else 0,
            tries=self.proof_of_work.tries if self.proof_of_work else 0,
            captcha=self.captcha.compiled(origins) if self.captcha else None,
        )


class FilesTable(Table):
    """The files that a site's forms may hold."""

    count: int = Field(default=3, ge=1, le=10)
    size_mb: int = Field(default=4, ge=1, le=4)
    kinds: list[Literal["image", "pdf", "document", "text", "audio", "video", "archive"]] = Field(
        default=["image", "pdf"], min_length=1
    )

    def compiled(self) -> FileRules:
        return FileRules(self.count, self.size_mb * 1024 * 1024, tuple(self.kinds))


class SiteTable(Table):
    thanks: WebAddress
    origins: list[Origin] = Field(default=[])
    without_origin: bool = True
    null_origin: bool = False
    language: str = FALLBACK
    texts: dict[str, dict[str, str]] = Field(default={})
    autoreply: AutoreplyTable | None = None
    longest: dict[_OwnName, Annotated[int, Field(ge=1, le=65_536)]] = Field(default={})
    channels: list[str] = Field(min_length=1)
    required: list[_OwnName] = Field(default=["message"])
    retention_days: int = Field(default=365, ge=1, le=_DAYS)
    once_minutes: int = Field(default=10, ge=0, le=1440)
    spam: SpamTable = SpamTable()
    files: FilesTable | None = None
    title: Title = ""
    body: Body = ""

    @property
    def all_origins(self) -> tuple[str, ...]:
        """The site's origins; that of its thanks page where none is listed."""
        return tuple(self.origins) or (origin_of(self.thanks),)


class LimitsTable(Table):
    """The size of a submission. SNS carries 256 KiB, and encoding may double a text."""

    body_kib: int = Field(default=64, ge=1, le=64)
    fields: int = Field(default=50, ge=1, le=200)
    field_kib: int = Field(default=10, ge=1, le=64)


class DeliveryTable(Table):
    """How long and how often a message is retried that can't be delivered."""

    lambda_retries: int = Field(default=2, ge=0, le=2)
    lambda_hours: int = Field(default=6, ge=1, le=6)
    retry_minutes: int = Field(default=5, ge=2, le=60)
    give_up_hours: int = Field(default=72, ge=1, le=24 * 14)
    reserved: int | None = Field(default=None, ge=1, le=1000)

    def compiled(self) -> Persistence:
        return Persistence(
            lambda_retries=self.lambda_retries,
            lambda_age=self.lambda_hours * 3600,
            retry_minutes=self.retry_minutes,
            give_up=self.give_up_hours * 3600,
        )


class AlarmsTable(Table):
    """How the owner is notified of failures: by channels from Herald, by mail from CloudWatch."""

    channels: list[str] = Field(default=[])
    email: Annotated[str, AfterValidator(_address)] | None = None


class CanaryTable(Table):
    """A test message through the whole path on a schedule; an alarm sounds when it does not arrive."""

    every_hours: int = Field(default=24, ge=0, le=MAX_CANARY_HOURS)


class DigestTable(Table):
    """A daily summary, by the named channels or else by each site's own."""

    enabled: bool = True
    hour: int = Field(default=7, ge=0, le=23)
    channels: list[str] = Field(default=[])

    def compiled(self) -> Digest | None:
        return Digest(self.hour, tuple(self.channels)) if self.enabled else None


class NotificationsTable(Table):
    """Notifications that programs publish to the topic."""

    channels: list[str] | None = Field(default=None, min_length=1)
    """Those of the site ``default`` if left out."""
    retention_days: int = Field(default=365, ge=1, le=_DAYS)


class ThrottleTable(Table):
    rate: int = Field(default=10, ge=1, le=10_000)
    burst: int = Field(default=20, ge=1, le=10_000)


class DomainTable(Table):
    """A domain of one's own for the stage's API."""

    name: Annotated[str, AfterValidator(_domain)]
    certificate: str | None = Field(default=None, pattern=_CERTIFICATE)
    hosted_zone: str | None = Field(default=None, pattern=r"^Z[A-Z0-9]{5,31}$")
    default_address: bool = True


class StageOptions(Table):
    """The keys of a stage itself."""

    send_event: bool = False
    function_url: bool = False
    metrics: bool = True
    xray: bool = False
    aws_client: Literal["own", "botocore"] = "own"
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365] = 30
    throttle: ThrottleTable = ThrottleTable()
    domain: DomainTable | None = None
    endpoint: WebAddress | None = None
    account: str | None = Field(default=None, pattern=r"^[0-9]{12}$")
    region: Annotated[str, AfterValidator(_region)] | None = None


def _value_name(name: str) -> str:
    if name in IN_TEMPLATES:
        raise ValueError(f"{name} is filled in by Herald; choose another name")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise ValueError("a name has up to 40 of a-z, 0-9 and _, the first a letter")
    return name


def _value(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9/_.:=+@-]{1,256}", text):
        raise ValueError("expected the name or id of a resource: up to 256 of A-Z, a-z, 0-9 and /_.:=+@-")
    return text


ValueName = Annotated[str, AfterValidator(_value_name)]
Value = Annotated[str, AfterValidator(_value)]


class MergedTables(Table):
    """The tables of one stage, after its own were merged into the common ones."""

    sites: dict[str, SiteTable]
    channels: dict[str, dict[str, Any]]
    limits: LimitsTable = LimitsTable()
    delivery: DeliveryTable = DeliveryTable()
    alarms: AlarmsTable = AlarmsTable()
    rule: dict[str, RuleTable] = Field(default={})
    subscriber: dict[str, SubscriberTable] = Field(default={})
    grant: dict[str, GrantTable] = Field(default={})
    canary: CanaryTable | None = None
    digest: DigestTable | None = None
    values: dict[ValueName, Value] = Field(default={})
    notifications: NotificationsTable = NotificationsTable()


TABLE_OF_KEY = {
    key: place
    for place, keys in (
        ("[limits]", LimitsTable.model_fields),
        ("[delivery]", DeliveryTable.model_fields),
        ("[sites.<name>.spam]", SpamTable.model_fields),
        ("[sites.<name>.files]", FilesTable.model_fields),
        ("[stages.<name>]", StageOptions.model_fields),
        ("[sites.<name>]", SiteTable.model_fields),
    )
    for key in keys
}
"""The table that each key belongs to, for a key that was written into another table."""
