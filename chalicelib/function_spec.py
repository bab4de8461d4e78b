"""How a Lambda function is declared: its trigger, its grants, its size.

Herald's own declarations are in ``chalicelib/functions.py``, yours in ``chalicelib/own_functions.py``. No function
imports these modules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from chalicelib.settings import Stage


class Resource(Enum):
    """What a grant applies to; ``ops/templates/function_policies.py`` turns it into exact ARNs."""

    TOPIC = "the stage's topic"
    TABLE = "the stage's message table"
    DUE = "the table's index of messages that are due"
    LISTS = "the table's index of each site's messages"
    DESTINED = "the function that delivers"
    BUS = "the stage's event bus"
    NOTIFIERS = "every notifier that a site of the stage uses"
    ALARM_NOTIFIERS = "the notifiers that report failures to the owner"
    INBOX_NOTIFIERS = "the notifiers whose channels carry links to the inbox"
    DIGEST_NOTIFIERS = "the notifiers that digests are sent by or report on"
    SECRETS = "the function's own secrets in Parameter Store"
    INBOX = "the stage's key and the address of its inbox in Parameter Store"
    KEY = "the stage's key in Parameter Store"
    EXAMINE = "the function that examines files"
    AUTOREPLY = "the verified identities and configuration sets that visitors are answered from"
    CAPTCHA_SECRETS = "the secrets of the sites' captchas in Parameter Store"
    SENDING = "the verified identities and configuration sets of the function's channels"
    IDENTITIES = "the verified identities of the function's channels"
    SES = "Amazon SES in this account and region; AWS defines no narrower resource"
    STREAMS = "the list of streams of DynamoDB in this account and region; AWS defines no narrower resource"
    RULE_DEAD_LETTERS = "the queue for events that a rule or its function could not handle"


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions that a function's code calls on one resource, and why."""

    sid: str
    actions: tuple[str, ...]
    on: Resource | str
    """A resource of Herald's, or an ARN as a template: ``arn:{partition}:s3:::{bucket}/*``. It may name ``partition``,
    ``region``, ``account``, ``stage`` and every key of ``[values]`` in ``herald.toml``."""
    why: str
    needed: Callable[[Stage], bool] = lambda stage: True
    """Whether a stage's configuration makes the code call them."""
    wildcard: str = ""
    """Why an action or a resource has a wildcard; without a reason ``./herald check`` refuses it."""


_OF_AWS: dict[str, tuple[str, str, str]] = {
    "s3": ("bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "uploads-{stage}-{account}"),
    "sqs": ("standard queue", r"[A-Za-z0-9_-]{1,80}", "orders"),
    "sns": ("standard topic", r"[A-Za-z0-9_-]{1,256}", "orders"),
    "dynamodb": ("table", r"[A-Za-z0-9_.-]{3,255}", "orders"),
    "kinesis": ("stream", r"[A-Za-z0-9_.-]{1,128}", "orders"),
}
"""For each kind of trigger with a source: what that is, the names that AWS allows, and an example."""
_ARN_OF: dict[str, str] = {
    "s3": "arn:{partition}:s3:::",
    "sqs": "arn:{partition}:sqs:{region}:{account}:",
    "sns": "arn:{partition}:sns:{region}:{account}:",
    "dynamodb": "arn:{partition}:dynamodb:{region}:{account}:table/",
    "kinesis": "arn:{partition}:kinesis:{region}:{account}:stream/",
}
_POLLED = ("sqs", "dynamodb", "kinesis")
"""Sources that Lambda reads itself, with the function's role. The others invoke the function."""
_PATTERNS = ("rule", "event")


@dataclass(frozen=True, slots=True)
class Trigger:
    """What runs a function. Raises ``ValueError``, which says what is right.

    ==============  ==============================================================================================
    kind            runs the function
    ==============  ==============================================================================================
    ``http``        the REST API: the routes of ``app.py``
    ``topic``       each message of the stage's topic: ``@app.on_sns_message``
    ``schedule``    a schedule: ``@app.schedule``
    ``invoke``      whoever is granted it, by the Lambda Invoke API
    ``url``         a function URL, for requests that are signed
    ``public_url``  a function URL, for everybody
    ``rule``        events on the stage's bus whose ``detail`` matches ``pattern``
    ``event``       events on the account's default bus that match ``pattern``
    ``s3``          each new object of the bucket ``source`` whose key begins with ``prefix``
    ``sns``         each message of the topic ``source``
    ``sqs``         messages of the queue ``source``, up to ``batch`` at once
    ``dynamodb``    changes of items of the table ``source``, up to ``batch`` at once
    ``kinesis``     records of the stream ``source``, up to ``batch`` at once
    ==============  ==============================================================================================

    ``source`` is the name of a resource in the stage's account and region, as a template like :attr:`Grant.on`. From
    ``invoke`` on, ``app.py`` has ``@app.lambda_function()``, and the wiring stack makes the trigger.
    docs/own-function.md
    """

    kind: str
    pattern: dict[str, object] | None = None
    source: str = ""
    prefix: str = ""
    batch: int = 0
    """0 for Lambda's default: 10 messages of a queue, 100 records of a stream. Over 10, Lambda waits a second for it to
    fill."""

    def __post_init__(self) -> None:
        kinds = ("http", "topic", "schedule", "invoke", "url", "public_url", *_PATTERNS, *_OF_AWS)
        if self.kind not in kinds:
            raise ValueError(f"Trigger({self.kind!r}): expected one of {', '.join(kinds)}")
        self._check("pattern", bool(self.pattern), self.kind in _PATTERNS, 'pattern={"source": ["my.app"]}')
        has_source = self.kind in _OF_AWS
        example = _OF_AWS[self.kind][2] if has_source else ""
        self._check("source", bool(self.source), has_source, f'source="{example}"')
        if self.prefix and self.kind != "s3":
            raise ValueError(f"Trigger({self.kind!r}): only s3 has a prefix")
        if self.batch and self.kind not in _POLLED:
            raise ValueError(f"Trigger({self.kind!r}): only {', '.join(_POLLED)} have a batch")
        if not 0 <= self.batch <= 10_000:
            raise ValueError(f"Trigger({self.kind!r}): batch is {self.batch}, expected 1 to 10000")
        if has_source:
            what, names, example = _OF_AWS[self.kind]
            if not re.fullmatch(names, re.sub(r"\{[a-z_]+\}", "xxx", self.source)):
                raise ValueError(
                    f"Trigger({self.kind!r}): source is {self.source!r}, expected a {what}'s name, such as {example}"
                )

    def _check(self, key: str, there: bool, wanted: bool, example: str) -> None:
        if there != wanted:
            wrong = f"has no {key}; leave it out" if there else f"needs a {key}, such as {example}"
            raise ValueError(f"Trigger({self.kind!r}): {wrong}")

    @property
    def source_arn(self) -> str:
        """The source's ARN as a template; empty for a trigger without a source."""
        return f"{_ARN_OF[self.kind]}{self.source}" if self.source else ""

    @property
    def polled(self) -> bool:
        """Whether Lambda reads the source itself, with the function's role."""
        return self.kind in _POLLED

    @property
    def stream(self) -> bool:
        """Whether the source keeps its records in order, and so a failed batch holds up those behind it."""
        return self.polled and self.kind != "sqs"

    @property
    def keeps_failures(self) -> bool:
        """Whether a failed run's event goes to the queue of rules' dead letters: who invoked it doesn't hear of it."""
        return self.kind in ("rule", "event", "s3", "sns") or self.stream

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What AWS does for the trigger with the function's role.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-example-lamda-process-dynamodb-streams.html
        https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
        """
        reads: dict[str, tuple[str, ...]] = {
            "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
            "dynamodb": ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
            "kinesis": (
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            ),
        }
        stream = "/stream/*" if self.kind == "dynamodb" else ""
        return (
            *((_DEAD_LETTERS,) if self.keeps_failures else ()),
            *(
                (Grant("ReadSource", reads[self.kind], self.source_arn + stream, "Lambda reads it with this role"),)
                if self.polled
                else ()
            ),
            *((_LIST_STREAMS,) if self.kind == "dynamodb" else ()),
        )


_LIST_STREAMS = Grant("ListStreams", ("dynamodb:ListStreams",), Resource.STREAMS, "Lambda reads it with this role")
_DEAD_LETTERS = Grant(
    "KeepFailedRuns", ("sqs:SendMessage",), Resource.RULE_DEAD_LETTERS, "Lambda sends a failed run with this role"
)


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One Lambda function."""

    name: str
    trigger: Trigger
    memory: int
    """MB. More memory is also more CPU, and so a shorter cold start. Measured: docs/benchmarks.md, "Memory"."""
    timeout: int
    """Seconds."""
    grants: tuple[Grant, ...] = ()
    outcome_to_bus: bool = False
    """Whether the bus gets the outcome of each asynchronous run."""
    persistent: bool = False
    """Whether Lambda retries a failed event, as often and as long as ``[delivery]`` of ``herald.toml`` says:
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html"""
    channel: str = ""
    """For a notifier: the kind of channel that it serves. The function exists only where a site uses that kind."""
    needed: Callable[[Stage], bool] = lambda stage: True
    """Whether a stage's configuration asks for the function."""

    @property
    def handler(self) -> str:
        """The entry point that Chalice configures, such as ``app.destined``."""
        return "app.app" if self.trigger.kind == "http" else f"app.{self.name}"

    @property
    def all_grants(self) -> tuple[Grant, ...]:
        """What the function's code calls, and what AWS calls for its trigger."""
        return (*self.trigger.grants, *self.grants)
