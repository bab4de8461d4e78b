"""Who may call a function URL: function_url.py of ops/local/aws.

https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.local_stack.local_aws import ACCOUNT, REGION, LocalAws

ANSWERS = """
def handler(event, context):
    return {"statusCode": 200, "body": event["requestContext"]["http"]["method"]}
"""
VISITORS: dict[str, Any] = {"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"}
BY_URL: dict[str, Any] = {"Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": True}
VIA_URL = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}


def allow(action: str, resource: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def url(aws: LocalAws, function: str, auth: str = "AWS_IAM") -> str:
    found = aws.client("lambda").create_function_url_config(FunctionName=function, AuthType=auth)["FunctionUrl"]
    return f"{aws.endpoint}/_aws/lambda-url/{found.removeprefix('https://').partition('.')[0]}/"


def status(address: str, credentials: Credentials | None) -> int:
    request = AWSRequest("GET", address)
    if credentials:
        SigV4Auth(credentials, "lambda", REGION).add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=dict(request.headers))) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def caller(aws: LocalAws, *statements: dict[str, Any]) -> Credentials:
    """The keys of a role that may do what the statements say."""
    role = aws.role(*statements)
    principal = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [principal]})
    aws.client("iam").update_assume_role_policy(RoleName=role.rpartition("/")[2], PolicyDocument=trust)
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="caller")["Credentials"]
    return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        ([("lambda:InvokeFunctionUrl", None), ("lambda:InvokeFunction", None)], 200),
        ([("lambda:InvokeFunctionUrl", None), ("lambda:InvokeFunction", VIA_URL)], 200),
        ([("lambda:InvokeFunctionUrl", None)], 403),
        ([("lambda:InvokeFunction", None)], 403),
        ([], 403),
    ],
)
def test_a_signed_request_needs_both_actions(aws: LocalAws, granted: list[tuple[str, Any]], expected: int) -> None:
    function = aws.function(ANSWERS)
    statements = [allow(action, function, condition) for action, condition in granted]
    assert status(url(aws, function), caller(aws, *statements)) == expected


def test_invoking_by_the_api_is_not_what_the_condition_lets_in(aws: LocalAws) -> None:
    function = aws.function(ANSWERS)
    both = (allow("lambda:InvokeFunctionUrl", function), allow("lambda:InvokeFunction", function, VIA_URL))
    invokes = aws.function(
        "import boto3\ndef handler(event, context):\n    boto3.client('lambda').invoke(FunctionName=event)", *both
    )
    payload, error = aws.invoke(invokes, function)
    assert error
    assert "lambda:InvokeFunction" in payload["errorMessage"]


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
    for number, permission in enumerate(permissions):
        aws.client("lambda").add_permission(FunctionName=function, StatementId=f"permission-{number}", **permission)
    assert status(url(aws, function, "NONE"), None) == expected


def test_cookies_reach_the_function(aws: LocalAws) -> None:
    function = aws.function(
        "def handler(event, context):\n    return {'statusCode': 200, 'body': str(event['cookies'])}"
    )
    for number, permission in enumerate((VISITORS, BY_URL)):
        aws.client("lambda").add_permission(FunctionName=function, StatementId=f"permission-{number}", **permission)
    request = urllib.request.Request(url(aws, function, "NONE"), headers={"Cookie": "a=1; b=2"})
    with urllib.request.urlopen(request) as answer:
        assert answer.read().decode() == "['a=1', 'b=2']"
