"""EXIF data: what is read of a phone's photo, and that no image of a stranger's costs more than it may."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from chalicelib.logic import file_examination
from chalicelib.logic.exif import MAX_READS, MAX_VALUE, BoundedReader, TooMuchWorkError, exif_of
from chalicelib.logic.file_extensions import KINDS
from tests.images import HOSTILE, TIFF, corpus, exif, jpeg_with_exif, photo, with_many_directories
from tests.rehearsal import amount
from tests.second_reader import normalised


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_tags_of_a_phones_photo_are_read_in_each_format(form: str) -> None:
    tags = {
        **{"make": "Example", "model": "Phone 12", "software": "Camera 1.0", "lens": "Lens 3"},
        **{"taken_at": "2026-07-04T12:30:00+02:00", "orientation": "6", "width": "64", "height": "48", "iso": "100"},
        **{"exposure_time": "1/250", "f_number": "9/5", "focal_length": "21/5", "flash": "yes"},
        **{"latitude": "48.137154", "longitude": "11.576124", "altitude": "-2.0"},
    }
    assert exif_of(photo(form) if form != "TIFF" else exif().tobytes()[6:]) == (tags, False)


IMAGE, CAMERA, PLACE = 0, 0x8769, 0x8825
"""Directories of EXIF data, and below them tags: Exif 2.32, 4.6."""


@pytest.mark.parametrize(
    ("directory", "tags", "name", "shown"),
    [
        (IMAGE, {0x010F: b"Caf\xe9"}, "make", "Café"),
        (IMAGE, {0x010F: "A\nB\x01C"}, "make", "A B C"),
        (IMAGE, {0x010F: "x" * 200}, "make", "x" * MAX_VALUE),
        *((CAMERA, {0x9209: bits}, "flash", fired) for bits, fired in ((0, "no"), (0x18, "no"), (0x19, "yes"))),
        (CAMERA, {0x829D: IFDRational(1, 0)}, "f_number", None),
        (CAMERA, {0x9011: "Z"}, "taken_at", "2026-07-04T12:30:00"),
        (CAMERA, {0x9003: "2026:07:04 12:30:00 ", 0x9011: " -07:00 "}, "taken_at", "2026-07-04T12:30:00-07:00"),
        (CAMERA, {0x9003: "0000:00:00 00:00:00", 0x9010: "+03:00"}, "taken_at", "2026-07-04T12:30:01+03:00"),
        (CAMERA, {0x9003: "yesterday"}, "taken_at", "2026-07-04T12:30:01"),
        (PLACE, {1: "S"}, "latitude", "-48.137154"),
        *((PLACE, {1: north}, "latitude", "48.137154") for north in ("n", "North", " N")),
        *((PLACE, {1: nowhere}, "latitude", None) for nowhere in ("X", "")),
        (PLACE, {3: "W"}, "longitude", "-11.576124"),
        (PLACE, {2: (48.0,)}, "latitude", None),
        (PLACE, {2: (48.0, 8.0)}, "latitude", "48.133333"),
        (PLACE, {2: (48.0, 8.0, 13.7544, 99.0)}, "latitude", "48.137154"),
        (PLACE, {2: (90.0, 0.0, 0.0)}, "latitude", "90.000000"),
        (PLACE, {2: (90.0, 0.0, 1.0)}, "latitude", None),
        (PLACE, {4: (180.0, 0.0, 0.0)}, "longitude", "180.000000"),
        (PLACE, {4: (180.0, 0.0, 1.0)}, "longitude", None),
        (PLACE, {5: b"\x00"}, "altitude", "2.0"),
    ],
)
def test_a_tag_is_read_as_the_standard_has_it_or_is_none(
    directory: int, tags: dict[int, object], name: str, shown: str | None
) -> None:
    data = exif()
    (data.get_ifd(directory) if directory else data).update(tags)
    found, broken = exif_of(data.tobytes()[6:])
    assert (found.get(name), broken) == (shown, False)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_second_library_reads_the_same_tags(form: str) -> None:
    assert exif_of(photo(form))[0] == normalised(photo(form))


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("within", ["a JPEG", "a TIFF"])
def test_hostile_exif_data_end_in_a_result(what: str, within: str) -> None:
    content = jpeg_with_exif(HOSTILE[what]) if within == "a JPEG" else HOSTILE[what]
    found = file_examination.examine(content, "a.jpg", "image/jpeg", KINDS)
    assert all(len(text) <= MAX_VALUE and text.isprintable() for text in found.exif.values())


def test_a_chain_of_100_000_directories_is_given_up_within_the_limits() -> None:
    started = time.process_time()
    _, broken = exif_of(with_many_directories())
    assert broken
    assert time.process_time() - started < 5


def test_what_is_no_exif_data_is_not_called_broken() -> None:
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "PNG")
    assert exif_of(file.getvalue()) == ({}, False)


def test_reading_too_often_or_too_much_is_refused() -> None:
    often = BoundedReader(b"x")
    for _ in range(MAX_READS):
        often.read(0)
    with pytest.raises(TooMuchWorkError):
        often.read(0)
    much = BoundedReader(bytes(4 * 1024 * 1024))
    for _ in range(8):
        much.seek(0)
        much.read()
    much.seek(0)
    with pytest.raises(TooMuchWorkError):
        much.read()


EXAMINE = """
import sys
sys.path.insert(0, {root!r})
from chalicelib.logic import file_examination, image_cleaning
import pathlib, re, time
worst = 0.0
for line in sys.stdin.read().splitlines():
    content = pathlib.Path(line).read_bytes()
    started = time.process_time()
    file_examination.examine(content, line, "", ("image",))
    try:
        image_cleaning.cleaned(content)
    except image_cleaning.NotCleanableError:
        pass
    worst = max(worst, time.process_time() - started)
# VmHWM counts from exec on; getrusage also what the test run itself had before it.
status = pathlib.Path('/proc/self/status').read_text()
print(worst, int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) // 1024)
"""


def run_over(files: list[Path]) -> tuple[float, int]:
    """The longest time for one file, in seconds, and the process's largest size, in MB."""
    ran = subprocess.run(
        [sys.executable, "-c", EXAMINE.format(root=str(Path(__file__).parents[2]))],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    longest, size = ran.stdout.split()
    return float(longest), int(size)


def test_hostile_files_stay_within_memory_and_time(tmp_path: Path) -> None:
    contents = [*HOSTILE.values(), *map(jpeg_with_exif, HOSTILE.values()), with_many_directories(), TIFF * 400_000]
    # Segments, scans, restarts, fill bytes: as many as fit.
    contents += [b"\xff\xd8" + part * 1_000_000 for part in (b"\xff\xfe\0\2", b"\xff\xda\0\2", b"\xff")]
    contents += [photo()[:-20] + b"\xff\xd0" * 2_000_000]
    files = []
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content[: 4 * 1024 * 1024])
        files.append(tmp_path / str(number))
    longest, size = run_over(files)
    assert longest < 5
    assert size < 256


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return corpus(tmp_path_factory.mktemp("images"))


@pytest.mark.rehearse(
    "examines and cleans every file of Pillow's source distribution", "an image that crashes or exhausts the function"
)
def test_a_corpus_of_images_stays_within_memory_and_time(images: list[Path]) -> None:
    assert len(images) >= amount(200, 1000)
    longest, size = run_over(images)
    assert longest < 5
    assert size < 256


@pytest.mark.rehearse("holds the tags of each image there against Pillow's own", "EXIF data that is read wrongly")
def test_the_tags_of_a_corpus_equal_what_a_second_library_reads(images: list[Path]) -> None:
    found = {
        path.name: (exif_of(path.read_bytes())[0], normalised(path.read_bytes()))
        for path in images
        if "-broken-" not in path.name
    }
    assert sum(bool(ours) for ours, _ in found.values()) >= amount(5, 100)
    other = {
        file: (name, ours.get(name), text)
        for file, (ours, theirs) in found.items()
        for name, text in theirs.items()
        # Pillow takes orientations from XMP, PNG's and AVIF's own parts, too.
        if ours.get(name) != text and not (name == "orientation" and name not in ours) and file not in ODD
    }
    assert other == {}


ODD = (
    "old-style-jpeg-compression-no-samplesperpixel.tif",  # Tags are of types that they may not have.
    "pport_g4.tif",  # The make is a control character.
    "exif-ifd-offset.jpg",  # The data begin where ExifRead doesn't look.
)
"""Files that no camera wrote so."""
