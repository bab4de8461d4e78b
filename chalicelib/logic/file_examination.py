"""Find out what a file is by its bytes, and whether its site takes it. Loaded by ``examine`` alone.

Whatever a stranger sends ends in a result. https://mimesniff.spec.whatwg.org/ tells markup from text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress

import filetype

from chalicelib.logic.exif import exif_of
from chalicelib.logic.file_extensions import KINDS, MARKUP, OTHER, declared_kind, kind_of_type
from chalicelib.logic.message_files import FileFacts, FileMark

_HEAD = 8192
"""Bytes that the library of kinds looks at."""

_ZIPPED, _OLE = "application/zip", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Characters that no text holds: https://mimesniff.spec.whatwg.org/#binary-data-byte"""
_MARKUP = re.compile(r"\A\s*<[a-z!?/]|<(?:script|svg|html|iframe|body)[\s/>]", re.IGNORECASE)
"""What begins with a tag, or has one that runs or encloses something: `Ada <ada@example.com>` is text."""


def examine(content: bytes, name: str, declared_type: str, taken: Collection[str]) -> FileFacts:
    """Examine one file; never raises for what the file holds.

    Parameters
    ----------
    content:
        All of its bytes.
    name, declared_type:
        What the browser called it.
    taken:
        The kinds that the site takes.
    """
    if not content:
        return FileFacts(mark=FileMark.EMPTY)
    kind, media_type = kind_of(content)
    claim = declared_kind(name, declared_type)
    if claim == "document" and kind == "archive" and _may_be_a_document(content, media_type):
        kind = claim
    exif, broken = exif_of(content) if kind == "image" else ({}, False)
    mark = None
    if kind not in KINDS or kind not in taken:
        mark = FileMark.KIND_NOT_TAKEN
    elif claim not in ("", kind):
        mark = FileMark.NOT_WHAT_IT_SAYS
    # A `.png` that is HTML is first of all a lie.
    if mark and claim in KINDS and claim != kind:
        mark = FileMark.NOT_WHAT_IT_SAYS
    return FileFacts(kind, media_type, mark, exif, broken)


def kind_of(content: bytes) -> tuple[str, str]:
    """The kind and the media type of a file by its bytes alone."""
    found = None
    with suppress(Exception):  # A library that meets what it doesn't expect knows no kind.
        found = filetype.guess(content[:_HEAD])
    # It takes what begins with "BM" for a picture, and "GIF" alone for another: of texts only what is one counts.
    if (found is None or found.mime not in _AS_TEXT) and (text := _text(content)) is not None:
        return (MARKUP, "text/html") if _MARKUP.search(text[:_HEAD]) else ("text", "text/plain")
    if content.startswith(_OLE) and (found is None or kind_of_type(found.mime) != "document"):
        return "archive", "application/x-ole-storage"
    return (_group(found.mime), found.mime) if found else (OTHER, "application/octet-stream")


_AS_TEXT = ("application/pdf", "application/rtf", "application/postscript")
"""Kinds whose files may be texts."""
_ARCHIVES = re.compile(r"application/(zip|x-tar|x-rar-compressed|gzip|x-bzip2|x-7z-compressed|x-xz|zstd|x-lz4|x-lzip)")


def _group(media_type: str) -> str:
    if _ARCHIVES.fullmatch(media_type):
        return "archive"
    return kind_of_type(media_type) or OTHER


def _may_be_a_document(content: bytes, media_type: str) -> bool:
    """Whether these bytes are a container that documents come in: the library knows only some orders of their parts."""
    return media_type == _ZIPPED or content.startswith(_OLE)


def _text(content: bytes) -> str | None:
    """The content as text; None for what is no text."""
    codec = next((codec for mark, codec in _BOMS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError:
        # What Windows wrote before UTF-8 has no bytes that a binary file would not have, too.
        text = content.decode("cp1252", errors="replace")
        if "\N{REPLACEMENT CHARACTER}" in text:
            return None
    return None if _BINARY.search(text) else text
