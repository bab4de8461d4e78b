"""What a visitor sends, and the message that is made of it.

A *submission* is what a form posts. Once it is valid it becomes a *message*: given an id and a time, published to the
topic as one JSON object (version 1)::

    {"version": 1, "id": "…", "site": "default", "received_at": 1767225600,
     "fields": {"source": "…", "name": "…", "email": "…", "message": "…"}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from chalicelib.errors import Problem, SubmissionError

VERSION = 1
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

FIELDS = ("source", "name", "email", "message")
ALIASES = {"description": "message"}
LONGEST = {"source": 200, "name": 200, "email": 254, "message": 10_240}
"""Characters that each field may have. 254 is the longest address that SMTP can carry (RFC 5321, 4.5.3.1.3)."""

MAX_BODY = 64 * 1024
"""Bytes that a request body may have."""
MAX_FIELDS = 50
MAX_PUBLISHED = 240 * 1024
"""Bytes that a serialized message may have: SNS takes 256 KiB together with its attributes, and the same payload must
fit, inside an envelope, into an EventBridge entry of 256 KB."""

_CODECS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1", "windows-1252": "cp1252"}
"""The charsets that forms are sent in. Others of Python's codecs would only give a stranger more to play with."""

_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)+")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half a character: JSON can write it (RFC 8259, 8.2), UTF-8 can't."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class Message:
    """An accepted submission on its way to the owner."""

    id: str
    site: str
    received_at: int
    """Seconds since the epoch, UTC."""
    fields: Mapping[str, str]

    def serialize(self) -> str:
        """The JSON text that is published; raises :class:`SubmissionError` (413) when it is too large for SNS."""
        text = json.dumps(
            {
                "version": VERSION,
                "id": self.id,
                "site": self.site,
                "received_at": self.received_at,
                "fields": dict(self.fields),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        if _size_on_the_bus(text) > MAX_PUBLISHED:
            raise SubmissionError(413, "The message is too large to be delivered; please shorten it.")
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


def parse(content_type: str, body: bytes) -> dict[str, str]:
    """Read a request body into the fields that a person filled in, in the order sent.

    Parameters
    ----------
    content_type:
        The header as it came, parameters and letter case included.
    body:
        The bytes of the body, already base64-decoded.

    Raises
    ------
    SubmissionError
        413 too many bytes, 415 neither JSON nor an urlencoded form, 400 not what the header says it is.
    """
    if len(body) > MAX_BODY:
        raise SubmissionError(413, f"The request is larger than {MAX_BODY // 1024} KiB.")
    media_type, charset = _media_type(content_type)
    if media_type not in (JSON, FORM):
        raise SubmissionError(
            415,
            f"This address takes {JSON} or {FORM}.",
            (Problem("unsupported_media_type", "content-type", f"expected {JSON} or {FORM}"),),
        )
    codec = _CODECS.get(charset)
    if codec is None:
        raise SubmissionError(
            415,
            "This address takes text in UTF-8.",
            (Problem("unsupported_charset", "content-type", f"expected a charset of {', '.join(_CODECS)}"),),
        )
    if media_type == JSON and codec not in ("utf-8", "ascii"):
        raise _malformed("JSON is UTF-8 (RFC 8259, 8.1)")
    try:
        # A form in another charset is percent-encoded. As bytes of its own it would not survive the gateway, which
        # hands on text as UTF-8.
        text = body.decode("utf-8" if codec == "utf-8" else "ascii")
    except UnicodeDecodeError:
        raise _malformed(f"the body is not text in {charset}") from None
    pairs = _json_pairs(text) if media_type == JSON else _form_pairs(text, codec)
    return _canonical(pairs)


def validate(fields: Mapping[str, str], required: Iterable[str]) -> None:
    """Check the fields of a submission; raises :class:`SubmissionError` (422) that names every field at fault."""
    problems: list[Problem] = []
    for name in required:
        if not fields.get(name, "").strip():
            problems.append(Problem("required", name, f"{name} is required"))
    for name, value in fields.items():
        if len(value) > LONGEST[name]:
            problems.append(Problem("too_long", name, f"{name} has {len(value)} characters, at most {LONGEST[name]}"))
        elif name == "message" and _CONTROL_BUT_LINES.search(value):
            problems.append(Problem("control_character", name, f"{name} holds a control character"))
        elif name != "message" and _CONTROL.search(value):
            problems.append(Problem("control_character", name, f"{name} must be a single line of text"))
        elif name == "email" and value and not _ADDRESS.fullmatch(value):
            problems.append(Problem("invalid_email", name, "email is not an e-mail address such as name@example.com"))
    if problems:
        raise SubmissionError(422, "Some fields need another look.", tuple(problems))


def prefers_json(content_type: str, accept: str) -> bool:
    """Whether the client is a program that wants JSON back, rather than a browser that posted a form."""
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return _media_type(content_type)[0] == JSON or (JSON in wanted and "text/html" not in wanted)


def _media_type(content_type: str) -> tuple[str, str]:
    media_type, _, parameters = content_type.partition(";")
    charset = "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip():
            charset = value.strip().strip('"').lower()
    return media_type.strip().lower(), charset


def _malformed(why: str) -> SubmissionError:
    return SubmissionError(400, "The request could not be read.", (Problem("malformed", "body", why),))


def _json_pairs(text: str) -> list[tuple[str, object]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("the body is not valid JSON") from None
    if not isinstance(data, dict):
        raise _malformed("the body must be a JSON object of fields")
    return list(data.items())


def _form_pairs(text: str, codec: str) -> list[tuple[str, object]]:
    try:
        return list(parse_qsl(text, True, encoding=codec, errors="strict", max_num_fields=MAX_FIELDS))
    except UnicodeDecodeError:
        raise _malformed("the form is not text in the charset that it names") from None
    except ValueError:
        raise _malformed(f"the form has more than {MAX_FIELDS} fields") from None


def _lines(value: str) -> str:
    """The text with line breaks of one kind; a browser sends CR LF (HTML, 4.10.21.4)."""
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _canonical(pairs: list[tuple[str, object]]) -> dict[str, str]:
    """The known fields under their own names; an alias counts only where the field itself is empty."""
    if len(pairs) > MAX_FIELDS:
        raise _malformed(f"the body has more than {MAX_FIELDS} fields")
    given: dict[str, str] = {}
    wrong: list[Problem] = []
    for name, value in pairs:
        field = ALIASES.get(name, name)
        if field not in FIELDS or value is None:
            continue
        if not isinstance(value, str) or _LONE_SURROGATE.search(value):
            wrong.append(Problem("not_text", name, f"{name} must be text"))
        elif not given.get(field) or (name == field and value):
            given[field] = _lines(value) if field == "message" else value.strip()
    if wrong:
        raise SubmissionError(422, "Some fields need another look.", tuple(wrong))
    return {name: given[name] for name in FIELDS if name in given}
