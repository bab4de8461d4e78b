"""Dead letters: the events that are kept in a stage's queues because nobody could handle them.

- ``topic-dead-letters``: SNS's notification, which it could not hand to ``destined``
  (https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html)
- ``failed-events``: the event of the bus that tells of an invocation whose retries are over, with the request in it
  (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html)
- ``rule-dead-letters``: an event of the bus that a rule could not hand to its target, or that its function failed at
- ``subscriber-dead-letters``: SNS's notification, which it could not hand to a subscriber of the owner's

Whoever looks at a letter hides it from everybody else for a while, and puts it back afterwards.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.logic import event_kinds
from chalicelib.logic.submission import Message
from chalicelib.settings import Stage
from ops import naming
from ops.errors import OpsError
from ops.naming import prefix
from ops.operations.logs import printed

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_sqs import SQSClient

FED_BACK = ("topic-dead-letters", "failed-events")
"""The queues whose letters are events of ``destined``."""
QUEUES = tuple(naming.QUEUES)
"""All of them. An erased message must be in none."""
MAX_LETTERS = 5000
"""Letters of a queue that are looked at."""
_HIDDEN = 600
"""Seconds that a letter is hidden from others while it is looked at: more than it takes to look at as many."""
_NO_MESSAGE = (event_kinds.KIND_EVENT, event_kinds.KIND_CANARY)
"""Kinds of events that hold no message."""
_AT_ONCE = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter."""

    event: Mapping[str, Any] | None = field(repr=False)
    """What ``destined`` was to be run with; None for a letter that can't be read."""
    kind: str = ""
    """``contact``, ``retry``, ``event`` or ``canary``, from the attributes of the message."""
    id: str = ""
    """The message's id; empty for a test event and a canary."""
    handle: str = ""
    """By which it is deleted or put back."""
    sent_at: int = 0
    """Seconds since the epoch."""
    body: str = field(default="", repr=False)

    def holds(self, ids: Collection[str]) -> Iterator[str]:
        """Which of these messages it holds; one that can't be read, where their ids stand in it as texts of their own,
        within other JSON or not."""
        if self.id in ids:
            yield self.id
        elif self.event is None:
            yield from (one for one in ids if re.search(rf'"{re.escape(one)}\\*"', self.body))

    @property
    def message(self) -> Message | None:
        """The message, where it is a form's and can be read."""
        if self.event is None or self.kind != event_kinds.KIND_CONTACT:
            return None
        return Message.deserialize(self.event["Records"][0]["Sns"]["Message"])


@dataclass(frozen=True, slots=True)
class RedriveResult:
    """What feeding back did."""

    messages: tuple[str, ...]
    """The ids of the messages whose events ``destined`` took; their letters are gone."""
    test_events: int
    """Letters of test events and canaries, which hold no message and were thrown away."""
    left: int
    """Letters that nobody can read, that Lambda didn't take, or that came meanwhile; they stay."""
    errors: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "messages": list(self.messages),
            "test_events": self.test_events,
            "left": self.left,
            "errors": list(self.errors),
        }


def read(body: str) -> DeadLetter:
    """Understand a letter, of whichever queue."""
    try:
        event = _event(json.loads(body), body)
    except (ValueError, RecursionError):
        event = None
    if event is None:
        return DeadLetter(None)
    sns = event["Records"][0]["Sns"]
    attributes = sns.get("MessageAttributes") or {}
    kind = str((attributes.get("kind") or {}).get("Value", ""))
    if kind in _NO_MESSAGE:
        return DeadLetter(event, kind)
    if kind == event_kinds.KIND_RETRY:
        return DeadLetter(event, kind, str(sns["Message"]))
    try:
        return DeadLetter(event, event_kinds.KIND_CONTACT, Message.deserialize(sns["Message"]).id)
    except ValueError:
        return DeadLetter(None)


def _event(found: Any, body: str) -> dict[str, Any] | None:
    """The event of ``destined`` in a letter: of the bus, of SNS, as Lambda had it, or as the message alone; None for
    anything else."""
    match found:
        case {"detail": {"requestPayload": {"Records": [{"Sns": {"Message": str()}}]} as event}}:
            return dict(event)
        # A rule's own function failed: Lambda's record of that, with the event of the bus as its request.
        case {"requestPayload": {"detail": {"requestPayload": {"Records": [{"Sns": {"Message": str()}}]} as event}}}:
            return dict(event)
        case {"Records": [{"Sns": {"Message": str()}}]}:
            return dict(found)
        case {"Type": "Notification", "Message": str()}:
            return _record({"Subject": None, "MessageAttributes": {}, **found})
        case {"version": int(), "id": str(), "site": str(site), "fields": dict()}:
            attributes = {"kind": event_kinds.KIND_CONTACT, "site": site}
            return _record(
                {
                    "Type": "Notification",
                    "MessageId": str(uuid.uuid4()),
                    "Subject": None,
                    "Message": body,
                    "MessageAttributes": {name: {"Type": "String", "Value": text} for name, text in attributes.items()},
                }
            )
    return None


def _record(sns: Mapping[str, Any]) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]}


class Queue:
    """One queue of a stage."""

    def __init__(self, sqs: SQSClient, stage: Stage, name: str) -> None:
        self._sqs = sqs
        self._url = sqs.get_queue_url(QueueName=f"{prefix(stage)}-{name}")["QueueUrl"]
        self._deleted: set[str] = set()

    def __iter__(self) -> Iterator[DeadLetter]:
        """The letters, as many as can be found, and :data:`MOST` at most.

        Each stays hidden from others for ten minutes: :meth:`looked_through` puts them back.
        """
        seen = 0
        while seen < MAX_LETTERS:
            # To wait a second is to ask all of SQS's servers, not some:
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
            found = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_AT_ONCE,
                WaitTimeSeconds=1,
                VisibilityTimeout=_HIDDEN,
                AttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            if not found:
                return
            for one in found:
                sent_at = int(one.get("Attributes", {}).get("SentTimestamp", 0)) // 1000
                letter = read(one["Body"])
                yield replace(letter, handle=one["ReceiptHandle"], sent_at=sent_at, body=one["Body"])
            seen += len(found)

    def delete(self, letter: DeadLetter) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.handle)
        self._deleted.add(letter.handle)

    @property
    def hidden(self) -> int:
        """About how many letters somebody looks at, or has looked at and not put back."""
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])

    @contextmanager
    def looked_through(self) -> Iterator[Iterator[DeadLetter]]:
        """The letters, of which those are put back at the end, however it comes, that weren't deleted meanwhile."""
        taken: list[DeadLetter] = []

        def each() -> Iterator[DeadLetter]:
            for letter in self:
                taken.append(letter)
                yield letter

        try:
            yield each()
        finally:
            for letter in taken:
                if letter.handle not in self._deleted:
                    self._sqs.change_message_visibility(
                        QueueUrl=self._url, ReceiptHandle=letter.handle, VisibilityTimeout=0
                    )


def redrive(sqs: SQSClient, functions: LambdaClient, stage: Stage, now: int) -> RedriveResult:
    """Have ``destined`` run with each event once more; a letter is deleted once Lambda has taken its event.

    What has become of the message meanwhile decides what is rung, by its id: docs/delivery.md.
    """
    messages: list[str] = []
    errors: list[str] = []
    number_left = test_events = 0
    for queue in (Queue(sqs, stage, name) for name in FED_BACK):
        with queue.looked_through() as letters:
            for letter in letters:
                # One that came just now may be of an event that was fed back just now.
                if letter.event is None or letter.sent_at > now:
                    number_left += 1
                    continue
                if letter.kind in _NO_MESSAGE:
                    queue.delete(letter)
                    test_events += 1
                    continue
                try:
                    functions.invoke(
                        FunctionName=stage.function("destined"),
                        InvocationType="Event",
                        Payload=json.dumps(letter.event, ensure_ascii=False).encode(),
                    )
                except (BotoCoreError, ClientError) as error:
                    number_left += 1
                    errors.append(f"message {printed(letter.id)}: {error}")
                    continue
                queue.delete(letter)
                messages.append(letter.id)
    return RedriveResult(tuple(messages), test_events, number_left, tuple(errors))


def erase(sqs: SQSClient, stage: Stage, ids: Collection[str], *, seen: bool = False) -> dict[str, int]:
    """Delete every letter that holds one of these messages; returns how many of each.

    Raises :class:`OpsError` where a queue holds more letters than are looked at, or some that can't be seen now. With
    ``seen`` all were looked at a moment ago by whoever calls, and SQS may still count these as out of sight.
    """
    wanted = frozenset(ids)

    def erase_in(queue: Queue, letter: DeadLetter) -> list[str]:
        held = list(letter.holds(wanted))
        if held:
            queue.delete(letter)
        return held

    numbers = Counter(one for held in _in_all(sqs, stage, erase_in, seen=seen) for one in held)
    return {one: numbers[one] for one in ids}


def ids_of(sqs: SQSClient, stage: Stage, wanted: Callable[[Message], bool]) -> list[str]:
    """The ids of the messages in letters that are wanted; raises :class:`OpsError` as :func:`erase` does."""

    def look(queue: Queue, letter: DeadLetter) -> list[str]:
        message = letter.message
        return [message.id] if message and wanted(message) else []

    return list(dict.fromkeys(one for found in _in_all(sqs, stage, look, seen=False) for one in found))


def _in_all(
    sqs: SQSClient, stage: Stage, each: Callable[[Queue, DeadLetter], list[str]], *, seen: bool
) -> list[list[str]]:
    """What ``each`` says of every letter, of all queues; side by side, as each queue is waited for."""

    def through(name: str) -> list[list[str]]:
        queue = Queue(sqs, stage, name)
        if not seen and queue.hidden:
            raise OpsError(
                f"{name} holds letters that somebody looks at, or has not put back: nobody can say what is in them."
                f" Try again within {_HIDDEN // 60} minutes"
            )
        with queue.looked_through() as letters:
            found = [each(queue, letter) for letter in letters]
        if len(found) >= MAX_LETTERS:
            raise OpsError(
                f"{name} holds {MAX_LETTERS} letters or more; redrive them first (replay --letters), or nobody can"
                " say that none is left of what is erased"
            )
        return found

    with ThreadPoolExecutor(len(QUEUES)) as pool:
        return [one for found in pool.map(through, QUEUES) for one in found]
