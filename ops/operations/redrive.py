"""Redrive dead letters: have ``destined`` run again with the events that it or SNS could not handle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.settings import Stage
from ops.operations.dead_letters import NO_MESSAGE, Queue
from ops.operations.logs import printed

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_sqs import SQSClient

REDRIVEN = ("topic-dead-letters", "failed-events")
"""The queues whose letters are events of ``destined``."""


@dataclass(frozen=True, slots=True)
class RedriveResult:
    """What a redrive did."""

    messages: tuple[str, ...]
    """The ids of the messages whose events Lambda accepted for ``destined``; their letters are deleted."""
    test_events: int
    """The number of deleted letters of test events and canaries, which hold no message."""
    left: int
    """The number of letters that stay: unreadable, not accepted by Lambda, or newer than the redrive."""
    errors: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "messages": list(self.messages),
            "test_events": self.test_events,
            "left": self.left,
            "errors": list(self.errors),
        }


def redrive(sqs: SQSClient, functions: LambdaClient, stage: Stage, now: int) -> RedriveResult:
    """Invoke ``destined`` with each event again, and delete a letter once Lambda has accepted its event.

    The message's record decides which channels are notified: docs/delivery.md.
    """
    messages: list[str] = []
    errors: list[str] = []
    number_left = test_events = 0
    for queue in (Queue(sqs, stage, name) for name in REDRIVEN):
        with queue.letters() as letters:
            for letter in letters:
                # A letter that came just now may be from an event of this redrive.
                if letter.event is None or letter.sent_at > now:
                    number_left += 1
                    continue
                if letter.kind in NO_MESSAGE:
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
