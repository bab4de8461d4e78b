"""The comparison of policies with the calls that were made, by hand-written lines of the local AWS's access log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.recorded import calls, differences, other_clients, unpermitted

TOPIC = "arn:aws:sns:us-east-1:000000000000:topic"
GROUP = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f"


def line(action: str, resource: str, decision: str = "Allow", role: str = "f", client: str = "herald") -> str:
    principal = f"arn:aws:sts::000000000000:assumed-role/{role}/session"
    entry = {"principal": principal, "action": action, "resource": resource, "decision": decision}
    return json.dumps(entry | {"user_agent": client})


def policy(*statements: tuple[str | list[str], str | list[str]]) -> dict[str, Any]:
    return {"f": {"Statement": [{"Action": action, "Resource": resource} for action, resource in statements]}}


USED = [line("sns:Publish", TOPIC), line("logs:PutLogEvents", f"{GROUP}:log-stream:1")]
FITTING = policy(("sns:Publish", TOPIC), (["logs:PutLogEvents"], [f"{GROUP}:*"]))


def test_there_is_no_difference_where_each_is_used_and_nothing_else() -> None:
    assert differences(FITTING, calls(USED)) == []
    root = json.loads(line("x:Y", "*")) | {"principal": "arn:aws:iam::000000000000:root"}
    assert differences(FITTING, calls([*USED, json.dumps(root)])) == [], "what people do is no function's"


@pytest.mark.parametrize("more", [("sns:Subscribe", TOPIC), ("sns:Publish", f"{TOPIC}2")])
def test_one_action_or_resource_too_many_is_said(more: tuple[str, str]) -> None:
    document = policy(("sns:Publish", TOPIC), (["logs:PutLogEvents"], [f"{GROUP}:*"]), more)
    assert differences(document, calls(USED)) == [f"f: {more[0]} on {more[1]} is permitted and was not used"]


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (line("sns:Subscribe", TOPIC), f"f: sns:Subscribe on {TOPIC}"),
        (line("sns:Publish", f"{TOPIC}2"), f"f: sns:Publish on {TOPIC}2"),
        (line("sns:Publish", TOPIC, role="g"), f"g: sns:Publish on {TOPIC}"),
    ],
)
def test_a_call_that_no_policy_permits_is_said_whatever_iam_said(made: str, what: str) -> None:
    assert differences(FITTING, calls([*USED, made])) == [f"{what} is not permitted"]
    assert unpermitted(FITTING, calls([*USED, made])) == [f"{what} is not permitted"]


def test_a_call_that_was_refused_is_said_though_the_policy_permits_it() -> None:
    """By a condition, say."""
    refused = line("sns:Publish", TOPIC, "ImplicitDeny")
    assert differences(FITTING, calls([*USED, refused])) == [f"f: sns:Publish on {TOPIC} was tried and refused"]
    assert unpermitted(FITTING, calls([*USED, refused])) == []


def test_a_call_by_another_client_than_on_aws_is_said_and_what_aws_itself_does_is_not() -> None:
    made = [
        line("sns:Publish", TOPIC),
        line("events:PutEvents", "bus", client="AWS Internal Botocore/1.43.0"),
        line("logs:PutLogEvents", GROUP, client=""),
        line("sns:Publish", TOPIC, role="g", client="Boto3/1.43.0"),
    ]
    assert other_clients({"f"}, made) == []
    others = [line("sns:Publish", TOPIC, client="Boto3/1.43.0"), line("ssm:X", "p", client="")]
    said = ["f: sns:Publish by Boto3/1.43.0", "f: ssm:X by an unnamed client"]
    assert other_clients({"f"}, [*made, *others]) == said
