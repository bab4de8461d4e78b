"""Create and update REST APIs from OpenAPI: MiniStack's ImportRestApi creates an empty API, and it has no PutRestApi.

``chalice deploy`` uses both. ImportRestApi creates an API from an OpenAPI definition. PutRestApi updates one and either
merges the definition into it or overwrites it. The definition uses API Gateway's OpenAPI extensions.

https://docs.aws.amazon.com/apigateway/latest/api/API_ImportRestApi.html
https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import apigateway_v1, extend

EXTENDS = (
    "ministack.services.apigateway_v1:_authorizers_v1",
    "ministack.services.apigateway_v1:_delete_rest_api",
    "ministack.services.apigateway_v1:_gateway_responses",
    "ministack.services.apigateway_v1:_import_operation",
    "ministack.services.apigateway_v1:_import_path_item",
    "ministack.services.apigateway_v1:_import_rest_api",
    "ministack.services.apigateway_v1:_import_security_schemes",
    "ministack.services.apigateway_v1:_models",
    "ministack.services.apigateway_v1:_put_gateway_response",
    "ministack.services.apigateway_v1:_put_integration",
    "ministack.services.apigateway_v1:_put_integration_response",
    "ministack.services.apigateway_v1:_put_method_response",
    "ministack.services.apigateway_v1:_qp",
    "ministack.services.apigateway_v1:_request_validators",
    "ministack.services.apigateway_v1:_resources",
    "ministack.services.apigateway_v1:_rest_api_view",
    "ministack.services.apigateway_v1:_rest_apis",
    "ministack.services.apigateway_v1:_v1_error",
    "ministack.services.apigateway_v1:_v1_response",
    "ministack.services.apigateway_v1:handle_request",
)

Response = tuple[int, dict[str, str], bytes]
Spec = dict[str, Any]

# By OpenAPI extension: the field of the REST API that it sets, and the default for definitions without it.
_API_FIELDS: dict[str, tuple[str, Any]] = {
    "x-amazon-apigateway-binary-media-types": ("binaryMediaTypes", []),
    "x-amazon-apigateway-minimum-compression-size": ("minimumCompressionSize", None),
    "x-amazon-apigateway-policy": ("policy", None),
    "x-amazon-apigateway-api-key-source": ("apiKeySource", "HEADER"),
}


def install() -> None:
    """Add the two calls, and import operations completely. MiniStack imports only an integration's type and URI."""
    extend(apigateway_v1, "handle_request", _with_import)
    extend(apigateway_v1, "_import_operation", _whole_operation)


async def _with_import(
    handle: Callable[..., Any], method: str, path: str, headers: Any, body: bytes, query_params: Any
) -> Any:
    """Answer ImportRestApi and PutRestApi. Pass other requests to MiniStack."""
    parts = [part for part in path.split("/") if part]
    mode = apigateway_v1._qp(query_params, "mode")
    importing = method == "POST" and parts == ["restapis"] and mode == "import"
    putting = method == "PUT" and len(parts) == 2 and parts[0] == "restapis"
    if not importing and not putting:
        return await handle(method, path, headers, body, query_params)
    try:
        spec = json.loads(body)
    except ValueError:
        return apigateway_v1._v1_error("BadRequestException", "Invalid OpenAPI input (YAML isn't read here)", 400)
    return import_rest_api(spec) if importing else put_rest_api(parts[1], spec, mode or "merge")


def import_rest_api(spec: Spec) -> Response:
    """Create an API from the definition. Return 201 and the RestApi."""
    return _answer(_create(spec), 201)


def put_rest_api(api_id: str, spec: Spec, mode: str) -> Response:
    """Update the API from the definition. Return 200 and the RestApi, or 404.

    Mode ``overwrite`` removes what the definition lacks, including gateway responses. The API keeps its id, stages and
    deployments. Mode ``merge`` only adds, and replaces what the definition also has.
    """
    api = apigateway_v1._rest_apis.get(api_id)
    if api is None:
        error: Response = apigateway_v1._v1_error(
            "NotFoundException", f"Invalid API identifier specified {api_id}", 404
        )
        return error
    if mode == "overwrite":
        made = _create(spec)
        for parts in (
            apigateway_v1._resources,
            apigateway_v1._authorizers_v1,
            apigateway_v1._models,
            apigateway_v1._gateway_responses,
            apigateway_v1._request_validators,
        ):
            parts[api_id] = parts.get(made) or {}
            parts.pop(made, None)
        fields = [field for field, _ in _API_FIELDS.values()]
        api.update({field: apigateway_v1._rest_apis[made][field] for field in ["name", "version", *fields]})
        apigateway_v1._delete_rest_api(made)
    else:
        schemes = apigateway_v1._import_security_schemes(api_id, spec)
        for path, item in (spec.get("paths") or {}).items():
            apigateway_v1._import_path_item(api_id, path, item, schemes, spec.get("security"))
        _set_api_fields(api_id, spec, only_given=True)
    return _answer(api_id, 200)


def _create(spec: Spec) -> str:
    api_id: str = apigateway_v1._import_rest_api(spec)
    _set_api_fields(api_id, spec, only_given=False)
    return api_id


def _set_api_fields(api_id: str, spec: Spec, only_given: bool) -> None:
    """Set the API's fields and gateway responses. ``only_given`` leaves fields alone that the definition lacks."""
    api = apigateway_v1._rest_apis[api_id]
    for extension, (field, default) in _API_FIELDS.items():
        if extension in spec or not only_given:
            api[field] = spec.get(extension, default)
    for response_type, response in (spec.get("x-amazon-apigateway-gateway-responses") or {}).items():
        apigateway_v1._put_gateway_response(api_id, response_type, response)


def _answer(api_id: str, status: int) -> Response:
    view = apigateway_v1._rest_api_view(apigateway_v1._rest_apis[api_id])
    response: Response = apigateway_v1._v1_response(view, status)
    return response


def _whole_operation(
    import_operation: Callable[..., None],
    api_id: str,
    resource_id: str,
    http_method: str,
    operation: Spec,
    *args: Any,
) -> None:
    """Import an operation with its parameters, method responses and the whole integration."""
    import_operation(api_id, resource_id, http_method, operation, *args)
    at = (api_id, resource_id, http_method)
    method = apigateway_v1._resources[api_id][resource_id]["resourceMethods"][http_method]
    places = {"query": "querystring", "header": "header", "path": "path"}
    method["requestParameters"] = {
        f"method.request.{places[parameter['in']]}.{parameter['name']}": bool(parameter.get("required"))
        for parameter in operation.get("parameters", [])
        if parameter.get("in") in places
    }
    for status, response in (operation.get("responses") or {}).items():
        headers = {f"method.response.header.{name}": False for name in response.get("headers", {})}
        apigateway_v1._put_method_response(*at, str(status), {"responseParameters": headers})
    integration = operation.get("x-amazon-apigateway-integration")
    if not integration:
        return
    data = {name: value for name, value in integration.items() if name != "responses"}
    for name in ("type", "passthroughBehavior"):
        if name in data:
            data[name] = data[name].upper()
    apigateway_v1._put_integration(*at, data)
    for pattern, response in (integration.get("responses") or {}).items():
        selection = {} if pattern == "default" else {"selectionPattern": pattern}
        apigateway_v1._put_integration_response(*at, str(response.get("statusCode", "200")), {**response, **selection})
