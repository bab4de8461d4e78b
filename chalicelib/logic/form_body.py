"""Read the body of a request: the pairs of name and text that a form holds, in the order sent."""

from __future__ import annotations

import binascii
import codecs
import json
import re
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from chalicelib.errors import Problem, SubmissionError
from chalicelib.settings import Limits

if TYPE_CHECKING:
    from chalicelib.logic.uploads import Uploads

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

CHARSET_FIELD = "_charset_"
"""A hidden field of this name is filled in by browsers with the charset of a form, which no header of theirs says:
https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#attr-fe-name-charset"""
_OLD_PAGES_CODEC = "cp1252"
"""The charset of a form that names none and isn't UTF-8."""
_JSON_CODECS = ("", "utf-8", "cp1252")
"""What JSON may be declared to be: UTF-8 (RFC 8259, 8.1), and where it is ASCII alone what old programs call that."""
_PLAIN = "text/plain"
_UNTYPED = ("", _PLAIN)
"""Types of a body that a script sent without naming one: fetch's for a text, sendBeacon's, and none."""
_ENCODING_FACTOR = 3
"""The most bytes that one byte of text takes in a form without files: ``%D0``."""
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half of a character: JSON can write it (RFC 8259, 8.2), where a text was cut within an emoji; UTF-8 can't."""

_FILES_BYTES = 5 * 1024 * 1024
"""Bytes of files that are read at every site, so that nobody loses what was typed beside a photo. It is more than can
come: Lambda takes 6 MB of base64, which are 4.5 MB."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046, 5.1.1."""

Pairs = list[tuple[str, str]]
Raw = list[tuple[bytes, bytes | str]]
"""Names and values, not decoded yet; a value is text already if its part declared a charset of its own."""


def read(content_type: str, body: bytes, limits: Limits, uploads: Uploads | None = None) -> Pairs:
    """The fields of a body.

    Parameters
    ----------
    content_type:
        The header as it came, parameters and letter case included.
    body:
        The bytes of the body, already base64-decoded.
    uploads:
        Takes the files of a multipart form; None where the site takes none.

    Raises
    ------
    SubmissionError
        413 too many bytes, as they came or as UTF-8, 415 not a kind of body that is taken, 400 not what the header
        says it is, 422 a field that is not text.
    """
    media_type, parameters = parse_media_type(content_type)
    if media_type in (*_UNTYPED, FORM) and len(body) <= limits.body_bytes and is_json_object(body):
        media_type = JSON
    # What counts are the texts: percent-encoding triples each byte beyond ASCII, and leaves plain letters as they are.
    factor = _ENCODING_FACTOR if media_type == FORM else 1
    if len(body) > limits.body_bytes * factor + (_FILES_BYTES if media_type == MULTIPART else 0):
        raise _too_large(limits)
    if media_type not in (JSON, FORM, MULTIPART):
        pairs = _plain_text(body, limits.field_count) if media_type == _PLAIN else []
        raise SubmissionError(
            415, "unsupported_media_type", Problem("unsupported_media_type", "content-type"), pairs=pairs
        )
    codec = _codec(parameters.get("charset"))
    if codec is None or (media_type == JSON and codec not in _JSON_CODECS[: 3 if body.isascii() else 2]):
        raise SubmissionError(415, "unsupported_charset", Problem("unsupported_charset", "content-type"))
    try:
        if media_type == MULTIPART:
            pairs = _multipart(body, parameters.get("boundary", ""), codec, limits, uploads)
        else:
            pairs = _json_or_urlencoded(media_type, codec, body, limits)
    except SubmissionError as error:
        _refuse_too_large(error.pairs, limits)
        raise
    _refuse_too_large(pairs, limits)
    return pairs


def _refuse_too_large(pairs: Pairs, limits: Limits) -> None:
    """Refuse more texts than a form may have, also of a form that is shown again for another mistake.

    They are measured in UTF-8, in which they are stored: in another charset they may be a third of it.
    """
    if sum(_utf8_size(name) + _utf8_size(text) for name, text in pairs) > limits.body_bytes:
        raise _too_large(limits) from None


def _plain_text(body: bytes, most: int) -> Pairs:
    """What a form with ``enctype="text/plain"`` holds, as those do that led to ``mailto:`` before.

    It can't be read for certain (HTML, 4.10.21.8), so it is not accepted. But nobody must type it again: the page that
    says so shows it, and can send it.
    """
    pairs: Pairs = []
    for line in body.decode("utf-8", "replace").removesuffix("\r\n").split("\r\n"):
        name, equals, text = line.partition("=")
        if equals and len(pairs) < most:
            pairs.append((name, text))
        elif pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]}\r\n{line}")
    return pairs


def _utf8_size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _json_or_urlencoded(media_type: str, codec: str, body: bytes, limits: Limits) -> Pairs:
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


def is_json_object(body: bytes) -> bool:
    """Whether a body is a JSON object, whatever its header says. No form begins so: a browser escapes the brace."""
    text = body.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")
    try:
        return text.startswith(b"{") and isinstance(json.loads(text.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _codec(label: str | None) -> str | None:
    """Python's codec of a charset; empty where none is named, None for one that forms are not sent in."""
    if not label:
        return ""
    if label.lower() in ("utf-8", "utf8"):
        return "utf-8"
    from chalicelib.logic.charsets import codec_of

    return codec_of(label)


def _malformed(code: str) -> SubmissionError:
    return SubmissionError(400, "malformed", Problem(code, "body"))


def _too_large(limits: Limits) -> SubmissionError:
    return SubmissionError(413, "body_too_large", limit=limits.body_bytes // 1024)


def _too_many() -> SubmissionError:
    return SubmissionError(413, "too_many_fields", Problem("too_many_fields", "body"))


class _Object(list[tuple[str, object]]):
    """A JSON object as its names and values: a name may come twice (RFC 8259, 4), as in a form."""


def _json(body: bytes, limits: Limits) -> Pairs:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _malformed("not_in_charset") from None
    try:
        data = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        raise _malformed("not_json") from None
    if not isinstance(data, _Object):
        raise _malformed("not_an_object")
    if len(data) > limits.field_count:
        raise _too_many()
    pairs: Pairs = []
    wrong: list[Problem] = []
    for name, value in data:
        try:
            pairs.append((_replace_lone_surrogates(name), _replace_lone_surrogates(_text_of(value))))
        except TypeError:
            wrong.append(Problem("TYPE_TEXT", _replace_lone_surrogates(name)))
    if wrong:
        raise SubmissionError(422, "invalid", *wrong, pairs=pairs)
    return pairs


def _replace_lone_surrogates(text: str) -> str:
    return LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _text_of(value: object) -> str:
    """A JSON value as the text that a form would have sent; raises TypeError for what no form can send."""
    match value:
        case str():
            return value
        case None | _Object() if not value:
            return ""  # A script makes {} of a file field that was left empty.
        case int() | float():
            return json.dumps(value)
        case list() if not any(isinstance(item, list) for item in value):
            return ", ".join(map(_text_of, value))
    raise TypeError


def _urlencoded(body: bytes, codec: str, limits: Limits) -> Pairs:
    try:
        # Each byte as one character, and back: what they mean is known when all fields are.
        pairs = parse_qsl(body.decode("latin-1"), True, encoding="latin-1", max_num_fields=limits.field_count)
    except ValueError:
        raise _too_many() from None
    raw: Raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    try:
        # Bytes that are not escaped are UTF-8, as the gateway made them, whatever the form says.
        return _decoded(raw, codec or (_declared_codec(raw) if body.isascii() else ""))
    except UnicodeDecodeError:
        raise _malformed("not_in_charset") from None


def _decoded(raw: Raw, codec: str) -> Pairs:
    """The pairs as text; raises UnicodeDecodeError. Without a codec: UTF-8, or what pages were written in before it."""
    if codec:
        return _decode(codec, raw)
    try:
        return _decode("utf-8", raw)
    except UnicodeDecodeError:
        return _decode(_OLD_PAGES_CODEC, raw)


def _decode(codec: str, raw: Raw, errors: str = "strict") -> Pairs:
    return [
        (name.decode(codec, errors), text if isinstance(text, str) else text.decode(codec, errors))
        for name, text in raw
    ]


def _declared_codec(raw: Raw) -> str:
    """The codec that the form itself names; empty without one. Raises :class:`SubmissionError` for an unknown one."""
    label = next((text for name, text in raw if name.lower() == CHARSET_FIELD.encode()), b"")
    codec = _codec((label if isinstance(label, str) else label.decode("latin-1")).strip())
    if codec is None:
        readable = _decode("utf-8", raw, "replace")
        raise SubmissionError(422, "invalid", Problem("unsupported_charset", CHARSET_FIELD), pairs=readable)
    return codec


def _multipart(body: bytes, boundary: str, codec: str, limits: Limits, uploads: Uploads | None) -> Pairs:
    # Loaded here alone: most forms are urlencoded, and a cold start should not pay for the others.
    from multipart import MultipartError, MultipartParser

    if not _BOUNDARY.fullmatch(boundary):
        raise _malformed("no_boundary")
    raw: Raw = []
    wrong: list[Problem] = []
    most_parts = limits.field_count + (uploads.max_files if uploads else 0)
    try:
        parser = MultipartParser(
            BytesIO(body),
            boundary,
            # Names are given back as the bytes that came: their charset may stand in a part that comes later.
            charset="latin-1",
            strict=True,
            # One more than is read: the parser's own error is the same for a header that is too long.
            part_limit=most_parts + 1,
            # Nothing is ever written to the disk.
            spool_limit=len(body),
            memory_limit=len(body),
            disk_limit=0,
        )
        for number, part in enumerate(parser):
            if number == most_parts:
                raise _too_many()
            name, content_type = part.name.encode("latin-1"), part.headers.get("Content-Type", "")
            shown_name = name.decode("utf-8", "replace")
            content = _transfer_decoded(part.raw, part.headers.get("Content-Transfer-Encoding", ""))
            if part.filename is not None:
                if uploads:
                    filename = part.filename.encode("latin-1").decode("utf-8", "replace")
                    if problem := uploads.add(shown_name, filename, content_type, content):
                        wrong.append(problem)
                # A browser sends a file field that was left empty as a part without a name and without content.
                elif part.filename or content:
                    wrong.append(Problem("NO_FILE_UPLOADS", shown_name))
                continue
            own = _codec(parse_media_type(content_type)[1].get("charset"))
            if own is None:
                wrong.append(Problem("unsupported_charset", shown_name))
                continue
            raw.append((name, content.decode(own) if own else content))
        pairs = _decoded(raw, codec or _declared_codec(raw))
    except (MultipartError, UnicodeDecodeError, binascii.Error):
        raise _malformed("not_multipart") from None
    if uploads and uploads.too_big_field:
        most = uploads.max_megabytes
        raise SubmissionError(
            413, "FILES_TOO_BIG", Problem("FILES_TOO_BIG", uploads.too_big_field, most), pairs=pairs, limit=most
        )
    if wrong:
        raise SubmissionError(422, "invalid", *wrong, pairs=pairs)
    return pairs


def _transfer_decoded(content: bytes, encoding: str) -> bytes:
    """A part's content without mail's encoding, which some programs still apply (RFC 7578, 4.7).

    Raises :class:`binascii.Error` for content that is not in the declared encoding, and :class:`SubmissionError` for an
    encoding that is not known. In quoted-printable, blanks at a line's end are no part of the text (RFC 2045, 6.7).
    ``=`` may be its last character, as what Perl's MIME::QuotedPrint writes ends in ``=`` and a line feed.
    """
    match encoding.strip().lower():
        case "" | "7bit" | "8bit" | "binary":
            return content
        case "base64":
            return binascii.a2b_base64(content.translate(None, b" \t\r\n"), strict_mode=True)
        case "quoted-printable":
            # Each run of blanks is looked at once, so that many of them cost no more than their number.
            content = re.sub(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)", b"", content)
            # The decoder never raises: it drops or keeps what follows an equals sign that means nothing.
            if re.search(rb"=(?![0-9A-Fa-f]{2}|\r?\n|\Z)", content):
                raise binascii.Error
            return binascii.a2b_qp(content)
    raise _malformed("not_multipart")
