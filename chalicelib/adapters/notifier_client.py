"""The client of the notifiers: calls a channel's function by the Lambda Invoke API."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.adapters import herald_client  # The client that other programs may copy: they call notifiers so, too.
from chalicelib.adapters.aws import AwsError, NotSentError, ServiceError
from chalicelib.errors import ChannelUnavailableError, ChannelUncertainError, FunctionError
from chalicelib.logic.notification import Notification, Quota

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

_ERRORS: dict[type[herald_client.FunctionError], type[FunctionError]] = {
    herald_client.InvalidRequestError: errors.InvalidRequestError,
    herald_client.ChannelRejectedError: errors.ChannelRejectedError,
    herald_client.ChannelUnavailableError: errors.ChannelUnavailableError,
    herald_client.ChannelUncertainError: errors.ChannelUncertainError,
}
"""The errors of a notifier's contract: the client's class, and Herald's own."""


class NotifierClient:
    """Calls one notifier. The client must not repeat a call that timed out, as the function may have delivered."""

    def __init__(self, client: LambdaClient, function: str, channel: str) -> None:
        self._client = client
        self._function = function
        self._channel = channel
        self.quota: Quota | None = None
        """What the provider said last that it still takes."""

    def notify(self, notification: Notification) -> str:
        """Deliver; returns the provider's reference, raises a :class:`~chalicelib.errors.FunctionError`."""
        answer = self._invoke(replace(notification, channel=self._channel, check=False))
        if answer.get("status") != "delivered" or "reference" not in answer:
            raise self._unknown_answer_error()
        try:
            self.quota = _read_quota(answer.get("quota"))
        except ValueError:  # It is delivered, whatever was said of the quota.
            self._log_reason(f"{self._function} answered with a quota that breaks the contract", missing="quota")
        return str(answer["reference"])

    def check(self, notification: Notification) -> Quota | None:
        """Ask the notifier whether it could deliver; returns its provider's quota, or None where it knows none."""
        answer = self._invoke(replace(notification, channel=self._channel, check=True))
        try:
            return _read_quota(answer["quota"])
        except (KeyError, ValueError):
            raise self._unknown_answer_error() from None

    def _invoke(self, notification: Notification) -> herald_client.Answer:
        """Invoke the function and return its answer; raises a :class:`~chalicelib.errors.FunctionError`."""
        try:
            return herald_client.call(self._client, self._function, notification.as_request(), _classify_error)
        except herald_client.NotRunError as error:
            self._log_reason(str(error))
            raise ChannelUnavailableError(str(error)) from error
        except herald_client.FunctionError as error:
            error_class = _ERRORS.get(type(error), ChannelUncertainError)
            raise error_class(error.message, key=error.key, retry_after=error.retry_after) from None
        except herald_client.UnknownOutcomeError as error:
            self._log_reason(str(error))
            raise ChannelUncertainError(str(error)) from error

    def _log_reason(self, reason: str, *, missing: str = "answer") -> None:
        """Log why the notifier's answer, or its quota, is ``missing`` or unusable. Nothing else does: the record keeps
        the error's class alone, and the notifier may have no log of a run."""
        from chalicelib.logs import logger

        logger.warning(f"No usable {missing} from the notifier", extra={"channel": self._channel, "reason": reason})

    def _unknown_answer_error(self) -> ChannelUncertainError:
        reason = f"{self._function} gave an answer that is not of the contract"
        self._log_reason(reason)
        return ChannelUncertainError(reason)


def _read_quota(quota: object) -> Quota | None:
    """Read the quota of an answer; raises ValueError unless it has the contract's keys and types."""
    match quota:
        case None:
            return None
        case {"limit": int(limit), "remaining": int(remaining), "reset": (None | int()) as reset}:
            return Quota(limit, remaining, reset)
    raise ValueError("not a quota")


def _classify_error(error: Exception) -> herald_client.Failure | None:
    """Classify an error of Herald's AWS client; None for an error of another kind."""
    match error:
        case ServiceError():
            # 4xx means that nothing ran: no permission, throttled, no such function.
            return herald_client.Failure(nothing_ran=error.status < 500, reason=error.reason)
        case AwsError():
            return herald_client.Failure(nothing_ran=isinstance(error, NotSentError), reason=error.reason)
    return None
