"""A client of Herald for any program of the account: it publishes notifications and invokes functions.

This one file may be copied: it imports nothing else of Herald. It uses botocore, which boto3 and the Lambda runtime
include, or the clients that it is given. ::

    herald = Herald("dev")
    herald.notify("Backup", "The nightly backup has failed.", key="backup-2026-11-20")
    herald.notify_now("pushover", id="backup-2026-11-20", title="Backup", message="The nightly backup has failed.")
    herald.get_message("9b2f1c9e-7a3f-4a3b-8f51-2f6f0f2f9a10")["state"]
    for message in herald.messages("default", state="waiting"):
        print(message["id"])

Errors::

    CallError
    ├── NotRunError              nothing ran or was published: AWS refused or was not reached. A retry is safe
    ├── UnknownOutcomeError      it may have run or been published: no answer, or none of the contract
    └── FunctionError            the function ran and raised an error of its contract
        ├── InvalidRequestError      the caller's mistake: don't retry
        ├── NotFoundError            there is no such message
        ├── UnavailableError         nothing could be read: retry after a pause
        ├── ChannelRejectedError     the provider refused: don't retry
        ├── ChannelUnavailableError  nothing was delivered: retry after ``retry_after`` seconds or more
        └── ChannelUncertainError    the provider may have accepted: a retry may deliver twice

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

VERSION = 1
CONNECT_TIMEOUT = 2
READ_TIMEOUT = 25
"""Seconds; longer than any notifier or reading function may run, so that the function times out first."""

Answer = dict[str, Any]
"""A JSON object. A later release may add keys."""


class Failure(NamedTuple):
    """A call that failed."""

    nothing_ran: bool
    """Whether that is certain, so that the call may be repeated."""
    reason: str
    """Safe to log."""


if TYPE_CHECKING:
    # Defining such classes at run time would take longer than the rest of this module.
    from typing import TypedDict

    class Delivered(TypedDict):
        """A notifier's answer to a delivery."""

        channel: str
        status: str
        reference: str
        """The provider's id of what it accepted."""

    class Checked(TypedDict):
        """A notifier's answer to a check that passed."""

        channel: str
        checked: bool
        quota: dict[str, int | None] | None
        """Its provider's quota: ``limit``, ``remaining``, ``reset``. None where it isn't known."""

    class Page(TypedDict):
        """A page of a site's messages."""

        messages: list[Answer]
        cursor: str | None
        """Asks for the next page; None on the last one."""


class CallError(Exception):
    """Base of all errors here. None quotes the request."""


class NotRunError(CallError):
    """Nothing ran. ``reason`` is an error code of AWS, or the name of an error of this process."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(f"{message}: {reason}")
        self.reason = reason


class UnknownOutcomeError(CallError):
    """The function may have run, or may still be running."""


class FunctionError(CallError):
    """The function ran and raised an error of its contract.

    ``key`` names the wrong part of the request; ``retry_after`` is the provider's own wait in seconds. Decide by the
    class, not by the message, which may change.
    """

    def __init__(self, message: str, key: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.retry_after = retry_after


class InvalidRequestError(FunctionError):
    """The request does not match the contract; ``key`` names the wrong part."""


class NotFoundError(FunctionError):
    """There is no such message: it was never received, is not stored yet, or was deleted."""


class UnavailableError(FunctionError):
    """Nothing could be read now, and a later attempt may succeed."""


class ChannelRejectedError(FunctionError):
    """The provider refused for good; sending the same again doesn't help."""


class ChannelUnavailableError(FunctionError):
    """Nothing was delivered, and a later attempt may succeed."""


class ChannelUncertainError(FunctionError):
    """The provider may have delivered, but its answer was lost."""


_CLASSES = {cls.__name__: cls for cls in FunctionError.__subclasses__()}


def failure(error: Exception) -> Failure | None:
    """Classify an error of botocore; None for an error of another kind."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        response = error.response
        # After a 5xx of Lambda itself the function may have run.
        return Failure(response["ResponseMetadata"]["HTTPStatusCode"] < 500, str(response["Error"].get("Code")))
    not_sent = (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.NoCredentialsError,
        exceptions.ParamValidationError,
    )
    if isinstance(error, exceptions.BotoCoreError):
        return Failure(isinstance(error, not_sent), type(error).__name__)
    return None


def call(
    client: Any,
    function: str,
    request: Mapping[str, object],
    classify: Callable[[Exception], Failure | None] = failure,
) -> Answer:
    """Invoke a function once and wait for its answer; raises a :class:`CallError`.

    The client must make one attempt (``total_max_attempts`` of 1): after a time-out the function may have run.
    """
    try:
        response = client.invoke(FunctionName=function, Payload=json.dumps(request, ensure_ascii=False).encode())
        payload = response["Payload"].read()
    except Exception as error:
        failed = classify(error)
        if failed is None:
            raise
        if failed.nothing_ran:
            raise NotRunError(f"{function} was not invoked", failed.reason) from error
        raise UnknownOutcomeError(f"{function} may have run: {failed.reason}") from error
    try:
        answer = json.loads(payload)
        if "FunctionError" in response:
            raise _function_error(function, str(answer.get("errorType") or ""), str(answer.get("errorMessage", "")))
    except (ValueError, AttributeError):
        answer = None
    if not isinstance(answer, dict):
        # Without a cause, so that no traceback quotes the answer.
        raise UnknownOutcomeError(f"{function} gave an answer that is not of the contract") from None
    return answer


def _function_error(function: str, error_type: str, error_message: str) -> CallError:
    """Return the error that the function raised. One that isn't in the contract may have come after a delivery."""
    cls = _CLASSES.get(error_type)
    if cls is None:
        return UnknownOutcomeError(f"{function} failed with {error_type or 'no error type'}")
    try:
        detail = json.loads(error_message)
        wait = detail.get("retry_after")
        return cls(str(detail["message"]), str(detail.get("key", "")), int(wait) if wait is not None else None)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return cls(error_message)


class Herald:
    """The functions of one stage of Herald, in the account and region of the credentials.

    Parameters
    ----------
    stage:
        The stage's name in ``herald.toml``.
    correlation_id:
        An id of your own for the log lines of functions that read messages. Those of a notification have its ``id``.
    functions, directory, topic:
        Clients of ``lambda``, ``ssm`` and ``sns`` to use instead of new ones. The first must make one attempt.
    """

    def __init__(
        self, stage: str, *, correlation_id: str = "", functions: Any = None, directory: Any = None, topic: Any = None
    ) -> None:
        self._stage = stage
        self._correlation: dict[str, object] = {"correlation_id": correlation_id} if correlation_id else {}
        self._functions = functions
        self._directory = directory
        self._topic = topic
        self._arns: dict[str, str] = {}

    def notify(self, title: str, message: str, *, key: str = "", **more: object) -> str:
        """Publish a notification, which Herald stores, delivers and retries: docs/notify.md.

        ``key`` is your own id of the thing: all notifications with it are one message. ``more`` are the optional keys
        of the contract: priority, link, channels. Returns the id by which :meth:`get_message` finds it, also why it
        was rejected. Raises :class:`NotRunError`, or :class:`UnknownOutcomeError`, after which the same call with a
        key of yours notifies once.
        """
        arn = self._arns.get("topic") or self.resource("topic")
        self._arns["topic"] = arn
        # The client tries again by itself, so there is always a key.
        body = {"kind": "notification", "version": VERSION, "title": title, "message": message, **more}
        text = json.dumps(body | {"key": key or str(uuid.uuid4())}, ensure_ascii=False)
        attributes = {"kind": "notification", "site": "notifications"}
        try:
            self._topic = self._topic or _client("sns", 5, attempts=3)
            published = self._topic.publish(
                TopicArn=arn,
                Message=text,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except Exception as error:
            failed = failure(error)
            if failed is None:
                raise
            if failed[0]:
                self._arns.pop("topic")
                raise NotRunError("the notification was not published", failed[1]) from error
            raise UnknownOutcomeError(f"the notification may have been published: {failed[1]}") from error
        return str(published["MessageId"])

    def notify_now(self, kind: str, *, id: str, title: str, message: str, **more: object) -> Delivered:
        """Notify the owner by a channel of this kind, such as ``pushover``, and wait. Two calls notify twice.

        ``more`` are the optional keys of the contract: timestamp, channel, reply_to, fields, options.
        """
        request = {"version": VERSION, "id": id, "title": title, "message": message, **more}
        delivered: Any = self.call(f"notify_{kind}", request)
        return delivered  # type: ignore[no-any-return]

    def check(self, kind: str, *, id: str = "check", **more: object) -> Checked:
        """Check whether a channel of this kind could deliver now; raises the error that a notification would.

        No notification is sent. ``more`` are the optional keys of the contract, such as ``channel``.
        """
        request = {"version": VERSION, "id": id, "title": "Check", "message": "Check", "check": True, **more}
        checked: Any = self.call(f"notify_{kind}", request)
        return checked  # type: ignore[no-any-return]

    def get_message(self, message_id: str) -> Answer:
        """Return a message with everything that is stored of it; raises :class:`NotFoundError`."""
        return self.call("get_message", {"version": VERSION, "id": message_id, **self._correlation})

    def list_messages(self, site: str, **more: object) -> Page:
        """Return a page of a site's messages, newest first.

        ``more`` are the optional keys of the contract: state, since, until, limit, cursor.
        """
        page: Any = self.call("list_messages", {"version": VERSION, "site": site, **self._correlation, **more})
        return page  # type: ignore[no-any-return]

    def messages(self, site: str, **more: object) -> Iterator[Answer]:
        """Yield all of a site's messages, newest first. Each page is read when it is reached."""
        page = self.list_messages(site, **more)
        yield from page["messages"]
        while page["cursor"]:
            page = self.list_messages(site, **{**more, "cursor": page["cursor"]})
            yield from page["messages"]

    def resource(self, name: str) -> str:
        """Return the ARN of the stage's ``topic``, ``bus`` or ``table``, or the address of its ``api``."""
        return self._parameter(f"resources/{name}")

    def call(self, name: str, request: Mapping[str, object]) -> Answer:
        """Invoke a function by its name in the manifest, such as ``get_message``."""
        arn = self._arns.get(name) or self._look_up(name)
        self._functions = self._functions or _client("lambda", READ_TIMEOUT, attempts=1)
        try:
            return call(self._functions, arn, request)
        except NotRunError:
            # It may have another ARN now: look it up again at the next call.
            self._arns.pop(name, None)
            raise

    def _look_up(self, name: str) -> str:
        """Return a function's ARN, and keep it for the next call."""
        self._arns[name] = self._parameter(f"functions/{name}")
        return self._arns[name]

    def _parameter(self, path: str) -> str:
        """Return an entry of the directory, which each deployment writes to Parameter Store."""
        parameter = f"/herald/{self._stage}/{path}"
        try:
            self._directory = self._directory or _client("ssm", 5, attempts=3)
            parameter_answer = self._directory.get_parameter(Name=parameter)
        except Exception as error:
            failed = failure(error)
            if failed is None:
                raise
            raise NotRunError(f"{parameter} could not be read", failed[1]) from error
        return str(parameter_answer["Parameter"]["Value"])


def _client(service: str, read_timeout: int, attempts: int) -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    return get_session().create_client(
        service,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
        ),
    )
