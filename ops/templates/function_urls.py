"""Function URLs: of ``get_message_url``, for signed requests, and of ``inbox``, for everybody."""

from __future__ import annotations

from typing import Any

from chalicelib.function_spec import FunctionSpec
from chalicelib.settings import Stage
from ops.templates.function_directory import entry

FUNCTION_URL, INBOX = "GetMessageUrl", "Inbox"
"""The outputs with the addresses of ``get_message_url`` and ``inbox``, where the stage has them."""


def signed_url(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """An address of the function's own. It has no resource policy, so a caller's policy must allow both actions:
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"""
    return {
        "Type": "AWS::Lambda::Url",
        "Properties": {"TargetFunctionArn": stage.function(spec.name), "AuthType": "AWS_IAM"},
    }


def public_url(spec: FunctionSpec, stage: Stage, logical: str) -> dict[str, Any]:
    """An address that everybody may ask, which needs both permissions, and a parameter that says where it is:
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html#urls-auth-none"""
    function, address = stage.function(spec.name), f"{logical}Address"
    return {
        address: {
            "Type": "AWS::Lambda::Url",
            "Properties": {"TargetFunctionArn": function, "AuthType": "NONE"},
        },
        f"{logical}Entry": entry(
            f"{stage.parameters}/resources/{spec.name}",
            f"Where the stage's {spec.name} is",
            {"Fn::GetAtt": [address, "FunctionUrl"]},
        ),
        f"{logical}Visitors": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": function,
                "Action": "lambda:InvokeFunctionUrl",
                "Principal": "*",
                "FunctionUrlAuthType": "NONE",
            },
        },
        f"{logical}ByUrl": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": function,
                "Action": "lambda:InvokeFunction",
                "Principal": "*",
                "InvokedViaFunctionUrl": True,
            },
        },
    }
