"""The files of a multipart form: which are taken, which are refused, and what the message says of them."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import pytest

from chalicelib.errors import SubmissionError
from chalicelib.logic.duplicates import content_hash
from chalicelib.logic.form_body import Pairs, read
from chalicelib.logic.message import Message, make_message_id
from chalicelib.logic.message_files import DeclaredFile
from chalicelib.logic.uploads import Uploads
from chalicelib.settings import FileRules
from tests.fakes import LIMITS, NOW

RULES = FileRules(number=2, size=1024 * 1024, kinds=("image", "pdf"))
HEADER = "multipart/form-data; boundary=XyZ"
Part = tuple[str, str, bytes, str]
"""The field's name, the file's name, its content and declared type."""


def body(*files: Part, **fields: str) -> bytes:
    """What a browser sends: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data"""
    text = b"".join(
        f'--XyZ\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )
    for field, name, content, media_type in files:
        head = f'--XyZ\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        text += f"{head}Content-Type: {media_type}\r\n\r\n".encode() + content + b"\r\n"
    return text + b"--XyZ--\r\n"


def taken(*files: Part, rules: FileRules = RULES) -> tuple[Uploads, Pairs]:
    uploads = Uploads(rules)
    return uploads, read(HEADER, body(*files, message="Hi"), LIMITS, uploads)


def refused(*files: Part, rules: FileRules = RULES) -> SubmissionError:
    with pytest.raises(SubmissionError) as raised:
        taken(*files, rules=rules)
    assert raised.value.pairs == [("message", "Hi")], "what was typed is not lost"
    return raised.value


def named(uploads: Uploads) -> list[tuple[str, str]]:
    """The name and the type of each file that was taken."""
    return [(upload.declared_file.name, upload.declared_file.media_type) for upload in uploads.files]


def problems(error: SubmissionError) -> tuple[int, list[tuple[str, str]]]:
    return error.status, [(problem.field, problem.code) for problem in error.problems]


def test_a_file_is_taken_and_the_message_says_what_it_is() -> None:
    uploads, pairs = taken(("photo", r"C:\fakepath\a.jpg", b"\xff\xd8\xff\n", "image/jpeg"))
    assert pairs == [("message", "Hi")]
    (upload,) = uploads.files
    assert upload.content == b"\xff\xd8\xff\n"
    assert upload.declared_file == DeclaredFile("a.jpg", "image/jpeg", 4, hashlib.sha256(b"\xff\xd8\xff\n").hexdigest())


def test_a_file_without_a_name_is_named_by_its_number_and_a_type_is_kept_without_its_parameters() -> None:
    uploads, _ = taken(("photo", "a.jpg", b"1", "image/jpeg"), ("photo", "", b"2", "IMAGE/PNG ; a=b; c=d"))
    assert named(uploads) == [("a.jpg", "image/jpeg"), ("file-2", "image/png")]


def test_a_file_whose_name_is_not_utf_8_and_that_declares_no_type_is_taken() -> None:
    """Programs that are no browser leave the header out (RFC 7578, 4.4)."""
    uploads = Uploads(RULES)
    head = b'Content-Disposition: form-data; name="photo"; filename="\xfc.jpg"'
    read(HEADER, b"--XyZ\r\n" + head + b"\r\n\r\n1\r\n--XyZ--\r\n", LIMITS, uploads)
    assert named(uploads) == [("\ufffd.jpg", "")]


def test_where_a_file_field_has_no_name_it_is_called_file() -> None:
    uploads = Uploads(RULES)
    assert uploads.too_big_field == ""
    uploads.add("", "a.jpg", "image/jpeg", bytes(RULES.size + 1))
    uploads.add("more", "b.jpg", "image/jpeg", b"1")
    assert uploads.too_big_field == "file"


def test_an_empty_file_input_is_no_file() -> None:
    uploads, pairs = taken(("photo", "", b"", "application/octet-stream"))
    assert (uploads.files, uploads.fields, pairs) == ([], ["photo"], [("message", "Hi")])


def test_a_file_of_no_bytes_is_a_file() -> None:
    uploads, _ = taken(("photo", "a.jpg", b"", "image/jpeg"))
    assert [upload.declared_file.size for upload in uploads.files] == [0]


def test_files_of_several_fields_are_taken_in_the_order_sent() -> None:
    uploads, _ = taken(("a", "1.jpg", b"1", "image/jpeg"), ("b", "2.pdf", b"2", "application/pdf"))
    assert named(uploads) == [("1.jpg", "image/jpeg"), ("2.pdf", "application/pdf")]


def test_one_file_more_than_the_site_takes_is_refused() -> None:
    files = [("photo", f"{number}.jpg", b"x", "image/jpeg") for number in range(3)]
    error = refused(*files)
    assert problems(error) == (422, [("photo", "TOO_MANY_FILES")])
    assert error.problems[0].limit == RULES.number


def test_files_of_a_byte_more_than_the_site_takes_are_refused_and_of_none_more_taken() -> None:
    half = bytes(RULES.size // 2)
    taken(("photo", "a.jpg", half, "image/jpeg"), ("photo", "b.jpg", half, "image/jpeg"))
    error = refused(("photo", "a.jpg", half, "image/jpeg"), ("more", "b.jpg", half + b"x", "image/jpeg"))
    assert problems(error) == (413, [("more", "FILES_TOO_BIG")])
    assert (error.limit, error.problems[0].limit) == (1, 1)


def test_a_body_far_beyond_that_is_not_even_read() -> None:
    with pytest.raises(SubmissionError) as raised:
        taken(("photo", "a.jpg", bytes(6_000_000), "image/jpeg"))
    assert (raised.value.status, raised.value.code, raised.value.pairs) == (413, "body_too_large", [])


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.svg", "image/svg+xml"), ("a.html", "image/png"), ("a", "text/html"), ("a.zip", ""), ("a.exe", "image/png")],
)
def test_what_claims_to_be_of_another_kind_is_refused(name: str, media_type: str) -> None:
    assert problems(refused(("photo", name, b"x", media_type))) == (422, [("photo", "file_kind")])


def test_markup_is_refused_whatever_a_site_takes() -> None:
    every = FileRules(1, 1024, ("image", "pdf", "document", "text", "audio", "video", "archive"))
    assert problems(refused(("photo", "a.html", b"x", "text/html"), rules=every))[1] == [("photo", "file_kind")]


def test_a_text_field_has_no_more_room_because_the_site_takes_files() -> None:
    with pytest.raises(SubmissionError) as raised:
        read(HEADER, body(message="x" * (LIMITS.body_bytes + 1)), LIMITS, Uploads(RULES))
    assert raised.value.code == "body_too_large"


def test_a_message_carries_what_is_known_of_its_files_and_none_other_does() -> None:
    ref = DeclaredFile("ü\u202e.jpg", "image/jpeg", 4, "ab" * 32)
    message = Message("id", "default", NOW, {"message": "Hi"}, files=(ref,))
    assert Message.deserialize(message.serialize()) == message
    assert "files" not in Message("id", "default", NOW, {"message": "Hi"}).serialize()


def test_other_bytes_make_another_message_and_another_name_does_not() -> None:
    one, renamed, other = (DeclaredFile(name, "", 1, digest) for name, digest in (("a", "1"), ("b", "1"), ("a", "2")))
    fields = {"message": "Hi"}
    hashes = [content_hash("default", fields, files) for files in ([one], [renamed], [other], [], [one, one])]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4
    assert hashes[3] == content_hash("default", fields)
    ids = {make_message_id("default", "key", fields, files) for files in ([one], [renamed], [other])}
    assert len(ids) == 2


def test_a_thousand_tiny_files_are_refused_before_they_are_read() -> None:
    files = [("photo", f"{number}.jpg", b"x", "image/jpeg") for number in range(1000)]
    with pytest.raises(SubmissionError) as raised:
        taken(*files)
    assert (raised.value.status, raised.value.code) == (413, "too_many_fields")


def test_files_take_no_room_from_the_fields() -> None:
    fields = {f"field-{number}": "x" for number in range(LIMITS.field_count + 1)}
    files = [("photo", "a.jpg", b"x", "image/jpeg")] * RULES.number
    with pytest.raises(SubmissionError) as raised:
        read(HEADER, body(*files, **fields), LIMITS, Uploads(RULES))
    assert raised.value.code == "too_many_fields"
    del fields["field-0"]
    assert len(read(HEADER, body(*files, **fields), LIMITS, Uploads(RULES))) == LIMITS.field_count


def test_files_of_the_same_name_are_both_taken() -> None:
    uploads, _ = taken(("photo", "a.jpg", b"1", "image/jpeg"), ("photo", "a.jpg", b"2", "image/jpeg"))
    assert named(uploads) == [("a.jpg", "image/jpeg")] * 2
    assert [upload.content for upload in uploads.files] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('form-data; name="a"; filename="..%2f..%2fa.jpg"', "..%2f..%2fa.jpg"),
        ('form-data; name="a"; filename="/etc/cron.d/a.jpg"', "a.jpg"),
        ('form-data; name="a"; filename="a\\".exe; x=\\".jpg"', 'a".exe; x=".jpg'),
        ('form-data; name="a"; filename="a.jpg"; filename*=utf-8\'\'a.exe', "a.jpg"),
    ],
)
def test_a_header_that_plays_tricks_makes_one_name_without_a_path(disposition: str, name: str) -> None:
    uploads = Uploads(RULES)
    part = f"--XyZ\r\nContent-Disposition: {disposition}\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--XyZ--\r\n"
    read(HEADER, part.encode(), LIMITS, uploads)
    assert named(uploads) == [(name, "image/jpeg")]


def test_what_is_kept_of_name_and_type_fits_the_metadata_of_an_object() -> None:
    """2 KB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""
    uploads, _ = taken(("photo", "🚀" * 255, b"1", "image/" + "é" * 255))
    (upload,) = uploads.files
    kept = {"name": quote(upload.declared_file.name), "type": quote(upload.declared_file.media_type)}
    assert sum(len(name) + len(value) for name, value in kept.items()) <= 2048
