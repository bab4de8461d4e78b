"""Function URLs: their permissions, and an address that a browser on this machine can open.

MiniStack requires only lambda:InvokeFunctionUrl for signed requests, and nothing for others; here lambda:InvokeFunction
is required too, and both of the function's own policy where everybody may ask. Its events lack ``cookies``.

"Starting in October 2025, new function URLs will require both lambda:InvokeFunctionUrl and lambda:InvokeFunction
permissions". The condition key ``lambda:InvokedViaFunctionUrl`` distinguishes this from an invocation through the API.

https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import app, cloudformation, extend, lambda_svc

EXTENDS = (
    "ministack.services.lambda_svc:_functions",
    "ministack.services.lambda_svc:_build_function_url_event",
    "ministack.services.cloudformation.provisioners:_lambda_url_attributes",
    "ministack.app:_enforce_data_plane",
    "ministack.app:_handle_lambda_url_request",
    "ministack.services.lambda_svc:_function_url_is_signed",
)


def install() -> None:
    """Require both actions, and tell stacks an address of this machine."""
    extend(app, "_enforce_data_plane", _both)
    extend(cloudformation, "_lambda_url_attributes", _of_this_machine)
    extend(lambda_svc, "_build_function_url_event", _with_cookies)


_FORBIDDEN = (403, {"Content-Type": "application/json"}, b'{"Message":"Forbidden"}')
_BY_ANYBODY = {
    "lambda:InvokeFunctionUrl": ("lambda:FunctionUrlAuthType", "NONE"),
    "lambda:InvokeFunction": ("lambda:InvokedViaFunctionUrl", "true"),
}
"""Both actions that a function's policy must allow everybody, each with the one condition that may restrict it:
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html#urls-auth-none"""


def _is_open(arn: str) -> bool:
    """Whether the function's own policy lets everybody ask its address."""
    name = arn.rpartition(":")[2]
    statements = [
        statement
        for (_, _, function), it in lambda_svc._functions.all_items()
        if function == name
        for statement in it["policy"]["Statement"]
    ]
    return all(
        any(
            statement["Action"] == action
            and statement["Principal"] in ("*", {"AWS": "*"})
            and all(pair == (key, value) for each in statement.get("Condition", {}).values() for pair in each.items())
            for statement in statements
        )
        for action, (key, value) in _BY_ANYBODY.items()
    )


def _with_cookies(build: Callable[..., dict[str, Any]], *words: Any, **more: Any) -> dict[str, Any]:
    """An event with ``cookies``: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html"""
    event = build(*words, **more)
    cookies = [each.strip() for each in event["headers"].get("cookie", "").split(";") if each.strip()]
    return event | ({"cookies": cookies} if cookies else {})


def _of_this_machine(attributes: Callable[[Any], dict[str, str]], config: Any) -> dict[str, str]:
    """The attributes of an ``AWS::Lambda::Url``, its address below that of the local AWS: it has no host names."""
    found = attributes(config)
    url_id = found["FunctionUrl"].removeprefix("https://").partition(".")[0]
    return found | {"FunctionUrl": f"{os.environ['AWS_ENDPOINT_URL']}/_aws/lambda-url/{url_id}/"}


def _both(
    enforce: Callable[..., Any], service: str, action: str, headers: Any, query: Any, *rest: Any, **more: Any
) -> Any:
    """Authorize lambda:InvokeFunction after lambda:InvokeFunctionUrl. Return the denial, or None."""
    denied = enforce(service, action, headers, query, *rest, **more)
    if denied or action != "lambda:InvokeFunctionUrl":
        return denied
    if not lambda_svc._function_url_is_signed(headers, query):
        # An unsigned request has no principal. If the URL's AuthType is AWS_IAM, MiniStack rejects it elsewhere.
        context = more.get("service_context") or {}
        is_public = context.get("lambda:FunctionUrlAuthType") == "NONE"
        return _FORBIDDEN if is_public and not _is_open(more["resource_arn"]) else None
    context = {**(more.get("service_context") or {}), "lambda:InvokedViaFunctionUrl": "true"}
    return enforce(service, "lambda:InvokeFunction", headers, query, *rest, **(more | {"service_context": context}))
