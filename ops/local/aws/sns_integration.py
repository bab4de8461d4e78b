"""Support API Gateway's AWS integration with SNS, which publishes a request without a function; MiniStack has none.

The integration request has the role's credentials, mapped parameters and a template by content type. The integration
response is selected by ``selectionPattern``, which matches the HTTP status code for all AWS back ends but Lambda. SNS
answers API Gateway in JSON: response templates use ``$.PublishResponse.PublishResult.MessageId``, or ``$.Error.Code``
for an error.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-response.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-request.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
https://docs.aws.amazon.com/apigateway/latest/api/API_IntegrationResponse.html
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import json
import logging
import os
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

from ops.local.aws import iam_role, mapping_template
from ops.local.aws.ministack_modules import apigateway_v1, extend, responses

EXTENDS = (
    "ministack.core.responses:get_account_id",
    "ministack.services.apigateway_v1:_execute_in_scope",
    "ministack.services.apigateway_v1:_gateway_request_value",
    "ministack.services.apigateway_v1:_gw_error",
    "ministack.services.apigateway_v1:_header_ci",
    "ministack.services.apigateway_v1:_invoke_lambda_custom_v1",
    "ministack.services.apigateway_v1:_parse_service_integration_uri",
    "ministack.services.apigateway_v1:_render_request_template_v1",
    "ministack.services.apigateway_v1:_select_service_integration_response",
    "ministack.services.apigateway_v1:_service_integration_response",
    "ministack.services.apigateway_v1:_vtl_json_path",
)

FORM = "application/x-www-form-urlencoded"

logger = logging.getLogger("herald.local.sns_integration")

_request: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("herald_local_request")


class ConfigurationError(Exception):
    """The integration is misconfigured. API Gateway answers 500 "Internal server error" and logs the reason."""


def install() -> None:
    """Serve integrations whose URI names SNS. MiniStack serves all others."""
    extend(apigateway_v1, "_execute_in_scope", _remember_request)
    extend(apigateway_v1, "_invoke_lambda_custom_v1", _invoke)


async def _remember_request(execute: Callable[..., Any], request: dict[str, Any], *args: Any) -> Any:
    """Keep the request for the integration's parameter mappings."""
    _request.set(request)
    return await execute(request, *args)


async def _invoke(
    invoke_lambda: Callable[..., Any],
    integration: dict[str, Any],
    api_id: str,
    stage_name: str,
    stage: dict[str, Any],
    resource: dict[str, Any],
    request_path: str,
    method: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    path_params: dict[str, str],
    **kwargs: Any,
) -> Any:
    """Call SNS if the integration's URI names it, and return status, headers and body; else invoke the function."""
    target = apigateway_v1._parse_service_integration_uri(integration.get("uri", ""))
    if not target or target[1] != "sns":
        at = (integration, api_id, stage_name, stage, resource, request_path, method)
        return await invoke_lambda(*at, headers, body, query_params, path_params, **kwargs)
    query = {name: value[0] if isinstance(value, list) else value for name, value in (query_params or {}).items()}
    parameters = mapping_template.Parameters(path_params or {}, query, headers or {})
    request = _request.get()
    context: dict[str, Any] = {
        "accountId": responses.get_account_id(),
        "apiId": api_id,
        "authorizer": kwargs.get("authorizer_context") or {},
        "httpMethod": method,
        "identity": {
            "sourceIp": "127.0.0.1",
            "userAgent": apigateway_v1._header_ci(headers, "user-agent"),
        },
        "path": f"/{stage_name}{request_path}",
        "protocol": "HTTP/1.1",
        "requestId": request["request_id"],
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
        "requestTimeEpoch": int(time.time() * 1000),
        "resourcePath": resource["path"],
        "stage": stage_name,
    }
    try:
        text = body.decode("utf-8", "replace") if body else ""
        form = integration_request(integration, request, target, text, parameters, context)
        status, answer = await asyncio.to_thread(_call, integration.get("credentials"), target[0], form)
        context["status"] = status
        accept = apigateway_v1._header_ci(headers, "accept").split(",")[0].split(";")[0].strip().lower()
        method_object = resource["resourceMethods"].get(method) or resource["resourceMethods"].get("ANY")
        made = method_response(integration, method_object, status, answer, accept, parameters, context)
    except (ConfigurationError, mapping_template.TemplateError) as error:
        logger.warning("Execution failed due to configuration error: %s", error)
        return apigateway_v1._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
    made[1].setdefault("x-amzn-RequestId", context["requestId"])
    return made


def integration_request(
    integration: dict[str, Any],
    request: dict[str, Any],
    target: tuple[str, str, str, str],
    body: str,
    parameters: dict[str, str],
    context: dict[str, Any],
) -> str:
    """Return the form-encoded body for SNS: parameters of the URI, mapped parameters and the rendered template.

    ``request`` is MiniStack's. ``target`` is region, service, ``action`` or ``path``, and the rest of the URI.
    """
    content_type = apigateway_v1._header_ci(request["headers"], "content-type") or "application/json"
    content_type = content_type.split(";")[0].strip().lower()
    templates = {
        name.split(";")[0].strip().lower(): template
        for name, template in (integration.get("requestTemplates") or {}).items()
    }
    if content_type in templates:
        body = apigateway_v1._render_request_template_v1(templates[content_type], body, parameters, context)
    mapped = {
        destination.removeprefix("integration.request."): apigateway_v1._gateway_request_value(source, request)
        for destination, source in (integration.get("requestParameters") or {}).items()
    }
    query = {
        name.removeprefix("querystring."): value
        for name, value in mapped.items()
        if name.startswith("querystring.") and value is not None
    }
    _, _, verb, rest = target
    if verb == "action":
        action, _, more = rest.partition("&")
        query = {"Action": action, **dict(urllib.parse.parse_qsl(more)), **query}
    sent_type = {name.lower(): value for name, value in mapped.items()}.get("header.content-type")
    if not (sent_type or content_type).startswith(FORM):
        # SNS's Query API reads only forms, so it ignores a body of another content type: a common mistake.
        body = ""
    return "&".join(filter(None, [urllib.parse.urlencode(query), body]))


def _call(role_arn: str | None, region: str, form: str) -> tuple[int, str]:
    """Post the form to SNS with the role's credentials. Return the HTTP status and the answer as JSON.

    Raises ConfigurationError if API Gateway may not assume the role.
    """
    if not role_arn:
        return 403, _error_document("MissingAuthenticationToken", "Request is missing Authentication Token")
    if not iam_role.trusts(role_arn, "apigateway.amazonaws.com"):
        raise ConfigurationError(f"API Gateway does not have permission to assume the provided role {role_arn}")
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    session = iam_role.assume(role_arn, "BackplaneAssumeRoleSession")
    headers = {"Content-Type": f"{FORM}; charset=utf-8"}
    url = os.environ["AWS_ENDPOINT_URL"] + "/"
    request = AWSRequest(method="POST", url=url, data=form.encode(), headers=headers)
    SigV4Auth(Credentials(*session), "sns", region).add_auth(request)
    answer = URLLib3Session(timeout=29).send(request.prepare())
    return answer.status_code, _as_json(answer.text)


def _error_document(code: str, message: str) -> str:
    return json.dumps({"Error": {"Code": code, "Message": message, "Type": "Sender"}, "RequestId": ""})


def _as_json(xml: str) -> str:
    """Convert an XML answer of the Query API to JSON."""
    tree = ElementTree.fromstring(xml)  # noqa: S314 -- it is this server that answered
    document = _element(tree)
    name = tree.tag.rsplit("}", 1)[-1]
    if name == "PublishResponse" and isinstance(document, dict):
        document["PublishResult"].setdefault("SequenceNumber", None)
    return json.dumps(document if name == "ErrorResponse" else {name: document}, ensure_ascii=False)


def _element(element: ElementTree.Element) -> Any:
    """Return an element's text, or a dict of its children by name."""
    if len(element) == 0:
        return element.text
    return {child.tag.rsplit("}", 1)[-1]: _element(child) for child in element}


def method_response(
    integration: dict[str, Any],
    method: dict[str, Any],
    status: int,
    answer: str,
    accept: str,
    parameters: dict[str, str],
    context: dict[str, Any],
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body for the client.

    ``status`` and ``answer`` (JSON) are the back end's. Raises ConfigurationError if the method doesn't declare the
    response; AWS refuses to deploy such an API.
    """
    selected = apigateway_v1._select_service_integration_response(integration, status)
    if selected is None:
        raise ConfigurationError(f"no integration response matches status {status}")
    declared = (method.get("methodResponses") or {}).get(str(selected.get("statusCode")))
    if declared is None:
        raise ConfigurationError(f"the method declares no response {selected.get('statusCode')}")
    literal = {}
    for name, source in (selected.get("responseParameters") or {}).items():
        if name not in (declared.get("responseParameters") or {}):
            raise ConfigurationError(f"the method's response {selected['statusCode']} declares no {name}")
        value = _response_value(source, answer, context)
        if value is not None:
            literal[name] = f"'{value}'"
    chosen = copy.copy(selected)
    chosen["responseParameters"] = literal
    chosen.pop("selectionPattern", None)
    made: tuple[int, dict[str, str], bytes] = apigateway_v1._service_integration_response(
        {"integrationResponses": {"selected": chosen}}, status, answer, accept, parameters, context
    )
    override = context.get("responseOverride") or {"header": {}}
    headers = {name: str(value) for name, value in override["header"].items()}
    return int(override.get("status", made[0])), {**made[1], **headers}, made[2]


def _response_value(source: str, answer: str, context: dict[str, Any]) -> str | None:
    """Return the value of a mapping: ``'literal'``, ``integration.response.body.…`` or ``context.…``; else None."""
    if len(source) >= 2 and source[0] == source[-1] == "'":
        return source[1:-1]
    if source.startswith("integration.response.body."):
        value = apigateway_v1._vtl_json_path(answer, "$." + source.removeprefix("integration.response.body."))
        return str(value)
    if source.startswith("context."):
        node: Any = context
        for part in source.split(".")[1:]:
            node = node.get(part) if isinstance(node, dict) else None
        return None if node is None else str(node)
    return None
