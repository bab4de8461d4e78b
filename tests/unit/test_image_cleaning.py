"""What is taken out of an image, and that the picture stays the same."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image, ImageChops

from chalicelib.logic.exif import exif_of
from chalicelib.logic.image_cleaning import MAX_STEPS, NotCleanableError, cleaned, exif_of_webp, passes, pixels
from tests.images import HOSTILE, SECRETS, exif, jpeg_with_exif, photo

FORMS = [("JPEG", False), ("JPEG", True), ("PNG", False), ("WEBP", False)]
PREFIX = b"Exif\0\0"
TURNED = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
"""EXIF data of one tag, the orientation 6: header, one entry, no next directory."""


def turned(value: int) -> bytes:
    return TURNED[:18] + struct.pack(">H", value) + TURNED[20:]


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


SCAN = segment(0xDA, b"scan") + b"pixels\xff\0\xff\xd0\xff\xd7\xff\x01pixels"


def jpeg(*parts: bytes, end: bytes = b"\xff\xd9") -> bytes:
    return b"\xff\xd8" + b"".join(parts) + SCAN + end


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*parts: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def part(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp(*parts: bytes, form: bytes = b"WEBP") -> bytes:
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + form + body


def refused(content: bytes) -> bool:
    try:
        cleaned(content)
    except NotCleanableError:
        return True
    return False


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(("form", "progressive"), FORMS)
def test_nothing_of_the_photographer_is_left_and_the_picture_is_the_same(form: str, progressive: bool) -> None:
    before = photo(form, progressive=progressive)
    assert any(secret in before for secret in SECRETS)
    after = cleaned(before)
    assert [secret for secret in SECRETS if secret in after] == []
    assert exif_of(after) == ({"orientation": "6"}, False)
    one, other = opened(before), opened(after)
    assert one.size == other.size
    assert ImageChops.difference(one, other).getbbox() is None
    assert other.info["icc_profile"] == b"a colour profile"


JFIF = b"JFIF\0\1\2\1\0\x48\0\x48"
KEPT = (segment(0xDB, b"JFIF\0"), segment(0xC0, PREFIX), segment(0xF0, b"ICC"), segment(0xFD, b""))


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        (KEPT, KEPT),
        ((segment(0xE0, JFIF + b"\1\1rgb"), segment(0xE0, b"JFIF\0another")), (segment(0xE0, JFIF + b"\0\0"),)),
        ((segment(0xE0, b"JFXX\0"), segment(0xE1, JFIF), segment(0xFE, JFIF)), ()),
        ((segment(0xE2, b"ICC_PROFILE\0\1"),), (segment(0xE2, b"ICC_PROFILE\0\1"),)),
        ((segment(0xE2, b"MPF\0"), segment(0xE3, b"ICC_PROFILE\0\1")), ()),
        ((segment(0xEE, b"Adobe\0"),), (segment(0xEE, b"Adobe\0"),)),
        ((segment(0xED, b"Adobe\0"), segment(0xEF, b"Adobe\0"), segment(0xEE, b"Other")), ()),
        ((segment(0xE1, PREFIX + turned(2)), segment(0xE1, PREFIX + turned(3))), (segment(0xE1, PREFIX + turned(2)),)),
        ((segment(0xE1, PREFIX + turned(1)),), ()),
        ((segment(0xE1, b"http:\0" + TURNED), segment(0xE5, PREFIX + TURNED)), ()),
        ((b"\xff\xff", segment(0xFE, b"a"), b"\xff", *KEPT), KEPT),
    ],
)
def test_of_a_jpeg_is_kept_what_makes_the_picture(parts: tuple[bytes, ...], kept: tuple[bytes, ...]) -> None:
    assert cleaned(jpeg(*parts)) == jpeg(*kept)
    assert cleaned(jpeg(*parts, end=b"\xff\xd9behind")) == jpeg(*kept)
    assert cleaned(jpeg(*parts, end=b"")) == jpeg(*kept), "as programs show a file that was cut off"
    assert cleaned(jpeg(*parts, end=KEPT[0])) == jpeg(*kept, end=KEPT[0] + b"\xff\xd9")


@pytest.mark.parametrize(
    "content",
    [
        *(jpeg(segment(marker, b"a")) for marker in (0x00, 0x01, 0xD0, 0xD7, 0xD8)),
        *(jpeg(b"\xff\xfe\0\1"), jpeg(b"\xff\xfe\0\0"), jpeg(b"no marker"), jpeg(end=b"\xff\xfe\0\3")),
        *(b"\xff\xd8" + KEPT[0], b"\xff\xd8" + KEPT[0] + b"\xff\xd9"),
    ],
)
def test_a_jpeg_whose_parts_cant_be_told_apart_or_without_pixels_is_refused(content: bytes) -> None:
    assert refused(content)


def entry(tag: int = 0x0112, kind: int = 3, count: int = 1, value: int = 6, order: str = ">") -> bytes:
    return struct.pack(f"{order}HHIHH", tag, kind, count, value, 0)


def tiff(*entries: bytes, order: str = ">", number: int | None = None, start: int = 8) -> bytes:
    head = struct.pack(f"{order}2sHI", b"MM" if order == ">" else b"II", 42, start)
    return head.ljust(start) + struct.pack(f"{order}H", len(entries) if number is None else number) + b"".join(entries)


@pytest.mark.parametrize(
    ("data", "orientation"),
    [
        *((turned(value), value) for value in range(2, 9)),
        *((turned(value), None) for value in (0, 1, 9)),
        *((TURNED[:20], 6), (TURNED[:19], None), (TURNED[:3], None), (b"", None), (b"mm" + TURNED[2:], None)),
        (tiff(entry(order="<"), order="<"), 6),
        (tiff(entry(tag=0x010F), entry(value=8), start=20), 8),
        *((tiff(entry(tag=0x010F), entry(), number=1), None), (tiff(entry(), number=0), None)),
        *((tiff(entry(kind=4)), None), (tiff(entry(count=2)), None)),
    ],
)
def test_the_orientation_alone_is_kept_of_exif_data_in_every_format(data: bytes, orientation: int | None) -> None:
    own = turned(orientation) if orientation else b""
    assert cleaned(jpeg(segment(0xE1, PREFIX + data))) == jpeg(*([segment(0xE1, PREFIX + own)] if own else []))
    assert cleaned(png(chunk(b"eXIf", data))) == png(*([chunk(b"eXIf", own)] if own else []))
    none = b"\0" * 9
    for prefix in (b"", PREFIX):
        before = webp(part(b"VP8X", b"\x1c" + none), part(b"VP8 ", b"p"), part(b"EXIF", prefix + data))
        flags = b"\x18" if own else b"\x10"
        after = webp(part(b"VP8X", flags + none), part(b"VP8 ", b"p"), *([part(b"EXIF", own)] if own else []))
        assert cleaned(before) == after


def test_of_a_png_are_kept_the_chunks_that_make_the_picture() -> None:
    kept = (chunk(b"IHDR", b"head"), chunk(b"iCCP", b""), chunk(b"IDAT", b"pixels"))
    text = (chunk(b"tEXt", b"Author\0Ada"), chunk(b"tIME", b"2026"), chunk(b"prVt", b""))
    assert cleaned(png(kept[0], *text, *kept[1:]) + b"behind") == png(*kept)
    assert refused(png()[:-1])
    assert refused(png(*kept).replace(b"\0\0\0\x04IHDR", b"\xff\xff\xff\xf0IHDR"))


def test_of_a_webp_are_kept_the_chunks_that_make_the_picture() -> None:
    kept = (part(b"ICCP", b"odd"), part(b"VP8L", b"even"), part(b"ALPH", b""))
    dropped = (part(b"XMP ", b"<x:xmpmeta"), part(b"abcd", b""))
    assert cleaned(webp(*dropped, *kept)) == webp(*kept)
    assert cleaned(webp(*kept) + kept[1]) == webp(*kept), "what stands behind its end goes"
    assert cleaned(webp(*kept, b"VP8 \0\0\0") + b"\0") == webp(*kept)
    endless = b"RIFF\xff\xff\xff\xff" + webp(*kept)[8:]
    assert cleaned(endless) == webp(*kept)
    assert cleaned(webp(part(b"VP8X", b"\x04rest"), *kept)) == webp(part(b"VP8X", b"\0rest"), *kept)
    assert refused(webp(*kept, b"XMP \xff\xff\xff\xff"))
    assert refused(webp(*dropped))
    assert refused(webp(*kept, form=b"AVI "))


@pytest.mark.parametrize(
    ("content", "data"),
    [
        (webp(part(b"VP8 ", b""), part(b"EXIF", PREFIX + TURNED)), TURNED),
        (webp(part(b"EXIF", TURNED + PREFIX)), TURNED + PREFIX),
        (webp(part(b"VP8 ", b"")), b""),
        (webp(b"VP8 \1\0\0\0"), b""),
        (b"RIFF", b""),
    ],
)
def test_the_exif_data_of_a_webp_begin_with_their_header(content: bytes, data: bytes) -> None:
    assert exif_of_webp(content) == data


@pytest.mark.parametrize("size", [(1, 1), (300, 7), (4097, 3)])
@pytest.mark.parametrize(
    ("form", "more"),
    [
        *(("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})),
        *(("WEBP", {}), ("WEBP", {"lossless": True}), ("WEBP", {"exif": exif()})),
    ],
)
def test_pixels_are_counted_without_decoding_any(size: tuple[int, int], form: str, more: dict[str, object]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, form, **more)
    assert pixels(file.getvalue()) == size[0] * size[1]


def test_the_longest_side_that_a_jpeg_can_have_is_counted() -> None:
    assert pixels(jpeg(segment(0xC0, b"\x08\xff\xff\0\3"))) == 3 * 65_535


VP8 = part(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 9, 9))


def head(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))


@pytest.mark.parametrize(
    "first", [chunk(b"tEXt", struct.pack(">II", 1, 1)), part(b"VPX ", bytes(6) + struct.pack("<HH", 1, 1))]
)
def test_what_stands_before_an_image_says_nothing_of_its_size(first: bytes) -> None:
    content = png(first, head(20_000, 20_000)) if b"tEXt" in first else webp(first, VP8)
    with pytest.raises(NotCleanableError):
        pixels(content)
    assert pixels(cleaned(content)) == (400_000_000 if b"tEXt" in first else 81)


def test_of_several_sizes_the_largest_counts() -> None:
    assert pixels(png(head(1, 1), head(9, 9))) == 81
    assert pixels(webp(part(b"VP8X", bytes(10)), VP8)) == 81
    assert pixels(jpeg(segment(0xC0, b"\x08\0\1\0\1"), segment(0xC2, b"\x08\0\x09\0\x09"))) == 81
    with pytest.raises(NotCleanableError):
        pixels(jpeg(segment(0xC0, b"\x08\0\0\0\x09")))


@pytest.mark.parametrize("number", [0, 1, 3])
def test_scans_and_frames_are_counted(number: int) -> None:
    assert passes(jpeg(*[SCAN] * number)) == number + 1
    assert passes(png(head(1, 1), *[chunk(b"fcTL", b"")] * number)) == max(1, number)
    assert passes(webp(part(b"VP8X", bytes(10)), *[part(b"ANMF", b"")] * number)) == max(1, number)
    with pytest.raises(NotCleanableError):
        passes(jpeg(b"no marker"))


@pytest.mark.parametrize(("form", "progressive"), FORMS)
def test_a_clean_image_stays_byte_for_byte_the_same(form: str, progressive: bool) -> None:
    once = cleaned(photo(form, progressive=progressive))
    assert cleaned(once) == once


def test_the_thumbnail_within_the_exif_data_goes() -> None:
    small = io.BytesIO()
    Image.new("RGB", (16, 12), "red").save(small, "JPEG")
    data = exif()
    data.get_ifd(1)[0x0201] = 0
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG", exif=data.tobytes() + small.getvalue())
    assert small.getvalue() in file.getvalue()
    assert b"\xff\xd8" not in cleaned(file.getvalue())[2:]


@pytest.mark.parametrize("part", [b"\xff\xfe\0\2", b"\xff\xda\0\2", b"\xff"])
def test_a_jpeg_of_more_parts_than_any_photo_has_is_given_up(part: bytes) -> None:
    for number, taken in ((MAX_STEPS // 2, True), (MAX_STEPS, False)):
        content = b"\xff\xd8" + part * number + photo()[2:]
        assert refused(content) is not taken


def test_an_animation_keeps_its_frames() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    for form in ("WEBP", "PNG"):
        file = io.BytesIO()
        frames[0].save(file, form, save_all=True, append_images=frames[1:], duration=100, exif=exif())
        assert opened(cleaned(file.getvalue())).n_frames == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"%PDF-"]
)
def test_what_is_no_whole_image_is_refused_and_has_no_size(content: bytes) -> None:
    assert refused(content)
    with pytest.raises(NotCleanableError):
        pixels(content)


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_exif_data_are_taken_out_like_others(what: str) -> None:
    assert len(HOSTILE[what]) < 20 or HOSTILE[what][8:1000] not in cleaned(jpeg_with_exif(HOSTILE[what]))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_damaged_image_is_cleaned_or_refused_and_nothing_else(form: str) -> None:
    chance = random.Random(17)  # noqa: S311 - a seed, not a secret
    for _ in range(300):
        content = bytearray(photo(form))
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        cut = bytes(content[: chance.randint(1, len(content))])
        for damaged in (bytes(content), cut):
            try:
                after = cleaned(damaged)
            except NotCleanableError:
                continue
            assert len(after) <= len(damaged) + 2
