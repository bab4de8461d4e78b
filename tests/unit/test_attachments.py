"""Which files a notification carries, and what is taken out of them first."""

from __future__ import annotations

import pytest

from chalicelib.logic.attachments import attachments, wanted
from chalicelib.logic.channel_kind import AttachmentLimits
from chalicelib.logic.notification import NotifiedFile
from tests.images import SECRETS, photo

PHONE, MAIL = AttachmentLimits(("image",), 1, 5_000_000), AttachmentLimits(("image", "pdf"), 10, 100_000)
IMAGE = NotifiedFile("a.jpg", "image", "files/default/id/1", "image/jpeg")
PDF = NotifiedFile("b.pdf", "pdf", "files/default/id/2", "application/pdf")
MARKED = NotifiedFile("c.png", "markup, not what its name says")
CONTENTS = {IMAGE.bucket_key: photo(), PDF.bucket_key: b"%PDF-1.7"}


def test_a_channel_carries_what_its_kind_declares_and_never_a_marked_file() -> None:
    assert wanted([MARKED, PDF, IMAGE, IMAGE], PHONE) == [IMAGE]
    assert wanted([MARKED, PDF, IMAGE], MAIL) == [PDF, IMAGE]


def test_an_image_is_carried_without_what_tells_of_its_photographer() -> None:
    (found,) = attachments([IMAGE], CONTENTS, PHONE, keep_metadata=False)
    assert [secret for secret in SECRETS if secret in found.content] == []
    (whole,) = attachments([IMAGE], CONTENTS, PHONE, keep_metadata=True)
    assert whole.content == photo()


def test_an_image_that_cannot_be_cleaned_is_not_carried_unless_the_site_keeps_metadata() -> None:
    heic = NotifiedFile("a.heic", "image", "k", "image/heic")
    assert attachments([heic], {"k": b"ftypheic"}, PHONE, keep_metadata=False) == ()
    assert len(attachments([heic], {"k": b"ftypheic"}, PHONE, keep_metadata=True)) == 1


def test_what_is_not_there_or_too_large_together_is_left_out() -> None:
    assert attachments([IMAGE, PDF], {PDF.bucket_key: b"%PDF-1.7"}, MAIL, keep_metadata=False)[0].name == "b.pdf"
    large = AttachmentLimits(("image", "pdf"), 10, len(CONTENTS[PDF.bucket_key]))
    assert [found.name for found in attachments([IMAGE, PDF], CONTENTS, large, keep_metadata=False)] == ["b.pdf"]


def test_files_are_carried_with_their_types_until_one_has_no_room_and_are_named_by_their_numbers() -> None:
    def found(size: int) -> list[tuple[str, str, bytes]]:
        files = [NotifiedFile("", "", str(number), "application/pdf") for number in (1, 2, 3, 4)]
        contents = {"1": b"one", "2": b"two", "4": b"four"}
        limits = AttachmentLimits(("pdf",), 10, size)
        given = attachments(files, contents, limits, keep_metadata=False)
        return [(file.name, file.media_type, file.content) for file in given]

    each = [(f"file-{number}", "application/pdf", content) for number, content in ((1, b"one"), (2, b"two"))]
    last = ("file-4", "application/pdf", b"four")
    assert found(10) == [*each, last]
    assert found(9) == found(6) == each
    assert found(5) == each[:1]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("ü 🚀.pdf", "_ _.pdf"),
        ('a"b\r\nBcc: x@example.com.pdf', "a_b Bcc_ x@example.com.pdf"),
        ("../../etc/passwd", "passwd"),
    ],
)
def test_a_name_can_become_no_header_and_no_path(name: str, sent: str) -> None:
    (found,) = attachments(
        [NotifiedFile(name, "", PDF.bucket_key, "application/pdf")], CONTENTS, MAIL, keep_metadata=False
    )
    assert found.name == sent
