"""What IAM was asked, and how it decided, is written down (ops/local/aws/access_log.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.local_stack.local_aws import ACCOUNT, LOGS, REGION, LocalAws, allow

SOURCE = """
import boto3

def handler(event, context):
    ssm = boto3.client("ssm")
    try:
        ssm.get_parameters(Names=["/mine", "/theirs"])
    except ssm.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
"""


def asked(log: Path, role: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [each for each in entries if f":assumed-role/{role}/" in each["principal"]]


def decisions(log: Path, role: str, prefix: str) -> list[tuple[str, str, str]]:
    found = [(each["action"], each["resource"], each["decision"]) for each in asked(log, role)]
    return [each for each in found if each[0].startswith(prefix)]


def test_each_call_is_noted_with_its_role_resource_decision_and_client(aws: LocalAws, access_log: Path) -> None:
    """Also where Lambda calls under the function's role."""
    mine, theirs = (f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}" for name in ("mine", "theirs"))
    queue, arn = aws.queue()
    function = aws.function(SOURCE, allow("ssm:GetParameters", mine), allow("sqs:SendMessage", arn), Timeout=20)
    aws.destinations(function, success=arn)

    aws.invoke_later(function, None)

    assert aws.body(queue)["responsePayload"] == "AccessDeniedException"
    role = aws.role_of(function)
    assert decisions(access_log, role, "ssm:") == [
        ("ssm:GetParameters", mine, "Allow"),
        ("ssm:GetParameters", theirs, "ImplicitDeny"),
    ]
    # Lambda's own use of the role is noted, too.
    assert {action for action, _, decision in decisions(access_log, role, "logs:") if decision == "Allow"} == {
        *LOGS["Action"]
    }
    clients = {each["action"]: each["user_agent"] for each in asked(access_log, role)}
    assert clients["ssm:GetParameters"].startswith("Boto3/")
    assert clients["sqs:SendMessage"].startswith("AWS Internal ")


def test_what_the_resources_own_policy_says_is_not_noted(aws: LocalAws, access_log: Path) -> None:
    """A topic's default policy denies nothing and allows nothing more than the role's does."""
    topic, _ = aws.topic()
    publish = f"import boto3\ndef handler(event, context): boto3.client('sns').publish(TopicArn='{topic}', Message='x')"
    function = aws.function(publish, allow("sns:Publish", topic), Timeout=20)

    assert aws.invoke(function)[1] is None

    assert decisions(access_log, aws.role_of(function), "sns:Publish") == [("sns:Publish", topic, "Allow")]
