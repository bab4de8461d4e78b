"""One IAM policy for each function, made of its grants in the manifest: exact ARNs, no other action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.functions import FunctionSpec, Resource, channels_for, grants_of, notifiers_of
from chalicelib.settings import Stage

VERSION = "2012-10-17"


@dataclass(frozen=True, slots=True)
class Where:
    """The account and region that a stage is deployed to."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def policy(spec: FunctionSpec, stage: Stage, where: Where) -> dict[str, Any]:
    """The policy document of one function's role.

    The log statement is not a grant of the manifest: every function has it. The log group is the function's own, and
    the runtime makes it when it doesn't exist: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """
    statements: list[dict[str, Any]] = [
        {
            "Sid": "WriteLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [
                where.arn("logs", f"log-group:{stage.log_group(spec.name)}"),
                where.arn("logs", f"log-group:{stage.log_group(spec.name)}:*"),
            ],
        }
    ]
    for grant in grants_of(spec, stage):
        arns = _arns(grant.on, spec, stage, where)
        if arns:
            condition = _condition(grant.on, spec, stage)
            statements.append(
                {"Sid": grant.sid, "Effect": "Allow", "Action": sorted(grant.actions), "Resource": arns}
                | ({"Condition": condition} if condition else {})
            )
    return {"Version": VERSION, "Statement": statements}


def _arns(on: Resource, spec: FunctionSpec, stage: Stage, where: Where) -> list[str]:
    match on:
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
        case Resource.NOTIFIERS | Resource.ALARM_NOTIFIERS:
            names = {notifiers_of(stage)[channel].name for channel in channels_for(on, stage)}
            return [where.arn("lambda", f"function:{stage.function(name)}") for name in sorted(names)]
        case Resource.KEY:
            return [where.arn("ssm", f"parameter{stage.key}")]
        case Resource.RULE_DEAD_LETTERS:
            return [where.arn("sqs", stage.rule_dead_letters)]
        case Resource.SECRETS:
            return [
                where.arn("ssm", f"parameter{stage.parameters}/{channel}/{name}")
                for channel in stage.channels_of(spec.channel)
                for name in spec.secrets
                if spec.needs_secret(stage.channels[channel], name)
            ]
        case Resource.IDENTITIES:
            return [where.arn("ses", f"identity/{name}") for name in _options(spec, stage, "identities")]
        case Resource.SES:
            return ["*"]
        case Resource.SENDING:
            return [
                *_arns(Resource.IDENTITIES, spec, stage, where),
                *(where.arn("ses", f"configuration-set/{name}") for name in _options(spec, stage, "configuration_set")),
            ]


def _condition(on: Resource, spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """What else must be so. For e-mails: from and to the addresses of the channels, and no others.

    ``ForAllValues`` is true of a request without recipients too; such a mail reaches nobody.
    https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
    """
    if on is not Resource.SENDING:
        return {}
    return {
        "StringEquals": {"ses:FromAddress": _options(spec, stage, "from_address")},
        "ForAllValues:StringEquals": {"ses:Recipients": _options(spec, stage, "to")},
    }


def _options(spec: FunctionSpec, stage: Stage, name: str) -> list[str]:
    """What the function's channels hold in one option, together."""
    channels = (stage.channels[channel] for channel in stage.channels_of(spec.channel))
    return sorted({text for channel in channels for text in channel.texts(name)})
