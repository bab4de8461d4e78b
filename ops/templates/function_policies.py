"""The IAM policy of each function, from its grants in the manifest: exact ARNs, and no other action."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.adapters.providers import kinds
from chalicelib.function_spec import FunctionSpec, Resource, Trigger
from chalicelib.functions import channels_for, declared_in, grants_of, notifiers_of
from chalicelib.settings import Stage
from ops.naming import AwsLocation, own_arn

VERSION = "2012-10-17"

LOGS_PAGE = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html"
DESTINATIONS_PAGE = "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"
EVENT_SOURCES_PAGE = "https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"

XRAY_PAGE = "https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html"
XRAY = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")

AWS_ITSELF: Mapping[str, str] = {
    "logs:CreateLogGroup": LOGS_PAGE,
    "logs:CreateLogStream": LOGS_PAGE,
    "logs:PutLogEvents": LOGS_PAGE,
    "events:PutEvents": DESTINATIONS_PAGE,
    "sqs:SendMessage": DESTINATIONS_PAGE,
    **dict.fromkeys(XRAY, XRAY_PAGE),
}
"""Actions that AWS itself calls with the function's role, not Herald's code, and the page that says so."""

POLLING: Mapping[str, str] = {
    action: EVENT_SOURCES_PAGE
    for kind in ("sqs", "dynamodb", "kinesis")
    for grant in Trigger(kind, source="orders").grants
    for action in grant.actions
}
"""Actions by which AWS reads the source of a function's trigger, with the function's role."""

WILDCARDS: Mapping[str, str] = {
    "dynamodb:ListStreams": "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html",
    **dict.fromkeys(
        ("ses:GetAccount", "ses:GetSuppressedDestination"),
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_sesv2.html",
    ),
    **dict.fromkeys(XRAY, "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html"),
}
"""Actions that are granted on a wildcard because AWS has no narrower resource for them, and the page that says so."""

ANY_CONFIGURATION_SET = "configuration-set/*"
"""That of the identity, if it has a default one, whose name Herald doesn't know. SES authorizes it as one
that a request names: https://docs.aws.amazon.com/ses/latest/dg/managing-configuration-sets.html"""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a function's policy, and its reason."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    condition: Mapping[str, Any] = field(default_factory=dict)

    @property
    def used_by(self) -> str:
        """Who calls the actions: the function's ``code``, or ``AWS`` itself."""
        return "AWS" if set(self.actions) <= {*AWS_ITSELF, *POLLING} else "code"

    def document(self) -> dict[str, Any]:
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": list(self.resources),
            **({"Condition": dict(self.condition)} if self.condition else {}),
        }


def policy(spec: FunctionSpec, stage: Stage, where: AwsLocation) -> dict[str, Any]:
    """The policy document of one function's role."""
    return {"Version": VERSION, "Statement": [each.document() for each in statements(spec, stage, where)]}


def statements(spec: FunctionSpec, stage: Stage, where: AwsLocation) -> Iterator[Statement]:
    """What a function's role may do: write its log, and what its grants allow.

    Every function has the statement for its own log group, so the manifest does not declare it. Lambda creates the
    group where it doesn't exist. Its ARN ends in ``:*`` for all of these actions:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    yield Statement(
        "WriteLogs",
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        (where.arn("logs", f"log-group:{stage.log_group(spec.name)}:*"),),
        "Lambda writes the function's log",
    )
    if stage.xray:
        yield Statement("TraceRuns", XRAY, ("*",), "Lambda sends traces; X-Ray knows no resource for them")
    for grant in grants_of(spec, stage):
        arns = _arns(grant.on, spec, stage, where)
        if arns:
            condition = _condition(grant.on, spec, stage)
            yield Statement(grant.sid, grant.actions, tuple(arns), grant.why, condition)


def _arns(on: Resource | str, spec: FunctionSpec, stage: Stage, where: AwsLocation) -> list[str]:
    match on:
        case str():
            return [own_arn(on, stage, where, f"{declared_in(spec)}: {spec.name}")]
        case Resource.TOPIC:
            return [where.arn("sns", stage.topic)]
        case Resource.TABLE:
            return [where.arn("dynamodb", f"table/{stage.table}")]
        case Resource.DUE:
            return [where.arn("dynamodb", f"table/{stage.table}/index/{stage.due_index}")]
        case Resource.LISTS:
            return [where.arn("dynamodb", f"table/{stage.table}/index/{stage.site_index}")]
        case Resource.DESTINED:
            return [where.arn("lambda", f"function:{stage.function('destined')}")]
        case Resource.BUS:
            return [where.arn("events", f"event-bus/{stage.bus}")]
        case Resource.NOTIFIERS | Resource.ALARM_NOTIFIERS | Resource.DIGEST_NOTIFIERS | Resource.INBOX_NOTIFIERS:
            names = {notifiers_of(stage)[channel].name for channel in channels_for(on, stage)}
            return [where.arn("lambda", f"function:{stage.function(name)}") for name in sorted(names)]
        case Resource.EXAMINE:
            return [where.arn("lambda", f"function:{stage.function('examine')}")]
        case Resource.INBOX:
            return [
                where.arn("ssm", f"parameter{name}")
                for name in (stage.spam_key_parameter, stage.inbox_address_parameter)
            ]
        case Resource.KEY:
            return [where.arn("ssm", f"parameter{stage.spam_key_parameter}")]
        case Resource.AUTOREPLY:
            identities = {name for each in stage.autoreplies for name in each.identities}
            return [
                *(where.arn("ses", f"identity/{name}") for name in sorted(identities)),
                *_configuration_sets([each.configuration_set for each in stage.autoreplies], where),
            ]
        case Resource.CAPTCHA_SECRETS:
            return [where.arn("ssm", f"parameter{name}") for name in stage.captcha_secrets.values()]
        case Resource.RULE_DEAD_LETTERS:
            return [where.arn("sqs", stage.rule_dead_letters)]
        case Resource.SECRETS:
            return [
                where.arn("ssm", f"parameter{stage.parameters}/{channel}/{secret.name}")
                for channel in stage.channels_of(spec.channel)
                for secret in kinds()[spec.channel].needed_secrets(stage.channels[channel])
            ]
        case Resource.IDENTITIES:
            return [where.arn("ses", f"identity/{name}") for name in _options(spec, stage, "identities")]
        case Resource.SES | Resource.STREAMS:
            return ["*"]
        case Resource.SENDING:
            return [
                *_arns(Resource.IDENTITIES, spec, stage, where),
                *_configuration_sets(
                    [
                        "".join(stage.channels[name].texts("configuration_set"))
                        for name in stage.channels_of(spec.channel)
                    ],
                    where,
                ),
            ]


def _configuration_sets(names: Iterable[str], where: AwsLocation) -> list[str]:
    """The sets that senders name; for one without a name, :data:`ANY_CONFIGURATION_SET`."""
    found = {f"configuration-set/{name}" if name else ANY_CONFIGURATION_SET for name in names}
    return [where.arn("ses", name) for name in sorted(found)]


def _condition(on: Resource | str, spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """The condition of a grant. E-mails may only be sent from and to the addresses of the channels.

    ``ForAllValues`` also allows a request without recipients; such a mail reaches nobody.
    https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
    """
    if on is Resource.AUTOREPLY:
        return {"StringEquals": {"ses:FromAddress": sorted({each.from_address for each in stage.autoreplies})}}
    if on is not Resource.SENDING:
        return {}
    return {
        "StringEquals": {"ses:FromAddress": _options(spec, stage, "from_address")},
        "ForAllValues:StringEquals": {"ses:Recipients": _options(spec, stage, "to")},
    }


def _options(spec: FunctionSpec, stage: Stage, name: str) -> list[str]:
    """The values of one option of all the function's channels."""
    channels = (stage.channels[channel] for channel in stage.channels_of(spec.channel))
    return sorted({text for channel in channels for text in channel.texts(name)})
