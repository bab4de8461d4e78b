"""Queue runs of the function ``destined``, with an event of the shape that SNS gives it.

https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from chalicelib.adapters.aws import AwsError
from chalicelib.errors import RetryError
from chalicelib.logic.message_kinds import KIND_RETRY
from chalicelib.logic.retry_due import DueMessage

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


class AsynchronousDestined:
    """Queues runs of ``destined``. Two runs on one message are safe: each claims the channels that it tries."""

    def __init__(self, client: LambdaClient, function: str) -> None:
        self._client = client
        self._function = function

    def run(self, message: DueMessage) -> None:
        """Queue a run for a stored message. The event holds only its id; raises :class:`RetryError`."""
        attributes = {"kind": KIND_RETRY, "site": message.site}
        sns = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "Subject": None,
            "Message": message.id,
            "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()},
        }
        record = {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}
        try:
            self._client.invoke(
                FunctionName=self._function,
                InvocationType="Event",
                Payload=json.dumps({"Records": [record]}).encode(),
            )
        except AwsError as error:
            raise RetryError(error.reason) from error
