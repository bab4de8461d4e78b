"""Who may call a function URL: function_url.py of ops/local/aws.

https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
"""

from __future__ import annotations

from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.local_stack.local_aws import ACCOUNT, REGION, LocalAws, allow, policy

ANSWERS = """
def handler(event, context):
    return {"statusCode": 200, "body": event["requestContext"]["http"]["method"]}
"""
VISITORS: dict[str, Any] = {"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"}
BY_URL: dict[str, Any] = {"Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": True}
VIA_URL = {"Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}}


def url(aws: LocalAws, function: str, auth: str = "AWS_IAM") -> str:
    found = aws.client("lambda").create_function_url_config(FunctionName=function, AuthType=auth)["FunctionUrl"]
    return f"{aws.endpoint}/_aws/lambda-url/{found.removeprefix('https://').partition('.')[0]}/"


def status(address: str, credentials: Credentials | None) -> int:
    request = AWSRequest("GET", address)
    if credentials:
        SigV4Auth(credentials, "lambda", REGION).add_auth(request)
    return requests.get(address, headers=dict(request.headers), timeout=60).status_code


def caller(aws: LocalAws, *statements: dict[str, Any]) -> Credentials:
    """The keys of a role that may do what the statements say."""
    role = aws.role(*statements)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    aws.client("iam").update_assume_role_policy(RoleName=role.rpartition("/")[2], PolicyDocument=policy(trust))
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="caller")["Credentials"]
    return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        ([("lambda:InvokeFunctionUrl", {}), ("lambda:InvokeFunction", {})], 200),
        ([("lambda:InvokeFunctionUrl", {}), ("lambda:InvokeFunction", VIA_URL)], 200),
        ([("lambda:InvokeFunctionUrl", {})], 403),
        ([("lambda:InvokeFunction", {})], 403),
        ([], 403),
    ],
)
def test_a_signed_request_needs_both_actions(aws: LocalAws, granted: list[tuple[str, Any]], expected: int) -> None:
    function = aws.function(ANSWERS)
    statements = [allow(action, function, **condition) for action, condition in granted]
    assert status(url(aws, function), caller(aws, *statements)) == expected


def test_invoking_by_the_api_is_not_what_the_condition_lets_in(aws: LocalAws) -> None:
    function = aws.function(ANSWERS)
    both = (allow("lambda:InvokeFunctionUrl", function), allow("lambda:InvokeFunction", function, **VIA_URL))
    invokes = aws.function(
        "import boto3\ndef handler(event, context):\n    boto3.client('lambda').invoke(FunctionName=event)", *both
    )
    payload, error = aws.invoke(invokes, function)
    assert error
    assert "lambda:InvokeFunction" in payload["errorMessage"]


def permit(aws: LocalAws, function: str, *permissions: dict[str, Any]) -> None:
    for number, permission in enumerate(permissions):
        aws.client("lambda").add_permission(FunctionName=function, StatementId=f"permission-{number}", **permission)


def test_an_unsigned_request_is_refused(aws: LocalAws) -> None:
    assert status(url(aws, aws.function(ANSWERS)), None) == 403


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ([VISITORS, BY_URL], 200),
        ([VISITORS], 403),
        ([BY_URL], 403),
        ([VISITORS, {**BY_URL, "Principal": "sns.amazonaws.com"}], 403),
        ([], 403),
    ],
)
def test_everybody_may_ask_an_address_whose_function_allows_both(
    aws: LocalAws, permissions: list[dict[str, Any]], expected: int
) -> None:
    function = aws.function(ANSWERS)
    permit(aws, function, *permissions)
    assert status(url(aws, function, "NONE"), None) == expected


def test_cookies_reach_the_function(aws: LocalAws) -> None:
    function = aws.function(
        "def handler(event, context):\n    return {'statusCode': 200, 'body': str(event['cookies'])}"
    )
    permit(aws, function, VISITORS, BY_URL)
    answer = requests.get(url(aws, function, "NONE"), headers={"Cookie": "a=1; b=2"}, timeout=60)
    assert answer.text == "['a=1', 'b=2']"
