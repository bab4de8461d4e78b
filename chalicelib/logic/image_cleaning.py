"""Take out of a JPEG, PNG or WebP what tells of its photographer: position, serial numbers, times, thumbnails.

Kept are the pixels, the colour profile and the orientation; everything else goes, also what stands behind the image's
end. Pixels are not decoded, so nothing changes of what is seen.

- JPEG: ITU-T T.81, annex B; Exif 2.32, 4.5.4 https://www.cipa.jp/std/documents/e/DC-008-Translation-2019-E.pdf
- PNG: https://www.w3.org/TR/png-3/#11Chunks
- WebP: https://developers.google.com/speed/webp/docs/riff_container
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

CLEANABLE = ("image/jpeg", "image/png", "image/apng", "image/webp")
"""Media types that :func:`cleaned` knows."""

MAX_STEPS = 10_000
"""Most segments, scans and fill bytes of a JPEG; of Pillow's 799 test images none has over 41."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD hIST pHYs cICP mDCV cLLI acTL fcTL fdAT".split()
)
_WEBP_KEPT = frozenset((b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"))
_FIRST = (b"IHDR", b"VP8X", b"VP8L", b"VP8 ")
"""What a PNG or WebP begins with."""
_EXIF_FLAG, _XMP_FLAG = 0x08, 0x04
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_FRAMES = tuple(marker for marker in range(0xC0, 0xD0) if marker not in (0xC4, 0xC8, 0xCC))
"""Markers of headers that say how large the image is: SOF0 to SOF15."""
_PASSES = (_SOS, b"fcTL", b"ANMF")
_ALONE = (*range(0xD0, 0xD8), 0x01)
"""Markers without a length: RST0 to RST7, and TEM."""
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7]", re.DOTALL)
"""A marker among coded pixels that is neither a stuffed zero nor of those."""
_ICC, _ADOBE, _JFIF, _EXIF = b"ICC_PROFILE\0", b"Adobe", b"JFIF\0", b"Exif\0\0"


class NotCleanableError(Exception):
    """The image is of another format, or so broken that its parts can't be told apart."""


def cleaned(content: bytes) -> bytes:
    """The image without what its program and its camera added; raises :class:`NotCleanableError`."""
    try:
        if content.startswith(b"\xff\xd8\xff"):
            return _jpeg(content)
        if content.startswith(_PNG):
            return _png(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except (struct.error, IndexError):
        pass
    raise NotCleanableError


def pixels(content: bytes) -> int:
    """How many pixels whoever shows the image has to make room for; raises :class:`NotCleanableError`.

    Programs differ in which of several headers they take, so the largest counts.
    """
    try:
        parts = list(_parts(content))
        if isinstance(parts[0][0], bytes) and parts[0][0] not in _FIRST:
            raise NotCleanableError
        most = max(width * height for width, height in (_sides(*part) for part in parts))
    except (struct.error, IndexError, ValueError):
        raise NotCleanableError from None
    if most == 0:  # Of a JPEG, a height that comes after its pixels (B.2.5).
        raise NotCleanableError
    return most


def passes(content: bytes) -> int:
    """How many times whoever shows the image goes through its pixels: once for each scan of a JPEG, or frame.

    Raises :class:`NotCleanableError`.
    """
    try:
        return max(1, sum(kind in _PASSES for kind, _ in _parts(content)))
    except (struct.error, IndexError):
        raise NotCleanableError from None


def _parts(content: bytes) -> Iterator[tuple[bytes | int, bytes]]:
    if content.startswith(b"\xff\xd8\xff"):
        yield from _jpeg_segments(content)
    elif content.startswith(_PNG):
        yield from ((kind, whole[8:-4]) for kind, whole in _png_chunks(content))
    else:
        yield from _webp_chunks(content)


def _sides(kind: bytes | int, body: bytes) -> tuple[int, int]:
    """Width and height, if the part says any."""
    width = height = 0
    if kind == b"IHDR":
        width, height = struct.unpack_from(">II", body)
    elif kind in _FRAMES:
        height, width = struct.unpack_from(">HH", body, 1)
    elif kind == b"VP8X":
        width, height = 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
    return width, height


def _jpeg(content: bytes) -> bytes:
    segments, orientation, jfif = [], 0, b""
    for marker, body in _jpeg_segments(content):
        if marker == 0xE1 and body.startswith(_EXIF):
            orientation = orientation or _orientation(body[len(_EXIF) :])
        elif marker == 0xE0 and body.startswith(_JFIF):
            # Without its thumbnail, whose size are the last two bytes.
            jfif = jfif or _segment(marker, body[:12] + b"\0\0")
        elif marker == _COM or (
            0xE0 <= marker <= 0xEF
            and not (marker == 0xE2 and body.startswith(_ICC))
            and not (marker == 0xEE and body.startswith(_ADOBE))
        ):
            continue
        else:
            segments.append(_segment(marker, body) if marker else body)
    exif = _segment(0xE1, _EXIF + _only_orientation(orientation)) if orientation > 1 else b""
    return b"".join((b"\xff\xd8", jfif, exif, *segments, b"\xff\xd9"))


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each segment's marker and content up to the image's end; the coded pixels after a scan's header come as marker 0.

    A file that ends before its image does is cut off there, as programs show it.
    """
    at, scanned = 2, False
    for _ in range(MAX_STEPS):
        if at >= len(content):
            break
        if content[at] != 0xFF:
            raise NotCleanableError
        marker = content[at + 1]
        if marker == 0xFF:  # Any number of fill bytes may stand before a marker.
            at += 1
            continue
        if marker == _EOI:
            break
        if marker == _SOI or marker in _ALONE or marker == 0:
            raise NotCleanableError
        (length,) = struct.unpack_from(">H", content, at + 2)
        end = at + 2 + length
        if length < 2 or end > len(content):
            raise NotCleanableError
        yield marker, content[at + 4 : end]
        at = end
        if marker == _SOS:
            scanned = True
            end = _end_of_scan(content, at)
            yield 0, content[at:end]
            at = end
    else:
        raise NotCleanableError
    if not scanned:
        raise NotCleanableError


def _end_of_scan(content: bytes, at: int) -> int:
    """Where the next marker begins that is neither a stuffed zero nor a restart; the end without one."""
    found = _MARKER.search(content, at)
    return found.start() if found else len(content)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _png(content: bytes) -> bytes:
    parts, orientation = [_PNG], 0
    for kind, whole in _png_chunks(content):
        if kind == b"eXIf":
            orientation = _orientation(whole[8:-4])
        elif kind == b"IEND" and orientation > 1:
            parts += [_chunk(b"eXIf", _only_orientation(orientation)), whole]
        elif kind in _PNG_KEPT:
            parts.append(whole)
    return b"".join(parts)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's kind, and all of it: length, kind, content and checksum."""
    at, kind = len(_PNG), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            raise NotCleanableError
        yield kind, content[at:end]
        at = end


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _webp(content: bytes) -> bytes:
    chunks, orientation = [], 0
    for kind, body in _webp_chunks(content):
        if kind == b"EXIF":
            orientation = _orientation(body.removeprefix(_EXIF))
        elif kind in _WEBP_KEPT:
            chunks.append((kind, body))
    if not chunks:
        raise NotCleanableError
    # Only a file with VP8X can hold EXIF data at all.
    if chunks[0][0] == b"VP8X":
        flags = chunks[0][1][0] & ~(_EXIF_FLAG | _XMP_FLAG)
        if orientation > 1:
            flags |= _EXIF_FLAG
            chunks.append((b"EXIF", _only_orientation(orientation)))
        chunks[0] = (b"VP8X", bytes([flags]) + chunks[0][1][1:])
    body = b"".join(kind + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for kind, part in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    (size,) = struct.unpack_from("<I", content, 4)
    end, at = min(len(content), size + 8), 12
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", content, at)
        body = content[at + 8 : at + 8 + length]
        if len(body) < length:
            raise NotCleanableError
        yield kind, body
        at += 8 + length + length % 2


def exif_of_webp(content: bytes) -> bytes:
    """The EXIF data of a WebP, from their TIFF header on; empty without any. Some programs write JPEG's prefix, too."""
    try:
        return next((body.removeprefix(_EXIF) for kind, body in _webp_chunks(content) if kind == b"EXIF"), b"")
    except (struct.error, NotCleanableError):
        return b""


def _orientation(tiff: bytes) -> int:
    """The orientation that EXIF data say, 1 to 8; 0 where they say none. Reads the first directory alone."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 0
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, start)
        for number in range(entries):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * number)
            if (tag, kind, count) == (0x0112, 3, 1):
                return value if 1 <= value <= 8 else 0
    except struct.error:
        pass
    return 0


def _only_orientation(orientation: int) -> bytes:
    """EXIF data of one tag: header, one entry of type SHORT, no next directory."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
