"""The manifest: every Lambda function of Herald, declared once.

``./herald render`` makes ``.chalice/config.json``, one IAM policy per function and stage, and the wiring template from
this and ``herald.toml``. ``./herald check`` fails where ``app.py`` registers other functions than these. The notifiers
follow from the kinds of channel that ``adapters/providers/`` declares. No function imports this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

from chalicelib.adapters.providers import kinds
from chalicelib.logic.channel_kind import ChannelKind
from chalicelib.settings import APP, Stage


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
    """0 for Lambda's default: 10 messages of a queue, 100 records of a stream."""

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
            "dynamodb": (
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ),
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
        )


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


SUCCESS: dict[str, object] = {"requestContext": {"condition": ["Success"]}}
RETRIES_OVER: dict[str, object] = {"requestContext": {"condition": [{"anything-but": ["Success"]}]}}
"""Events that Lambda has given up."""
_NEEDS_ATTENTION = ["undeliverable", "uncertain", "rejected"]
CANARY_ARRIVED: dict[str, object] = {"source": ["herald.canary"], "action": ["arrived"]}
"""The result of a canary that arrived. A rule of its own matches it, and an alarm watches that rule's count."""
_NOT_FOR_SUCCESS = [*_NEEDS_ATTENTION, "waiting", "arrived"]


def _takes_files(stage: Stage) -> bool:
    return stage.takes_files


def _attaches(kind: str, stage: Stage) -> bool:
    """Whether a site that takes files has a channel of this kind."""
    return any(
        stage.channels[channel].kind == kind for site in stage.sites.values() if site.files for channel in site.channels
    )


def _notifies_owner(stage: Stage) -> bool:
    return bool(stage.alarm_channels)


_LOOK_UP = Grant("LookUpMessages", ("dynamodb:GetItem",), Resource.TABLE, "see failed channels", needed=_notifies_owner)
_COUNT = Grant("CountFailures", ("dynamodb:UpdateItem",), Resource.TABLE, "report many at once", needed=_notifies_owner)
_TELL = Grant(
    "NotifyOwner",
    ("lambda:InvokeFunction",),
    Resource.ALARM_NOTIFIERS,
    "report what was not delivered",
    needed=_notifies_owner,
)
_READ = Grant("ReadMessages", ("dynamodb:GetItem",), Resource.TABLE, "answer with the requested message")


def _notifier(kind: ChannelKind) -> FunctionSpec:
    """Return the function of a kind of channel: it may read its channels' secrets, and what the kind declares."""
    reads = Grant("ReadSecrets", ("ssm:GetParameters",), Resource.SECRETS, "read the secrets of its channels")
    attaches = Grant("ReadFiles", ("s3:GetObject",), _KEPT, "attach files", needed=partial(_attaches, kind.kind))
    return FunctionSpec(
        name=f"notify_{kind.kind}",
        trigger=Trigger("invoke"),
        memory=kind.memory,
        timeout=kind.timeout,
        grants=(
            *((reads,) if kind.secrets else ()),
            *((attaches,) if kind.attachment_limits else ()),
            *(Grant(each.sid, each.actions, Resource[each.on], each.why) for each in kind.permissions),
        ),
        channel=kind.kind,
    )


FILES_BUCKET = f"{APP}-{{stage}}-files-{{account}}-{{region}}"
"""Keeps files: ``Stage.files_bucket``."""
_NEW, _KEPT, _INCOMING = (
    f"arn:{{partition}}:s3:::{FILES_BUCKET}/{prefix}/*" for prefix in ("new", "files", "incoming")
)
"""Files of forms before their message is stored, those of stored messages, and what others put there
(``logic/message_files.py``)."""

FUNCTIONS = (
    FunctionSpec(
        name="api_handler",
        trigger=Trigger("http"),
        memory=512,
        timeout=29,
        grants=(
            Grant("PublishMessages", ("sns:Publish",), Resource.TOPIC, "publish an accepted message"),
            Grant(
                "ReadKey",
                ("ssm:GetParameters",),
                Resource.KEY,
                "sign challenges, hash addresses",
                needed=lambda stage: stage.needs_spam_key,
            ),
            Grant("PutFiles", ("s3:PutObject",), _NEW, "put a form's files", needed=_takes_files),
        ),
    ),
    FunctionSpec(
        name="destined",
        trigger=Trigger("topic"),
        memory=512,
        timeout=120,
        grants=(
            Grant("StoreMessages", ("dynamodb:PutItem",), Resource.TABLE, "store each message and content once"),
            Grant("RecordOutcomes", ("dynamodb:UpdateItem",), Resource.TABLE, "claim a channel, record its outcome"),
            Grant(
                "RecallMessages",
                ("dynamodb:GetItem",),
                Resource.TABLE,
                "read the message to retry",
            ),
            Grant("InvokeNotifiers", ("lambda:InvokeFunction",), Resource.NOTIFIERS, "deliver"),
            Grant(
                "ReadInboxKey",
                ("ssm:GetParameters",),
                Resource.INBOX,
                "make links to the inbox",
                needed=lambda stage: stage.inbox,
            ),
            Grant("ReadNewFiles", ("s3:GetObject",), _NEW, "copy them", needed=_takes_files),
            Grant("KeepFiles", ("s3:PutObject",), _KEPT, "copy them", needed=_takes_files),
            Grant("ExamineFiles", ("lambda:InvokeFunction",), Resource.EXAMINE, "learn what", needed=_takes_files),
            Grant(
                "ReadCaptchaSecrets",
                ("ssm:GetParameters",),
                Resource.CAPTCHA_SECRETS,
                "have captchas verified",
                needed=lambda stage: bool(stage.captcha_secrets),
            ),
            Grant("SendOutcome", ("events:PutEvents",), Resource.BUS, "Lambda sends the outcome with this role"),
        ),
        outcome_to_bus=True,
        persistent=True,
    ),
    FunctionSpec(
        name="retry_due",
        trigger=Trigger("schedule"),
        memory=256,
        timeout=60,
        grants=(
            Grant("FindDue", ("dynamodb:Query",), Resource.DUE, "find messages that still wait"),
            Grant("PutOff", ("dynamodb:UpdateItem",), Resource.TABLE, "don't queue a message twice at once"),
            Grant("RunDestined", ("lambda:InvokeFunction",), Resource.DESTINED, "queue their retries"),
            _TELL,
        ),
    ),
    FunctionSpec(
        name="canary",
        trigger=Trigger("schedule"),
        memory=256,
        timeout=30,
        grants=(Grant("PublishCanary", ("sns:Publish",), Resource.TOPIC, "send a canary"),),
        needed=lambda stage: bool(stage.canary),
    ),
    FunctionSpec(
        name="digest",
        trigger=Trigger("schedule"),
        memory=256,
        timeout=120,
        grants=(
            Grant("CountMessages", ("dynamodb:Query",), Resource.LISTS, "count each site's messages by state"),
            Grant("ReadLastDigest", ("dynamodb:GetItem",), Resource.TABLE, "read the end of the last digest"),
            Grant("ClaimDigest", ("dynamodb:UpdateItem",), Resource.TABLE, "let only one run send a digest"),
            Grant("SendDigests", ("lambda:InvokeFunction",), Resource.DIGEST_NOTIFIERS, "send digests, read quotas"),
        ),
        needed=lambda stage: stage.digest is not None,
    ),
    FunctionSpec(
        name="examine",
        trigger=Trigger("s3", source=FILES_BUCKET, prefix="incoming/"),
        memory=512,
        timeout=22,
        grants=(
            Grant("ReadFiles", ("s3:GetObject",), _KEPT, "look at the bytes of a message's files"),
            Grant("ReadIncoming", ("s3:GetObject",), _INCOMING, "look at what others put there"),
            Grant("RecordExaminations", ("dynamodb:UpdateItem",), Resource.TABLE, "store what each file is"),
        ),
        needed=_takes_files,
    ),
    *(_notifier(kind) for kind in kinds().values()),
    FunctionSpec(
        name="get_message",
        trigger=Trigger("invoke"),
        memory=512,
        timeout=10,
        grants=(_READ,),
    ),
    FunctionSpec(
        name="list_messages",
        trigger=Trigger("invoke"),
        memory=512,
        timeout=10,
        grants=(Grant("ListMessages", ("dynamodb:Query",), Resource.LISTS, "answer with a page of a site's messages"),),
    ),
    FunctionSpec(
        name="get_message_url",
        trigger=Trigger("url"),
        memory=512,
        timeout=10,
        grants=(_READ,),
        needed=lambda stage: stage.function_url,
    ),
    FunctionSpec(
        name="inbox",
        trigger=Trigger("public_url"),
        memory=512,
        timeout=20,
        grants=(
            Grant("ReadKey", ("ssm:GetParameters",), Resource.INBOX, "verify links and sessions, make fresh links"),
            Grant("ReadMessages", ("dynamodb:GetItem",), Resource.TABLE, "show a message, know a session"),
            Grant("ListMessages", ("dynamodb:Query",), Resource.LISTS, "show a site's messages"),
            Grant("ReadFields", ("dynamodb:BatchGetItem",), Resource.TABLE, "show who wrote what in a list"),
            Grant("NoteSessions", ("dynamodb:UpdateItem",), Resource.TABLE, "use a link once, change a message"),
            Grant("EraseMessages", ("dynamodb:DeleteItem",), Resource.TABLE, "erase a message"),
            Grant("EraseKeptFiles", ("s3:DeleteObject",), _KEPT, "erase a message's files", needed=_takes_files),
            Grant("EraseNewFiles", ("s3:DeleteObject",), _NEW, "those not kept yet", needed=_takes_files),
            Grant("RunDestined", ("lambda:InvokeFunction",), Resource.DESTINED, "replay and release"),
            Grant("SendLinks", ("lambda:InvokeFunction",), Resource.INBOX_NOTIFIERS, "send a fresh link"),
        ),
        needed=lambda stage: stage.inbox,
    ),
    FunctionSpec(
        name="autoreply",
        trigger=Trigger(
            "rule", {**SUCCESS, "responsePayload": {"source": ["herald.contact"], "action": ["delivered"]}}
        ),
        memory=256,
        timeout=30,
        grants=(
            Grant("ReadAnswered", ("dynamodb:GetItem",), Resource.TABLE, "read the message to answer"),
            Grant("AnswerOnce", ("dynamodb:UpdateItem",), Resource.TABLE, "answer once, and within the budgets"),
            Grant("SendAnswers", ("ses:SendEmail",), Resource.AUTOREPLY, "answer visitors"),
        ),
        needed=lambda stage: bool(stage.autoreplies),
    ),
    FunctionSpec(
        name="on_success",
        trigger=Trigger("rule", {**SUCCESS, "responsePayload": {"action": [{"anything-but": _NOT_FOR_SUCCESS}]}}),
        memory=256,
        timeout=10,
    ),
    FunctionSpec(
        name="on_failure",
        trigger=Trigger(
            "rule",
            {
                "$or": [
                    RETRIES_OVER,
                    {"responsePayload": {"action": _NEEDS_ATTENTION}},
                ]
            },
        ),
        memory=256,
        timeout=60,
        grants=(_LOOK_UP, _COUNT, _TELL),
    ),
)


def functions_of(stage: Stage) -> tuple[FunctionSpec, ...]:
    """Return the functions of a stage: notifiers of the channels that it uses, others as it is configured."""
    return tuple(spec for spec in FUNCTIONS if spec.needed(stage) and (not spec.channel or stage.uses(spec.channel)))


def grants_of(spec: FunctionSpec, stage: Stage) -> tuple[Grant, ...]:
    """Return a function's grants in a stage, without those that its configuration leaves unused."""
    return tuple(grant for grant in spec.all_grants if grant.needed(stage))


def channels_for(resource: Resource | str, stage: Stage) -> tuple[str, ...]:
    """Return the channels whose notifiers a grant on this resource covers; none for another resource."""
    match resource:
        case Resource.NOTIFIERS:
            return stage.site_channels
        case Resource.ALARM_NOTIFIERS:
            return stage.alarm_channels
        case Resource.DIGEST_NOTIFIERS:
            return stage.digest_channels
        case Resource.INBOX_NOTIFIERS:
            return stage.inbox_channels
    return ()


def settings_of(spec: FunctionSpec, stage: Stage) -> dict[str, str]:
    """Return a function's environment variables beyond ``HERALD_STAGE``: the notifiers that it may invoke."""
    granted = [grant.on for grant in grants_of(spec, stage) if grant.on in _OF_NOTIFIERS]
    if not granted:
        return {}
    functions = notifiers_of(stage)
    channels = dict.fromkeys(channel for resource in granted for channel in channels_for(resource, stage))
    pairs = (f"{channel}={stage.function(functions[channel].name)}" for channel in sorted(channels))
    return {"LAMBDA_NOTIFICATIONS": ",".join(pairs)}


_OF_NOTIFIERS = (
    Resource.NOTIFIERS,
    Resource.ALARM_NOTIFIERS,
    Resource.DIGEST_NOTIFIERS,
    Resource.INBOX_NOTIFIERS,
)


def notifiers_of(stage: Stage) -> dict[str, FunctionSpec]:
    """Return the function that serves each channel of the stage, by the channel's name."""
    by_kind = {spec.channel: spec for spec in FUNCTIONS if spec.channel}
    return {name: by_kind[stage.channels[name].kind] for name in sorted(stage.used_channels)}
