"""The typed settings of one stage, and how a running function finds its own.

A person edits ``herald.toml``; ``./herald render`` compiles it to ``chalicelib/stages.py``, which holds one
:class:`Stage` per stage. ``HERALD_STAGE`` selects among them, so the same deployment zip is right for every stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

APP = "herald"


class SettingsError(RuntimeError):
    """A setting is missing or wrong; the message names it and says what it should hold."""


Options = Mapping[str, str | int | bool | tuple[str, ...]]
"""What only one kind of channel has; its adapter says what."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to reach the owner."""

    name: str
    kind: str
    """Which notifier serves it, ``notify_<kind>``: such as ``pushover``."""
    ring_again: bool
    """What happens when the provider may or may not have accepted: ring again (True) or hold for the owner."""
    pause: int
    """Seconds to wait at least before an attempt that failed is repeated."""
    url: str
    """Where the provider's API answers; empty for AWS's own services."""
    options: Options = field(default_factory=dict)
    title: str = ""
    """How its notifications of messages are titled, with placeholders; empty for the site's own way."""
    body: str = ""
    """How their text is laid out, likewise."""

    def texts(self, option: str) -> tuple[str, ...]:
        """The texts of an option that holds one or a list of them; none where it is empty or not set."""
        found = self.options.get(option, "")
        return found if isinstance(found, tuple) else (str(found),) if found else ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a submission may hold."""

    body: int
    """Bytes of a request body."""
    fields: int
    field: int
    """Bytes of one field, as UTF-8."""


@dataclass(frozen=True, slots=True)
class Spam:
    """What makes a message look like spam, and from when on it is quarantined. docs/spam.md has the meaning of each."""

    points: Mapping[str, int] = field(default_factory=dict)
    """What each sign counts: ``honeypot``, ``fill_time``, ``links``, ``rate``, ``proof_of_work``. Others are off."""
    quarantine_from: int = 10
    """The points from which on nobody is rung."""
    fill_seconds: float = 0
    """Filling in the form faster than this is a sign."""
    most_links: int = 0
    most_messages: int = 0
    """Messages that one address may send within ``minutes``."""
    minutes: int = 0
    tries: int = 0
    """How often a visitor's browser has to try on average until it has solved a challenge."""

    @property
    def needs_key(self) -> bool:
        """Whether the API function has to read the stage's key: to sign challenges, and to hide addresses."""
        return "rate" in self.points or "proof_of_work" in self.points


@dataclass(frozen=True, slots=True)
class Site:
    """One website whose forms are accepted."""

    name: str
    thanks: str
    """Absolute URL of the page that a browser is sent to after a form was accepted."""
    channels: tuple[str, ...]
    required: tuple[str, ...]
    retention_days: int
    origins: tuple[str, ...]
    """The origins whose pages may send, and to whose pages a visitor may be sent."""
    without_origin: bool
    """Whether a request without an ``Origin`` header is accepted: programs send none."""
    null_origin: bool
    """Whether ``Origin: null`` is accepted: sandboxed pages, and pages with a strict referrer policy, send it."""
    language: str
    """The language of answers, unless the visitor's browser prefers one of the others that there are."""
    longest: Mapping[str, int]
    """Characters that a field may have, by its name."""
    once_within: int
    """Seconds within which the same content rings once; 0 for whenever it comes."""
    spam: Spam
    origins_in: str = ""
    """The table of ``herald.toml`` that names the origins; empty where the one of ``thanks`` is taken for them."""
    title: str = ""
    """How notifications of its messages are titled, with placeholders; empty for the usual title."""
    body: str = ""
    """How their text is laid out, likewise."""
    one_of_many: bool = False
    """Whether its stage has other sites, so that a notification must say by its name which one it is of."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long and how often a message is tried that can't be delivered."""

    lambda_retries: int = 2
    """What Lambda itself does after the first attempt."""
    lambda_age: int = 6 * 3600
    """Seconds after which Lambda gives an event up."""
    retry_minutes: int = 5
    """Minutes between two runs of the scheduled retry."""
    give_up: int = 72 * 3600
    """Seconds after which a message is not tried any more."""


@dataclass(frozen=True, slots=True)
class Digest:
    """When a site's owner is told what happened in a day, and how."""

    hour: int
    """The hour, in UTC, at which a day ends."""
    channels: tuple[str, ...] = ()
    """In the order of preference; none for each site's own."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One deployment of Herald, and the names of everything in it."""

    name: str
    sites: Mapping[str, Site]
    channels: Mapping[str, Channel]
    limits: Limits
    persistence: Persistence = field(default_factory=Persistence)
    alarm_channels: tuple[str, ...] = ()
    """The channels by which the owner hears of what was not delivered, in the order of preference."""
    metrics: bool = True
    """Whether numbers are written for CloudWatch."""
    hint: str = ""
    """What to tell a developer who runs ``chalice local`` when the topic can't be reached."""
    function_url: bool = False
    """Whether messages can be read by HTTP, at a function URL."""
    canary: int = 0
    """Hours between two canaries; 0 for none."""
    xray: bool = False
    """Whether AWS X-Ray traces the API and every function."""
    digest: Digest | None = None
    """None for a stage without digests."""

    @property
    def topic(self) -> str:
        return f"{APP}-{self.name}-messages"

    @property
    def table(self) -> str:
        return f"{APP}-{self.name}-messages"

    @property
    def due_index(self) -> str:
        """The index of the table that holds what the scheduled retry has to look at."""
        return "due"

    @property
    def site_index(self) -> str:
        """The index of the table that holds a site's messages by time."""
        return "site"

    @property
    def bus(self) -> str:
        return f"{APP}-{self.name}"

    @property
    def rule_dead_letters(self) -> str:
        return f"{APP}-{self.name}-rule-dead-letters"

    @property
    def parameters(self) -> str:
        """The path in SSM Parameter Store under which everything of this stage lies."""
        return f"/{APP}/{self.name}"

    @property
    def key(self) -> str:
        """The parameter with the key that signs challenges and hides addresses."""
        return f"{self.parameters}/spam/key"

    @property
    def needs_key(self) -> bool:
        """Whether any site needs the stage's key."""
        return any(site.spam.needs_key for site in self.sites.values())

    @property
    def asks_for_work(self) -> bool:
        """Whether any site asks its visitors' browsers for a proof of work."""
        return any("proof_of_work" in site.spam.points for site in self.sites.values())

    def function(self, name: str) -> str:
        """The Lambda function that Chalice makes of ``name``; its API function has no suffix."""
        return f"{APP}-{self.name}" if name == "api_handler" else f"{APP}-{self.name}-{name}"

    def role(self, name: str) -> str:
        """The role that Chalice makes for a function."""
        return f"{APP}-{self.name}-{name}"

    def uses(self, kind: str) -> bool:
        """Whether any site, alarm or digest of this stage is served by a channel of this kind."""
        return bool(self.channels_of(kind))

    def channels_of(self, kind: str) -> tuple[str, ...]:
        """The channels of this kind that any site, alarm or digest is served by."""
        return tuple(name for name in self.used_channels if self.channels[name].kind == kind)

    @property
    def used_channels(self) -> tuple[str, ...]:
        """The channels that any site, alarm or digest is served by."""
        used = {*self.site_channels, *self.alarm_channels, *self.digest_channels}
        return tuple(name for name in self.channels if name in used)

    @property
    def digest_channels(self) -> tuple[str, ...]:
        """The channels that a digest is sent by, or tells of; none where there are no digests."""
        used = {*self.site_channels, *self.digest.channels} if self.digest else ()
        return tuple(name for name in self.channels if name in used)

    @property
    def site_channels(self) -> tuple[str, ...]:
        """The channels that any site is served by."""
        used = {channel for site in self.sites.values() for channel in site.channels}
        return tuple(name for name in self.channels if name in used)

    def channels_serving(self, site: str) -> Mapping[str, Channel]:
        """The channels that serve a site, by name. A site that has left ``herald.toml`` since has none."""
        found = self.sites.get(site)
        return {name: self.channels[name] for name in found.channels} if found else {}

    def log_group(self, name: str) -> str:
        """Where the output of a function goes."""
        return f"/aws/lambda/{self.function(name)}"


def required(environ: Mapping[str, str], name: str, holds: str) -> str:
    """The environment variable ``name``, or a :class:`SettingsError` that says what it ``holds``."""
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"the environment variable {name} is not set; it holds {holds}")
    return value


def notifier_functions(environ: Mapping[str, str]) -> dict[str, str]:
    """Which Lambda function serves each channel.

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
