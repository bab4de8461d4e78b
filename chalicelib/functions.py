"""The manifest: every Lambda function of Herald, declared once.

``python -m ops render`` makes of this and ``herald.toml``: ``.chalice/config.json``, one IAM policy per function and
stage, and the wiring template. A function that ``app.py`` registers must stand here, and the reverse; ``python -m ops
check`` proves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from chalicelib.settings import Channel, Stage


class Resource(Enum):
    """What a grant is on. ``ops/policies.py`` turns each into exact ARNs of one stage and account."""

    TOPIC = "the stage's topic"
    TABLE = "the stage's message table"
    BUS = "the stage's event bus"
    NOTIFIERS = "every notifier that a site of the stage uses"
    SECRETS = "the function's own secrets in Parameter Store"
    KEY = "the stage's key in Parameter Store"
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
    """What runs the function: ``http``, ``topic``, ``invoke`` (the Lambda Invoke API) or ``rule`` (on the bus)."""

    kind: str
    pattern: dict[str, object] | None = None
    """For a rule: the ``detail`` of the events that it matches."""


@dataclass(frozen=True, slots=True)
class Retries:
    """What Lambda does when an asynchronous run fails: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html"""

    attempts: int
    """Retries after the first attempt: 0 to 2."""
    max_age: int
    """Seconds after which an event is given up: 60 to 21600."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One Lambda function."""

    name: str
    trigger: Trigger
    memory: int
    """MB. More memory is also more CPU, and so a shorter cold start."""
    timeout: int
    """Seconds."""
    grants: tuple[Grant, ...] = ()
    settings: tuple[str, ...] = ()
    """Environment variables, beyond ``HERALD_STAGE``."""
    outcome_to: Resource | None = None
    """Where Lambda itself sends the outcome of an asynchronous run: to the bus every one, to a queue the failures."""
    retries: Retries | None = None
    channel: str = ""
    """For a notifier: the kind of channel that it serves. Without a site that uses it, the function doesn't exist."""
    secrets: tuple[str, ...] = ()
    """Names of the parameters below ``/herald/<stage>/<channel>/``."""
    needs_secret: Callable[[Channel, str], bool] = lambda channel, name: True
    """Whether a channel needs the secret of this name: by its options it may do without."""


_SUCCESS = {"requestContext": {"condition": ["Success"]}}
RETRIES_OVER: dict[str, object] = {"requestContext": {"condition": [{"anything-but": ["Success"]}]}}
"""What the bus tells of an event that Lambda has given up."""
_NEEDS_ATTENTION = ["undeliverable", "uncertain"]

_LETTERS = Grant(
    "KeepWhatFailed", ("sqs:SendMessage",), Resource.RULE_DEAD_LETTERS, "Lambda sends a failed run with this role"
)

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
            Grant("InvokeNotifiers", ("lambda:InvokeFunction",), Resource.NOTIFIERS, "deliver"),
            Grant("TellTheBus", ("events:PutEvents",), Resource.BUS, "Lambda sends the outcome with this role"),
        ),
        settings=("LAMBDA_NOTIFICATIONS",),
        outcome_to=Resource.BUS,
        retries=Retries(attempts=2, max_age=6 * 60 * 60),
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
        name="on_success",
        trigger=Trigger("rule", {**_SUCCESS, "responsePayload": {"action": [{"anything-but": _NEEDS_ATTENTION}]}}),
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
        timeout=10,
        grants=(_LETTERS,),
        outcome_to=Resource.RULE_DEAD_LETTERS,
    ),
)


def functions_of(stage: Stage) -> tuple[FunctionSpec, ...]:
    """The functions that this stage has: a notifier only where a site uses its channel."""
    return tuple(spec for spec in FUNCTIONS if not spec.channel or stage.uses(spec.channel))


def grants_of(spec: FunctionSpec, stage: Stage) -> tuple[Grant, ...]:
    """What a function is granted in this stage: nothing that its configuration leaves unused."""
    return tuple(grant for grant in spec.grants if grant.needed(stage))


def notifiers_of(stage: Stage) -> dict[str, FunctionSpec]:
    """Which function serves each channel of the stage, by the channel's name."""
    by_kind = {spec.channel: spec for spec in FUNCTIONS if spec.channel}
    used = {name for site in stage.sites.values() for name in site.channels}
    return {name: by_kind[channel.kind] for name, channel in sorted(stage.channels.items()) if name in used}
