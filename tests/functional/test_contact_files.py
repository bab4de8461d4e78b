"""A form with files at its address: what is kept first, what is published, what a visitor is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.errors import FilesError
from chalicelib.logic.message import Message
from chalicelib.logic.uploads import Upload
from chalicelib.settings import FileRules, Stage
from tests.fakes import FakeContainer, RecordingTopic, RefusingTopic
from tests.functional.conftest import Form
from tests.functional.test_contact import BROWSER, MULTIPART, page_of, site_with
from tests.unit.test_uploads import Part, body

PROGRAM = {"Accept": "application/json", **MULTIPART}
PHOTO: Part = ("photo", "a.jpg", b"\xff\xd8\xff", "image/jpeg")


class RecordingBucket:
    """Keeps files in memory, and what had been published by then; or refuses them."""

    def __init__(self, topic: object, *, down: bool = False) -> None:
        self.put_files: list[tuple[str, list[bytes]]] = []
        self.published_before: list[int] = []
        self._published = topic.published if isinstance(topic, RecordingTopic) else []
        self._down = down

    def put(self, message: Message, uploads: Sequence[Upload]) -> None:
        if self._down:
            raise FilesError("SlowDown")
        self.published_before.append(len(self._published))
        self.put_files.append((message.id, [upload.content for upload in uploads]))


class FilesContainer(FakeContainer):
    """With this bucket of files."""

    def __init__(self, stage: Stage, bucket: Any, topic: Any = None) -> None:
        super().__init__(stage, topic=topic)
        self._bucket = bucket

    def file_bucket(self, function_arn: str) -> Any:
        return self._bucket


class FilesForm(Form):
    """The address of a site that takes two images."""

    down = False

    def container(self) -> FakeContainer:
        self.bucket = RecordingBucket(self.topic, down=self.down)
        return FilesContainer(self.stage, self.bucket, self.topic)

    def send(self, file: Part, **headers: str) -> HTTPResponse:
        return self.post(body(file, message="Hi"), {**PROGRAM, **headers})


@pytest.fixture
def form(form: Form) -> FilesForm:
    return FilesForm(form.client, site_with(form.stage, files=FileRules(2, 1024, ("image",))), form.event, form.topic)


def test_files_are_in_the_bucket_before_the_topic_hears_of_the_message(form: FilesForm) -> None:
    response = form.send(PHOTO)
    assert response.status_code == 202
    assert form.bucket.published_before == [0]
    assert form.bucket.put_files == [(response.json_body["id"], [PHOTO[2]])]
    (file,) = form.message["files"]
    assert (file["name"], file["size"]) == ("a.jpg", 3)


def test_where_the_bucket_refuses_the_answer_is_503_and_nothing_is_published(form: FilesForm) -> None:
    form.down = True
    response = form.send(PHOTO)
    assert (response.status_code, form.published) == (503, [])
    assert response.headers["Retry-After"]


def test_where_the_topic_refuses_the_visitor_is_told_so_as_without_files(form: FilesForm) -> None:
    form.topic = RefusingTopic()
    assert form.send(PHOTO).status_code == 503


def test_a_form_without_files_asks_the_bucket_for_nothing(form: FilesForm) -> None:
    assert form.send(("photo", "", b"", "application/octet-stream")).status_code == 202
    assert (form.bucket.put_files, "files" in form.message) == ([], False)


def test_with_a_key_the_same_files_are_the_same_message_and_others_another(form: FilesForm) -> None:
    other: Part = ("photo", "a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg")
    first, again, another = (form.send(file, **{"Idempotency-Key": "k"}) for file in (PHOTO, PHOTO, other))
    assert first.json_body["id"] == again.json_body["id"] != another.json_body["id"]


@pytest.mark.parametrize(
    ("file", "status", "said"),
    [
        (("photo", "a.svg", b"<svg/>", "image/svg+xml"), 422, "Files of this kind can't be sent with this form."),
        (("photo", "a.jpg", bytes(2000), "image/jpeg"), 413, "The files may have 0 MB in all."),
    ],
)
def test_a_browser_without_javascript_keeps_what_was_typed_and_can_choose_files_again(
    form: FilesForm, file: Part, status: int, said: str
) -> None:
    response = form.send(file, **BROWSER)
    assert (response.status_code, form.published) == (status, [])
    page = page_of(response)
    text = response.body.decode()
    assert said.replace("'", "&#x27;") in text
    assert 'enctype="multipart/form-data"' in text
    assert '<input id="u0" type="file" name="photo" multiple aria-invalid="true"' in text
    assert "Files have to be chosen once more." in text
    assert any(control.attributes["name"] == "message" for control in page.controls)


def test_the_name_of_a_file_field_is_text_on_the_page_that_refuses_its_file(form: FilesForm) -> None:
    hostile: Part = ("x&quot;><script>alert(1)</script>", "a.svg", b"<svg/>", "image/svg+xml")
    response = form.send(hostile, **BROWSER)
    (chosen,) = [control for control in page_of(response).controls if control.attributes.get("type") == "file"]
    assert chosen.attributes["name"] == hostile[0]
    assert "<script>alert" not in response.body.decode()
