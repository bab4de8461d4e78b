"""What AWS does in the first hour of a stage and an emulator doesn't, played between a command and the local AWS.

Seeded: the same seed decides alike for the same calls. Each error is AWS's own, from the page that is named with it.
Seconds are AWS's; ``speed`` plays them faster.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.e2e.between import Answer, Call

RATES = {
    "apigateway POST /restapis/[^/]+/deployments ": 5,
    "apigateway DELETE /restapis/[^/]+ ": 30,
    "apigateway POST /restapis ": 3,
    "apigateway PUT /restapis/[^/?]+[? ]": 1,
}
"""Calls that AWS takes once in so many seconds: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

THROTTLED = {
    "apigateway": ("TooManyRequestsException", 429),
    "lambda": ("TooManyRequestsException", 429),
    "cloudformation": ("Throttling", 400),
    "iam": ("Throttling", 400),
    "sts": ("Throttling", 400),
    "sns": ("Throttling", 400),
    "s3": ("SlowDown", 503),
}
"""How each service says that there were too many requests; the others say ThrottlingException:
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html"""

_REST = ("lambda", "apigateway")
_QUERY = ("iam", "cloudformation", "sns", "sts")
_FUNCTION = r"/functions/(?:[^/ ]*(?::|%3A))?(?P<name>[\w-]+)"


@dataclass(frozen=True, slots=True)
class Late:
    """Something that is made and can't be used at once: IAM, Lambda and others tell all their servers in time.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html"""

    made: str
    """The call that makes it."""
    used: str
    """The calls that fail until then. Both name it, in the group ``name``."""
    code: str
    status: int
    message: str
    seconds: float
    """At most."""


_ROLE = r"^iam CreateRole .*RoleName=(?P<name>[\w-]+)"
_NO_FUNCTION = ("ResourceNotFoundException", 404, "Function not found", 3)
_NO_POLICY = ("ResourceNotFoundException", 404, "The resource you requested does not exist.", 3)
_NO_ROLE = ("InvalidParameterValueException", 400, "The role defined for the function cannot be assumed by Lambda.", 10)
LATE = (
    Late(_ROLE, r"^lambda POST /2015-03-31/functions .*:role/(?P<name>[\w-]+)\"", *_NO_ROLE),
    Late(_ROLE, r"^iam PutRole\w+ .*RoleName=(?P<name>[\w-]+)", "NoSuchEntity", 404, "The role cannot be found.", 3),
    Late(
        r"^lambda POST /2015-03-31/functions .*\"FunctionName\": \"(?P<name>[\w-]+)\"",
        rf"^lambda (?:POST|PUT) /[\d-]+{_FUNCTION}/(?:policy|concurrency)",
        *_NO_FUNCTION,
    ),
    Late(rf"^lambda POST /2015-03-31{_FUNCTION}/policy", rf"^lambda GET /2015-03-31{_FUNCTION}/policy", *_NO_POLICY),
    Late(
        r"^ssm PutParameter .*\"Name\": \"(?P<name>[^\"]+)\"",
        r"^ssm GetParameter .*\"Name\": \"(?P<name>[^\"]+)\"",
        *("ParameterNotFound", 400, "", 3),
    ),
    Late(
        r"^apigateway POST /restapis .*\"name\": \"(?P<name>\w+)\"",
        r"^apigateway (?:GET|PUT) /restapis/(?P<name>)",
        *("NotFoundException", 404, "Invalid API identifier specified", 3),
    ),
)
_SUBSCRIBED = r"^sns Subscribe "
_SUBSCRIPTIONS = r"^sns ListSubscriptionsByTopic "
_STACK = r"^cloudformation (?P<operation>Create|Update|Delete|Describe)Stacks? .*StackName=(?P<name>[\w-]+)"
_CHANGED = rf"^lambda PUT /2015-03-31{_FUNCTION}/(?:code|configuration)"
_LOOKED_AT = rf"^lambda GET /2015-03-31{_FUNCTION}(?:/configuration)? "
_IN_PROGRESS = {"Create": "CREATE_IN_PROGRESS", "Update": "UPDATE_IN_PROGRESS", "Delete": "DELETE_IN_PROGRESS"}


class FirstHour:
    """Decides about each call; see :mod:`tests.e2e.between`."""

    def __init__(self, seed: int, speed: float) -> None:
        self._random, self._speed = random.Random(seed), speed  # noqa: S311
        self._lock = threading.Lock()
        self._until: dict[tuple[str, str], float] = {}
        """When something is there or done, by what it is and its name."""
        self._stacks: dict[str, tuple[str, Answer | None]] = {}
        """Each stack's last operation, and the last description of it."""
        self._known: set[str] = set()
        self._requests: dict[str, Answer] = {}
        """What was answered to requests of CloudFormation, by their tokens."""
        # Somebody else of the account may have made these calls just before.
        for rate, seconds in RATES.items():
            self._set("rate", rate, seconds)

    def __call__(self, call: Call, forward: Callable[[], Answer]) -> Answer | None:
        text = str(call)
        with self._lock:
            if refused := self._refused(call, text):
                return refused
            lost = self._happens(0.005)
        if lost:
            return None
        token = re.search(r"ClientRequestToken=([\w-]+)", text)
        answer = (token and self._requests.get(token[1])) or forward()
        if token:
            self._requests[token[1]] = answer
        with self._lock:
            if answer.status < 300:
                self._begun(text)
            changes = not re.match(r"\w+ (?:GET|HEAD|Get|List|Describe)", text)
            # The lost answer to a change is the hard case.
            if changes and self._happens(0.01):
                return None
            return self._altered(text, answer)

    def _refused(self, call: Call, text: str) -> Answer | None:
        for rate, seconds in RATES.items():
            if re.match(rate, text):
                if self._pending("rate", rate):
                    return _throttled(call)
                self._until["rate", rate] = self._now() + seconds
        if call.service != "sts" and self._happens(0.02):
            return _throttled(call)
        for late in LATE:
            if (used := re.match(late.used, text, re.DOTALL)) and self._pending(late.used, used["name"]):
                return _error(call, late.code, late.status, late.message)
        if (changed := re.match(_CHANGED, text)) and self._pending("function", changed["name"]):
            message = f"The operation cannot be performed at this time. An update is in progress: {changed['name']}"
            return _error(call, "ResourceConflictException", 409, message)
        stack = re.match(_STACK, text, re.DOTALL)
        if stack and stack["operation"] != "Describe" and self._pending("stack", stack["name"]):
            message = f"Stack:{stack['name']} is in {_IN_PROGRESS[self._stacks[stack['name']][0]]} state"
            return _error(call, "ValidationError", 400, message)
        return None

    def _begun(self, text: str) -> None:
        """Note what was made or begun, and until when it isn't there or done."""
        for late in LATE:
            made = re.match(late.made, text, re.DOTALL)
            # Only what is new can be unknown somewhere.
            if made and f"{late.used} {made['name']}" not in self._known:
                self._known.add(f"{late.used} {made['name']}")
                if self._happens(0.3):
                    self._set(late.used, made["name"], late.seconds)
                    if late.made.startswith("^apigateway"):  # AWS chooses its id.
                        self._set(late.used, "", late.seconds)
        if re.match(_SUBSCRIBED, text) and self._happens(0.5):
            self._set("subscription", "", 3)
        if (changed := re.match(_CHANGED, text)) and self._happens(0.05):
            self._set("function", changed["name"], 5)
        stack = re.match(_STACK, text, re.DOTALL)
        if stack and stack["operation"] != "Describe":
            described = self._stacks.get(stack["name"], ("", None))[1]
            self._stacks[stack["name"]] = stack["operation"], described
            if self._happens(0.4):
                self._set("stack", stack["name"], 30)

    def _altered(self, text: str, answer: Answer) -> Answer:
        """The answer as long as something is under way."""
        if re.match(_SUBSCRIPTIONS, text) and self._pending("subscription", ""):
            body = re.sub(rb"<member>.*</member>", b"", answer.body, flags=re.DOTALL)
            return replace(answer, body=body)
        looked_at = re.match(_LOOKED_AT, text) or re.match(_CHANGED, text)
        if looked_at and self._pending("function", looked_at["name"]):
            body = answer.body.replace(b'"Successful"', b'"InProgress"')
            return replace(answer, body=body)
        stack = re.match(_STACK, text, re.DOTALL)
        if stack and stack["operation"] == "Describe":
            operation, described = self._stacks.get(stack["name"], ("", None))
            if answer.status < 300:
                self._stacks[stack["name"]] = operation, answer
                described = answer
            if described and self._pending("stack", stack["name"]):
                body = re.sub(rb"(?<=<StackStatus>)\w+", _IN_PROGRESS[operation].encode(), described.body)
                return replace(described, body=body)
        return answer

    def _now(self) -> float:
        return time.monotonic() * self._speed

    def _pending(self, what: str, name: str) -> bool:
        return self._now() < self._until.get((what, name), 0)

    def _set(self, what: str, name: str, seconds: float) -> None:
        self._until[what, name] = self._now() + self._random.uniform(0, seconds)

    def _happens(self, probability: float) -> bool:
        return self._random.random() < probability


def _throttled(call: Call) -> Answer:
    code, status = THROTTLED.get(call.service, ("ThrottlingException", 400))
    return _error(call, code, status, "Rate exceeded")


def _error(call: Call, code: str, status: int, message: str) -> Answer:
    """An error in the form of the service's protocol."""
    if call.service in _QUERY:
        xml = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return Answer(status, {"Content-Type": "text/xml"}, f"<ErrorResponse>{xml}</ErrorResponse>".encode())
    if call.service == "s3":
        xml = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return Answer(status, {"Content-Type": "application/xml"}, xml.encode())
    body = json.dumps({"__type": code, "message": message}).encode()
    named = {"x-amzn-ErrorType": code} if call.service in _REST else {}
    return Answer(status, {"Content-Type": "application/json", **named}, body)
