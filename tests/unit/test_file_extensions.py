"""What a file is by its bytes, what it claims to be, and what is made of its name."""

from __future__ import annotations

import io
import zipfile

import pytest

from chalicelib.logic.exif import exif_of
from chalicelib.logic.file_examination import examine, kind_of
from chalicelib.logic.file_extensions import KINDS, MARKUP, OTHER, declared_kind
from chalicelib.logic.file_names import MAX_NAME, disk_name, is_seen, kept_name
from chalicelib.logic.message_files import FileFacts, FileMark
from tests.images import photo

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000)


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 40)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        *((photo(form), "image") for form in ("JPEG", "PNG", "WEBP")),
        (b"GIF89a" + bytes(20), "image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(20), "image"),
        *((PDF, "pdf"), (zipped("a.txt"), "archive"), (b"\x1f\x8b\x08" + bytes(20), "archive")),
        (b"ID3\x03" + bytes(20), "audio"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(20), "audio"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(20), "video"),
        (b"Hello,\r\n\tw\xc3\xb6rld \xf0\x9f\x9a\x80", "text"),
        ("Grüße".encode("cp1252"), "text"),
        ("\ufeffGrüße".encode("utf-16-le"), "text"),
        (b"1 < 2 and 3 > 2", "text"),
        (b"Name,Address\nAda,Ada <ada@example.com>", "text"),
        (b"<!DOCTYPE html><p>Hi", MARKUP),
        (b"\xef\xbb\xbf  \n<?xml version='1.0'?><a/>", MARKUP),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", MARKUP),
        ("\ufeff<html>".encode("utf-16-be"), MARKUP),
        (b"<!-- only a comment --><p>", MARKUP),
        (b"GIF! Not one: <script>alert(1)</script>", MARKUP),
        (b"GIF! Not one: <svg/onload=alert(1)>", MARKUP),
        *((b"MZ\x90\0" + bytes(100), OTHER), (b"\x7fELF" + bytes(100), OTHER), (b"\x81 is in no charset", OTHER)),
    ],
)
def test_a_kind_is_found_by_bytes_alone(content: bytes, kind: str) -> None:
    assert kind_of(content)[0] == kind


@pytest.mark.parametrize(
    ("content", "kind", "media_type"),
    [
        (b"Hi", "text", "text/plain"),
        (b"<p>Hi", MARKUP, "text/html"),
        (WORD, "archive", "application/x-ole-storage"),
        (WORD[:512] + b"\xec\xa5\xc1\0" + bytes(500), "document", "application/msword"),
        (b"{\\rtf1 Hi}", "document", "application/rtf"),
        (bytes(range(256)), OTHER, "application/octet-stream"),
    ],
)
def test_a_media_type_is_that_of_the_bytes(content: bytes, kind: str, media_type: str) -> None:
    assert kind_of(content) == (kind, media_type)


def test_what_is_known_of_a_file_is_its_kind_its_type_and_an_images_exif_data() -> None:
    assert examine(PDF, "a.pdf", "", KINDS) == FileFacts("pdf", "application/pdf", None, {}, False)
    exif, _ = exif_of(photo())
    assert examine(photo(), "a.jpg", "", KINDS) == FileFacts("image", "image/jpeg", None, exif, False)


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("photo.JPG", "application/octet-stream", "image"),
        *(("photo", "image/heic", "image"), ("page.html", "image/png", MARKUP)),
        *(("drawing.svg", "image/svg+xml", MARKUP), ("x", "image/svg+xml; charset=utf-8", MARKUP)),
        *(("x", "application/atom+xml", MARKUP), ("letter.docx", "", "document")),
        ("letter", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document"),
        ("setup.exe", "image/png", OTHER),
        *((name, "text/plain", MARKUP) for name in ("page.htm .", "page.html\u200b")),
        ("setup\u202egpj.exe", "image/jpeg", OTHER),
        *((name, "text/plain", OTHER) for name in ("link.url", "start.command")),
        *((name, "text/plain", "text") for name in ("notes.unheard", "notes.htmlX")),
        ("photo.jpg.html", "image/jpeg", MARKUP),
        *(("x", "image/a/b", "image"), ("notes.unheard", "application/octet-stream", ""), ("", "", "")),
    ],
)
def test_a_claim_is_the_extension_and_else_the_type(name: str, media_type: str, kind: str) -> None:
    assert declared_kind(name, media_type) == kind


@pytest.mark.parametrize(
    ("content", "name", "declared", "mark"),
    [
        (photo(), "a.jpg", "image/jpeg", None),
        (photo(), "a.png", "image/png", None),
        (photo(), "IMG_1234", "", None),
        (b"<html><script>alert(1)</script>", "a.png", "image/png", FileMark.NOT_WHAT_IT_SAYS),
        (b"<svg onload='alert(1)'/>", "a.svg", "image/svg+xml", FileMark.KIND_NOT_TAKEN),
        (b"<svg onload='alert(1)'/>", "a", "", FileMark.KIND_NOT_TAKEN),
        (b"MZ\x90\0" + bytes(100), "a.pdf", "application/pdf", FileMark.NOT_WHAT_IT_SAYS),
        (b"MZ\x90\0" + bytes(100), "a.exe", "", FileMark.KIND_NOT_TAKEN),
        (PDF, "a.jpg", "image/jpeg", FileMark.NOT_WHAT_IT_SAYS),
        (zipped("a.txt"), "a.docx", "", None),
        (WORD, "a.doc", "application/msword", None),
        (PDF, "a.doc", "application/msword", FileMark.NOT_WHAT_IT_SAYS),
        (zipped("a.txt"), "a.jpg", "image/jpeg", FileMark.NOT_WHAT_IT_SAYS),
        (b"\x1f\x8b\x08" + bytes(20), "a.docx", "", FileMark.NOT_WHAT_IT_SAYS),
        (b"%!PS-Adobe", "a.pdf", "application/pdf", FileMark.NOT_WHAT_IT_SAYS),
        (b"[InternetShortcut]\r\nURL=https://example.com/", "a.url", "text/plain", FileMark.NOT_WHAT_IT_SAYS),
        (b"GIF89a=1;alert(1)//", "a.gif", "image/gif", FileMark.NOT_WHAT_IT_SAYS),
        (b"", "a.pdf", "application/pdf", FileMark.EMPTY),
    ],
)
def test_a_file_that_lies_or_is_not_taken_is_marked(content: bytes, name: str, declared: str, mark: FileMark) -> None:
    assert examine(content, name, declared, KINDS).mark == mark


def test_a_kind_that_the_site_does_not_take_is_marked() -> None:
    assert examine(PDF, "a.pdf", "", ["image"]).mark == FileMark.KIND_NOT_TAKEN


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (r"C:\fakepath\photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\r\nSet-Cookie: x\0.png", "a Set-Cookie: x.png"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        *((nothing, "file-3") for nothing in ("", "..", ". .", "\u200b")),
        ("a" * 300 + ".jpeg", "a" * 94 + "….jpeg"),
        ("🚀" * 255, "🚀" * 99 + "…"),
        ("a\xa0b\u3000c.png", "a b c.png"),
        *(("X", "X"), ("a" * 100, "a" * 100)),
        ("a.b" * 40 + ".png", ("a.b" * 40)[:95] + "….png"),
        ("a" * 100 + ".12345678", "a" * 90 + "….12345678"),
        ("a" * 100 + ".123456789", "a" * 99 + "…"),
        ("." + "a" * 100, "." + "a" * 98 + "…"),
    ],
)
def test_a_name_is_kept_on_one_line_without_a_path_or_what_nobody_sees(sent: str, kept: str) -> None:
    assert kept_name(sent, 3) == kept
    assert len(kept_name(sent, 3)) <= MAX_NAME


@pytest.mark.parametrize("character", ["\0", "\u202e", "\ud800", "\ue000", "\u0378"])
def test_controls_surrogates_and_characters_without_a_picture_are_not_seen(character: str) -> None:
    assert not is_seen(character)
    assert is_seen("\u2028"), "a separator of lines is a space"


@pytest.mark.parametrize(
    ("kept", "on_disk"),
    [
        *(("NUL", "1-NUL"), ("-rf", "1--rf"), (".profile", "1-.profile"), ("", "1-file-1"), ("a.b.c", "1-a.b.c")),
        *(('a<b>:"|?*.txt', "1-a_b______.txt"), ("trailing. . ", "1-trailing"), ("X. ", "1-X")),
        ("🚀" * 60 + ".123456789012345", "1-" + "🚀" * 46 + ".123456789012345"),
        ("🚀" * 60 + ".1234567890123456", "1-" + "🚀" * 45 + ".1234567890123456"),
        ("🚀" * 60 + ".12345678901234567", "1-" + "🚀" * 50),
        ("x" + "🚀" * 60, "1-x" + "🚀" * 49),
        ("x." + "🚀" * 60 + ".png", "1-x." + "🚀" * 48 + ".png"),
        ("." + "é" * 99, "1-." + "é" * 99),
        ("." + "é" * 9 + "🚀" * 60, "1-." + "é" * 9 + "🚀" * 45),
    ],
)
def test_a_name_on_disk_is_one_that_every_system_takes(kept: str, on_disk: str) -> None:
    assert disk_name(kept, 1) == on_disk


def test_255_emoji_fit_on_a_disk_with_their_extension() -> None:
    name = disk_name(kept_name("🚀" * 255 + ".png", 1), 12)
    assert name.startswith("12-🚀")
    assert name.endswith(".png")
    assert len(name.encode()) <= 255
