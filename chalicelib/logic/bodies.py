"""From the bytes of a request to the pairs of name and text that a form holds, in the order sent."""

from __future__ import annotations

import json
import re
from io import BytesIO
from urllib.parse import parse_qsl

from chalicelib.errors import Problem, SubmissionError
from chalicelib.settings import Limits

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

CODECS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1", "windows-1252": "cp1252"}
"""The charsets that forms are sent in. Others of Python's codecs would only give a stranger more to play with."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046, 5.1.1."""

Pairs = list[tuple[str, str]]


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
    if len(body) > limits.body:
        raise SubmissionError(413, "body_too_large", limit=limits.body // 1024)
    media_type, parameters = parse_media_type(content_type)
    charset = (parameters.get("charset") or "utf-8").lower()
    if media_type not in (JSON, FORM, MULTIPART):
        raise SubmissionError(415, "unsupported_media_type", Problem("unsupported_media_type", "content-type"))
    if charset not in CODECS:
        raise SubmissionError(415, "unsupported_charset", Problem("unsupported_charset", "content-type"))
    if media_type == JSON and CODECS[charset] not in ("utf-8", "ascii"):
        raise _malformed("not_in_charset")
    if media_type == MULTIPART:
        return _multipart(body, parameters.get("boundary", ""), CODECS[charset], limits)
    try:
        # A form in another charset is percent-encoded. As bytes of its own it would not survive the gateway, which
        # hands on text as UTF-8.
        text = body.decode("utf-8" if CODECS[charset] == "utf-8" else "ascii")
    except UnicodeDecodeError:
        raise _malformed("not_in_charset") from None
    return _json(text, limits) if media_type == JSON else _urlencoded(text, CODECS[charset], limits)


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


def _too_many() -> SubmissionError:
    return SubmissionError(413, "too_many_fields", Problem("too_many_fields", "body"))


def _json(text: str, limits: Limits) -> Pairs:
    try:
        data = json.loads(text)
        # Half a character can be written in JSON (RFC 8259, 8.2), but in no answer.
        json.dumps(data, ensure_ascii=False).encode()
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
            pairs.append((name, _text(value)))
        except TypeError:
            wrong.append(Problem("TYPE_TEXT", name))
    if wrong:
        raise SubmissionError(422, "invalid", *wrong)
    return pairs


def _text(value: object) -> str:
    """A JSON value as the text that a form would have sent; raises TypeError for what no form can send."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return json.dumps(value)
        case list() if not any(isinstance(item, list | dict) for item in value):
            return ", ".join(map(_text, value))
    raise TypeError


def _urlencoded(text: str, codec: str, limits: Limits) -> Pairs:
    try:
        return parse_qsl(text, True, encoding=codec, errors="strict", max_num_fields=limits.fields)
    except UnicodeDecodeError:
        raise _malformed("not_in_charset") from None
    except ValueError:
        raise _too_many() from None


def _multipart(body: bytes, boundary: str, codec: str, limits: Limits) -> Pairs:
    # Loaded here alone: most forms are urlencoded, and a cold start should not pay for the others.
    from multipart import MultipartError, MultipartParser, ParserLimitReached

    if not _BOUNDARY.fullmatch(boundary):
        raise _malformed("no_boundary")
    pairs: Pairs = []
    files: list[Problem] = []
    try:
        parser = MultipartParser(
            BytesIO(body),
            boundary,
            content_length=len(body),
            charset=codec,
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
                    files.append(Problem("NO_FILE_UPLOADS", part.name))
                continue
            own = (part.charset or "").lower()
            pairs.append((part.name, part.raw.decode(CODECS.get(own, codec))))
    except ParserLimitReached:
        raise _too_many() from None
    except (MultipartError, UnicodeDecodeError):
        raise _malformed("not_multipart") from None
    if files:
        raise SubmissionError(422, "invalid", *files, pairs=pairs)
    return pairs
