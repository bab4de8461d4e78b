"""The typed settings of one stage.

A person edits ``herald.toml``; ``./herald render`` compiles it to ``chalicelib/stages.py``, which holds one
:class:`Stage` per stage. ``HERALD_STAGE`` selects among them, so the same deployment zip is right for every stage.

Every function loads this when it starts, so these are named tuples: dataclasses take seven times as long to define.
"""

from collections.abc import Mapping
from typing import NamedTuple

APP = "herald"
DEFAULT_GIVE_UP_SECONDS = 72 * 3600
"""The age at which a message is not tried any more, unless the stage says otherwise."""
SITE_OF_PROGRAMS = "notifications"
"""Instead of a site's name: all that programs publish belongs to it. ``logic/published_notification.py``."""


class SettingsError(RuntimeError):
    """A setting is missing or wrong; the message names it and says what it should hold."""


Options = Mapping[str, str | int | bool | tuple[str, ...]]
"""Settings that only one kind of channel has; its adapter in ``adapters/providers/`` documents them."""


class Rings(NamedTuple):
    """How often a channel rings for messages at most; beyond it a summary tells of them. docs/delivery.md"""

    hour: int
    day: int


class Channel(NamedTuple):
    """One way to reach the owner."""

    name: str
    kind: str
    """Such as ``pushover``: the function ``notify_<kind>`` serves it."""
    retry_uncertain: bool
    """Whether to send again when the provider may already have accepted; if not, the message is held for the owner."""
    pause: int
    """Shortest wait before a failed attempt is repeated, in seconds."""
    url: str
    """Base URL of the provider's API; empty for AWS's own services."""
    options: Options = {}  # noqa: RUF012 - a Mapping: nobody may change it
    title: str = ""
    """Title of its notifications of messages, with placeholders; empty for the site's own."""
    body: str = ""
    """Layout of their text, likewise."""
    rings: Rings | None = None
    """None without a limit."""
    priorities: Mapping[str, Options] = {}
    """The options that say each priority of a program's notification, as its kind declares them."""
    link_option: str = ""
    """The option that bears such a notification's link; empty where its text does."""
    inbox_link: bool = False
    """Whether its notifications of messages carry a link that opens the inbox."""

    def texts(self, option: str) -> tuple[str, ...]:
        """Return an option that holds one text or a list of texts as a tuple; empty where it is empty or not set."""
        value = self.options.get(option, "")
        return value if isinstance(value, tuple) else (str(value),) if value else ()


class Limits(NamedTuple):
    """The largest submission that is accepted."""

    body_bytes: int
    field_count: int
    field_bytes: int
    """Of one field, encoded as UTF-8."""


class Captcha(NamedTuple):
    """A captcha that a site's forms have."""

    kind: str
    """The service: a key of ``CAPTCHA_SERVICES`` in ``logic/captcha_verdict.py``."""
    url: str
    """Where its tokens are verified."""
    hostnames: tuple[str, ...]
    """The hosts whose pages may have shown it."""
    score: float = 0
    """The least score that is no sign, for reCAPTCHA v3; 0 where no score is looked at."""


class Spam(NamedTuple):
    """How a message is scored as spam, and the score that quarantines it. docs/spam.md explains each setting."""

    points: Mapping[str, int] = {}
    """Points of ``honeypot``, ``fill_time``, ``links``, ``rate``, ``proof_of_work``, ``captcha``; others are off."""
    quarantine_from: int = 10
    """The score from which a message is quarantined: stored, but not delivered."""
    min_fill_seconds: float = 0
    """Filling in the form faster is a signal."""
    most_links: int = 0
    """More links than this are a signal."""
    most_messages: int = 0
    """Messages that one address may send within ``rate_minutes``; more are a signal."""
    rate_minutes: int = 0
    proof_tries: int = 0
    """How many attempts a browser needs on average to solve a proof-of-work challenge."""
    captcha: Captcha | None = None

    @property
    def needs_key(self) -> bool:
        """Whether the API function needs the stage's key, which signs challenges and hashes senders' addresses."""
        return "rate" in self.points or "proof_of_work" in self.points


class FileRules(NamedTuple):
    """Which files a site's forms may hold."""

    number: int
    """The most in one form."""
    size: int
    """The most bytes of all files of a form together."""
    kinds: tuple[str, ...]
    """Some of ``logic/file_extensions.py``."""
    keep_metadata: bool = False
    """Whether images are delivered with their position and serial numbers."""


class Autoreply(NamedTuple):
    """The answer by mail that a site's visitors get. docs/autoreply.md"""

    from_header: str
    """The header ``From``, in ASCII."""
    from_address: str
    reply_to: str
    """Where an answer to the answer goes; empty for ``from_address``."""
    identities: tuple[str, ...]
    """The identities of SES that it may be sent from."""
    configuration_set: str
    per_address: int
    """Most answers to one mailbox in a day."""
    per_hour: int
    """Most answers of the site in an hour."""
    texts: Mapping[str, tuple[str, str]]
    """Subject and text, by language; the site's own language is one of them."""


class Site(NamedTuple):
    """One website whose forms are accepted."""

    name: str
    thanks: str
    """Absolute URL of the page that a browser is redirected to after a form was accepted."""
    channels: tuple[str, ...]
    required: tuple[str, ...]
    retention_days: int
    origins: tuple[str, ...]
    """The origins whose pages may send, and to whose pages a visitor may be redirected."""
    without_origin: bool
    """Whether a request without an ``Origin`` header is accepted. Programs other than browsers send none."""
    null_origin: bool
    """Whether ``Origin: null`` is accepted. Sandboxed pages and pages with a strict referrer policy send it."""
    language: str
    """The language of answers, unless the visitor's browser prefers another supported one."""
    longest: Mapping[str, int]
    """Maximum characters of a field, by its name."""
    duplicate_seconds: int
    """Seconds within which the same content is delivered once; 0 to deliver it each time."""
    spam: Spam
    loopback: bool = False
    """Whether every page of the person's own machine (http://localhost on any port) is the site's: on stage local."""
    origins_in: str = ""
    """The table of ``herald.toml`` that lists the origins; empty where the origin of ``thanks`` is used."""
    title: str = ""
    """Title of the notifications of its messages, with placeholders; empty for the usual title."""
    body: str = ""
    """Layout of their text, likewise."""
    texts: Mapping[str, Mapping[str, str]] = {}
    """Its own texts for visitors, by language and key (``chalicelib/texts/en.py``)."""
    files: FileRules | None = None
    """None where a form may hold no files."""
    autoreply: Autoreply | None = None
    one_of_many: bool = False
    """Whether its stage has other sites, so that a notification must name this one."""


class RetryTimes(NamedTuple):
    """How often, and for how long, delivery is retried."""

    lambda_retries: int = 2
    """Lambda's own retries after the first attempt."""
    lambda_age_seconds: int = 6 * 3600
    """Seconds after which Lambda stops retrying an event."""
    retry_minutes: int = 5
    """Minutes between two runs of the scheduled retry, ``retry_due``."""
    give_up_seconds: int = DEFAULT_GIVE_UP_SECONDS
    """Seconds after which a message becomes undeliverable."""


class Digest(NamedTuple):
    """The daily digest of each site."""

    hour: int
    """The hour, in UTC, at which a day ends and its digest is sent."""
    channels: tuple[str, ...] = ()
    """Channels to send it by, in order of preference; empty for each site's own."""


class Notifications(NamedTuple):
    """What is kept of, and done with, notifications that programs publish to the topic."""

    channels: tuple[str, ...] = ()
    """Those that deliver a notification which names none."""
    retention_days: int = 365
    language: str = "en"
    """The language of their digest, that of the site ``default``."""

    @property
    def name(self) -> str:
        return SITE_OF_PROGRAMS


class Stage(NamedTuple):
    """One deployment of Herald, and the names of everything in it."""

    name: str
    sites: Mapping[str, Site]
    channels: Mapping[str, Channel]
    limits: Limits
    retry_times: RetryTimes = RetryTimes()
    alarm_channels: tuple[str, ...] = ()
    """Channels that notify the owner of failed deliveries, in order of preference."""
    metrics: bool = True
    """Whether CloudWatch metrics are written."""
    hint: str = ""
    """Advice for a developer who runs ``chalice local`` and can't reach the topic."""
    function_url: bool = False
    """Whether messages can be read over HTTP, at a function URL."""
    inbox: bool = False
    """Whether owners can open an inbox from a notification. docs/pocket.md"""
    canary: int = 0
    """Hours between two canaries; 0 for none."""
    xray: bool = False
    """Whether AWS X-Ray traces the API and every function."""
    digest: Digest | None = None
    """None for a stage without digests."""
    values: Mapping[str, str] = {}
    """Names of the owner's own resources, for triggers and grants of functions and for their code: ``[values]``."""
    functions: tuple[str, ...] = ()
    """The owner's own functions that the stage has: docs/own-function.md"""
    notifications: Notifications = Notifications()

    @property
    def topic(self) -> str:
        return f"{APP}-{self.name}-messages"

    @property
    def table(self) -> str:
        return f"{APP}-{self.name}-messages"

    @property
    def due_index(self) -> str:
        """The table's index of messages that the scheduled retry has to try."""
        return "due"

    @property
    def site_index(self) -> str:
        """The table's index of each site's messages by time."""
        return "site"

    @property
    def bus(self) -> str:
        return f"{APP}-{self.name}"

    @property
    def rule_dead_letters(self) -> str:
        return f"{APP}-{self.name}-rule-dead-letters"

    @property
    def parameters(self) -> str:
        """The path of the stage's parameters in SSM Parameter Store."""
        return f"/{APP}/{self.name}"

    @property
    def spam_key_parameter(self) -> str:
        """The parameter with the key that signs challenges and the inbox's links, and hashes senders' addresses."""
        return f"{self.parameters}/spam/key"

    @property
    def needs_spam_key(self) -> bool:
        """Whether any site needs the stage's key."""
        return any(site.spam.needs_key for site in self.sites.values())

    @property
    def needs_key(self) -> bool:
        """Whether a site or the inbox needs the stage's key."""
        return self.inbox or self.needs_spam_key

    @property
    def inbox_address_parameter(self) -> str:
        """The parameter with the address of the inbox."""
        return f"{self.parameters}/resources/inbox"

    @property
    def autoreplies(self) -> tuple[Autoreply, ...]:
        """The answers that visitors of any site get."""
        return tuple(site.autoreply for site in self.sites.values() if site.autoreply)

    @property
    def captcha_secrets(self) -> dict[str, str]:
        """The parameter with the captcha's secret of each site that has one, by the site's name."""
        return {name: f"{self.parameters}/captcha/{name}" for name, site in self.sites.items() if site.spam.captcha}

    @property
    def asks_for_proof(self) -> bool:
        """Whether any site asks its visitors' browsers for a proof of work."""
        return any("proof_of_work" in site.spam.points for site in self.sites.values())

    @property
    def takes_files(self) -> bool:
        """Whether any site's forms may hold files."""
        return any(site.files for site in self.sites.values())

    def files_bucket(self, region: str, account: str) -> str:
        """Return the name of the bucket that keeps the files of messages (docs/decisions/0068)."""
        return f"{APP}-{self.name}-files-{account}-{region}"

    def function(self, name: str) -> str:
        """Return the Lambda function's name. Chalice gives its API function, ``api_handler``, no suffix."""
        return f"{APP}-{self.name}" if name == "api_handler" else f"{APP}-{self.name}-{name}"

    def role(self, name: str) -> str:
        """Return the name of the role that Chalice makes for a function."""
        return f"{APP}-{self.name}-{name}"

    def uses(self, kind: str) -> bool:
        """Whether any site, notification, alarm or digest uses a channel of this kind."""
        return bool(self.channels_of(kind))

    def channels_of(self, kind: str) -> tuple[str, ...]:
        """Return the channels of this kind that any site, notification, alarm or digest uses."""
        return tuple(name for name in self.used_channels if self.channels[name].kind == kind)

    @property
    def used_channels(self) -> tuple[str, ...]:
        """The channels that any site, notification, alarm or digest uses."""
        used = {*self.message_channels, *self.alarm_channels, *self.digest_channels}
        return tuple(name for name in self.channels if name in used)

    @property
    def digest_channels(self) -> tuple[str, ...]:
        """The channels that a digest is sent by or reports on; none where there are no digests."""
        used = {*self.message_channels, *self.digest.channels} if self.digest else ()
        return tuple(name for name in self.channels if name in used)

    @property
    def message_channels(self) -> tuple[str, ...]:
        """The channels that deliver messages: those of any site, and of a notification that names none."""
        used = {channel for site in self.sites.values() for channel in site.channels}
        used.update(self.notifications.channels)
        return tuple(name for name in self.channels if name in used)

    @property
    def inbox_channels(self) -> tuple[str, ...]:
        """The channels whose notifications of messages carry a link to the inbox."""
        return tuple(name for name in self.message_channels if self.inbox and self.channels[name].inbox_link)

    @property
    def site_names(self) -> tuple[str, ...]:
        """The sites that messages belong to, with the reserved one of notifications."""
        return (*self.sites, SITE_OF_PROGRAMS)

    def channels_serving(self, site: str) -> Mapping[str, Channel]:
        """Return a site's channels by name; none for a site that has been removed from ``herald.toml``.

        A notification may name any of :attr:`message_channels`.
        """
        if site == SITE_OF_PROGRAMS:
            return {name: self.channels[name] for name in self.message_channels}
        served = self.sites.get(site)
        return {name: self.channels[name] for name in served.channels} if served else {}

    def retention_days(self, site: str) -> int | None:
        """How long messages of a site are kept; None for one that has been removed from ``herald.toml``."""
        kept = self.notifications if site == SITE_OF_PROGRAMS else self.sites.get(site)
        return kept.retention_days if kept else None

    def log_group(self, name: str) -> str:
        """Return the name of a function's CloudWatch log group."""
        return f"/aws/lambda/{self.function(name)}"


def required(environ: Mapping[str, str], name: str, holds: str) -> str:
    """Return the environment variable ``name``; raises :class:`SettingsError`, which says what it ``holds``."""
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"the environment variable {name} is not set; it holds {holds}")
    return value


def notifier_functions(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the Lambda function that serves each channel, by the channel's name.

    ``LAMBDA_NOTIFICATIONS`` holds ``channel=function`` pairs, separated by commas:
    ``pushover=herald-dev-notify_pushover,email=herald-dev-notify_email``.
    """
    name = "LAMBDA_NOTIFICATIONS"
    text = required(environ, name, "the notifier of each channel, as channel=function,…")
    functions: dict[str, str] = {}
    for pair in text.split(","):
        channel, separator, function = pair.strip().partition("=")
        if not (channel and separator and function):
            raise SettingsError(f"{name} has {pair!r} where channel=function is expected")
        functions[channel] = function
    return functions
