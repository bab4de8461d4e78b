"""In which order letters are fed back and deleted, and what becomes of those that can't be."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from ops.errors import OpsError
from ops.operations import dead_letters
from ops.operations.redrive import RedriveResult, redrive
from tests.fakes import NOW, message, stage


class Post:
    """Queues and a function in one, which keep a journal of what was done with them."""

    def __init__(
        self,
        *bodies: str,
        queue: str = "failed-events",
        sent_at: int = NOW - 60,
        endless: bool = False,
        takes: bool = True,
    ) -> None:
        self.journal: list[str] = []
        self.hidden = 0
        self._handles = itertools.count()
        self._queue = queue
        self._bodies = list(bodies)
        self._sent_at = sent_at
        self._endless = endless
        self._takes = takes

    def get_queue_url(self, QueueName: str) -> dict[str, str]:
        return {"QueueUrl": QueueName}

    def receive_message(self, QueueUrl: str, MaxNumberOfMessages: int, **more: Any) -> dict[str, Any]:
        if QueueUrl != f"herald-dev-{self._queue}":
            return {}
        found = self._bodies[:MaxNumberOfMessages]
        if not self._endless:
            self._bodies = self._bodies[MaxNumberOfMessages:]
        attributes = {"SentTimestamp": str(self._sent_at * 1000)}
        return {
            "Messages": [
                {"Body": body, "ReceiptHandle": str(next(self._handles)), "Attributes": attributes} for body in found
            ]
        }

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        return {"Attributes": {name: str(self.hidden) for name in AttributeNames}}

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        self.journal.append("deleted")

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        assert VisibilityTimeout == 0
        self.journal.append("put back")

    def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> None:
        assert (FunctionName, InvocationType) == ("herald-dev-destined", "Event")
        event = json.loads(Payload)
        self.journal.append(f"ran {json.loads(event['Records'][0]['Sns']['Message'])['id']}")
        if not self._takes:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "later"}}, "Invoke")


def letter(message_id: str) -> str:
    """What the rule keeps of an event whose retries are over."""
    kind = {"kind": {"Type": "String", "Value": "contact"}}
    sns = {"Message": message(message_id, message="Grüße").serialize(), "MessageAttributes": kind}
    return json.dumps({"detail": {"requestPayload": {"Records": [{"Sns": sns}]}}})


def fed(post: Any) -> RedriveResult:
    return redrive(post, post, stage(), NOW)


def test_a_letter_is_deleted_after_its_event_was_taken_and_not_before() -> None:
    post = Post(letter("id-1"), letter("id-2"))
    assert fed(post).messages == ("id-1", "id-2")
    assert post.journal == ["ran id-1", "deleted", "ran id-2", "deleted"]


def published(text: str, message_id: str = "sns-1") -> str:
    """SNS's own letter of what a program published."""
    return json.dumps({"Type": "Notification", "MessageId": message_id, "Message": text, "Timestamp": "x"})


NOTIFIED = json.dumps({"kind": "notification", "version": 1, "title": "Backup", "message": "of id-9", "key": "k"})


def test_letters_of_notifications_and_of_what_destined_will_reject_are_redriven_and_erased_by_their_ids() -> None:
    with_key, without, junk = dead_letters.read(published(NOTIFIED)), published(NOTIFIED, ""), published("hello")
    assert with_key.id == dead_letters.read(without).id != "sns-1"
    assert dead_letters.read(junk).id == "sns-1"
    post: Any = Post(published(NOTIFIED), junk)
    found = dead_letters.ids_of(post, stage(), lambda message: message.site == "notifications" and bool(message.fields))
    assert found == [with_key.id, "sns-1"]
    post = Post(published(NOTIFIED), junk, published('{"id": "id-9"}', "sns-2"))
    assert dead_letters.erase(post, stage(), [with_key.id, "id-9"]) == {with_key.id: 1, "id-9": 1}
    assert post.journal == ["deleted", "deleted", "put back"]


def test_a_letter_whose_event_is_not_taken_stays_and_is_said() -> None:
    post = Post(letter("id-1"), takes=False)
    found = fed(post)
    assert (found.messages, found.left) == ((), 1)
    assert "id-1" in found.errors[0]
    assert post.journal == ["ran id-1", "put back"]


def test_a_letter_that_nobody_can_read_stays() -> None:
    post = Post("not a letter")
    assert (fed(post).left, post.journal) == (1, ["put back"])


def test_a_letter_that_came_after_the_beginning_is_left_for_the_next_time() -> None:
    """It may be of an event that was fed back a moment ago, and would go round for ever."""
    post = Post(letter("id-1"), sent_at=NOW + 1)
    assert (fed(post).left, post.journal) == (1, ["put back"])


def test_of_an_erased_message_no_letter_is_left_and_others_stay() -> None:
    post: Any = Post(letter("id-1"), letter("id-2"), "not a letter", letter("id-1"))
    assert dead_letters.erase(post, stage(), ["id-1", "id-3"]) == {"id-1": 2, "id-3": 0}
    assert post.journal == ["deleted", "deleted", "put back", "put back"]


@pytest.mark.parametrize(
    "queue", ["topic-dead-letters", "failed-events", "rule-dead-letters", "subscriber-dead-letters"]
)
def test_an_erased_message_is_in_no_queue_of_the_stage(root: Path, queue: str) -> None:
    made = yaml.safe_load(re.sub(r"!\w+ ", "", (root / "infra/data.yaml").read_text(encoding="utf-8")))["Resources"]
    names = {it["Properties"]["QueueName"] for it in made.values() if it["Type"] == "AWS::SQS::Queue"}
    assert names == {f"${{Prefix}}-{name}" for name in dead_letters.QUEUES}
    post: Any = Post(letter("id-1"), queue=queue)
    assert dead_letters.erase(post, stage(), ["id-1"]) == {"id-1": 1}
    assert post.journal == ["deleted"]


def test_a_letter_that_nobody_can_read_is_erased_where_the_id_stands_in_it() -> None:
    within = json.dumps({"body": json.dumps({"id": "id-1"})})
    post: Any = Post('{"something": "else", "id": "id-1"}', within, '{"id": "id-10"}', "id-1 alone")
    assert dead_letters.erase(post, stage(), ["id-1"]) == {"id-1": 2}
    assert post.journal == ["deleted", "deleted", "put back", "put back"]


def test_whoever_is_interrupted_puts_back_what_was_looked_at() -> None:
    class Interrupted(Post):
        def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> None:
            super().invoke(FunctionName, InvocationType, Payload)
            raise KeyboardInterrupt

    post = Interrupted(letter("id-1"), letter("id-2"))
    with pytest.raises(KeyboardInterrupt):
        fed(post)
    assert post.journal == ["ran id-1", "put back"]


def test_letters_that_are_out_of_sight_are_not_called_erased() -> None:
    post: Any = Post(letter("id-1"))
    post.hidden = 2
    with pytest.raises(OpsError, match="somebody reads them"):
        dead_letters.erase(post, stage(), ["id-1"])
    with pytest.raises(OpsError, match="somebody reads them"):
        dead_letters.ids_of(post, stage(), lambda message: True)
    assert post.journal == []
    # SQS counts what the same command put back a moment ago.
    assert dead_letters.erase(post, stage(), ["id-1"], seen=True) == {"id-1": 1}


def test_messages_in_letters_are_found_by_what_is_in_them() -> None:
    kinds = {"kind": {"Type": "String", "Value": "event"}}
    test_event = json.dumps({"Type": "Notification", "Message": "please fail", "MessageAttributes": kinds})
    post: Any = Post(letter("id-1"), letter("id-2"), letter("id-1"), "no letter", test_event)
    assert dead_letters.ids_of(post, stage(), lambda message: message.id == "id-1") == ["id-1"]
    assert post.journal == ["put back"] * 5


def test_a_queue_that_is_too_long_to_be_looked_through_is_said_before_anything_is_called_erased() -> None:
    post: Any = Post(*[letter("id-2")] * 10, endless=True)
    with pytest.raises(OpsError, match="failed-events holds 5000 letters or more"):
        dead_letters.erase(post, stage(), ["id-1"])
