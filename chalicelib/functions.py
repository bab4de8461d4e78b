"""The manifest: every Lambda function of Herald, declared once.

``./herald render`` makes ``.chalice/config.json``, one IAM policy per function and stage, and the wiring template from
this, ``own_functions.py`` and ``herald.toml``. ``./herald check`` fails where ``app.py`` registers other functions than
these. The notifiers follow from the kinds of channel that ``adapters/providers/`` declares. No function imports this
module.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from chalicelib.adapters.providers import kinds
from chalicelib.function_spec import FunctionSpec, Grant, Resource, Trigger
from chalicelib.logic.channel_kind import ChannelKind
from chalicelib.own_functions import OWN
from chalicelib.settings import APP, Stage

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

_SEE_MISSING = Grant(
    "SeeMissingFiles",
    ("s3:ListBucket",),
    f"arn:{{partition}}:s3:::{FILES_BUCKET}",
    "learn that a file is gone",
    needed=_takes_files,
)
"""Without it S3 answers AccessDenied for a file that is not there, as for one that may not be read:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""

FUNCTIONS: tuple[FunctionSpec, ...] = (
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
            _SEE_MISSING,
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
            _SEE_MISSING,
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
            Grant("ReadFiles", ("s3:GetObject",), _KEPT, "show images", needed=_takes_files),
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


def functions_of(stage: Stage, own: Sequence[FunctionSpec] = OWN) -> tuple[FunctionSpec, ...]:
    """Return the functions of a stage: notifiers of the channels that it uses, others as it is configured, and those of
    the owner's ``own`` that it names."""
    return (
        *(spec for spec in FUNCTIONS if spec.needed(stage) and (not spec.channel or stage.uses(spec.channel))),
        *(spec for spec in own if spec.name in stage.functions),
    )


def declared_in(spec: FunctionSpec) -> str:
    """Return the file with a function's declaration."""
    return f"chalicelib/{'' if spec in FUNCTIONS else 'own_'}functions.py"


def grants_of(spec: FunctionSpec, stage: Stage) -> tuple[Grant, ...]:
    """Return a function's grants in a stage, without those that its configuration leaves unused."""
    return tuple(grant for grant in spec.all_grants if grant.needed(stage))


def channels_for(resource: Resource | str, stage: Stage) -> tuple[str, ...]:
    """Return the channels whose notifiers a grant on this resource covers; none for another resource."""
    match resource:
        case Resource.NOTIFIERS:
            return stage.message_channels
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
