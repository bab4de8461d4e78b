"""What the account has besides Herald: the queues, functions, topic and role that ``herald.toml`` names."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from ops.aws.account import Account

ADDED = """
# A site whose events and messages go to things of the owner's.
[stages.local.sites.ruled]
thanks = "http://127.0.0.1:8080/thanks.html"
origins = ["http://127.0.0.1:8080"]
channels = ["pushover"]

[stages.local.sites.ruled.spam]
honeypot = { points = 10 }

[[stages.local.rule]]
name = "inbox"
action = ["delivered", "undeliverable"]
site = "ruled"
kind = "contact"
to = "sqs:owner-inbox"

[[stages.local.rule]]
name = "failures"
action = "undeliverable"
condition = ["RetriesExhausted", "EventAgeExceeded"]
site = "ruled"
to = "lambda:owner-failures"

[[stages.local.rule]]
name = "team"
action = "undeliverable"
site = "ruled"
to = "sns:owner-team"

[[stages.local.rule]]
name = "machine"
action = "quarantined"
site = "ruled"
to = "states:owner-machine"

[[stages.local.rule]]
name = "log"
action = "quarantined"
site = "ruled"
to = "logs:/aws/events/owner"

[[stages.local.rule]]
name = "bus"
action = "quarantined"
site = "ruled"
to = "events:owner-bus"

[[stages.local.subscriber]]
name = "copies"
to = "sqs:owner-copies"
site = "ruled"
kind = "contact"
raw = true

[[stages.local.subscriber]]
name = "crm"
to = "lambda:owner-crm"
site = "ruled"

[[stages.local.grant]]
name = "report"
functions = ["list_messages", "notify_pushover"]
resources = ["topic", "api"]
allow = [{ actions = ["sqs:SendMessage"], on = ["arn:{partition}:sqs:{region}:{account}:owner-inbox"], why = "a test" }]
roles = ["owner-report"]

[[stages.local.grant]]
name = "publish"
resources = ["topic"]
"""

QUEUES = ("owner-inbox", "owner-copies", "owner-team-copies", "owner-bus-copies")
MACHINE, GROUP, BUS = "owner-machine", "/aws/events/owner", "owner-bus"
TOPIC = "owner-team"
FUNCTIONS = ("owner-failures", "owner-crm")
ROLE = "owner-report"
READERS = {"Sid": "OwnersOwn", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:ReceiveMessage"}
"""What the policy of ``owner-inbox`` says already."""


def _packed(code: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", code)
    return packed.getvalue()


PACKAGE = _packed("import json\n\ndef handler(event, context):\n    print(json.dumps(event))\n")


def prepare(account: Account) -> None:
    """Make all of it, as an owner would have before they name it."""
    sqs, iam, arn = account.client("sqs"), account.client("iam"), account.where.arn
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
    _policy(sqs, urls["owner-inbox"], {**READERS, "Resource": arn("sqs", "owner-inbox")})
    topic = account.sns.create_topic(Name=TOPIC)["TopicArn"]
    from_topic = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn("sqs", "owner-team-copies"),
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    _policy(sqs, urls["owner-team-copies"], from_topic)
    account.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", "owner-team-copies"))
    events = account.client("events")
    events.create_event_bus(Name=BUS)
    events.put_rule(Name="copies", EventBusName=BUS, EventPattern=json.dumps({"source": ["lambda"]}))
    copies = [{"Id": "queue", "Arn": arn("sqs", "owner-bus-copies")}]
    events.put_targets(Rule="copies", EventBusName=BUS, Targets=copies)
    from_bus = from_topic | {"Principal": {"Service": "events.amazonaws.com"}, "Resource": copies[0]["Arn"]}
    source = {"aws:SourceArn": arn("events", f"rule/{BUS}/copies")}
    _policy(sqs, urls["owner-bus-copies"], from_bus | {"Condition": {"ArnEquals": source}})
    account.logs.create_log_group(logGroupName=GROUP)
    add_machine(account, MACHINE, add_role(account, MACHINE, {"Service": "states.amazonaws.com"}))
    account_root = f"arn:{account.where.partition}:iam::{account.where.account}:root"
    add_role(account, ROLE, {"AWS": account_root})
    role = add_role(account, "owner", {"Service": "lambda.amazonaws.com"})
    logs = {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]}
    iam.put_role_policy(
        RoleName="owner",
        PolicyName="logs",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{**logs, "Resource": "*"}]}),
    )
    for name in FUNCTIONS:
        add_function(account, name, role)


def add_function(account: Account, name: str, role: str) -> None:
    """Make a function that logs its event."""
    account.functions.create_function(
        FunctionName=name, Runtime="python3.13", Handler="main.handler", Role=role, Code={"ZipFile": PACKAGE}
    )


def add_machine(account: Account, name: str, role: str) -> None:
    """Make a state machine that ends at once."""
    definition = json.dumps({"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}})
    account.client("stepfunctions").create_state_machine(name=name, roleArn=role, definition=definition)


def _policy(sqs: Any, url: str, statement: dict[str, Any]) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def add_role(account: Account, name: str, principal: dict[str, str]) -> str:
    """Make a role that a principal may assume; its ARN."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])
