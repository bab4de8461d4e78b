"""Importing APIs (ops/local/aws/rest_api_import.py, rest_api_compression.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from tests.local_stack.local_aws import LocalAws, sample


def definition(paths: dict[str, Any]) -> dict[str, Any]:
    return {"swagger": "2.0", "info": {"title": "pets", "version": "1"}, "paths": paths}


def mock(origin: str) -> dict[str, Any]:
    """A mock with a static header: https://docs.aws.amazon.com/apigateway/latest/developerguide/enable-cors-mock.html"""
    header = "Access-Control-Allow-Origin"
    return {
        "responses": {"200": {"headers": {header: {"type": "string"}}}},
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {
                "default": {
                    "statusCode": "200",
                    "responseParameters": {f"method.response.header.{header}": f"'{origin}'"},
                }
            },
        },
    }


def paths_of(aws: LocalAws, api: str) -> dict[str, set[str]]:
    items = aws.client("apigateway").get_resources(restApiId=api, embed=["methods"])["items"]
    return {item["path"]: set(item.get("resourceMethods") or {}) for item in items}


def imported(aws: LocalAws, spec: dict[str, Any]) -> str:
    answer = aws.client("apigateway").import_rest_api(body=json.dumps(spec).encode())
    assert answer["name"] == "pets"
    api: str = answer["id"]
    return api


def test_an_import_makes_the_paths_of_the_definition(aws: LocalAws) -> None:
    api = imported(aws, definition({"/pets": {"get": mock("*")}, "/pets/{petId}": {"post": mock("*")}}))
    assert paths_of(aws, api) == {"/": set(), "/pets": {"GET"}, "/pets/{petId}": {"POST"}}


def test_an_import_keeps_all_of_aws_example_integration(aws: LocalAws) -> None:
    expected = sample("integration")
    operation = {
        "parameters": [{"name": "version", "in": "query", "required": True, "type": "string"}],
        "responses": {"200": {"headers": {"requestId": {"type": "string"}}}, "302": {}, "400": {}},
        "x-amazon-apigateway-integration": expected,
    }
    api = imported(aws, definition({"/hello": {"post": operation}}))
    gateway = aws.client("apigateway")
    items = gateway.get_resources(restApiId=api)["items"]
    resource = next(item["id"] for item in items if item["path"] == "/hello")
    method = gateway.get_method(restApiId=api, resourceId=resource, httpMethod="POST")
    integration = method["methodIntegration"]

    assert integration["type"] == "AWS"
    for key in ("uri", "credentials", "requestTemplates", "requestParameters"):
        assert integration[key] == expected[key]
    answers = {
        response.get("selectionPattern") or "default": {
            key: response[key] for key in ("statusCode", "responseParameters", "responseTemplates") if response.get(key)
        }
        for response in integration["integrationResponses"].values()
    }
    assert answers == expected["responses"]
    assert method["requestParameters"] == {"method.request.querystring.version": True}
    assert method["methodResponses"]["200"]["responseParameters"] == {"method.response.header.requestId": False}


def test_overwrite_leaves_only_what_the_definition_holds(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/import-export-api-endpoints.html"""
    gateway = aws.client("apigateway")
    api = imported(aws, definition({"/pets": {"get": mock("*")}, "/old": {"get": mock("*")}}))
    gateway.put_gateway_response(restApiId=api, responseType="THROTTLED", statusCode="429")
    gateway.create_deployment(restApiId=api, stageName="api")

    spec = definition({"/pets": {"get": mock("*"), "post": mock("*")}})
    spec["x-amazon-apigateway-binary-media-types"] = ["multipart/form-data"]
    answer = gateway.put_rest_api(restApiId=api, mode="overwrite", body=json.dumps(spec).encode())

    assert (answer["id"], answer["binaryMediaTypes"]) == (api, ["multipart/form-data"])
    assert paths_of(aws, api) == {"/": set(), "/pets": {"GET", "POST"}}
    assert gateway.get_gateway_response(restApiId=api, responseType="THROTTLED")["defaultResponse"]
    assert [stage["stageName"] for stage in gateway.get_stages(restApiId=api)["item"]] == ["api"]
    assert api in [each["id"] for each in gateway.get_rest_apis(limit=500)["items"]]


def test_merge_adds_and_the_definition_wins(aws: LocalAws) -> None:
    gateway = aws.client("apigateway")
    api = imported(aws, definition({"/pets": {"get": mock("https://old.test")}, "/old": {"get": mock("*")}}))

    spec = definition({"/pets": {"get": mock("https://new.test")}, "/new": {"get": mock("*")}})
    gateway.put_rest_api(restApiId=api, mode="merge", body=json.dumps(spec).encode())
    gateway.create_deployment(restApiId=api, stageName="api")

    assert paths_of(aws, api).keys() == {"/", "/pets", "/old", "/new"}
    answer = requests.get(f"{aws.endpoint}/restapis/{api}/api/_user_request_/pets", timeout=60)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://new.test"


def test_an_unknown_api_can_not_be_put(aws: LocalAws) -> None:
    with pytest.raises(ClientError) as refused:
        aws.client("apigateway").put_rest_api(restApiId="none", body=json.dumps(definition({})).encode())
    assert refused.value.response["Error"]["Code"] == "NotFoundException"


def test_compression_is_a_number_or_absent(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/api/API_RestApi.html#apigw-Type-RestApi-minimumCompressionSize"""
    gateway = aws.client("apigateway")
    api = imported(aws, definition({}))

    def replace(value: str) -> dict[str, Any]:
        operation = {"op": "replace", "path": "/minimumCompressionSize", "value": value}
        answer: dict[str, Any] = gateway.update_rest_api(restApiId=api, patchOperations=[operation])
        return answer

    assert replace("1024")["minimumCompressionSize"] == 1024
    assert "minimumCompressionSize" not in replace("")
    assert "minimumCompressionSize" not in gateway.get_rest_api(restApiId=api)
    assert gateway.get_rest_apis(limit=500)["items"]
