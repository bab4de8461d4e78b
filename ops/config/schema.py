"""The tables of ``herald.toml`` as models: keys, defaults and limits. loader.py checks what spans several tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from chalicelib.logic.allowed_origins import origin_of
from chalicelib.logic.captcha_verdict import CAPTCHA_SERVICES
from chalicelib.logic.known_field_names import Role, meaning_of
from chalicelib.logic.message_files import MAX_FILES
from chalicelib.logic.notification import MAX_FIELDS
from chalicelib.settings import Captcha, Digest, FileRules, RetryTimes, Spam
from chalicelib.texts import FALLBACK
from ops.config import regions
from ops.config.autoreply import AutoreplyTable
from ops.config.notification_templates import Body, Title
from ops.config.rules_subscribers_grants import GrantTable, RuleTable, SubscriberTable
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
        if value not in CAPTCHA_SERVICES:
            raise ValueError(f"expected one of: {', '.join(CAPTCHA_SERVICES)}")
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
            url=self.url or CAPTCHA_SERVICES[self.kind].url,
            hostnames=tuple(self.hostnames or hosts),
            score=self.score or 0,
        )


class SpamTable(Table):
    """The signs of spam that a site checks, each with its points."""

    quarantine_from: Points = 10
    """Points."""
    honeypot: SignTable | None = None
    """`points`: 1 to 1,000, here and below. Unless set, off."""
    fill_time: FillTimeTable | None = None
    """`seconds`: above 0, up to 3,600. Unless set, off; `seconds = 3`."""
    links: LinksTable | None = None
    """`most`: 0 to 1,000. Unless set, off; `most = 2`."""
    rate: RateTable | None = None
    """`most`: 1 to 100; `minutes`: 1 to 1,440. Unless set, off; `most = 5`, `minutes = 60`."""
    proof_of_work: ProofOfWorkTable | None = None
    """`tries`: 2 to 100,000. What a browser does in half a second to two seconds is 200. Unless set, off; `tries =
    200`."""
    captcha: CaptchaTable | None = None
    """`kind`: `"turnstile"`, `"hcaptcha"` or `"recaptcha"`; `hostnames`: 1 to 20; `score`: above 0, up to 1
    ([captchas](spam.md#captchas)). Stage `local` has `url` too. Unless set, off."""

    def compiled(self, origins: Iterable[str]) -> Spam:
        signs = {name: getattr(self, name) for name in type(self).model_fields if name != "quarantine_from"}
        return Spam(
            points={name: sign.points for name, sign in signs.items() if sign},
            quarantine_from=self.quarantine_from,
            min_fill_seconds=self.fill_time.seconds if self.fill_time else 0,
            most_links=self.links.most if self.links else 0,
            most_messages=self.rate.most if self.rate else 0,
            rate_minutes=self.rate.minutes if self.rate else 0,
            proof_tries=self.proof_of_work.tries if self.proof_of_work else 0,
            captcha=self.captcha.compiled(origins) if self.captcha else None,
        )


class FilesTable(Table):
    """The files that a site's forms may hold."""

    count: int = Field(default=3, ge=1, le=MAX_FILES)
    size_mb: int = Field(default=4, ge=1, le=4)
    kinds: list[Literal["image", "pdf", "document", "text", "audio", "video", "archive"]] = Field(
        default=["image", "pdf"], min_length=1
    )
    metadata: Literal["remove", "keep"] = "remove"

    def compiled(self) -> FileRules:
        return FileRules(self.count, self.size_mb * 1024 * 1024, tuple(self.kinds), self.metadata == "keep")


class SiteTable(Table):
    thanks: WebAddress
    """An absolute `https://` address without user name, spaces or control characters; `http://` for 127.0.0.1 and
    localhost alone."""
    origins: list[Origin] = Field(default=[])
    """Origins such as `https://www.example.com`, without a path or wildcard: whose pages may send, and where a form may
    lead afterwards. On stage `local` every page of `localhost`, `127.0.0.1` and `[::1]` may, too. Unless set, the
    origin of `thanks`."""
    without_origin: bool = True
    """Whether a request without an `Origin` header is accepted."""
    null_origin: bool = False
    """Whether `Origin: null` is accepted: of sandboxed pages, and of forms on pages with `Referrer-Policy: no-referrer`
    or `same-origin`."""
    language: str = FALLBACK
    """`"en"`, `"de"`, `"es"`, `"fr"` or a language of `texts`: of answers, where neither form nor browser wishes for
    one that there is."""
    texts: dict[str, dict[str, str]] = Field(default={})
    """By language, [words of your own](forms.md#words-of-your-own) for what visitors see. Unless set, Herald's."""
    autoreply: AutoreplyTable | None = None
    """[an answer by mail](autoreply.md). Unless set, off."""
    longest: dict[_OwnName, Annotated[int, Field(ge=1, le=65_536)]] = Field(default={})
    """Characters of a field by its name, 1 to 65,536. Unless set, `{source = 200, name = 200, email = 254, subject =
    200, message = 10240}`."""
    channels: list[str] = Field(min_length=1)
    """Names of `[channels.…]`, at least one, none twice."""
    required: list[_OwnName] = Field(default=["message"])
    """Names of fields, of your own as well."""
    retention_days: int = Field(default=365, ge=1, le=_DAYS)
    """No less than `give_up_hours`. Then DynamoDB deletes the message, [within a few
    days](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html); one that is still tried, a day
    after it is given up. A change applies to messages that come after it."""
    once_minutes: int = Field(default=10, ge=0, le=1440)
    """The same content within this time [rings once](spam.md#the-same-message-twice); 0 for whenever it comes."""
    spam: SpamTable = SpamTable()
    """[below](#sitesnamespam-signs-of-spam-and-their-points). Unless set, no sign."""
    files: FilesTable | None = None
    """[below](#sitesnamefiles-files-of-its-forms). Unless set, none."""
    title: Title = ""
    """One line, up to 200 characters, with [placeholders](channels/README.md#a-title-and-a-body-of-your-own). Unless
    set, "New message: " and the site."""
    body: Body = ""
    """Up to 500 characters, likewise. Unless set, [the usual layout](channels/README.md)."""

    @property
    def all_origins(self) -> tuple[str, ...]:
        """The site's origins; that of its thanks page where none is listed."""
        return tuple(self.origins) or (origin_of(self.thanks),)


class LimitsTable(Table):
    """The size of a submission. SNS carries 256 KiB, and encoding may double a text."""

    body_kib: int = Field(default=64, ge=1, le=64)
    fields: int = Field(default=50, ge=1, le=MAX_FIELDS)
    field_kib: int = Field(default=10, ge=1, le=64)


class DeliveryTable(Table):
    """How long and how often a message is retried that can't be delivered."""

    lambda_retries: int = Field(default=2, ge=0, le=2)
    """Lambda's own attempts after the first, one and two minutes later."""
    lambda_hours: int = Field(default=6, ge=1, le=6)
    """After it Lambda gives an event up that still waits in its queue."""
    retry_minutes: int = Field(default=5, ge=2, le=60)
    """How often the scheduled retry looks for what is due."""
    give_up_hours: int = Field(default=72, ge=1, le=24 * 14)
    """From this age on a message is not tried any more."""
    reserved: int | None = Field(default=None, ge=1, le=1000)
    """How many messages are delivered at once, by [reserved concurrency](channels/pushover.md#two-connections-at-most)
    of `destined`. Unless set, any number."""

    def compiled(self) -> RetryTimes:
        return RetryTimes(
            lambda_retries=self.lambda_retries,
            lambda_age_seconds=self.lambda_hours * 3600,
            retry_minutes=self.retry_minutes,
            give_up_seconds=self.give_up_hours * 3600,
        )


class AlarmsTable(Table):
    """How the owner is notified of failures: by channels from Herald, by mail from CloudWatch."""

    channels: list[str] = Field(default=[])
    """Names of `[channels.…]`, in the order of preference: [Herald itself](alarms.md#by-a-channel-of-your-own) tells
    you of what was not delivered."""
    email: Annotated[str, AfterValidator(_address)] | None = None
    """One e-mail address, which must confirm: [ten CloudWatch alarms](alarms.md)."""


class CanaryTable(Table):
    """A canary takes the whole path on a schedule and notifies nobody; an alarm sounds when it does not arrive."""

    every_hours: int = Field(default=24, ge=0, le=MAX_CANARY_HOURS)
    """The hours between two canaries; 0 for none."""


class DigestTable(Table):
    """A daily summary, by the named channels or else by each site's own."""

    enabled: bool = True
    """`false` leaves one stage without."""
    hour: int = Field(default=7, ge=0, le=23)
    """The hour in UTC at which a day ends, and after which its digest is sent."""
    channels: list[str] = Field(default=[])
    """Names of `[channels.…]`, in the order of preference. Unless set, each site's own."""

    def compiled(self) -> Digest | None:
        return Digest(self.hour, tuple(self.channels)) if self.enabled else None


class NotificationsTable(Table):
    """Notifications that programs publish to the topic."""

    channels: list[str] | None = Field(default=None, min_length=1)
    """Names of `[channels.…]`, at least one: for a notification that names none. Unless set, those of
    `[sites.default]`."""
    retention_days: int = Field(default=365, ge=1, le=_DAYS)
    """No less than `give_up_hours`."""


class ThrottleTable(Table):
    rate: int = Field(default=10, ge=1, le=10_000)
    """Requests per second."""
    burst: int = Field(default=20, ge=1, le=10_000)
    """Requests."""


class DomainTable(Table):
    """A domain of one's own for the stage's API."""

    name: Annotated[str, AfterValidator(_domain)]
    """[a domain of your own](domain.md) for the API, such as `forms.example.com`; ASCII, lower case, at most 64
    characters; not in stage `local`."""
    certificate: str | None = Field(default=None, pattern=_CERTIFICATE)
    """ARN of a certificate in ACM, in the stage's region. Unless set, one is made."""
    hosted_zone: str | None = Field(default=None, pattern=r"^Z[A-Z0-9]{5,31}$")
    """Id of the Route 53 hosted zone, in which the records are then set. Unless set, they are printed."""
    default_address: bool = True
    """Whether the address that API Gateway gives answers too."""


class StageOptions(Table):
    """The keys of a stage itself."""

    send_event: bool = False
    """`GET /SendEvent`, by which anybody who knows its address puts a test event on the topic."""
    function_url: bool = False
    """[a message by HTTP](invoke-api.md#a-message-by-http), for callers whose role may."""
    inbox: bool = False
    """[An inbox in the pocket](pocket.md): notifications carry a link that opens the message."""
    inbox_reserved: int | None = Field(default=None, ge=1, le=1000)
    """How many requests the inbox answers [at once](pocket.md#what-strangers-can-do). Unless set, any number."""
    functions: list[str] = Field(default=[])
    """[functions of your own](own-function.md) that the stage has."""
    metrics: bool = True
    """[numbers for CloudWatch](metrics.md), up to $3.60 a month with one channel."""
    xray: bool = False
    """[traces by AWS X-Ray](deploying.md#what-you-can-switch-and-what-it-costs) of the API and every function."""
    aws_client: Literal["own", "botocore"] = "own"
    """[what the functions call AWS with](decisions/0026-own-aws-client.md). `"botocore"` for a proxy, FIPS or
    dual-stack endpoints, or another certificate authority; cold starts are then [twice as
    long](benchmarks.md#what-each-step-gave)."""
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365] = 30
    """How long CloudWatch keeps the functions' logs."""
    throttle: ThrottleTable = ThrottleTable()
    domain: DomainTable | None = None
    endpoint: WebAddress | None = None
    """Address of the local AWS; required in stage `local`, and there alone."""
    account: str | None = Field(default=None, pattern=r"^[0-9]{12}$")
    """12 digits: every command for the stage [refuses any other](deploying.md#what-make-deploy-does); required in
    `local`."""
    region: Annotated[str, AfterValidator(_region)] | None = None
    """A region's name, likewise."""


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
