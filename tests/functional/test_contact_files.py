"""A form with files at its address: what is kept first, what is published, what a visitor is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from chalice.test import Client

from chalicelib.composition import override_container
from chalicelib.errors import FilesError
from chalicelib.logic.message import Message
from chalicelib.logic.uploads import Upload
from chalicelib.settings import FileRules, Stage
from tests.fakes import FakeContainer, RecordingTopic, RefusingTopic
from tests.functional.test_contact import BROWSER, MULTIPART, page_of, site_with
from tests.unit.test_uploads import Part, body

PROGRAM = {"Accept": "application/json", **MULTIPART}
PHOTO: Part = ("photo", "a.jpg", b"\xff\xd8\xff", "image/jpeg")


class RecordingBucket:
    """Keeps files in memory, and what had been published by then; or refuses them."""

    def __init__(self, topic: RecordingTopic, *, down: bool = False) -> None:
        self.put_files: list[tuple[str, list[bytes]]] = []
        self.published_before: list[int] = []
        self._topic = topic
        self._down = down

    def put(self, message: Message, uploads: Sequence[Upload]) -> None:
        if self._down:
            raise FilesError("SlowDown")
        self.published_before.append(len(self._topic.published))
        self.put_files.append((message.id, [upload.content for upload in uploads]))


class FilesContainer(FakeContainer):
    def __init__(self, stage: Stage, topic: Any, bucket: RecordingBucket) -> None:
        super().__init__(stage, topic=topic)
        self._bucket = bucket

    def file_bucket(self, function_arn: str) -> Any:
        return self._bucket


@pytest.fixture
def filed(local: Stage) -> Stage:
    return site_with(local, files=FileRules(2, 1024, ("image",)))


def test_files_are_in_the_bucket_before_the_topic_hears_of_the_message(client: Client, filed: Stage) -> None:
    topic = RecordingTopic()
    bucket = RecordingBucket(topic)
    with override_container(FilesContainer(filed, topic, bucket)):
        response = client.http.post("/contact", headers=PROGRAM, body=body(PHOTO, message="Hi"))
    assert response.status_code == 202
    assert bucket.published_before == [0]
    assert bucket.put_files == [(response.json_body["id"], [PHOTO[2]])]
    (published,) = topic.published
    (file,) = json.loads(published.text)["files"]
    assert (file["name"], file["size"]) == ("a.jpg", 3)


def test_where_the_bucket_refuses_the_answer_is_503_and_nothing_is_published(client: Client, filed: Stage) -> None:
    topic = RecordingTopic()
    with override_container(FilesContainer(filed, topic, RecordingBucket(topic, down=True))):
        response = client.http.post("/contact", headers=PROGRAM, body=body(PHOTO, message="Hi"))
    assert (response.status_code, topic.published) == (503, [])
    assert response.headers["Retry-After"]


def test_where_the_topic_refuses_the_visitor_is_told_so_as_without_files(client: Client, filed: Stage) -> None:
    with override_container(FilesContainer(filed, RefusingTopic(), RecordingBucket(RecordingTopic()))):
        response = client.http.post("/contact", headers=PROGRAM, body=body(PHOTO, message="Hi"))
    assert response.status_code == 503


def test_a_form_without_files_asks_the_bucket_for_nothing(client: Client, filed: Stage) -> None:
    topic = RecordingTopic()
    bucket = RecordingBucket(topic)
    empty: Part = ("photo", "", b"", "application/octet-stream")
    with override_container(FilesContainer(filed, topic, bucket)):
        assert client.http.post("/contact", headers=PROGRAM, body=body(empty, message="Hi")).status_code == 202
    assert (bucket.put_files, "files" in topic.published[0].text) == ([], False)


def test_with_a_key_the_same_files_are_the_same_message_and_others_another(client: Client, filed: Stage) -> None:
    topic = RecordingTopic()
    other: Part = ("photo", "a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg")
    with override_container(FilesContainer(filed, topic, RecordingBucket(topic))):
        ids = [
            client.http.post(
                "/contact", headers={**PROGRAM, "Idempotency-Key": "k"}, body=body(file, message="Hi")
            ).json_body["id"]
            for file in (PHOTO, PHOTO, other)
        ]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("file", "status", "said"),
    [
        (("photo", "a.svg", b"<svg/>", "image/svg+xml"), 422, "Files of this kind can't be sent with this form."),
        (("photo", "a.jpg", bytes(2000), "image/jpeg"), 413, "The files may have 0 MB in all."),
    ],
)
def test_a_browser_without_javascript_keeps_what_was_typed_and_can_choose_files_again(
    client: Client, filed: Stage, file: Part, status: int, said: str
) -> None:
    topic = RecordingTopic()
    with override_container(FilesContainer(filed, topic, RecordingBucket(topic))):
        response = client.http.post("/contact", headers={**BROWSER, **MULTIPART}, body=body(file, message="Hi"))
    assert (response.status_code, topic.published) == (status, [])
    page = page_of(response)
    text = response.body.decode()
    assert said.replace("'", "&#x27;") in text
    assert 'enctype="multipart/form-data"' in text
    assert '<input id="u0" type="file" name="photo" multiple>' in text
    assert "Files have to be chosen once more." in text
    assert any(control.attributes["name"] == "message" for control in page.controls)


def test_the_name_of_a_file_field_is_text_on_the_page_that_refuses_its_file(client: Client, filed: Stage) -> None:
    topic = RecordingTopic()
    hostile: Part = ("x&quot;><script>alert(1)</script>", "a.svg", b"<svg/>", "image/svg+xml")
    with override_container(FilesContainer(filed, topic, RecordingBucket(topic))):
        response = client.http.post("/contact", headers={**BROWSER, **MULTIPART}, body=body(hostile, message="Hi"))
    (chosen,) = [control for control in page_of(response).controls if control.attributes.get("type") == "file"]
    assert chosen.attributes["name"] == hostile[0]
    assert "<script>alert" not in response.body.decode()


def test_a_site_that_takes_no_files_refuses_them_as_ever(client: Client, local: Stage) -> None:
    assert local.sites["default"]._replace().files is None
    topic = RecordingTopic()
    with override_container(FakeContainer(local, topic=topic)):
        response = client.http.post("/contact", headers=PROGRAM, body=body(PHOTO, message="Hi"))
    assert response.status_code == 422
    assert [error["code"] for error in response.json_body["errors"]] == ["NO_FILE_UPLOADS"]
