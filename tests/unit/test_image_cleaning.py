"""What is taken out of an image, and that the picture stays the same."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image, ImageChops

from chalicelib.logic.exif import exif_of
from chalicelib.logic.image_cleaning import MAX_STEPS, NotCleanableError, cleaned, pixels
from tests.images import HOSTILE, SECRETS, exif, jpeg_with_exif, photo

FORMS = [("JPEG", False), ("JPEG", True), ("PNG", False), ("WEBP", False)]


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


@pytest.mark.parametrize("size", [(1, 1), (300, 7), (4097, 3)])
@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": exif()}),
    ],
)
def test_pixels_are_counted_without_decoding_any(size: tuple[int, int], form: str, more: dict[str, object]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, form, **more)
    assert pixels(file.getvalue()) == size[0] * size[1]


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a"])
def test_what_says_no_size_has_none(content: bytes) -> None:
    with pytest.raises(NotCleanableError):
        pixels(content)


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
        if taken:
            assert cleaned(content).endswith(b"\xff\xd9")
        else:
            with pytest.raises(NotCleanableError):
                cleaned(content)


def test_an_animation_keeps_its_frames() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    for form in ("WEBP", "PNG"):
        file = io.BytesIO()
        frames[0].save(file, form, save_all=True, append_images=frames[1:], duration=100, exif=exif())
        assert opened(cleaned(file.getvalue())).n_frames == 3  # type: ignore[attr-defined]


def test_a_second_picture_behind_the_end_goes() -> None:
    assert cleaned(photo() + photo()) == cleaned(photo())


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"%PDF-"]
)
def test_what_is_no_whole_image_is_refused(content: bytes) -> None:
    with pytest.raises(NotCleanableError):
        cleaned(content)


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
