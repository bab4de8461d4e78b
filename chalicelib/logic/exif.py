"""Read an image's EXIF data. Loaded by ``examine`` alone. The tags: https://exiftool.org/TagNames/EXIF.html

Whatever a stranger sends ends in a result: the library reads through :class:`BoundedReader`.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from fractions import Fraction

import exifread

from chalicelib.logic.image_cleaning import exif_of_webp

MAX_READS = 20_000
"""Most reads of one image's EXIF data. Pillow's 764 test images need 2,400 at most."""
MAX_READ_BYTES = 32 * 1024 * 1024
"""Most bytes that they may read in all; a file has 4 MB at most."""
MAX_VALUE = 100
"""Most characters of one EXIF value that are kept."""

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
