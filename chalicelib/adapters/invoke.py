"""A client of Herald's functions for any program of the account: looks a function up, invokes it, has typed errors.

This one file may be copied: it needs nothing of Herald's and, until a function is looked up, nothing of AWS's. Then it
uses botocore, which boto3 and the Lambda runtime bring along, or the clients that it is given. ::

    herald = Herald("dev")
    herald.notify("pushover", id="backup-2026-11-20", title="Backup", message="The nightly backup has finished.")
    herald.get_message("9b2f1c9e-7a3f-4a3b-8f51-2f6f0f2f9a10")["state"]
    for message in herald.messages("default", state="waiting"):
        print(message["id"])

What can go wrong, by what is known afterwards::

    CallError
    ├── NotRunError              Lambda refused or was not reached: nothing ran, and it may be tried again
    ├── UnknownOutcomeError      no answer, or none of the contract: it may have run. Never repeated here
    └── FunctionError            it ran and said no, in the words of its contract
        ├── InvalidRequestError      the caller's mistake: never again
        ├── NotFoundError            there is no such message
        ├── UnavailableError         nothing could be read: again, after a pause
        ├── ChannelRejectedError     the provider said no: never again
        ├── ChannelUnavailableError  nothing was delivered: again, after ``retry_after`` seconds or more
        └── ChannelUncertainError    the provider may have accepted: again may ring twice, never again may be never

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

VERSION = 1
CONNECT_TIMEOUT = 2
READ_TIMEOUT = 25
"""Seconds: longer than any function of Herald's may run, so that a time-out is the function's and not the caller's."""

Answer = dict[str, Any]
"""A JSON object. It may have more keys than this release knows."""
Failure = tuple[bool, str]
"""Of a call that did not succeed: whether it is certain that nothing ran, and a word that is fit for a log, as an
error's own text may quote the request."""

if TYPE_CHECKING:
    # Not when it runs: making such classes would cost more of a start than all else here.
    from typing import TypedDict

    class Delivered(TypedDict):
        """What a notifier says of a delivery."""

        channel: str
        status: str
        reference: str
        """The provider's id of what it accepted."""

    class Checked(TypedDict):
        """What a notifier says of a check that was passed."""

        channel: str
        checked: bool
        quota: dict[str, int | None] | None
        """What its provider still takes: ``limit``, ``remaining``, ``reset``. None where that isn't known."""

    class Page(TypedDict):
        """Some of a site's messages."""

        messages: list[Answer]
        cursor: str | None
        """Where the next page begins; None behind the last."""


class CallError(Exception):
    """Base of all errors here. None holds what was sent."""


class NotRunError(CallError):
    """Nothing ran. ``reason`` is an error code of AWS or the name of an error on this side."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(f"{message}: {reason}")
        self.reason = reason


class UnknownOutcomeError(CallError):
    """The function may have run, or may be running still."""


class FunctionError(CallError):
    """The function ran and raised an error of its contract.

    ``key`` names what is wrong in the request and ``retry_after`` the provider's own wait in seconds, where there is
    any. Whatever you do about it, decide by the class: the words may change.
    """

    def __init__(self, message: str, key: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.retry_after = retry_after


class InvalidRequestError(FunctionError):
    """The request does not fit the contract; ``key`` names the part that doesn't."""


class NotFoundError(FunctionError):
    """There is no such message: it never came, is not stored yet, or was deleted."""


class UnavailableError(FunctionError):
    """Nothing could be read now, and a later attempt may succeed."""


class ChannelRejectedError(FunctionError):
    """The provider refused for good; sending the same again can't help."""


class ChannelUnavailableError(FunctionError):
    """Nothing was delivered, and a later attempt may succeed."""


class ChannelUncertainError(FunctionError):
    """The provider may have delivered, but its answer was lost."""


_CLASSES = {cls.__name__: cls for cls in FunctionError.__subclasses__()}


def failure(error: Exception) -> Failure | None:
    """What an error of botocore's means; None for any other, which is a mistake of the program's own."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        told = error.response
        # Lambda's own failures have a status of 5xx, and its page doesn't say that nothing ran.
        return told["ResponseMetadata"]["HTTPStatusCode"] < 500, str(told["Error"].get("Code"))
    not_sent = (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.NoCredentialsError,
        exceptions.ParamValidationError,
    )
    if isinstance(error, exceptions.BotoCoreError):
        return isinstance(error, not_sent), type(error).__name__
    return None


def call(
    client: Any,
    function: str,
    request: Mapping[str, object],
    understand: Callable[[Exception], Failure | None] = failure,
) -> Answer:
    """Invoke a function once and wait for its answer; raises a :class:`CallError`.

    The client must not repeat a call, as a time-out says nothing of what ran: ``total_max_attempts`` of 1.
    """
    try:
        response = client.invoke(FunctionName=function, Payload=json.dumps(request, ensure_ascii=False).encode())
        payload = response["Payload"].read()
    except Exception as error:
        found = understand(error)
        if found is None:
            raise
        ran_nothing, reason = found
        if ran_nothing:
            raise NotRunError(f"{function} was not invoked", reason) from error
        raise UnknownOutcomeError(f"{function} may have run: {reason}") from error
    try:
        answer = json.loads(payload)
        if "FunctionError" in response:
            raise _function_error(function, str(answer.get("errorType") or ""), str(answer.get("errorMessage", "")))
    except (ValueError, AttributeError):
        answer = None
    if not isinstance(answer, dict):
        # From nothing, so that no trace quotes what came.
        raise UnknownOutcomeError(f"{function} gave an answer that is not of the contract") from None
    return answer


def _function_error(function: str, error_type: str, error_message: str) -> CallError:
    """The error that was raised there. An ``errorType`` that is not of the contract may have come after anything."""
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
    """The functions of one stage of Herald, in the account and region that AWS's environment tells.

    Parameters
    ----------
    stage:
        The stage's name in ``herald.toml``.
    correlation_id:
        Your own id of what you do, which the log lines of reading functions then have. Those of a notification have
        its ``id``.
    functions, directory:
        Clients of ``lambda`` and ``ssm`` to use in place of botocore's own. The first must not repeat a call.
    """

    def __init__(self, stage: str, *, correlation_id: str = "", functions: Any = None, directory: Any = None) -> None:
        self._stage = stage
        self._correlation: dict[str, object] = {"correlation_id": correlation_id} if correlation_id else {}
        self._functions = functions
        self._directory = directory
        self._arns: dict[str, str] = {}

    def notify(self, kind: str, *, id: str, title: str, message: str, **more: object) -> Delivered:
        """Tell the owner by a channel of this kind, such as ``pushover``. Two calls ring twice.

        ``more`` are the optional keys of the contract: timestamp, channel, reply_to, fields, options.
        """
        request = {"version": VERSION, "id": id, "title": title, "message": message, **more}
        delivered: Any = self.call(f"notify_{kind}", request)
        return delivered  # type: ignore[no-any-return]

    def check(self, kind: str, *, id: str = "check", **more: object) -> Checked:
        """Whether a channel of this kind could deliver now, by its notifier; raises what a notification would.

        Nobody is rung. ``more`` are the optional keys of the contract, such as ``channel``.
        """
        request = {"version": VERSION, "id": id, "title": "Check", "message": "Check", "check": True, **more}
        checked: Any = self.call(f"notify_{kind}", request)
        return checked  # type: ignore[no-any-return]

    def get_message(self, message_id: str) -> Answer:
        """A message with all that is known of it; raises :class:`NotFoundError`."""
        return self.call("get_message", {"version": VERSION, "id": message_id, **self._correlation})

    def list_messages(self, site: str, **more: object) -> Page:
        """A page of a site's messages, newest first.

        ``more`` are the optional keys of the contract: state, since, until, limit, cursor.
        """
        page: Any = self.call("list_messages", {"version": VERSION, "site": site, **self._correlation, **more})
        return page  # type: ignore[no-any-return]

    def messages(self, site: str, **more: object) -> Iterator[Answer]:
        """All of a site's messages, newest first, each page read when it is come to."""
        page = self.list_messages(site, **more)
        yield from page["messages"]
        while page["cursor"]:
            page = self.list_messages(site, **{**more, "cursor": page["cursor"]})
            yield from page["messages"]

    def call(self, name: str, request: Mapping[str, object]) -> Answer:
        """Invoke a function by its name in the directory."""
        arn = self._arns.get(name) or self._look_up(name)
        self._functions = self._functions or _client("lambda", READ_TIMEOUT, attempts=1)
        try:
            return call(self._functions, arn, request)
        except NotRunError:
            # It may have moved; whoever tries again looks it up again.
            self._arns.pop(name, None)
            raise

    def _look_up(self, name: str) -> str:
        """Where a function is: the wiring of a deployment writes it to Parameter Store."""
        parameter = f"/herald/{self._stage}/functions/{name}"
        try:
            self._directory = self._directory or _client("ssm", 5, attempts=3)
            found = self._directory.get_parameter(Name=parameter)
        except Exception as error:
            failed = failure(error)
            if failed is None:
                raise
            raise NotRunError(f"{parameter} could not be read", failed[1]) from error
        self._arns[name] = str(found["Parameter"]["Value"])
        return self._arns[name]


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
