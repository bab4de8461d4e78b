"""A message: an accepted submission, or a program's notification, on its way to the owner.

It is published to the topic as one JSON object (version 1), its fields in the order in which they were sent::

    {"version": 1, "id": "…", "site": "default", "received_at": 1767225600,
     "fields": {"source": "…", "name": "…", "email": "…", "message": "…", "Any other": "…"},
     "signals": ["honeypot"], "has_idempotency_key": true, "sender_hash": "…",
     "network_hash": "…", "solved_challenge": "…", "evidence": ["origin", "fill_time"], "captcha": "…",
     "files": [{"name": "a.jpg", "type": "image/jpeg", "size": 1234, "sha256": "…"}], "language": "de"}

Keys from ``signals`` on are left out where they would be empty.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.errors import SubmissionError
from chalicelib.logic.duplicates import content_hash

if TYPE_CHECKING:
    from chalicelib.logic.message_files import DeclaredFile

VERSION = 1

MAX_ON_THE_BUS = 240 * 1024
"""Bytes that a serialized message may have as a JSON string inside an event.

SNS takes 256 KiB, of the text before it is escaped, together with its attributes. The services after it take 1 MB:
docs/aws-readiness.md.
"""
LATEST = 221_845_391_999
"""The last second that a message or notification may have: the year 8999 ends (UTC). Python's calendar ends with the
year 9999, also in time zones ahead of UTC, and a message is shown with its expiry, up to ten years later. Milliseconds
of our time, such as JavaScript's ``Date.now()``, are beyond it."""

BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Hangul fillers and Braille's blank: letters and a sign by their category, but invisible."""
DIRECTION = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks that reorder the text around them, so that a line could read as another."""
FORMATTING = r"\xad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
"""Characters that nobody sees and that come with what is pasted. Joiners are none of these: they make other letters of
Arabic and Indic ones, and one emoji of two."""
_UNSEEN = (
    rf"\s{BLANK_LETTERS}{DIRECTION}{FORMATTING}\u034f\u17b4\u17b5\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f"
    r"\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Spaces, and what Unicode has no glyph for: https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
What it does not know yet, such as a new emoji, and an accent on nothing are seen."""

_KEY_NAMESPACE = uuid.UUID("6f0c5dd4-6d35-4b8e-9d1f-0f8b5f3f5b62")
"""The namespace (RFC 9562, 5.5) of ids that are made from keys."""


@dataclass(frozen=True, slots=True)
class Message:
    """An accepted submission, or a program's notification, on its way to the owner."""

    id: str
    site: str
    received_at: int
    """Seconds since the epoch, UTC."""
    fields: Mapping[str, str]
    signals: tuple[str, ...] = ()
    """What makes it look like spam, as far as the API function could see."""
    has_idempotency_key: bool = False
    """Whether it came with an ``Idempotency-Key``. Then the same content doesn't make it a duplicate."""
    sender_hash: str = ""
    """An HMAC of the sender's IP address, for a site with the signal ``rate``."""
    solved_challenge: str = ""
    """The id of the challenge that was solved for it, for a site that asks."""
    network_hash: str = ""
    """An HMAC of the network around the sender's IP address."""
    evidence: tuple[str, ...] = ()
    """The signs that a person wrote it (``spam.PersonSign``), as far as the API function could see."""
    captcha: str = ""
    """The token of the site's captcha. It travels to ``destined``, and is not stored."""
    channels: tuple[str, ...] = ()
    """Of a new notification: those to deliver it by. Empty for its site's."""
    files: tuple[DeclaredFile, ...] = ()
    """In the order sent: the first is in the bucket under the number 1."""
    language: str = ""
    """The visitor's language, for a site that answers its visitors by mail."""

    def serialize(self) -> str:
        """The JSON text that is published; raises :class:`SubmissionError` (413) when it is too large for an event."""
        text = json.dumps(
            {
                "version": VERSION,
                "id": self.id,
                "site": self.site,
                "received_at": self.received_at,
                "fields": dict(self.fields),
                **({"signals": self.signals} if self.signals else {}),
                **({"has_idempotency_key": True} if self.has_idempotency_key else {}),
                **({"sender_hash": self.sender_hash} if self.sender_hash else {}),
                **({"solved_challenge": self.solved_challenge} if self.solved_challenge else {}),
                **({"network_hash": self.network_hash} if self.network_hash else {}),
                **({"evidence": self.evidence} if self.evidence else {}),
                **({"captcha": self.captcha} if self.captcha else {}),
                **({"files": [file.as_json() for file in self.files]} if self.files else {}),
                **({"language": self.language} if self.language else {}),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        if _size_on_the_bus(text) > MAX_ON_THE_BUS:
            raise SubmissionError(413, "message_too_large")
        return text

    @classmethod
    def deserialize(cls, text: str) -> Message:
        """Read what :meth:`serialize` wrote; raises ValueError naming what is not as expected."""
        # The API function, which starts for each visitor, never comes here.
        from chalicelib.logic.invoke_contract import MAX_ID

        try:
            data = json.loads(text)
            # Only an escape can hold half a character, and the API function writes none.
            data = replace_lone_surrogates(data) if "\\u" in text else data
        except RecursionError:
            raise ValueError("expected JSON that is not nested so deeply") from None
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError(f"expected a message of version {VERSION}")
        try:
            fields = data["fields"]
            message_id, site, received_at = str(data["id"]), str(data["site"]), int(data["received_at"])
            if not (0 < len(message_id) <= MAX_ID and 0 < len(site) <= MAX_ID):
                raise ValueError
            message = cls(
                id=message_id,
                site=site,
                received_at=received_at,
                fields={str(name): str(value) for name, value in fields.items()},
                signals=tuple(map(str, data.get("signals", ()))),
                has_idempotency_key=data.get("has_idempotency_key") is True,
                sender_hash=str(data.get("sender_hash", "")),
                solved_challenge=str(data.get("solved_challenge", "")),
                network_hash=str(data.get("network_hash", "")),
                evidence=tuple(map(str, data.get("evidence", ()))),
                captcha=str(data.get("captcha", "")),
                files=read_files(data),
                language=str(data.get("language", "")),
            )
        except (KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
            # Without the error's own text, which quotes what was found.
            raise ValueError(f"not a complete message: {type(error).__name__}") from None
        if not 0 <= message.received_at <= LATEST:
            raise ValueError(f"received_at: expected seconds since the epoch, not milliseconds: 0 to {LATEST}")
        return message


def read_files(stored: Mapping[str, Any]) -> tuple[DeclaredFile, ...]:
    """The files that the key ``files`` of a published or stored message names; none without it."""
    if not stored.get("files"):
        return ()
    # Loaded here alone: few messages have files.
    from chalicelib.logic.message_files import DeclaredFile

    return tuple(map(DeclaredFile.from_json, stored["files"]))


def is_filled(text: str) -> bool:
    """Whether anybody sees anything in a field's text. It is the only meaning of blank that a form's fields have."""
    return bool(text.strip()) and (text.isascii() or re.search(f"[^{_UNSEEN}]", text) is not None)


def replace_lone_surrogates(value: Any) -> Any:
    """Return what JSON holds as UTF-8 can encode it: half a surrogate pair (RFC 8259, 8.2) becomes ``?``."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _size_on_the_bus(text: str) -> int:
    """Bytes of the message once it stands as a JSON string inside an envelope, where each quotation mark costs two.

    That is its form in the Lambda event and in the EventBridge entry that carries it. Lambda serializes with UTF-8; a
    quotation mark or backslash that was typed is the worst, four bytes for one.
    """
    return len(json.dumps(text, ensure_ascii=False).encode())


def make_message_id(
    site: str, idempotency_key: str, fields: Mapping[str, str], files: Sequence[DeclaredFile] = ()
) -> str:
    """The id of a message: a new one, or with a key always the same for that site, key and content.

    So whoever sends again because an answer was lost sends the same message, which ``destined`` knows by its id. The
    content belongs to it: a page that sends another message with the same key has made a mistake, and must not lose it.
    """
    if not idempotency_key:
        return str(uuid.uuid4())
    return str(uuid.uuid5(_KEY_NAMESPACE, f"{site}\n{idempotency_key}\n{content_hash(site, fields, files)}"))
