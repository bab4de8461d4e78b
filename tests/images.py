"""Images for tests: a phone's photo with position and serial numbers, and hostile ones, all made when asked for."""

from __future__ import annotations

import io
import os
import random
import re
import struct
import subprocess
import sys
import tarfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from PIL import Image, PngImagePlugin, TiffImagePlugin
from PIL.Image import Exif

from tests.history import ROOT
from tests.rehearsal import REHEARSING

SERIAL = "SN-0815-4711"
SECRETS = (b"SN-0815", b"Lovelace", b"lovelace@example.org", b"<x:xmpmeta", b"2026:07:04")
"""What no copy for others may hold."""


def corpus(folder: Path) -> list[Path]:
    """Many images. In a rehearsal all files of Pillow's source distribution, which pip fetches into the folder, or of
    the folder that ``HERALD_IMAGE_CORPUS`` names; else each format that Pillow writes, whole and broken."""
    if not REHEARSING:
        _make_corpus(folder)
    elif named := os.environ.get("HERALD_IMAGE_CORPUS"):
        folder = Path(named)
    else:
        _fetch_pillow(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _fetch_pillow(folder: Path) -> None:
    """Its tests' images come with its source distribution alone. Version and hashes are those of the lock."""
    lock = (ROOT / "locks" / "requirements-dev.txt").read_text(encoding="utf-8")
    wanted = re.search(r"^pillow==.*\n(?: {4}--hash=.*\n)+", lock, re.MULTILINE)
    assert wanted is not None
    requirements = folder / "requirements.txt"
    requirements.write_text(wanted[0].rstrip().removesuffix("\\"), encoding="utf-8")
    options = ("--no-binary=pillow", "--no-deps", "--require-hashes", "--dest", str(folder), "-r", str(requirements))
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *options], check=True, timeout=600)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    archive.unlink()


def _make_corpus(folder: Path) -> None:
    dice = random.Random(20261129)  # noqa: S311 - for tests, not for secrets
    Image.init()
    for form in sorted(Image.SAVE):
        file = io.BytesIO()
        with suppress(OSError, ValueError, DeprecationWarning):  # Not every format takes every picture.
            _picture().save(file, form, exif=exif())
            content = file.getvalue()
            (folder / form).write_bytes(content)
            (folder / f"{form}-half").write_bytes(content[: len(content) // 2])
            for number in range(10):
                broken = bytearray(content)
                for _ in range(8):  # Where headers and EXIF data are.
                    broken[dice.randrange(min(len(broken), 1500))] = dice.randrange(256)
                (folder / f"{form}-broken-{number}").write_bytes(broken)


def _picture() -> Image.Image:
    return Image.effect_mandelbrot((64, 48), (-3, -2.5, 2, 2.5), 20).convert("RGB")


def _ratio(*numbers: float) -> tuple[TiffImagePlugin.IFDRational, ...]:
    return tuple(TiffImagePlugin.IFDRational(number) for number in numbers)


def exif() -> Exif:
    """What a phone writes of a picture: orientation 6, 48.137154° N, 11.576124° E, two metres below the sea."""
    data = Exif()
    data[0x010F], data[0x0110], data[0x0131] = "Example", "Phone 12", "Camera 1.0"
    data[0x0112] = 6
    data[0x013B] = "Ada Lovelace"
    data[0x0132] = "2026:07:04 12:30:01"
    more = data.get_ifd(0x8769)
    more[0x9003], more[0x9011] = "2026:07:04 12:30:00", "+02:00"
    more[0x829A], more[0x829D], more[0x920A] = *_ratio(0.004, 1.8), TiffImagePlugin.IFDRational(42, 10)
    more[0x8827], more[0xA002], more[0xA003] = 100, 64, 48
    more[0x9209] = 1
    more[0xA434], more[0xA431] = "Lens 3", SERIAL
    place = data.get_ifd(0x8825)
    place[1], place[2] = "N", _ratio(48, 8, 13.7544)
    place[3], place[4] = "E", _ratio(11, 34, 34.0464)
    place[5], place[6] = b"\x01", TiffImagePlugin.IFDRational(2)
    return data


@cache
def photo(form: str = "JPEG", *, progressive: bool = False) -> bytes:
    """A photo of 64 × 48 pixels with all that its camera knows, and something behind its end."""
    image = _picture()
    file = io.BytesIO()
    more: dict[str, object] = {"exif": exif(), "icc_profile": b"a colour profile"}
    if form == "JPEG":
        more |= {"comment": b"lovelace@example.org", "xmp": b"<x:xmpmeta/>", "progressive": progressive}
    if form == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("Author", "Ada Lovelace")
        more["pnginfo"] = info
    if form == "WEBP":
        more |= {"xmp": b"<x:xmpmeta/>", "lossless": True}
    image.save(file, form, **more)
    return file.getvalue() + (b"" if form == "WEBP" else b"\n" + SERIAL.encode())


def jpeg_with_exif(tiff: bytes) -> bytes:
    """A JPEG whose EXIF data are these bytes, in segments of the longest length that there is."""
    head = b"".join(struct.pack(">BBH", 0xFF, 0xE1, len(part) + 8) + b"Exif\0\0" + part for part in (tiff[:65_000],))
    return b"\xff\xd8" + head + photo()[2:]


def _ifd(entries: list[bytes], following: int = 0, count: int | None = None) -> bytes:
    number = len(entries) if count is None else count
    return struct.pack("<H", number) + b"".join(entries) + struct.pack("<I", following)


def _entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


TIFF = struct.pack("<2sHI", b"II", 42, 8)
HOSTILE = {
    "a directory that leads to itself": TIFF + _ifd([_entry(0x8769, 4, 1, 8)], 8),
    "two directories that lead to each other": TIFF + _ifd([], 14) + _ifd([], 8),
    "a value of 4 GB": TIFF + _ifd([_entry(0x010F, 2, 0xFFFF_FFFF, 8)]),
    "a value of 4 GB of doubles": TIFF + _ifd([_entry(0x010F, 12, 0xFFFF_FFFF, 8)]),
    "65,535 tags that are not there": TIFF + _ifd([], count=0xFFFF),
    "5,000 tags of a thousand values each": TIFF + _ifd([_entry(0x9000 + n % 4000, 3, 1000, 8) for n in range(5000)]),
    "an offset behind the end": TIFF + _ifd([_entry(0x8825, 4, 1, 0xFFFF_FFF0)]),
    "a division by nothing": TIFF + _ifd([_entry(0x829A, 5, 1, 26)]) + struct.pack("<II", 1, 0),
    "a text of no charset": TIFF + _ifd([_entry(0x010F, 2, 40, 26)]) + b"\xff\xfe\xf0\x80" * 10,
    "no directory at all": TIFF,
    "nothing": b"",
}
"""EXIF data that somebody made to hurt, by what is wrong with them."""


def with_many_directories(number: int = 100_000) -> bytes:
    """A TIFF of 1.8 MB whose directories are a chain of this length, with one tag each."""
    size = 18
    chain = b"".join(
        _ifd([_entry(0x010F, 2, 4, 0x41414141)], 8 + size * (at + 1) if at + 1 < number else 0) for at in range(number)
    )
    return TIFF + chain
