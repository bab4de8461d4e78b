"""Who signs a request to a function URL needs both of its actions.

"Control access to Lambda function URLs": "Starting in October 2025, new function URLs will require both
lambda:InvokeFunctionUrl and lambda:InvokeFunction permissions"; the condition key ``lambda:InvokedViaFunctionUrl``
tells the second from an invocation by the API. MiniStack asks for the first alone.

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
    """Ask for the second action too."""
    extend(app, "_enforce_data_plane", _both)


def _both(
    enforce: Callable[..., Any], service: str, action: str, headers: Any, query: Any, *rest: Any, **more: Any
) -> Any:
    denied = enforce(service, action, headers, query, *rest, **more)
    # What isn't signed is nobody's, and refused by the URL itself where it asks for a signature.
    if denied or action != "lambda:InvokeFunctionUrl" or not lambda_svc._function_url_is_signed(headers, query):
        return denied
    context = {**(more.get("service_context") or {}), "lambda:InvokedViaFunctionUrl": "true"}
    return enforce(service, "lambda:InvokeFunction", headers, query, *rest, **(more | {"service_context": context}))
