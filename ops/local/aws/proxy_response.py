"""Answer "Internal server error" if a function behind a proxy integration fails; MiniStack shows the caller the error.

"If the Lambda API rejects the invocation request, API Gateway returns a 500 error code. If the function runs but
returns an error, or returns a response in the wrong format, API Gateway returns a 502 error code." The response has the
headers of the API's DEFAULT_5XX gateway response. The cause is logged.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import Result, apigateway_v1, extend

EXTENDS = (
    "ministack.services.apigateway_v1:_execute_in_scope",
    "ministack.services.apigateway_v1:_gateway_error_response",
    "ministack.services.apigateway_v1:_gw_error",
    "ministack.services.apigateway_v1:_invoke_lambda_proxy_v1",
    "ministack.services.apigateway_v1:_lambda_proxy_response",
)

logger = logging.getLogger("herald.local.proxy_response")

_request: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("herald_local_proxied_request")


class ProxyFailure(Exception):
    """The function returned no valid proxy response. ``status`` is the HTTP status for the caller: 500 or 502."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def install() -> None:
    """Answer failed invocations as API Gateway does."""
    extend(apigateway_v1, "_execute_in_scope", _remember_request)
    extend(apigateway_v1, "_lambda_proxy_response", _checked)
    extend(apigateway_v1, "_invoke_lambda_proxy_v1", _answer_failure)


async def _remember_request(execute: Callable[..., Any], request: dict[str, Any], *args: Any) -> Any:
    """Keep the request, whose API has the gateway responses."""
    _request.set(request)
    return await execute(request, *args)


def _checked(respond: Callable[[Result], Any], result: Result) -> Any:
    """Return the function's response. Raises ProxyFailure if it failed or the response is malformed."""
    if result.get("throttle"):
        raise ProxyFailure(500, "Lambda rejected the invocation: too many requests")
    body = result.get("body")
    if result.get("error"):
        raise ProxyFailure(502, f"Lambda execution failed: {body.get('errorType') if isinstance(body, dict) else ''}")
    if not isinstance(body, dict) or not str(body.get("statusCode", "")).isdigit():
        raise ProxyFailure(502, "Malformed Lambda proxy response")
    return respond(result)


async def _answer_failure(invoke: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Invoke the function. Turn a ProxyFailure into the DEFAULT_5XX gateway response."""
    try:
        return await invoke(*args, **kwargs)
    except ProxyFailure as failure:
        logger.warning("%s", failure)
        error = apigateway_v1._gw_error("DEFAULT_5XX", "Internal server error")
        _, headers, body = apigateway_v1._gateway_error_response(error, _request.get())
        return failure.status, headers, body
