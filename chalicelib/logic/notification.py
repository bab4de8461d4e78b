"""Notifications, and the request that every notifier of the Lambda Invoke API takes (version 1).

::

    request  {"version": 1, "id": "…", "title": "…", "message": "…", "timestamp": 1767225600, "channel": "pushover",
              "reply_to": "ada@example.com", "fields": [{"name": "Name", "value": "Ada"}], "options": {"priority": 1},
              "site": "www.example.com", "full_text_at": "./herald messages show …", "body": "{name}: {message}",
              "files": [{"name": "a.jpg", "about": "image, 2.1 MB", "key": "files/…", "type": "image/jpeg"}],
              "files_at": "./herald messages files …", "inbox": "https://inbox.example.com/…"}
    answer   {"channel": "pushover", "status": "delivered", "reference": "…"}

Keys from ``timestamp`` on are optional. With ``"check": true`` nothing is sent, and the answer is
``{"channel": "pushover", "checked": true, "quota": {"limit": 10000, "remaining": 7496, "reset": 1767225600}}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.invoke_contract import MAX_ID, VERSION, check_keys, read_flag, read_text, read_whole_number
from chalicelib.logic.known_field_names import KNOWN_FIELDS, SINGLE_LINE
from chalicelib.logic.message import LATEST, Message, is_filled
from chalicelib.settings import Channel, Site

if TYPE_CHECKING:
    from chalicelib.logic.attachments import Attachment
    from chalicelib.logic.message_files import MessageFile

MAX_TEXT = 100_000
"""Most characters of a title, a message, and a field's name or value. No form has as many."""
MAX_LABEL = 300
"""Most characters of ``site``, ``full_text_at``, ``files_at`` and each text of a file."""
MAX_FIELDS = 200
"""Most fields of a request, and the most that ``herald.toml`` lets a form have."""
MAX_INBOX = 1_000
"""Most characters of ``inbox``."""
MAX_BODY = 2_000
"""Most characters of ``body`` in a request; ``herald.toml`` allows fewer."""
MAX_TITLE_VALUE = 80
"""Most characters of a placeholder's value in a title."""
MAX_TITLE = 250
"""Most characters of a title: Pushover's limit, as other providers name none."""
TITLE_PLACEHOLDERS = ("id", "site", *KNOWN_FIELDS)
"""The placeholders of a title, besides ``{fields.<name>}`` for the form's other fields."""
MAX_FILES = 20
"""Most files of a request."""
MAX_ADDRESS = 254
"""Most characters of an e-mail address (RFC 5321, 4.5.3.1.3)."""
REQUIRED = ("id", "title", "message")
OPTIONAL = (
    "timestamp",
    "channel",
    "reply_to",
    "fields",
    "options",
    "check",
    "site",
    "full_text_at",
    "body",
    "files",
    "files_at",
    "inbox",
)
"""The optional keys of a request."""


@dataclass(frozen=True, slots=True)
class NotifiedFile:
    """A file, as a notification tells of it."""

    name: str
    """A visitor's text."""
    about: str
    """Such as ``image, 2.1 MB``, and why it is not attached."""
    bucket_key: str = ""
    """Its key in the stage's bucket; empty where it must not be attached."""
    media_type: str = ""
    """By its bytes."""

    def as_json(self) -> dict[str, str]:
        more = {"key": self.bucket_key, "type": self.media_type}
        return {"name": self.name, "about": self.about} | {name: text for name, text in more.items() if text}


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification of the owner by one channel."""

    id: str
    """The message's id, which all log lines about the message have."""
    title: str
    message: str
    timestamp: int | None = None
    """When it happened, in seconds since the epoch. The provider shows it instead of the time of delivery."""
    channel: str = ""
    """The channel to use; needed only where the notifier serves several."""
    reply_to: str = ""
    """The e-mail address that the owner's reply goes to, where the channel offers one."""
    fields: tuple[tuple[str, str], ...] = ()
    """The form's fields, as names and values; one named ``message`` is the message itself."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Options of this kind of channel; they override the channel's own."""
    check: bool = False
    """Check whether it could be delivered, and send nothing."""
    site: str = ""
    """The name of the website that it is about."""
    full_text_at: str = ""
    """Where to read the whole text, shown where it had to be cut."""
    files: tuple[NotifiedFile, ...] = ()
    """The files that came with it."""
    files_at: str = ""
    """How to get them."""
    attached: tuple[Attachment, ...] = ()
    """Those that a notifier sends along. No request holds them."""
    inbox: str = ""
    """The address that opens it in the owner's inbox, shown below the text."""
    body: str = ""
    """The layout of its text, with placeholders (``notification_text.py``); empty for the usual one."""

    def as_request(self) -> dict[str, object]:
        """Return the JSON object that a notifier is invoked with."""
        required = {"version": VERSION, "id": self.id, "title": self.title, "message": self.message}
        optional: dict[str, object] = {
            "timestamp": self.timestamp,
            "channel": self.channel or None,
            "reply_to": self.reply_to or None,
            "fields": [{"name": name, "value": value} for name, value in self.fields] or None,
            "options": dict(self.options) or None,
            "check": self.check or None,
            "site": self.site or None,
            "full_text_at": self.full_text_at or None,
            "body": self.body or None,
            "inbox": self.inbox or None,
            "files": [file.as_json() for file in self.files] or None,
            "files_at": self.files_at or None,
        }
        return required | {key: value for key, value in optional.items() if value is not None}

    @classmethod
    def from_request(cls, request: object) -> Notification:
        """Check a request; raises :class:`InvalidRequestError` naming the key at fault and what it should be."""
        request = check_keys(request, REQUIRED, OPTIONAL)
        return cls(
            id=read_text(request, "id", MAX_ID),
            title=read_text(request, "title", MAX_TEXT),
            message=read_text(request, "message", MAX_TEXT),
            timestamp=read_whole_number(request, "timestamp", 0, LATEST)
            if request.get("timestamp") is not None
            else None,
            channel=read_text(request, "channel", MAX_ID) if "channel" in request else "",
            reply_to=read_text(request, "reply_to", MAX_ADDRESS) if "reply_to" in request else "",
            fields=_fields(request.get("fields", [])),
            options=_options(request.get("options", {})),
            check=read_flag(request, "check"),
            site=read_text(request, "site", MAX_LABEL) if "site" in request else "",
            full_text_at=read_text(request, "full_text_at", MAX_LABEL) if "full_text_at" in request else "",
            body=read_text(request, "body", MAX_BODY) if "body" in request else "",
            files=_files(request.get("files", [])),
            files_at=read_text(request, "files_at", MAX_LABEL) if "files_at" in request else "",
            inbox=_inbox(request) if "inbox" in request else "",
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """A provider's quota."""

    limit: int
    """Messages in one period."""
    remaining: int
    reset: int | None = None
    """When the period ends, in seconds since the epoch; None for a sliding period."""

    def is_below(self, percent: int) -> bool:
        return self.remaining * 100 < self.limit * percent

    def as_json(self) -> dict[str, int | None]:
        return {"limit": self.limit, "remaining": self.remaining, "reset": self.reset}


def _fields(given: object) -> tuple[tuple[str, str], ...]:
    expected = InvalidRequestError(
        f'fields: expected a list of at most {MAX_FIELDS} {{"name": text, "value": text}}, each text of at most'
        f" {MAX_TEXT} characters",
        key="fields",
    )
    if not isinstance(given, list) or len(given) > MAX_FIELDS:
        raise expected
    fields: list[tuple[str, str]] = []
    for entry in given:
        match entry:
            case {"name": str(name), "value": str(value), **rest} if (
                not rest and max(len(name), len(value)) <= MAX_TEXT
            ):
                fields.append((name, value))
            case _:
                raise expected
    return tuple(fields)


def _files(given: object) -> tuple[NotifiedFile, ...]:
    expected = InvalidRequestError(
        f'files: expected a list of at most {MAX_FILES} {{"name": text, "about": text, "key": text, "type": text}},'
        f" each text of at most {MAX_LABEL} characters, the last two if it may be attached",
        key="files",
    )
    if not isinstance(given, list) or len(given) > MAX_FILES:
        raise expected
    files: list[NotifiedFile] = []
    for entry in given:
        match entry:
            case {"name": str(name), "about": str(about), "key": str(key), "type": str(media_type), **rest} if not rest:
                files.append(NotifiedFile(name, about, key, media_type))
            case {"name": str(name), "about": str(about), **rest} if not rest:
                files.append(NotifiedFile(name, about))
            case _:
                raise expected
        if max(map(len, entry.values())) > MAX_LABEL:
            raise expected
    return tuple(files)


def _inbox(request: Mapping[str, object]) -> str:
    value = read_text(request, "inbox", MAX_INBOX)
    if not value.startswith(("https://", "http://127.0.0.1:")) or not value.isprintable() or " " in value:
        raise InvalidRequestError("inbox: expected an address such as https://inbox.example.com/open", key="inbox")
    return value


def _options(given: object) -> Mapping[str, object]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InvalidRequestError("options: expected an object", key="options")
    return given


def from_contact(
    message: Message,
    site: Site | None = None,
    channel: Channel | None = None,
    stage_name: str = "",
    files: Sequence[MessageFile] = (),
) -> Notification:
    """Make the notification of a contact submission, without blank fields.

    Title and body are the channel's, else the site's, else the usual ones.
    """
    fields = {name: value for name, value in message.fields.items() if is_filled(value)}
    label = _site_label(message, site)
    title = (channel and channel.title) or (site and site.title) or ""
    # In a form without a field ``message``, the longest text is the message.
    long_texts = [value for name, value in fields.items() if name not in SINGLE_LINE]
    return Notification(
        id=message.id,
        title=_title(title, message, fields, label) if title else f"New message: {label}",
        message=fields.get("message") or max(long_texts, key=len, default="(no message)"),
        timestamp=message.received_at,
        reply_to=_reply_to(fields.get("email", "")),
        fields=tuple(fields.items()),
        site=label,
        full_text_at=f"./herald messages show --stage {stage_name} {message.id}" if stage_name else "",
        files=_notified_files(message, files) if files else (),
        files_at=f"./herald messages files --stage {stage_name} --output files {message.id}"
        if files and stage_name
        else "",
        body=(channel and channel.body) or (site and site.body) or "",
    )


def _notified_files(message: Message, files: Sequence[MessageFile]) -> tuple[NotifiedFile, ...]:
    """The files as a notification tells of them. One that must not be attached (``FileMark``) has no key."""
    # Loaded here alone: few messages have files.
    from chalicelib.logic.message_files import KEPT_PREFIX, described, key_of

    return tuple(
        NotifiedFile(file.declared_file.name, described(file))
        if file.facts.mark
        else NotifiedFile(
            file.declared_file.name,
            described(file),
            key_of(KEPT_PREFIX, message.site, message.id, number),
            file.facts.media_type,
        )
        for number, file in enumerate(files, 1)
    )


def _reply_to(address: str) -> str:
    """Return an address that mail programs accept; empty for one such as "n/a", or with misplaced dots (RFC 5322)."""
    local, _, _ = address.rpartition("@")
    return "" if not local or local.startswith(".") or local.endswith(".") or ".." in local else address


def _site_label(message: Message, site: Site | None) -> str:
    """Return the site's name where its stage has several, else the host of the form's page."""
    if site is None or site.one_of_many:
        return message.site
    if site.loopback:  # Which of the machine's pages sent it isn't kept.
        return "localhost"
    source = message.fields.get("source", "")
    pages = (origin for origin in site.origins if f"{source}/".startswith(f"{origin}/"))
    return next(pages, site.origins[0]).partition("://")[2]


def _title(template: str, message: Message, fields: Mapping[str, str], label: str) -> str:
    """Fill in the owner's title: one line, each placeholder cut to :data:`MAX_TITLE_VALUE` characters."""
    # Loaded only where a title is configured.
    from chalicelib.logic.lookalikes import starts_like
    from chalicelib.logic.placeholders import FIELD_PREFIX, fill
    from chalicelib.logic.plain_text import cut, one_line

    known = {name: fields.get(name, "") for name in TITLE_PLACEHOLDERS} | {"id": message.id, "site": label}
    filled = fill(
        template,
        lambda name: cut(one_line(known.get(name, fields.get(name.removeprefix(FIELD_PREFIX), ""))), MAX_TITLE_VALUE),
    )
    title = cut(one_line(filled), MAX_TITLE) or f"New message: {label}"
    # Herald's own notifications begin with "Herald".
    return f"› {title}" if starts_like(title, ("Herald",)) and not template.startswith("Herald") else title
