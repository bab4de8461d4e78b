"""The manifest: every Lambda function of Herald, declared once.

``./herald render`` makes of this and ``herald.toml``: ``.chalice/config.json``, one IAM policy per function and
stage, and the wiring template. A function that ``app.py`` registers must stand here, and the reverse; ``./herald
check`` proves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from chalicelib.settings import Channel, Stage


class Resource(Enum):
    """What a grant is on; ``ops/templates/function_policies.py`` makes exact ARNs of it."""

    TOPIC = "the stage's topic"
    TABLE = "the stage's message table"
    DUE = "the table's index of what is due"
    LISTS = "the table's index of each site's messages"
    DESTINED = "the function that delivers"
    BUS = "the stage's event bus"
    NOTIFIERS = "every notifier that a site of the stage uses"
    ALARM_NOTIFIERS = "the notifiers by which the owner hears of failures"
    DIGEST_NOTIFIERS = "the notifiers by which digests are sent, and of which they tell"
    SECRETS = "the function's own secrets in Parameter Store"
    KEY = "the stage's key in Parameter Store"
    SENDING = "what the function's channels send e-mails with: verified identities and configuration sets"
    IDENTITIES = "the verified identities of the function's channels"
    SES = "Amazon SES in this account and region, of which AWS names no part"
    RULE_DEAD_LETTERS = "the queue for events that a rule or its function could not handle"


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions that a function's code calls, on one resource, and why."""

    sid: str
    actions: tuple[str, ...]
    on: Resource
    why: str
    needed: Callable[[Stage], bool] = lambda stage: True
    """Whether a stage's configuration makes the code call them at all."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What runs the function: ``http``, ``topic``, ``invoke`` (the Lambda Invoke API), ``url`` (a function URL),
    ``rule`` (on the bus), or ``schedule``. Raises ``ValueError`` for any other kind."""

    kind: str
    pattern: dict[str, object] | None = None
    """For a rule: the ``detail`` of the events that it matches."""

    def __post_init__(self) -> None:
        kinds = ("http", "topic", "invoke", "url", "rule", "schedule")
        if self.kind not in kinds:
            raise ValueError(f"Trigger({self.kind!r}): expected one of {', '.join(kinds)}")


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One Lambda function."""

    name: str
    trigger: Trigger
    memory: int
    """MB. More memory is also more CPU, and so a shorter cold start. Chosen from what was measured: docs/benchmarks.md,
    "Memory"."""
    timeout: int
    """Seconds."""
    grants: tuple[Grant, ...] = ()
    outcome_to: Resource | None = None
    """Where Lambda itself sends the outcome of an asynchronous run: to the bus every one, to a queue the failures."""
    persistent: bool = False
    """Whether Lambda runs a failed event again, as often and long as ``[delivery]`` of ``herald.toml`` says:
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html"""
    channel: str = ""
    """For a notifier: the kind of channel that it serves. Without a site that uses it, the function doesn't exist."""
    secrets: tuple[str, ...] = ()
    """Names of the parameters below ``/herald/<stage>/<channel>/``."""
    needs_secret: Callable[[Channel, str], bool] = lambda channel, name: True
    """Whether a channel needs the secret of this name: by its options it may do without."""
    needed: Callable[[Stage], bool] = lambda stage: True
    """Whether a stage's configuration asks for the function at all."""

    @property
    def handler(self) -> str:
        """What Lambda calls, by the name that Chalice gives it."""
        return "app.app" if self.trigger.kind == "http" else f"app.{self.name}"


SUCCESS: dict[str, object] = {"requestContext": {"condition": ["Success"]}}
RETRIES_OVER: dict[str, object] = {"requestContext": {"condition": [{"anything-but": ["Success"]}]}}
"""What the bus tells of an event that Lambda has given up."""
_NEEDS_ATTENTION = ["undeliverable", "uncertain"]
CANARY_ARRIVED: dict[str, object] = {"source": ["herald.canary"], "action": ["arrived"]}
"""The answer of a canary that got through; a rule of its own hands it to ``on_success``, and is counted."""
_NOT_FOR_SUCCESS = [*_NEEDS_ATTENTION, "waiting", "arrived"]

_LETTERS = Grant(
    "KeepWhatFailed", ("sqs:SendMessage",), Resource.RULE_DEAD_LETTERS, "Lambda sends a failed run with this role"
)


def _tells_owner(stage: Stage) -> bool:
    return bool(stage.alarm_channels)


_LOOK_UP = Grant("LookUpMessages", ("dynamodb:GetItem",), Resource.TABLE, "which channels failed", needed=_tells_owner)
_COUNT = Grant("CountFailures", ("dynamodb:UpdateItem",), Resource.TABLE, "tell many at once", needed=_tells_owner)
_TELL = Grant(
    "TellTheOwner", ("lambda:InvokeFunction",), Resource.ALARM_NOTIFIERS, "what was not delivered", needed=_tells_owner
)
_READ = Grant("ReadMessages", ("dynamodb:GetItem",), Resource.TABLE, "answer with the message that is asked for")

FUNCTIONS = (
    FunctionSpec(
        name="api_handler",
        trigger=Trigger("http"),
        memory=512,
        timeout=29,
        grants=(
            Grant("PublishMessages", ("sns:Publish",), Resource.TOPIC, "hand an accepted message on"),
            Grant(
                "ReadKey",
                ("ssm:GetParameters",),
                Resource.KEY,
                "sign challenges, hash addresses",
                needed=lambda stage: stage.needs_key,
            ),
        ),
    ),
    FunctionSpec(
        name="destined",
        trigger=Trigger("topic"),
        memory=512,
        timeout=120,
        grants=(
            Grant("StoreMessages", ("dynamodb:PutItem",), Resource.TABLE, "remember each message and content once"),
            Grant("RecordOutcomes", ("dynamodb:UpdateItem",), Resource.TABLE, "claim a channel, record its outcome"),
            Grant("RecallMessages", ("dynamodb:GetItem",), Resource.TABLE, "read what the scheduled retry names"),
            Grant("InvokeNotifiers", ("lambda:InvokeFunction",), Resource.NOTIFIERS, "deliver"),
            Grant("TellTheBus", ("events:PutEvents",), Resource.BUS, "Lambda sends the outcome with this role"),
        ),
        outcome_to=Resource.BUS,
        persistent=True,
    ),
    FunctionSpec(
        name="retry_due",
        trigger=Trigger("schedule"),
        memory=256,
        timeout=60,
        grants=(
            Grant("FindDue", ("dynamodb:Query",), Resource.DUE, "which messages still wait"),
            Grant("PutOff", ("dynamodb:UpdateItem",), Resource.TABLE, "ask for none that was asked for just now"),
            Grant("RunDestined", ("lambda:InvokeFunction",), Resource.DESTINED, "have them tried again"),
            _TELL,
        ),
    ),
    FunctionSpec(
        name="canary",
        trigger=Trigger("schedule"),
        memory=256,
        timeout=30,
        grants=(Grant("PublishCanary", ("sns:Publish",), Resource.TOPIC, "send what goes the whole path"),),
        needed=lambda stage: bool(stage.canary),
    ),
    FunctionSpec(
        name="digest",
        trigger=Trigger("schedule"),
        memory=256,
        timeout=120,
        grants=(
            Grant("CountMessages", ("dynamodb:Query",), Resource.LISTS, "what became of each site's messages"),
            Grant("KnowWhatWasTold", ("dynamodb:GetItem",), Resource.TABLE, "until when a site was told"),
            Grant("TellOnce", ("dynamodb:UpdateItem",), Resource.TABLE, "let no run tell what another has told"),
            Grant("SendDigests", ("lambda:InvokeFunction",), Resource.DIGEST_NOTIFIERS, "tell, and ask for the quota"),
        ),
        needed=lambda stage: stage.digest is not None,
    ),
    FunctionSpec(
        name="notify_pushover",
        trigger=Trigger("invoke"),
        memory=512,
        timeout=22,
        grants=(Grant("ReadSecrets", ("ssm:GetParameters",), Resource.SECRETS, "the token and the user key"),),
        channel="pushover",
        secrets=("token", "user"),
    ),
    FunctionSpec(
        name="notify_email",
        trigger=Trigger("invoke"),
        memory=512,
        timeout=22,
        grants=(
            Grant("SendMail", ("ses:SendEmail",), Resource.SENDING, "deliver, to the channel's recipients"),
            Grant("CheckSender", ("ses:GetEmailIdentity",), Resource.IDENTITIES, "a check: is the sender verified"),
            Grant("CheckAccount", ("ses:GetAccount",), Resource.SES, "a check: may the account send, and how much"),
        ),
        channel="email",
    ),
    FunctionSpec(
        name="notify_webhook",
        trigger=Trigger("invoke"),
        memory=512,
        timeout=22,
        grants=(Grant("ReadSecrets", ("ssm:GetParameters",), Resource.SECRETS, "the addresses, and what signs"),),
        channel="webhook",
        secrets=("url", "secret"),
        needs_secret=lambda channel, name: name != "secret" or bool(channel.options["signed"]),
    ),
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
        name="on_success",
        trigger=Trigger("rule", {**SUCCESS, "responsePayload": {"action": [{"anything-but": _NOT_FOR_SUCCESS}]}}),
        memory=256,
        timeout=10,
        grants=(_LETTERS,),
        outcome_to=Resource.RULE_DEAD_LETTERS,
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
        grants=(_LETTERS, _LOOK_UP, _COUNT, _TELL),
        outcome_to=Resource.RULE_DEAD_LETTERS,
    ),
)


def functions_of(stage: Stage) -> tuple[FunctionSpec, ...]:
    """The functions that this stage has: a notifier only where a site uses its channel, others as it is configured."""
    return tuple(spec for spec in FUNCTIONS if spec.needed(stage) and (not spec.channel or stage.uses(spec.channel)))


def grants_of(spec: FunctionSpec, stage: Stage) -> tuple[Grant, ...]:
    """What a function is granted in this stage: nothing that its configuration leaves unused."""
    return tuple(grant for grant in spec.grants if grant.needed(stage))


def channels_for(on: Resource, stage: Stage) -> tuple[str, ...]:
    """The channels whose notifiers a grant on this resource is for; none for any other resource."""
    match on:
        case Resource.NOTIFIERS:
            return stage.site_channels
        case Resource.ALARM_NOTIFIERS:
            return stage.alarm_channels
        case Resource.DIGEST_NOTIFIERS:
            return stage.digest_channels
    return ()


def settings_of(spec: FunctionSpec, stage: Stage) -> dict[str, str]:
    """Environment variables of a function beyond ``HERALD_STAGE``: whoever may invoke notifiers is told which."""
    granted = [grant.on for grant in grants_of(spec, stage) if grant.on in _OF_NOTIFIERS]
    if not granted:
        return {}
    functions = notifiers_of(stage)
    channels = dict.fromkeys(channel for on in granted for channel in channels_for(on, stage))
    pairs = (f"{channel}={stage.function(functions[channel].name)}" for channel in sorted(channels))
    return {"LAMBDA_NOTIFICATIONS": ",".join(pairs)}


_OF_NOTIFIERS = (Resource.NOTIFIERS, Resource.ALARM_NOTIFIERS, Resource.DIGEST_NOTIFIERS)


def notifiers_of(stage: Stage) -> dict[str, FunctionSpec]:
    """Which function serves each channel of the stage, by the channel's name."""
    by_kind = {spec.channel: spec for spec in FUNCTIONS if spec.channel}
    return {name: by_kind[stage.channels[name].kind] for name in sorted(stage.used_channels)}
