"""Require lambda:InvokeFunction for signed requests to a function URL; MiniStack requires only InvokeFunctionUrl.

"Starting in October 2025, new function URLs will require both lambda:InvokeFunctionUrl and lambda:InvokeFunction
permissions". The condition key ``lambda:InvokedViaFunctionUrl`` distinguishes this from an invocation through the API.

https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import app, extend, lambda_svc

EXTENDS = (
    "ministack.app:_enforce_data_plane",
    "ministack.app:_handle_lambda_url_request",
    "ministack.services.lambda_svc:_function_url_is_signed",
)


def install() -> None:
    """Require both actions."""
    extend(app, "_enforce_data_plane", _both)


def _both(
    enforce: Callable[..., Any], service: str, action: str, headers: Any, query: Any, *rest: Any, **more: Any
) -> Any:
    """Authorize lambda:InvokeFunction after lambda:InvokeFunctionUrl. Return the denial, or None."""
    denied = enforce(service, action, headers, query, *rest, **more)
    # An unsigned request has no principal. If the URL's AuthType is AWS_IAM, MiniStack rejects it elsewhere.
    if denied or action != "lambda:InvokeFunctionUrl" or not lambda_svc._function_url_is_signed(headers, query):
        return denied
    context = {**(more.get("service_context") or {}), "lambda:InvokedViaFunctionUrl": "true"}
    return enforce(service, "lambda:InvokeFunction", headers, query, *rest, **(more | {"service_context": context}))
