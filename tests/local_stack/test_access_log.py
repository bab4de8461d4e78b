"""What IAM was asked, and how it decided, is written down (ops/local/aws/access_log.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.local_stack.local_aws import ACCOUNT, REGION, LocalAws

SOURCE = """
import boto3

def handler(event, context):
    ssm = boto3.client("ssm")
    try:
        ssm.get_parameters(Names=["/mine", "/theirs"])
    except ssm.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
"""


def decisions(log: Path, role: str) -> list[tuple[str, str, str]]:
    entries: list[dict[str, Any]] = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [
        (each["action"], each["resource"], each["decision"])
        for each in entries
        if f":assumed-role/{role}/" in each["principal"]
    ]


def test_each_call_is_noted_with_its_role_resource_and_decision(aws: LocalAws, access_log: Path) -> None:
    mine, theirs = (f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}" for name in ("mine", "theirs"))
    function = aws.function(SOURCE, {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": mine}, Timeout=20)
    role = aws.client("lambda").get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]

    assert aws.invoke(function) == ("AccessDeniedException", None)

    found = decisions(access_log, role)
    assert [each for each in found if each[0].startswith("ssm:")] == [
        ("ssm:GetParameters", mine, "Allow"),
        ("ssm:GetParameters", theirs, "ImplicitDeny"),
    ]
    # Lambda's own use of the role is noted, too.
    assert {action for action, _, decision in found if action.startswith("logs:") and decision == "Allow"} == {
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def test_each_call_is_noted_with_the_client_that_made_it(aws: LocalAws, access_log: Path) -> None:
    """Also where Lambda calls under the function's role."""
    queue, arn = aws.queue()
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}
    function = aws.function(SOURCE, send, Timeout=20)
    role = aws.client("lambda").get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    aws.client("lambda").invoke(FunctionName=function, InvocationType="Event")
    aws.message(queue)
    entries = [json.loads(line) for line in access_log.read_text(encoding="utf-8").splitlines()]
    clients = {each["action"]: each["user_agent"] for each in entries if f":assumed-role/{role}/" in each["principal"]}
    assert clients["ssm:GetParameters"].startswith("Boto3/")
    assert clients["sqs:SendMessage"].startswith("AWS Internal ")


def test_what_the_resources_own_policy_says_is_not_noted(aws: LocalAws, access_log: Path) -> None:
    """A topic's default policy denies nothing and allows nothing more than the role's does."""
    topic, _ = aws.topic()
    publish = f"import boto3\ndef handler(event, context): boto3.client('sns').publish(TopicArn='{topic}', Message='x')"
    function = aws.function(publish, {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}, Timeout=20)
    role = aws.client("lambda").get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]

    assert aws.invoke(function)[1] is None

    assert [each for each in decisions(access_log, role) if each[0] == "sns:Publish"] == [
        ("sns:Publish", topic, "Allow")
    ]
