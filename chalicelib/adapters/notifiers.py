"""Notifiers that are Lambda functions, called through the Lambda Invoke API."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.adapters import invoke
from chalicelib.adapters.aws import AwsError, NotSentError, ServiceError
from chalicelib.errors import ChannelUnavailableError, ChannelUncertainError, InvokeError
from chalicelib.logic.notification import NEWER, Notification, Quota

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

_ERRORS: dict[type[invoke.FunctionError], type[InvokeError]] = {
    invoke.InvalidRequestError: errors.InvalidRequestError,
    invoke.ChannelRejectedError: errors.ChannelRejectedError,
    invoke.ChannelUnavailableError: errors.ChannelUnavailableError,
    invoke.ChannelUncertainError: errors.ChannelUncertainError,
}
"""Those of a notifier's contract, as they are raised at its caller and here."""


class LambdaNotifier:
    """A notifier function. The client must not repeat a call that timed out: the function may have rung already."""

    def __init__(self, client: LambdaClient, function: str, channel: str) -> None:
        self._client = client
        self._function = function
        self._channel = channel

    def notify(self, notification: Notification) -> str:
        """Invoke and wait; returns the provider's reference, raises an :class:`~chalicelib.errors.InvokeError`."""
        answer = self._answer(replace(notification, channel=self._channel, check=False))
        if answer.get("status") != "delivered" or "reference" not in answer:
            raise self._strange()
        return str(answer["reference"])

    def check(self, notification: Notification) -> Quota | None:
        """Have the notifier find out whether it could deliver; returns what it knows of its provider's quota."""
        answer = self._answer(replace(notification, channel=self._channel, check=True))
        try:
            quota = answer["quota"]
            return Quota(quota["limit"], quota["remaining"], quota["reset"]) if quota else None
        except (KeyError, TypeError):
            raise self._strange() from None

    def _answer(self, notification: Notification) -> invoke.Answer:
        """What the function answers; raises an :class:`~chalicelib.errors.InvokeError`."""
        try:
            return invoke.call(self._client, self._function, notification.as_request(), _failure)
        except invoke.NotRunError as error:
            raise ChannelUnavailableError(str(error)) from error
        except invoke.FunctionError as error:
            if error.key in NEWER:
                # A notifier that the running deployment has not reached yet.
                raise ChannelUnavailableError(f"{self._function} does not know {error.key} yet") from None
            kind = _ERRORS.get(type(error), ChannelUncertainError)
            raise kind(error.message, key=error.key, retry_after=error.retry_after) from None
        except invoke.CallError as error:
            raise ChannelUncertainError(str(error)) from error

    def _strange(self) -> ChannelUncertainError:
        return ChannelUncertainError(f"{self._function} gave an answer that is not of the contract")


def _failure(error: Exception) -> invoke.Failure | None:
    """What an error of Herald's own client means."""
    match error:
        case ServiceError():
            # 4xx is a refusal: no permission, throttled, no such function.
            return error.status < 500, error.reason
        case AwsError():
            return isinstance(error, NotSentError), error.reason
    return None
