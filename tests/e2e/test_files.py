"""Files that come with a form: taken, kept, examined, told of, fetched and erased, on the local stack."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import replace
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.logic.image_cleaning import cleaned
from chalicelib.logic.message import Message
from chalicelib.logic.message_files import DeclaredFile, facts_key
from ops.aws import bucket, cloudformation
from ops.deploy.deployment import Deployment, delete_files
from ops.deploy.release import file_bucket
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator
from tests.e2e.pocket import pocket
from tests.images import photo

Sent = tuple[str, bytes, str]
"""Name, content and declared type of a file."""
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def send(herald: Harness, word: str, *files: Sent, path: str = "/contact/filed", **headers: str) -> requests.Response:
    """Send a form of the site that takes files, as a page's script does."""
    return requests.post(
        f"{herald.urls['api']}{path}",
        data={"message": word},
        files=[("photo", file) for file in files],
        headers={"Accept": "application/json", **headers},
        timeout=60,
    )


def sent(herald: Harness, word: str, *files: Sent, path: str = "/contact/filed") -> str:
    """The id of a message with files that was accepted."""
    answer = send(herald, word, *files, path=path)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def publish_too_late(herald: Harness, word: str, site: str = "filed") -> str:
    """Publish a message whose file the bucket has no more, as one that lay in a queue for days; its id."""
    gone = DeclaredFile("a.jpg", "image/jpeg", 3, "0" * 64)
    herald.publish(Message(word, site, int(time.time()), {"message": word}, files=(gone,)).serialize(), site)
    return word


def keys(herald: Harness, message_id: str) -> list[str]:
    """The keys of the bucket that are a message's."""
    found = herald.account.client("s3").list_objects_v2(Bucket=herald.bucket)
    return [entry["Key"] for entry in found.get("Contents", []) if f"/{message_id}/" in entry["Key"]]


def push_of(herald: Harness, word: str) -> str:
    (push,) = wait_for(lambda: herald.pushes(word), "push")
    return str(push["message"])


def shown(herald: Harness, message_id: str) -> list[dict[str, Any]]:
    answer, error = herald.ask("get_message", {"version": 1, "id": message_id})
    assert error == ""
    found: list[dict[str, Any]] = answer["files"]
    return found


def test_a_photo_and_a_pdf_are_kept_examined_and_named_in_the_notification(herald: Harness) -> None:
    word = marker()
    message_id = sent(herald, word, ("photo.jpg", photo(), "image/jpeg"), ("offer.pdf", PDF, "application/pdf"))
    text = push_of(herald, word)
    assert "Files: “photo.jpg” (image, " in text
    assert text.endswith(f"\nGet them: ./herald messages files --stage local --output files {message_id}")
    one, other = shown(herald, message_id)
    assert (one["name"], one["kind"], one["type"], one["mark"]) == ("photo.jpg", "image", "image/jpeg", None)
    assert one["exif"]["latitude"] == "48.137154"
    assert (other["name"], other["kind"], other["size"], other["mark"]) == ("offer.pdf", "pdf", len(PDF), None)
    for prefix in ("files", "new"):
        assert {f"{prefix}/filed/{message_id}/{number}" for number in (1, 2)} <= set(keys(herald, message_id))


def test_a_message_whose_file_is_gone_is_delivered_and_says_so(herald: Harness) -> None:
    word = publish_too_late(herald, marker())
    assert "Files: “a.jpg” (3 bytes, lost: it was not in the bucket)" in push_of(herald, word).splitlines()


def test_a_photo_is_attached_without_its_position_and_a_lie_is_not(herald: Harness) -> None:
    word = marker()
    page = ("b.png", b"<html>", "image/png")
    with herald.mail_stand_in():
        message_id = sent(herald, word, page, ("a.jpg", photo(), "image/jpeg"), ("c.pdf", PDF, "application/pdf"))
        herald.line("on_success", message_id=message_id, action="delivered")
        (push,) = herald.pushes(word)
        (mail,) = [mail for mail in herald.taken_mails() if word in mail["text"]]
    assert "“b.png” (markup, 6 bytes, not what its name says)" in push["message"]
    assert [file["mark"] for file in shown(herald, message_id)] == ["not_what_it_says", None, None]
    clean = cleaned(photo())
    assert push["attachment"] == {"filename": "image", "content_type": "image/jpeg", "bytes": len(clean)}
    assert mail["attachments"] == [
        {"name": "a.jpg", "type": "image/jpeg", "sha256": hashlib.sha256(clean).hexdigest()},
        {"name": "c.pdf", "type": "application/pdf", "sha256": hashlib.sha256(PDF).hexdigest()},
    ]


def test_the_inbox_in_the_pocket_shows_a_photo_without_its_position(herald: Harness) -> None:
    word = marker()
    message_id = sent(herald, word, ("a.jpg", photo(), "image/jpeg"), path="/contact/pocketed")
    push_of(herald, word)
    with pocket(herald, "pocketed") as browser:
        page = browser.opens(browser.link(message_id))
        (address,) = re.findall(r'<img class="preview" src="([^"]+)"', page.text)
        answer = browser.gets(unescape(address))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.content == cleaned(photo())


def test_the_same_form_sent_again_keeps_one_copy_and_another_photo_is_another_message(herald: Harness) -> None:
    word = marker()
    ids = []
    for content, action in ((photo(), "delivered"), (photo(), "duplicate"), (photo(progressive=True), "delivered")):
        ids.append(sent(herald, word, ("a.jpg", content, "image/jpeg")))
        herald.line("on_success", message_id=ids[-1], action=action)
    first, again, other = ids
    kept = [key for message_id in (first, again, other) for key in keys(herald, message_id) if key.startswith("files/")]
    assert kept == [f"files/filed/{first}/1", f"files/filed/{other}/1"]


@pytest.mark.full
def test_the_operator_sees_fetches_and_erases_files(herald: Harness, operator: Operator, tmp_path: Path) -> None:
    word, name = marker(), "🚀" * 255 + ".jpg"
    message_id = sent(herald, word, (name, photo(), "image/jpeg"), ("../../a b.pdf", PDF, ""))
    push_of(herald, word)
    text = operator.gets("messages", "show", message_id)
    assert "a b.pdf" in text
    assert "latitude 48.137154" in " ".join(text.split())
    folder = tmp_path / "files"
    operator.gets("messages", "files", message_id, "--output", str(folder))
    one, other = sorted(folder.iterdir())
    assert (one.read_bytes(), other.name, other.read_bytes()) == (photo(), "2-a b.pdf", PDF)
    assert one.name.startswith("1-🚀")
    assert one.stat().st_mode & 0o777 == 0o600
    assert "nothing is replaced" in operator.fails("messages", "files", message_id, "--output", str(folder))
    exported = operator.gets("messages", "export", "--site", "filed", "--format", "jsonl")
    line = next(json.loads(line) for line in exported.splitlines() if message_id in line)
    assert [file["name"] for file in line["files"]] == [file["name"] for file in shown(herald, message_id)]
    operator.gets("messages", "erase", message_id, "--yes")
    assert keys(herald, message_id) == []
    assert herald.item(facts_key(message_id)).keys() == {"id", "gone", "expires_at"}


def test_an_object_that_somebody_puts_below_incoming_is_examined(herald: Harness) -> None:
    key = f"incoming/{marker()} ü+.jpg"
    herald.account.client("s3").put_object(Bucket=herald.bucket, Key=key, Body=photo())
    item = wait_for(lambda: herald.item(facts_key(key)), "what is known of the object")
    assert item["file1"]["M"]["exif"]["M"]["model"]["S"] == "Phone 12"


def test_destroying_keeps_the_bucket_unless_data_are_deleted_and_then_leaves_no_object(
    herald: Harness, checkout: Path
) -> None:
    config = replace(herald.config, stage=herald.stage._replace(name="gone"))
    deployment = Deployment(checkout, config, herald.account, {}, print)
    plan = file_bucket(config.stage)
    assert plan is not None
    apply = partial(cloudformation.apply, herald.account.cloudformation, plan.name, plan.template, {}, {})
    assert apply(lambda stack, template: "") == "created"
    where = herald.account.where
    s3, name = herald.account.client("s3"), config.stage.files_bucket(where.region, where.account)
    # By hand, as no template does; then a bucket is empty only without old versions and marks of what was deleted.
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"x", b"y"):
        for number in range(1, 4):
            s3.put_object(Bucket=name, Key=f"files/default/id/{number}", Body=body)
    s3.delete_object(Bucket=name, Key="files/default/id/3")
    assert delete_files(deployment, delete=False).startswith("kept")
    assert len(list(bucket.keys(s3, name))) == 2
    assert delete_files(deployment, delete=True) == "deleted"
    assert name not in [found["Name"] for found in s3.list_buckets()["Buckets"]]
    assert delete_files(deployment, delete=True) == "deleted", "again, as after an interruption"


@pytest.mark.full
def test_the_doctor_counts_what_has_no_message_and_what_message_lacks_its_file(
    herald: Harness, operator: Operator
) -> None:
    def said() -> list[str]:
        found = operator.types("doctor", "--json").stdout
        return [finding["what"] for finding in json.loads(found) if "file" in finding["what"]]

    def missing() -> int:  # Those of other tests' messages count too.
        counts = [what.partition(" ")[0] for what in said() if "of the newest messages are not in the bucket" in what]
        return int(counts[0]) if counts else 0

    s3, name = herald.account.client("s3"), herald.bucket
    word = marker()
    message_id = sent(herald, word, ("a.jpg", photo(), "image/jpeg"))
    push_of(herald, word)
    before = missing()
    s3.delete_object(Bucket=name, Key=f"files/filed/{message_id}/1")
    orphan = f"files/filed/{marker()}/1"
    s3.put_object(Bucket=name, Key=orphan, Body=b"x")
    try:
        assert missing() == before + 1
        assert "1 files in the bucket are of messages that don't exist; its own rules delete them" in said()
    finally:
        s3.delete_object(Bucket=name, Key=orphan)
        operator.gets("messages", "erase", message_id, "--yes")
