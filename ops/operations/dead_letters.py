"""Read and erase dead letters: the events in a stage's queues that could not be handled. redrive.py repeats them.

- ``topic-dead-letters``: SNS's notification, which it could not hand to ``destined``
  (https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html)
- ``failed-events``: the event of the bus about an invocation whose retries are over, with the request in it
  (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html)
- ``rule-dead-letters``: an event of the bus that a rule could not hand to its target, or whose function failed
- ``subscriber-dead-letters``: SNS's notification, which it could not hand to a subscriber of the owner's

Reading a letter hides it from other readers for a while; it is made visible again afterwards.
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

from chalicelib.logic import message_kinds, published_notification
from chalicelib.logic.message import Message
from chalicelib.settings import Stage
from ops import naming
from ops.errors import OpsError
from ops.naming import prefix

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

QUEUES = tuple(naming.QUEUES)
"""All queues. An erased message must be in none."""
MAX_LETTERS = 5000
"""The number of letters of a queue that are read."""
_HIDDEN = 600
"""Seconds that a letter is hidden from others while it is read: more than it takes to read :data:`MAX_LETTERS`."""
NO_MESSAGE = (message_kinds.KIND_TEST_EVENT, message_kinds.KIND_CANARY)
"""Kinds of events that hold no message."""
_AT_ONCE = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter."""

    event: Mapping[str, Any] | None = field(repr=False)
    """The event for ``destined``; None for a letter that can't be read."""
    kind: str = ""
    """``contact``, ``retry``, ``event`` or ``canary``; ``notification`` for all else that was published."""
    id: str = ""
    """The message's id; empty for a test event and a canary."""
    handle: str = ""
    """The receipt handle, by which it is deleted or made visible again."""
    sent_at: int = 0
    """Seconds since the epoch."""
    body: str = field(default="", repr=False)

    def holds(self, ids: Collection[str]) -> Iterator[str]:
        """The ids of these messages that the letter holds. In one that can't be read, or that anybody may have
        published, an id counts where it is a quoted text of its own."""
        if self.id in ids:
            yield self.id
        elif self.event is None or self.kind == message_kinds.KIND_NOTIFICATION:
            yield from (found for found in ids if re.search(rf'"{re.escape(found)}\\*"', self.body))

    @property
    def message(self) -> Message | None:
        """The message, where the letter holds it."""
        if self.event is None:
            return None
        sns = self.event["Records"][0]["Sns"]
        if self.kind == message_kinds.KIND_NOTIFICATION:
            return published_notification.read_unchecked(sns["Message"], str(sns.get("MessageId", "")), self.sent_at)
        return Message.deserialize(sns["Message"]) if self.kind == message_kinds.KIND_CONTACT else None


def read(body: str) -> DeadLetter:
    """Read a letter of any queue."""
    try:
        event = _event(json.loads(body), body)
    except (ValueError, RecursionError):
        event = None
    if event is None:
        return DeadLetter(None)
    sns = event["Records"][0]["Sns"]
    attributes = sns.get("MessageAttributes") or {}
    kind = str((attributes.get("kind") or {}).get("Value", ""))
    if kind in NO_MESSAGE:
        return DeadLetter(event, kind)
    if kind == message_kinds.KIND_RETRY:
        return DeadLetter(event, kind, str(sns["Message"]))
    try:
        return DeadLetter(event, message_kinds.KIND_CONTACT, Message.deserialize(sns["Message"]).id)
    except ValueError:
        # A notification, or what ``destined`` will reject.
        publication = str(sns.get("MessageId", ""))
        message_id = published_notification.read_unchecked(sns["Message"], publication, 0).id
        return DeadLetter(event if message_id else None, message_kinds.KIND_NOTIFICATION, message_id)


def _event(found: Any, body: str) -> dict[str, Any] | None:
    """The event for ``destined`` in a letter: within an event of the bus, a notification of SNS, as Lambda had it, or
    made from the message alone; None for any other letter."""
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
            attributes = {"kind": message_kinds.KIND_CONTACT, "site": site}
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
        """The letters of the queue, at most :data:`MAX_LETTERS`.

        Each stays hidden from others for ten minutes, unless :meth:`letters` makes it visible again.
        """
        seen = 0
        while seen < MAX_LETTERS:
            # Waiting a second asks all of SQS's servers, not only some:
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
            messages = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_AT_ONCE,
                WaitTimeSeconds=1,
                VisibilityTimeout=_HIDDEN,
                AttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            if not messages:
                return
            for message in messages:
                sent_at = int(message.get("Attributes", {}).get("SentTimestamp", 0)) // 1000
                letter = read(message["Body"])
                yield replace(letter, handle=message["ReceiptHandle"], sent_at=sent_at, body=message["Body"])
            seen += len(messages)

    def delete(self, letter: DeadLetter) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.handle)
        self._deleted.add(letter.handle)

    @property
    def hidden(self) -> int:
        """About how many letters are hidden because somebody reads them."""
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])

    @contextmanager
    def letters(self) -> Iterator[Iterator[DeadLetter]]:
        """The letters; at the end, those that were not deleted are made visible again."""
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


def erase(sqs: SQSClient, stage: Stage, ids: Collection[str], *, seen: bool = False) -> dict[str, int]:
    """Delete every letter that holds one of these messages; returns the number of deleted letters by id.

    Raises :class:`OpsError` where a queue holds more than :data:`MAX_LETTERS`, or letters that are hidden now. ``seen``
    means that the caller has just read all letters: SQS may still count those as hidden.
    """
    wanted = frozenset(ids)

    def erase_in(queue: Queue, letter: DeadLetter) -> list[str]:
        held = list(letter.holds(wanted))
        if held:
            queue.delete(letter)
        return held

    numbers = Counter(message_id for held in _in_all(sqs, stage, erase_in, seen=seen) for message_id in held)
    return {message_id: numbers[message_id] for message_id in ids}


def ids_of(sqs: SQSClient, stage: Stage, wanted: Callable[[Message], bool]) -> list[str]:
    """The ids of the wanted messages in letters; raises :class:`OpsError` as :func:`erase` does."""

    def look(queue: Queue, letter: DeadLetter) -> list[str]:
        message = letter.message
        return [message.id] if message and wanted(message) else []

    return list(dict.fromkeys(message_id for ids in _in_all(sqs, stage, look, seen=False) for message_id in ids))


def _in_all(
    sqs: SQSClient, stage: Stage, each: Callable[[Queue, DeadLetter], list[str]], *, seen: bool
) -> list[list[str]]:
    """The results of ``each`` for every letter of all queues. Queues are read in parallel, as each takes a while."""

    def through(name: str) -> list[list[str]]:
        queue = Queue(sqs, stage, name)
        if not seen and queue.hidden:
            raise OpsError(
                f"{name} holds letters that are hidden because somebody reads them, so what is in them is unknown."
                f" Try again in {_HIDDEN // 60} minutes"
            )
        with queue.letters() as letters:
            results = [each(queue, letter) for letter in letters]
        if len(results) >= MAX_LETTERS:
            raise OpsError(
                f"{name} holds {MAX_LETTERS} letters or more, so some were not read. Redrive them first:"
                " replay --letters"
            )
        return results

    with ThreadPoolExecutor(len(QUEUES)) as pool:
        return [result for results in pool.map(through, QUEUES) for result in results]
