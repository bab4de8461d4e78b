"""What a file is by its bytes, and what an image's EXIF data say. Loaded by ``examine`` alone.

Whatever a stranger sends ends in a result: the libraries read through :class:`BoundedReader`, and what they can't read
is a mark. Sources: https://exiftool.org/TagNames/EXIF.html for the tags, https://mimesniff.spec.whatwg.org/ for markup.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from fractions import Fraction

import exifread
import filetype

from chalicelib.logic.file_kinds import KINDS, MARKUP, OTHER, declared_kind, kind_of_type
from chalicelib.logic.image_cleaning import exif_of_webp
from chalicelib.logic.message_files import Facts, Mark

MAX_READS = 20_000
"""Most reads of one image's EXIF data. Pillow's 764 test images need 2,400 at most."""
MAX_READ_BYTES = 32 * 1024 * 1024
"""Most bytes that they may read in all; a file has 4 MB at most."""
MAX_VALUE = 100
"""Most characters of one EXIF value that are kept."""
_HEAD = 8192
"""Bytes that the library of kinds looks at."""

_ZIPPED, _OLE = "application/zip", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Characters that no text holds: https://mimesniff.spec.whatwg.org/#binary-data-byte"""
_MARKUP = re.compile(r"\s*<(?:[a-z!?/])|<(?:script|svg|html|iframe|body)[\s>]", re.IGNORECASE)

# It prints what it can't read, and that is a stranger's text.
logging.getLogger("exifread").setLevel(logging.CRITICAL + 1)


class TooMuchWorkError(Exception):
    """Reading a file would take more than it may."""


class BoundedReader(io.BytesIO):
    """Bytes that can be read a limited number of times. A claim of 4 GB reads no more than there is."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._reads = MAX_READS
        self._bytes = MAX_READ_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self._reads -= 1
        self._bytes -= len(found)
        if self._reads < 0 or self._bytes < 0:
            raise TooMuchWorkError
        return found


def examine(content: bytes, name: str, declared_type: str, taken: Collection[str]) -> Facts:
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
        return Facts(mark=Mark.EMPTY)
    kind, media_type = kind_of(content)
    claim = declared_kind(name, declared_type)
    if claim == "document" and kind == "archive" and _may_be_a_document(content, media_type):
        kind = claim
    exif, broken = exif_of(content) if kind == "image" else ({}, False)
    mark = None
    if kind not in KINDS or kind not in taken:
        mark = Mark.KIND_NOT_TAKEN
    elif claim not in ("", kind):
        mark = Mark.NOT_WHAT_IT_SAYS
    # A `.png` that is HTML is first of all a lie.
    if mark and claim in KINDS and claim != kind:
        mark = Mark.NOT_WHAT_IT_SAYS
    return Facts(kind, media_type, mark, exif, broken)


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
_GROUPS = {"application/rtf": "document", "application/epub+zip": "document", "application/epub": "document"}
_ARCHIVES = re.compile(r"application/(zip|x-tar|x-rar-compressed|gzip|x-bzip2|x-7z-compressed|x-xz|zstd|x-lz4|x-lzip)")


def _group(media_type: str) -> str:
    if _ARCHIVES.fullmatch(media_type):
        return "archive"
    return _GROUPS.get(media_type) or kind_of_type(media_type) or OTHER


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


_TEXTS = {
    "make": "Image Make",
    "model": "Image Model",
    "lens": "EXIF LensModel",
    "software": "Image Software",
}
_NUMBERS = {
    "orientation": "Image Orientation",
    "width": "EXIF ExifImageWidth",
    "height": "EXIF ExifImageLength",
    "iso": "EXIF ISOSpeedRatings",
    "exposure_time": "EXIF ExposureTime",
    "f_number": "EXIF FNumber",
    "focal_length": "EXIF FocalLength",
}


def exif_of(content: bytes) -> tuple[dict[str, str], bool]:
    """An image's EXIF data by normalised names, and whether there were some that could not be read.

    ``make``, ``model``, ``lens``, ``software``, ``taken_at`` (``2026-07-04T12:30:00+02:00``, the offset where it is
    known), ``orientation`` (1 to 8), ``width``, ``height`` (pixels), ``iso``, ``exposure_time`` (seconds, such as
    ``1/250``), ``f_number``, ``focal_length`` (mm), ``flash`` (``yes``, ``no``), ``latitude`` and ``longitude``
    (degrees, south and west negative), ``altitude`` (metres).
    """
    if content[:4] == b"RIFF":
        # ExifRead takes every WebP's data for ones with JPEG's prefix, which the format doesn't have.
        content = exif_of_webp(content)
    try:
        tags = exifread.process_file(BoundedReader(content), details=False, extract_thumbnail=False)
    except Exception:  # Broken or hostile: whatever the library raises, the file has no readable data.
        return {}, True
    found: dict[str, str] = {}
    for name, tag in _TEXTS.items():
        if text := _one_line(tags.get(tag, "")):
            found[name] = text
    for name, tag in _NUMBERS.items():
        number = _first(tags, tag)
        if number is not None:
            found[name] = str(number)
    if (flash := _first(tags, "EXIF Flash")) is not None:
        found["flash"] = "yes" if int(flash) & 1 else "no"
    if taken_at := _time(tags):
        found["taken_at"] = taken_at
    for name, letters in (("latitude", "NS"), ("longitude", "EW")):
        degrees = _degrees(tags, f"GPS GPS{name.capitalize()}", letters)
        if degrees is not None:
            found[name] = f"{float(degrees):.6f}"
    altitude = _first(tags, "GPS GPSAltitude")
    if altitude is not None:
        below = _first(tags, "GPS GPSAltitudeRef") == 1
        found["altitude"] = f"{float(-altitude if below else altitude):.1f}"
    return found, False


def _one_line(value: object) -> str:
    values = getattr(value, "values", value)
    text = values.decode("latin-1") if isinstance(values, bytes) else str(value)
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:MAX_VALUE]


def _values(tags: Mapping[str, object], name: str) -> list[Fraction]:
    """A tag's numbers; none where one of them is no number, such as 1/0."""
    values = getattr(tags.get(name), "values", [])
    try:
        return [Fraction(value.num, value.den) if hasattr(value, "num") else Fraction(value) for value in values[:4]]
    except (ArithmeticError, TypeError, ValueError, AttributeError):
        return []


def _first(tags: Mapping[str, object], name: str) -> Fraction | None:
    values = _values(tags, name)
    # A fraction is shown as it is; one of a stranger's making may have any length.
    return values[0] if values and len(str(values[0])) <= MAX_VALUE else None


def _time(tags: Mapping[str, object]) -> str:
    """When the picture was taken; empty where that is not said, or is no time."""
    for name, offset in (("EXIF DateTimeOriginal", "EXIF OffsetTimeOriginal"), ("Image DateTime", "EXIF OffsetTime")):
        text = str(tags.get(name, "")).strip("\0 ")
        if found := re.fullmatch(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", text):
            year, month, day, clock = found.groups()
            zone = str(tags.get(offset, "")).strip("\0 ")
            if year != "0000":
                return f"{year}-{month}-{day}T{clock}" + (zone if re.fullmatch(r"[+-]\d\d:\d\d", zone) else "")
    return ""


def _degrees(tags: Mapping[str, object], name: str, letters: str) -> Fraction | None:
    values = _values(tags, name)
    side = str(tags.get(f"{name}Ref", "")).strip("\0 ").upper()[:1]
    if len(values) < 2 or not side or side not in letters:
        return None
    degrees = sum((value / 60**place for place, value in enumerate(values[:3])), Fraction(0))
    if degrees > (90 if letters == "NS" else 180):
        return None
    return degrees if side == letters[0] else -degrees
