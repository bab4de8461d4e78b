"""What a kind of channel declares, once: each module of ``adapters/providers/`` has a :class:`ChannelKind`, ``KIND``.

From it follow its keys in ``herald.toml``, its function and policy, the secrets that are asked for, the tables of its
page in docs/channels/, and its stand-in and contract tests. CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from chalicelib.errors import InvalidRequestError
from chalicelib.settings import Channel, Options, Rings

if TYPE_CHECKING:
    from chalicelib.logic.delivery_types import CheckingNotifier
    from chalicelib.logic.notification import Notification, Quota
    from chalicelib.logic.provider_limits import Limit

Value = str | int | bool


class HiddenMistake(ValueError):
    """A wrong value that may be a secret, so that no message repeats it."""


# What an option may hold. Each check is called with a value, returns it as it is used, and raises ValueError.


class WholeNumber(NamedTuple):
    """A whole number."""

    least: int
    most: int

    def __call__(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise ValueError(f"expected a whole number from {self.least} to {self.most:,}")
        return value


class Flag(NamedTuple):
    """``true`` or ``false``."""

    def __call__(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("expected true or false")
        return value


class OneOf(NamedTuple):
    """One of a few words."""

    words: tuple[str, ...]

    def __call__(self, value: object) -> str:
        if value not in self.words:
            raise ValueError(f"expected one of {', '.join(self.words)}")
        return str(value)


class Text(NamedTuple):
    """A text of a form, ``pattern`` in full. ``expected`` describes it in a message."""

    pattern: str
    expected: str
    most: int = 4096
    """Characters."""

    def __call__(self, value: object) -> str:
        if not isinstance(value, str) or len(value) > self.most or not re.fullmatch(self.pattern, value):
            raise ValueError(f"expected {self.expected}")
        return value


class CheckedText(NamedTuple):
    """A text that a function checks, and may change."""

    check: Callable[[str], str]

    def __call__(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("expected a text")
        return self.check(value)


class TextList(NamedTuple):
    """A list of texts, none twice."""

    check: Callable[[str], str]
    least: int = 0
    most: int = 100


class Table(NamedTuple):
    """A table, whose values are texts unless ``mixed``."""

    check: Callable[[dict[str, Any]], dict[str, Any]]
    most: int = 100
    mixed: bool = False


class Check(Protocol):
    """One of the above that takes a single value."""

    def __call__(self, value: object) -> Value:
        """Return the value as it is used; raises ``ValueError``."""


@dataclass(frozen=True, slots=True)
class Option:
    """A key of ``[channels.<name>]`` that only this kind has."""

    name: str
    check: Check | TextList | Table
    doc: str
    """What is allowed and what it does, in Markdown."""
    default: Any = None
    """None where the provider's own default holds, or the option has no effect while it is not set."""
    default_doc: str = ""
    """The default for readers, where it isn't simply ``default``."""
    required: bool = False
    example: Any = None
    """A value for tests, of a required option."""
    requestable: bool = False
    """Whether a request of the Invoke API may override it, in ``options``."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A parameter below ``/herald/<stage>/<channel>/``."""

    name: str
    doc: str
    """What it holds, in Markdown."""
    check: Callable[[str, bool], object]
    """Raises ``ValueError`` for a wrong form, without repeating the value. It is told whether the stage is local."""
    example: str
    """A value of the right form that opens nothing: the local stack's, and the tests'."""
    needed: Callable[[Channel], bool] | None = None
    """Whether a channel needs it, by its options; None if each does."""


def matching(pattern: str, expected: str) -> Callable[[str, bool], object]:
    """Make the check of a secret that is ``pattern`` in full."""

    def check(value: str, local: bool) -> None:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}")

    return check


class Permission(NamedTuple):
    """What a notifier's role may do besides reading its secrets. ``on`` is a name of ``function_spec.Resource``."""

    sid: str
    actions: tuple[str, ...]
    on: str
    why: str


@dataclass(frozen=True, slots=True)
class AttachmentLimits:
    """The files that a notification can carry."""

    kinds: tuple[str, ...]
    """Kinds of ``file_extensions.py``."""
    count: int
    size: int
    """Bytes of all together."""


# How a provider is asked by HTTP, and answers


def encoded(body: object) -> bytes:
    """Encode a body as JSON in UTF-8. Half a surrogate pair becomes ``?``."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def value_at(answer: object, *path: str) -> Any:
    """Return what an answer's JSON has at a path; None where it has nothing there."""
    for key in path:
        answer = answer.get(key) if isinstance(answer, Mapping) else None
    return answer


class AnswerMeaning(Enum):
    """What an answer says of the message: docs/delivery.md."""

    DELIVERED = "delivered"
    REJECTED = "refused for good: this very message is what is wrong"
    TRY_LATER = "waits for `pause`, or as long as the provider says"
    OWNER_MUST_ACT = "waits 1 h: the owner can mend it"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as the provider documents it. The first whose status and error fit decides; others by their status."""

    status: int
    meaning: AnswerMeaning
    body: str
    """The provider's own example, in full."""
    doc: str
    """When it comes and what to do, in Markdown."""
    source: str
    """The page that documents it."""
    error: str = ""
    """How the provider's name of the error begins (``HttpApi.error``); empty for any. A log shows this and no more."""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: int | None = None
    """Seconds that this example says to wait."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the provider."""

    url: str
    body: bytes | None = None
    """JSON (:func:`encoded`); None for a GET."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpApi:
    """How a provider is asked by HTTP and JSON; ``adapters/http_notifier.py`` does the rest."""

    request: Callable[[Notification, RequestInputs], Request]
    """Make the request that sends."""
    reference: Callable[[Mapping[str, Any]], object]
    """Return the provider's id of the message from a 2xx answer's JSON; empty or None if it is no acceptance."""
    answers: tuple[Answer, ...]
    error: Callable[[Mapping[str, Any]], object] = lambda answer: ""
    """Return the provider's name of the error from an answer's JSON."""
    wait: Callable[[Mapping[str, Any]], object] = lambda answer: None
    """Return the seconds to wait from an answer's JSON; where it names none, the header ``Retry-After`` counts."""
    check: Callable[[RequestInputs], Request] | None = None
    """Make a request that sends nothing and is refused if sending would be; without one, only what is sent is made."""


@dataclass(frozen=True, slots=True)
class RequestInputs:
    """What a request is made of, besides the notification."""

    channel: Channel
    secrets: Mapping[str, str]
    options: Mapping[str, Any]
    """The channel's options, overridden by those of the request; None where one is not set."""
    share: float = 1
    """How much of each limit it may have (``Limit.scaled``): less where the provider has refused it."""

    @property
    def url(self) -> str:
        """The provider's API, without a slash at its end."""
        return self.channel.url.rstrip("/")


class Tools(Protocol):
    """What the composition root gives a notifier."""

    channel: Channel
    local: bool
    """Whether this is stage ``local``."""

    def session(self) -> Any:
        """Return a ``requests.Session`` (``provider_http.Session``)."""

    def secrets(self) -> Any:
        """Return the channel's secrets (``adapters.secrets.Secrets``)."""

    def aws(self, service: str, *, connect: float, read: float, attempts: int) -> Any:
        """Return a client of an AWS service."""

    def report_quota(self, quota: Quota) -> None:
        """Write the provider's quota as a metric, and log a warning when it is low."""


def without_unset(values: Mapping[str, Any]) -> Options:
    """Return the options without those that are not set, lists as tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if value is not None
    }


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """One kind of channel."""

    kind: str
    """The name of its module, of ``notify_<kind>`` and of its page in docs/channels/."""
    provider: str
    """Its name for people."""
    reaches: str
    """What it reaches, in a few words of Markdown: docs/channels/README.md lists all."""
    leaves_copies_with: str
    """Who keeps the notification afterwards, for ``messages erase``: such as "Pushover, and your devices"."""
    http: HttpApi | None = None
    """How it is asked by HTTP and JSON."""
    make_notifier: Callable[[Tools], CheckingNotifier] | None = None
    """Where ``http`` is not enough: make a notifier of its own."""
    address: str = ""
    """The provider's API, which stage ``local`` never asks; empty where a channel has no ``url``."""
    own_address: bool = False
    """Whether owners may run a server of their own: any stage may have ``url``, and must without ``address``."""
    no_address: str = ""
    """Why a channel has no ``url``."""
    options: tuple[Option, ...] = ()
    secrets: tuple[Secret, ...] = ()
    limits: tuple[Limit, ...] = ()
    """What texts are cut to (``lay_out``, ``Limit.fits``). Where a provider names none: one of 0."""
    permissions: tuple[Permission, ...] = ()
    attachment_limits: AttachmentLimits | None = None
    """The files that come with a notification; None where it names them only."""
    rings: Rings = Rings(hour=60, day=300)  # noqa: RUF009 - frozen
    """What a channel may ring unless its own table says otherwise."""
    inbox_link_by_default: bool = False
    """Whether its notifications carry a link to the inbox unless ``inbox_link`` is set: it reaches the owner alone."""
    shortest_pause: int = 1
    """The least seconds between two attempts that the provider asks for."""
    memory: int = 512
    """MB: docs/benchmarks.md, "Memory"."""
    timeout: int = 22
    """Seconds: longer than a provider may take (``provider_http.py``); ``destined`` waits longer still."""
    priorities: Mapping[str, Options] = field(default_factory=dict)
    """The options that say each priority of a program's notification: ``published_notification.py``."""
    link_option: str = ""
    """The option that bears a notification's link; without one it is the last line of the text."""
    mistakes: Callable[[Mapping[str, Any]], Mapping[str, str]] = lambda values: {}
    """Return the mistakes between several options, by the option at which each is reported."""
    compiled: Callable[[Mapping[str, Any]], Options] = without_unset
    """Return the options as ``Channel.options`` has them, from the values in ``herald.toml``."""

    def needed_secrets(self, channel: Channel) -> tuple[Secret, ...]:
        return tuple(secret for secret in self.secrets if secret.needed is None or secret.needed(channel))


def options_of(kind: ChannelKind, channel: Channel, requested: Mapping[str, object]) -> Mapping[str, Any]:
    """Return a channel's options, overridden by those of a request; raises :class:`InvalidRequestError` for these."""
    unset: dict[str, Any] = {option.name: None for option in kind.options}
    found = unset | dict(channel.options) | check_requested(kind.options, requested)
    for name, why in kind.mistakes(found).items() if requested else ():
        if name in requested:
            raise invalid_option(name, why)
    return found


def check_requested(options: Iterable[Option], requested: Mapping[str, object]) -> dict[str, Value]:
    """Check the options of a request, one by one, and return them as they are used.

    Raises :class:`InvalidRequestError`, which names the wrong option and what is right, and doesn't quote the value.
    """
    checks = {option.name: option.check for option in options if option.requestable and callable(option.check)}
    found: dict[str, Value] = {}
    for name, value in requested.items():
        if name not in checks:
            raise invalid_option(name, f"unknown; expected one of: {', '.join(checks) or 'none'}")
        try:
            found[name] = checks[name](value)
        except ValueError as mistake:
            raise invalid_option(name, str(mistake)) from None
    return found


def invalid_option(name: str, reason: str) -> InvalidRequestError:
    """The error for a wrong option of a request."""
    return InvalidRequestError(f"options.{name}: {reason}", key=f"options.{name}")
