"""Notifiers that are Lambda functions, called through the Lambda Invoke API.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.adapters.aws import AwsError, NotSentError, ServiceError
from chalicelib.errors import (
    ChannelUnavailableError,
    ChannelUncertainError,
    notifier_error,
)
from chalicelib.logic.notification import Notification

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


class LambdaNotifier:
    """A notifier function. The client must not repeat a call that timed out: the function may have rung already."""

    def __init__(self, client: LambdaClient, function: str, channel: str) -> None:
        self._client = client
        self._function = function
        self._channel = channel

    def notify(self, notification: Notification) -> str:
        """Invoke and wait; returns the provider's reference, raises an :class:`~chalicelib.errors.InvokeError`."""
        try:
            response = self._client.invoke(
                FunctionName=self._function,
                Payload=json.dumps(
                    replace(notification, channel=self._channel).as_request(), ensure_ascii=False
                ).encode(),
            )
            payload = response["Payload"].read()
        except ServiceError as error:
            if error.status >= 500:
                raise ChannelUncertainError(f"{self._function} may have run: {error.reason}") from error
            # Lambda refused before it ran anything: no permission, throttled, no such function.
            raise ChannelUnavailableError(f"{self._function} was not invoked: {error.reason}") from error
        except NotSentError as error:
            raise ChannelUnavailableError(f"{self._function} was not reached: {error.reason}") from error
        except AwsError as error:
            raise ChannelUncertainError(f"{self._function} did not answer: {error.reason}") from error
        try:
            answer = json.loads(payload)
            if "FunctionError" in response:
                raise notifier_error(str(answer.get("errorType", "")), str(answer.get("errorMessage", "")))
            if answer["status"] != "delivered":
                raise ChannelUncertainError(f"{self._function} answered with a status that is not of the contract")
            return str(answer["reference"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ChannelUncertainError(f"{self._function} gave an answer that is not of the contract") from None
