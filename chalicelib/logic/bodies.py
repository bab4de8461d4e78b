"""From the bytes of a request to the pairs of name and text that a form holds, in the order sent."""

from __future__ import annotations

import codecs
import json
import re
from io import BytesIO
from urllib.parse import parse_qsl

from chalicelib.errors import Problem, SubmissionError
from chalicelib.settings import Limits

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

CODECS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "cp1252", "windows-1252": "cp1252"}
"""The charsets that forms are sent in, as browsers understand their names (https://encoding.spec.whatwg.org/#names).
Others of Python's codecs would only give a stranger more to play with."""
CHARSET_FIELD = "_charset_"
"""A hidden field of this name is filled in by browsers with the charset of a form, which no header of theirs says:
https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#attr-fe-name-charset"""
_OLD_PAGES = "cp1252"
"""What a form is taken for that names no charset and isn't UTF-8."""
_ENCODED = 3
"""Bytes that one byte of a text has in a form without files, at the most: %D0."""
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
"""JSON can write it (RFC 8259, 8.2), where a text was cut within an emoji; UTF-8 can't."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046, 5.1.1."""

Pairs = list[tuple[str, str]]
Raw = list[tuple[bytes, bytes | str]]
"""Names and texts as they came; as text what says of itself how it is to be read."""


def read(content_type: str, body: bytes, limits: Limits) -> Pairs:
    """The fields of a body.

    Parameters
    ----------
    content_type:
        The header as it came, parameters and letter case included.
    body:
        The bytes of the body, already base64-decoded.

    Raises
    ------
    SubmissionError
        413 too many bytes, 415 not a kind of body that is taken, 400 not what the header says it is, 422 a field that
        is not text.
    """
    media_type, parameters = parse_media_type(content_type)
    # What counts are the texts: percent-encoding makes some scripts nine times as long, and others not at all.
    if len(body) > limits.body * (_ENCODED if media_type == FORM else 1):
        raise _too_large(limits)
    charset = parameters.get("charset", "").lower()
    if media_type not in (JSON, FORM, MULTIPART):
        raise SubmissionError(415, "unsupported_media_type", Problem("unsupported_media_type", "content-type"))
    if charset and charset not in CODECS:
        raise SubmissionError(415, "unsupported_charset", Problem("unsupported_charset", "content-type"))
    codec = CODECS[charset] if charset else ""
    if media_type == JSON and codec not in ("", "utf-8", "ascii"):
        raise _malformed("not_in_charset")
    if media_type == MULTIPART:
        return _multipart(body, parameters.get("boundary", ""), codec, limits)
    # A form in another charset is percent-encoded. As bytes of its own it would not survive the gateway, which hands
    # on text as UTF-8.
    if codec not in ("", "utf-8") and not body.isascii():
        raise _malformed("not_in_charset")
    body = body.removeprefix(codecs.BOM_UTF8)
    return _json(body, limits) if media_type == JSON else _urlencoded(body, codec, limits)


def parse_media_type(content_type: str) -> tuple[str, dict[str, str]]:
    """The media type in lower case, and its parameters by their lower-case names."""
    media_type, _, rest = content_type.partition(";")
    parameters: dict[str, str] = {}
    for parameter in rest.split(";"):
        name, separator, value = parameter.partition("=")
        if separator:
            parameters.setdefault(name.strip().lower(), value.strip().strip('"'))
    return media_type.strip().lower(), parameters


def _malformed(code: str) -> SubmissionError:
    return SubmissionError(400, "malformed", Problem(code, "body"))


def _too_large(limits: Limits) -> SubmissionError:
    return SubmissionError(413, "body_too_large", limit=limits.body // 1024)


def _too_many() -> SubmissionError:
    return SubmissionError(413, "too_many_fields", Problem("too_many_fields", "body"))


def _json(body: bytes, limits: Limits) -> Pairs:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _malformed("not_in_charset") from None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("not_json") from None
    if not isinstance(data, dict):
        raise _malformed("not_an_object")
    if len(data) > limits.fields:
        raise _too_many()
    pairs: Pairs = []
    wrong: list[Problem] = []
    for name, value in data.items():
        try:
            pairs.append((_whole(name), _whole(_text(value))))
        except TypeError:
            wrong.append(Problem("TYPE_TEXT", _whole(name)))
    if wrong:
        raise SubmissionError(422, "invalid", *wrong, pairs=pairs)
    return pairs


def _whole(text: str) -> str:
    return HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)


def _text(value: object) -> str:
    """A JSON value as the text that a form would have sent; raises TypeError for what no form can send."""
    match value:
        case str():
            return value
        case None | {} if not value:
            return ""  # A script makes {} of a file field that was left empty.
        case bool():
            return "true" if value else "false"
        case int() | float():
            return json.dumps(value)
        case list() if not any(isinstance(item, list | dict) for item in value):
            return ", ".join(map(_text, value))
    raise TypeError


def _urlencoded(body: bytes, codec: str, limits: Limits) -> Pairs:
    try:
        # Each byte as one character, and back: what they mean is known when all fields are.
        pairs = parse_qsl(body.decode("latin-1"), True, encoding="latin-1", max_num_fields=limits.fields)
    except ValueError:
        raise _too_many() from None
    if sum(len(name) + len(value) for name, value in pairs) > limits.body:
        raise _too_large(limits)
    raw: Raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    try:
        return _decoded(raw, codec)
    except UnicodeDecodeError:
        raise _malformed("not_in_charset") from None


def _decoded(raw: Raw, codec: str) -> Pairs:
    """The pairs as text; raises UnicodeDecodeError. Without a codec they are UTF-8, or what the form itself says, or
    what pages were written in before that."""
    try:
        return _in(codec or "utf-8", raw)
    except UnicodeDecodeError:
        if codec:
            raise
    return _in(_said(raw), raw)


def _in(codec: str, raw: Raw) -> Pairs:
    return [(name.decode(codec), text if isinstance(text, str) else text.decode(codec)) for name, text in raw]


def _said(raw: Raw) -> str:
    said = dict(raw).get(CHARSET_FIELD.encode(), b"")
    return CODECS.get((said if isinstance(said, str) else said.decode("latin-1")).strip().lower(), _OLD_PAGES)


def _multipart(body: bytes, boundary: str, codec: str, limits: Limits) -> Pairs:
    # Loaded here alone: most forms are urlencoded, and a cold start should not pay for the others.
    from multipart import MultipartError, MultipartParser, ParserLimitReached

    if not _BOUNDARY.fullmatch(boundary):
        raise _malformed("no_boundary")
    raw: Raw = []
    files: list[Problem] = []
    try:
        parser = MultipartParser(
            BytesIO(body),
            boundary,
            content_length=len(body),
            # Names are given back as the bytes that came: their charset may stand in a part that comes later.
            charset="latin-1",
            strict=True,
            part_limit=limits.fields,
            partsize_limit=limits.body,
            # Nothing is ever written to the disk.
            spool_limit=limits.body,
            memory_limit=limits.body,
            disk_limit=0,
        )
        for part in parser:
            if part.filename is not None:
                # A browser sends a file field that was left empty as a part without a name and without content.
                if part.filename or part.size:
                    files.append(Problem("NO_FILE_UPLOADS", part.name.encode("latin-1").decode("utf-8", "replace")))
                continue
            _, declared = parse_media_type(part.headers.get("Content-Type", ""))
            own = CODECS.get(declared.get("charset", "").lower())
            raw.append((part.name.encode("latin-1"), part.raw.decode(own) if own else part.raw))
        pairs = _decoded(raw, codec)
    except ParserLimitReached:
        raise _too_many() from None
    except (MultipartError, UnicodeDecodeError):
        raise _malformed("not_multipart") from None
    if files:
        raise SubmissionError(422, "invalid", *files, pairs=pairs)
    return pairs
