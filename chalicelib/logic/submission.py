"""What a visitor sends, and the message that is made of it.

A *submission* is what a form posts. Once it is valid it becomes a *message*: given an id and a time, published to the
topic as one JSON object (version 1), its fields in the order in which they were sent::

    {"version": 1, "id": "…", "site": "default", "received_at": 1767225600,
     "fields": {"source": "…", "name": "…", "email": "…", "message": "…", "Any other": "…"},
     "signals": ["honeypot"], "keyed": true, "sender": "…", "network": "…", "proof": "…",
     "evidence": ["origin", "fill_time"], "captcha": "…"}

The last seven stand there only where they say something.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.errors import SubmissionError
from chalicelib.logic.bodies import HALF_CHARACTER, Pairs
from chalicelib.logic.duplicates import content_hash
from chalicelib.logic.fields import KNOWN, NAMES, SINGLE_LINE, Role, meaning

VERSION = 1

MAX_PUBLISHED = 240 * 1024
"""Bytes that a serialized message may have: SNS takes 256 KiB together with its attributes. What follows takes 1 MB:
docs/aws-readiness.md."""
MAX_NAME = 100
"""Characters of a field's name that are kept."""
UNNAMED = "unnamed"
"""The name of a field that was sent without one."""

_KEYS = uuid.UUID("6f0c5dd4-6d35-4b8e-9d1f-0f8b5f3f5b62")
"""The namespace (RFC 9562, 5.5) of ids that are made from keys."""
_CONTROL = r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]"
_SPACING = re.compile(r"[\t\n\x0b\x0c\x85\u2028\u2029]+")
_BREAKS = re.compile(r"[\x0b\x0c\x85]")
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_FORMATTING = r"[\xad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb]"
"""Characters that nobody sees and that come with what is pasted. Joiners are none of these: they make other letters of
Arabic and Indic ones, and one emoji of two."""
_DIRECTION = r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_RIGHT_TO_LEFT = r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
"""Letters beside which the direction of others has a meaning."""
_UNTICKED = ("", "false", "0")
"""What a script sends of a check box that nobody ticked, where a form would send nothing."""


@dataclass(slots=True)
class Submission:
    """What a form held, sorted by what its fields mean."""

    fields: dict[str, str] = field(default_factory=dict)
    """The parts of the message, in the order sent, under their own names."""
    sent_as: dict[str, str] = field(default_factory=dict)
    """The name under which each part was sent, for who must correct it."""
    next: str = ""
    language: str = ""
    honeypot: bool = False
    """Whether a field was filled that people don't see."""
    fill_seconds: str = ""
    proof: str = ""
    captchas: dict[str, str] = field(default_factory=dict)
    """Tokens of captchas, by the names of their fields in lower case."""
    ignored: list[str] = field(default_factory=list)
    """Names of fields that would have chosen a recipient."""


@dataclass(frozen=True, slots=True)
class Message:
    """An accepted submission on its way to the owner."""

    id: str
    site: str
    received_at: int
    """Seconds since the epoch, UTC."""
    fields: Mapping[str, str]
    signals: tuple[str, ...] = ()
    """What makes it look like spam, as far as the API function could see."""
    keyed: bool = False
    """Whether it came with an ``Idempotency-Key``. Then the same content doesn't make it a duplicate."""
    sender: str = ""
    """An HMAC of the sender's IP address, for a site with the sign ``rate``."""
    proof: str = ""
    """The challenge that was solved for it, for a site that asks."""
    network: str = ""
    """An HMAC of the network around the sender's IP address."""
    evidence: tuple[str, ...] = ()
    """What speaks for a person, as far as the API function could see."""
    captcha: str = ""
    """The token of the site's captcha. It travels to ``destined``, and is not stored."""

    def serialize(self) -> str:
        """The JSON text that is published; raises :class:`SubmissionError` (413) when it is too large for SNS."""
        text = json.dumps(
            {
                "version": VERSION,
                "id": self.id,
                "site": self.site,
                "received_at": self.received_at,
                "fields": dict(self.fields),
                **({"signals": self.signals} if self.signals else {}),
                **({"keyed": True} if self.keyed else {}),
                **({"sender": self.sender} if self.sender else {}),
                **({"proof": self.proof} if self.proof else {}),
                **({"network": self.network} if self.network else {}),
                **({"evidence": self.evidence} if self.evidence else {}),
                **({"captcha": self.captcha} if self.captcha else {}),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        if _size_on_the_bus(text) > MAX_PUBLISHED:
            raise SubmissionError(413, "message_too_large")
        return text

    @classmethod
    def deserialize(cls, text: str) -> Message:
        """Read what :meth:`serialize` wrote; raises ValueError naming what is not as expected."""
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError(f"expected a message of version {VERSION}")
        try:
            fields = data["fields"]
            return cls(
                id=str(data["id"]),
                site=str(data["site"]),
                received_at=int(data["received_at"]),
                fields={str(name): str(value) for name, value in fields.items()},
                signals=tuple(map(str, data.get("signals", ()))),
                keyed=data.get("keyed") is True,
                sender=str(data.get("sender", "")),
                proof=str(data.get("proof", "")),
                network=str(data.get("network", "")),
                evidence=tuple(map(str, data.get("evidence", ()))),
                captcha=str(data.get("captcha", "")),
            )
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            # Without the error's own text, which quotes what was found.
            raise ValueError(f"not a complete message: {type(error).__name__}") from None


def _size_on_the_bus(text: str) -> int:
    """Bytes of the message once it stands as a JSON string inside an envelope, where each quotation mark costs two.

    That is its form in the Lambda event and in the EventBridge entry that carries it. Lambda serializes with UTF-8;
    control characters are the worst, six bytes for one.
    """
    return len(json.dumps(text, ensure_ascii=False).encode())


def message_id(site: str, idempotency_key: str, fields: Mapping[str, str]) -> str:
    """The id of a message: a new one, or with a key always the same for that site, key and content.

    So whoever sends again because an answer was lost sends the same message, and ``destined`` sees it by its id. The
    content belongs to it: a page that sends another message with the same key has made a mistake, and must not lose it.
    """
    if not idempotency_key:
        return str(uuid.uuid4())
    return str(uuid.uuid5(_KEYS, f"{site}\n{idempotency_key}\n{content_hash(site, fields)}"))


def classify_fields(pairs: Pairs) -> Submission:
    """Sort the fields of a form by what they mean.

    A name that comes twice, as of check boxes, is joined; of an address the last counts. Where two names stand for one
    field, the field's own name counts; beside the message another text stays as a field of the name it was sent with.
    """
    sorted_ = Submission()
    others = False
    for name, text in pairs:
        what = meaning(name, text)
        match what.role:
            case Role.FIELD:
                # A name that no service documents is looked at when all are known.
                known = name.lower() in NAMES
                others = others or not known
                own = what.field if known else _own_name(sorted_, name)
                _add(sorted_, name, own, _clean(text, own))
            case Role.NEXT:
                sorted_.next = sorted_.next or text.strip()
            case Role.LANGUAGE:
                sorted_.language = sorted_.language or text.strip()
            case Role.HONEYPOT:
                sorted_.honeypot = sorted_.honeypot or text.strip().lower() not in _UNTICKED
            case Role.FILL_TIME:
                sorted_.fill_seconds = sorted_.fill_seconds or text.strip()
            case Role.PROOF:
                sorted_.proof = sorted_.proof or text.strip()
            case Role.CAPTCHA if text.strip():
                sorted_.captchas.setdefault(name.lower(), text.strip())
            case Role.RECIPIENT if name.lower() not in sorted_.ignored:
                sorted_.ignored.append(name.lower())
    if others:
        _recognize(sorted_)
    return sorted_


def _recognize(sorted_: Submission) -> None:
    """Give the fields that the form calls otherwise their own names: each to the surest that may stand for it.

    All others stay fields of their own: no two are ever made one.
    """
    from chalicelib.logic.field_aliases import known_as

    surest: dict[str, tuple[bool, int, str]] = {}
    for name, text in sorted_.fields.items():
        own, rank = known_as(sorted_.sent_as[name]) or ("", 0)
        blank = not text.strip()
        # What is no address is no reason to refuse a form that may have meant something else.
        if own and own not in sorted_.fields and (own != "email" or blank or "@" in text):
            # Of two that are as sure the first counts, unless it is blank.
            surest[own] = min(surest.get(own, (blank, rank, name)), (blank, rank, name), key=lambda each: each[:2])
    called = {name: own for own, (_, _, name) in surest.items()}
    sorted_.fields = {
        called.get(name, name): _clean(text, called[name]) if name in called else text
        for name, text in sorted_.fields.items()
    }
    sorted_.sent_as = {called.get(name, name): sent_as for name, sent_as in sorted_.sent_as.items()}


def _own_name(sorted_: Submission, name: str) -> str:
    """The name under which a field is kept: on one line, cut where it is too long, and no other field's."""
    shown = " ".join(HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", re.sub(_CONTROL, " ", name)).split()) or UNNAMED
    if len(shown) > MAX_NAME:
        shown = f"{shown[: MAX_NAME - 1]}…"
    own, number = shown, 1
    while own in KNOWN or sorted_.sent_as.get(own, name) != name:
        number += 1
        own = f"{shown} ({number})"
    return own


def _add(sorted_: Submission, name: str, own: str, text: str) -> None:
    before, sent_as = sorted_.fields.get(own, ""), sorted_.sent_as.get(own, name)
    if not before or (own == "email" and sent_as == name and text):
        _put(sorted_, own, name, text)
    elif sent_as == name:
        _put(sorted_, own, name, f"{before}, {text}" if text else before)
    elif name == own and text:
        # A field itself comes before its aliases.
        _put(sorted_, own, name, text)
        _add_other(sorted_, own, sent_as, before)
    elif text:
        _add_other(sorted_, own, name, text)


def _put(sorted_: Submission, own: str, name: str, text: str) -> None:
    sorted_.fields[own] = text
    sorted_.sent_as[own] = name


def _add_other(sorted_: Submission, own: str, name: str, text: str) -> None:
    """Keep a second text: a project's form has a description beside the message. The others' second names are settings
    of the page's author, whom they tell nothing new."""
    if own == "message" and text != sorted_.fields[own]:
        before = sorted_.fields.get(name, "")
        _put(sorted_, name, name, f"{before}, {text}" if before else text)


def _clean(text: str, own: str) -> str:
    """The text as a person meant it: with line breaks of one kind, and without characters that nobody sees.

    A browser sends CR LF (HTML, 4.10.21.4). What is pasted from a spreadsheet, a PDF or an office program brings tabs,
    form feeds and others along, of which whoever pasted it can know nothing.
    """
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if own not in SINGLE_LINE:
        return _BREAKS.sub("\n", text)
    if not text.isascii():
        text = re.sub(_FORMATTING, "", text)
        if own == "email" or not re.search(_RIGHT_TO_LEFT, text):
            text = re.sub(_DIRECTION, "", text)
    return _SPACING.sub(" ", text).strip()
